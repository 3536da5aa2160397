"""A good closed-set classifier: the recipe, reciprocal points, and how accuracy and open-set AUROC move together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.estimate import normal_quantile
from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError, missing_extra
from trueneg.core.intervals import Estimate
from trueneg.core.training import Recipe, class_numbers, outputs, train
from trueneg.reject._max_logit.scores import max_logit, max_softmax

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["ARPLLoss", "Checkpoint", "closed_open_correlation", "open_set_recipe", "rand_augment", "train_closed_set"]


def open_set_recipe(
    strength: Literal["weak", "strong"] = "strong",
    *,
    epochs: int = 30,
    lr: float = 0.1,
    batch_size: int = 128,
    label_smoothing: float = 0.0,
    magnitude: float = 6.0,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> tuple[Recipe, Callable[[Tensor, torch.Generator], Tensor] | None]:
    """Return a recipe and its augmentation, to be tuned on closed-set accuracy alone.

    Parameters
    ----------
    strength : {"weak", "strong"}, default="strong"
        "strong": a warm-up, a cosine with two warm restarts, and :func:`rand_augment`. "weak": one
        cosine, no augmentation.
    epochs : int, default=30
        The paper takes 600, and 10 of them to warm up: the same share is taken here.
    lr : float, default=0.1
        Highest rate; 0.01 for 200 classes of 64 pixels, 0.001 for large pictures.
    batch_size : int, default=128
        Rows a step; fewer where there are few rows.
    label_smoothing : float, default=0.0
        0.2 to 0.3 for fine-grained classes; of the built-in loss.
    magnitude : float, default=6.0
        Of the augmentation, 0 to 30: 8 for digits, 18 for house numbers, 6 for small photographs, 9 for 64 pixels.
    precision : {"float32", "bfloat16"}, default="float32"
        Of the products, see :class:`trueneg.core.training.Recipe`.

    Returns
    -------
    recipe : Recipe
        For :func:`trueneg.core.training.train`.
    augment : callable or None
        Likewise.

    References
    ----------
    Vaze et al. (2022), appendix on the training of the baseline.
    """
    if strength not in ("weak", "strong"):
        msg = f"strength={strength!r}: choose 'weak' or 'strong'."
        raise InputError(msg)
    common: dict[str, Any] = {"epochs": epochs, "lr": lr, "batch_size": batch_size, "weight_decay": 1e-4}
    common["precision"] = precision
    if strength == "weak":
        return Recipe(**common, warmup=0.0), None
    smooth: dict[str, Any] = {"label_smoothing": label_smoothing, "warmup": epochs / 60, "restarts": 2}
    return Recipe(**common, **smooth), rand_augment(1, magnitude)


def rand_augment(n: int = 1, magnitude: float = 6.0) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return an augmentation: ``n`` of eight operations a picture, drawn at random, of one strength.

    Shift, rotate, shear (along x or y), brightness, contrast, posterise, solarise, and none. Pictures are (n, c, h, w)
    in [0, 1].

    Parameters
    ----------
    n : int, default=1
        Operations a picture, one after another.
    magnitude : float, default=6.0
        0 (nothing) to 30.

    References
    ----------
    Cubuk, Zoph, Shlens and Le (2020), "RandAugment", arXiv 1909.13719.
    """
    if n < 1 or not 0 <= magnitude <= 30:
        msg = f"n={n!r}, magnitude={magnitude!r}: give 1 operation or more, of magnitude 0 to 30."
        raise InputError(msg)
    level = magnitude / 30

    def once(batch: Tensor, draw: torch.Generator) -> Tensor:
        rows = len(batch)
        kind = torch.randint(0, 8, (rows,), generator=draw).to(batch.device)
        sign = (2.0 * torch.randint(0, 2, (rows,), generator=draw) - 1).to(batch.device)
        axis = torch.randint(0, 2, (rows,), generator=draw).to(batch.device)
        moved = _moved(batch, kind, sign * level, axis)
        pick = kind[:, None, None, None]
        strength = (1 + 0.9 * sign * level)[:, None, None, None]
        mean = batch.mean(dim=(1, 2, 3), keepdim=True)
        steps = 2.0 ** (8 - round(4 * level)) - 1
        out = torch.where(pick < 3, moved, batch)
        out = torch.where(pick == 3, batch * strength, out)
        out = torch.where(pick == 4, mean + (batch - mean) * strength, out)
        out = torch.where(pick == 5, (batch * steps).round() / steps, out)
        out = torch.where(pick == 6, torch.where(batch >= 1 - level, 1 - batch, batch), out)
        return out.clamp(0, 1)

    def change(batch: Tensor, draw: torch.Generator) -> Tensor:
        for _ in range(n if level else 0):
            batch = once(batch, draw)
        return batch

    return change


def _moved(batch: Tensor, kind: Tensor, level: Tensor, axis: Tensor) -> Tensor:
    """Shift (kind 0), rotate (1) or shear (2) each picture by its level, -1 to 1; what comes in is the rim."""
    rows = len(batch)
    matrix = torch.zeros(rows, 2, 3, device=batch.device)
    angle = torch.where(kind == 1, level * math.pi / 6, torch.zeros_like(level))
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    shear = torch.where(kind == 2, 0.3 * level, torch.zeros_like(level))
    matrix[:, 0, 1] = -angle.sin() + shear * (axis == 0)
    matrix[:, 1, 0] = angle.sin() + shear * (axis == 1)
    shift = torch.where(kind == 0, 0.6 * level, torch.zeros_like(level))
    matrix[:, 0, 2], matrix[:, 1, 2] = shift * (axis == 0), shift * (axis == 1)
    grid = F.affine_grid(matrix, list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


class ARPLLoss(nn.Module):
    """Reciprocal points: each class has a point for what it is not, and logits are distances from it.

    The distance of features f to a point P is ``|f - P|^2 / d - f . P``. The loss is the cross-entropy of the
    distances, plus ``weight`` times how far rows of a class are beyond its point's radius, which is learned.

    Parameters
    ----------
    dimension, n_classes : int
        Of the features, and K.
    weight : float, default=0.1
        Of the radius.
    margin : float, default=1.0
        Added to the distance beyond the radius, as in the authors' code; the paper has none.
    temperature : float, default=1.0
        Divides the distances.

    Notes
    -----
    Called with features, targets and row numbers, as :func:`trueneg.core.training.train` does; ``logits`` gives what to
    score. Its points are trained with the network.

    References
    ----------
    Chen, Peng, Wang and Tian (2021), "Adversarial Reciprocal Points Learning for Open Set Recognition",
    arXiv 2103.00953.
    """

    def __init__(
        self, dimension: int, n_classes: int, *, weight: float = 0.1, margin: float = 1.0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        if dimension < 1 or n_classes < 2 or not 0 <= weight < math.inf or not 0 < temperature < math.inf:
            msg = (
                f"dimension={dimension}, n_classes={n_classes}, weight={weight!r}, temperature={temperature!r}: give "
                ">= 1, >= 2, >= 0, > 0, all finite."
            )
            raise InputError(msg)
        self.points = nn.Parameter(0.1 * torch.randn(n_classes, dimension))
        self.radius = nn.Parameter(torch.zeros(()))
        self.weight, self.margin, self.temperature = weight, margin, temperature

    def logits(self, features: Tensor) -> Tensor:
        """Return the distances to the reciprocal points, (n, K)."""
        dot = features @ self.points.T
        square = features.square().sum(1, keepdim=True) - 2 * dot + self.points.square().sum(1)
        return (square / features.shape[1] - dot) / self.temperature

    def forward(self, features: Tensor, target: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the mean loss."""
        beyond = (features - self.points[target]).square().mean(1) - self.radius + self.margin
        return F.cross_entropy(self.logits(features), target) + self.weight * F.relu(beyond).mean()


@dataclass(frozen=True)
class Checkpoint:
    """A network in training, as it does on known and on unknown rows.

    Attributes
    ----------
    epoch : int
        From 1.
    accuracy : float
        On the known rows of the test.
    max_logit, msp : float
        AUROC of the two scores, known against unknown rows.
    """

    epoch: int
    accuracy: float
    max_logit: float
    msp: float


def train_closed_set(
    net: nn.Module,
    X: Any,
    y: ArrayLike,
    *,
    known: tuple[Any, ArrayLike],
    unknown: Any,
    loss: Literal["cross_entropy", "arpl"] = "cross_entropy",
    strength: Literal["weak", "strong"] = "strong",
    every: int = 1,
    on_checkpoint: Callable[[int, NDArray[Any], NDArray[Any]], None] | None = None,
    device: str = "cpu",
    random_state: int | np.random.Generator | None = None,
    **recipe: Any,
) -> tuple[list[Checkpoint], Callable[[Any], NDArray[np.float32]]]:
    """Train a network on known classes, and watch accuracy and open-set AUROC on rows it never learns from.

    Parameters
    ----------
    net : torch.nn.Module
        Of :mod:`trueneg.core.nets`, or with ``features`` and ``head`` as those have them; trained in place.
    X, y
        Rows and class numbers from 0.
    known : tuple of (array-like (m, ...), array-like (m,))
        Other rows of the known classes, and their class numbers.
    unknown : array-like of shape (u, ...)
        Rows of unknown classes; nothing is tuned on them.
    loss : {"cross_entropy", "arpl"}, default="cross_entropy"
        "arpl" replaces the head by the points of :class:`ARPLLoss`.
    strength : {"weak", "strong"}, default="strong"
        As in :func:`open_set_recipe`, which also takes ``**recipe``.
    every : int, default=1
        Epochs between checkpoints; the last epoch is always one.
    on_checkpoint : callable or None, default=None
        ``on_checkpoint(epoch, logits of known, logits of unknown)``: for other scores, curves, or progress.
    device, random_state
        As in :func:`trueneg.core.training.train`.

    Returns
    -------
    checkpoints : list of Checkpoint
        In order; read with the ``precision`` of the recipe.
    logits : callable
        Of rows, from the trained network, (n, K), in float32; ``logits(rows, "bfloat16")`` is faster and has ties, as
        in :func:`trueneg.core.training.outputs`.
    """
    from trueneg.core.training import seeded

    rng = np.random.default_rng(random_state)
    how, augment = open_set_recipe(strength, **recipe)
    if not isinstance(known, tuple | list) or len(known) != 2:
        raise InputError("known must be (rows, class numbers): other rows of the known classes.")
    labels, truth = class_numbers(y, len(X)), class_numbers(known[1], len(known[0]))
    if loss not in ("cross_entropy", "arpl") or every < 1:
        msg = f"loss={loss!r}, every={every!r}: choose 'cross_entropy' or 'arpl', and 1 epoch or more."
        raise InputError(msg)
    if not len(known[0]) or not len(unknown):
        msg = f"{len(known[0])} known and {len(unknown)} unknown rows to watch: give one or more of each."
        raise InputError(msg)
    if loss == "arpl" and not hasattr(net, "features"):
        msg = f"loss='arpl' replaces the head: {type(net).__name__} has no features(x), as trueneg.core.nets have."
        raise InputError(msg)
    criterion: ARPLLoss | None = None
    learner: nn.Module = net
    if loss == "arpl":
        with seeded(int(rng.integers(2**31))):
            criterion = ARPLLoss(_width(net, X), int(labels.max()) + 1)
        learner = _Features(net)

    def logits(rows: Any, precision: Literal["float32", "bfloat16"] = "float32") -> NDArray[np.float32]:
        read = outputs(learner, rows, device=device, precision=precision)
        if criterion is None:
            return np.asarray(read)
        features = torch.as_tensor(read)
        with torch.no_grad():
            return np.asarray(criterion.cpu().logits(features).numpy())

    found: list[Checkpoint] = []

    def watch(epoch: int, _: nn.Module) -> None:
        if epoch % every == 0 or epoch == how.epochs:
            inside, outside = logits(known[0], how.precision), logits(unknown, how.precision)
            marks = np.arange(len(inside) + len(outside)) < len(inside)
            both = np.concatenate([inside, outside])
            right = float((inside.argmax(1) == truth).mean())
            found.append(Checkpoint(epoch, right, *(auroc_of(marks, s(both)) for s in (max_logit, max_softmax))))
            if on_checkpoint is not None:
                on_checkpoint(epoch, inside, outside)
            if criterion is not None:
                criterion.to(device)

    options: dict[str, Any] = {"device": device, "random_state": rng, "on_epoch": watch}
    train(learner, X, labels, recipe=how, loss=criterion, augment=augment, **options)
    return found, logits


class _Features(nn.Module):
    """The network without its head."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net: Any = net

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net.features(x)
        return out


def _width(net: nn.Module, X: Any) -> int:
    found: int = outputs(_Features(net), np.asarray(X)[:2]).shape[1]
    return found


def closed_open_correlation(
    accuracy: Sequence[float] | NDArray[Any], auroc: Sequence[float] | NDArray[Any], *, level: float = 0.95
) -> Estimate:
    """Return the correlation of closed-set accuracy and open-set AUROC over checkpoints or networks.

    Parameters
    ----------
    accuracy, auroc : sequence of float of length m
        One of each a checkpoint, 4 or more.
    level : float, default=0.95
        Of the interval, by Fisher's transformation. Checkpoints of one run are not independent: their interval is too
        narrow, and says how tight the line is, not how sure.

    Returns
    -------
    Estimate
        Pearson's r.
    """
    a, b = np.asarray(accuracy, dtype=np.float64), np.asarray(auroc, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 4 or not np.isfinite([a, b]).all() or a.std() == 0 or b.std() == 0:
        msg = f"{a.shape} accuracies and {b.shape} AUROCs: give 4 or more of each, finite and not all the same."
        raise InputError(msg)
    r = float(np.corrcoef(a, b)[0, 1])
    half = normal_quantile(level) / math.sqrt(len(a) - 3)
    z = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    return Estimate(r, math.tanh(z - half), math.tanh(z + half), level, "Pearson, Fisher's z", len(a))
