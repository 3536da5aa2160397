"""The one small torch trainer: seeds, device, schedule, smoothing, augmentation, clipping, progress, checkpoints.

>>> from trueneg.core.nets import ResNet
>>> from trueneg.core.training import Recipe, seeded, train
>>> with seeded(0):
...     net = ResNet(10, depth=8)
>>> history = train(net, X, y, recipe=Recipe(epochs=10), augment=crop_flip(4), random_state=0)  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._training_run import Run, computed, optimizer_of
from trueneg.core.devices import batch_of, device_of, evaluating, steps_of, tensor_of, through
from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["History", "Recipe", "class_numbers", "crop_flip", "on_threads", "outputs", "pictures", "seeded", "train"]

PRECISIONS = ("float32", "bfloat16")

Progress = Callable[[str, int, int], None]
Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    epochs : int, default=20
        Passes over the rows.
    batch_size : int, default=128
        Rows a step; the last batch of an epoch is dropped where it has one row (batch normalisation needs two).
    optimizer : {"sgd", "adam"}, default="sgd"
        SGD with Nesterov's momentum; Adam with decoupled weight decay.
    lr : float, default=0.1
        Highest learning rate.
    momentum : float, default=0.9
        Of SGD.
    weight_decay : float, default=5e-4
        On every parameter.
    warmup : float, default=1.0
        Epochs in which the rate rises in a line.
    restarts : int, default=0
        Warm restarts of the cosine: 2 gives three equal cycles after the warm-up.
    floor : float, default=1e-3
        Lowest rate of a cycle, as a share of ``lr``.
    label_smoothing : float, default=0.0
        Share of the target spread over all classes; of the built-in loss only.
    clip_norm : float or None, default=None
        Largest norm of the gradient.
    threads : int, default=1
        Of the CPU: small networks are slower on several, and far slower on a busy machine; transformers are faster.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16": products under torch's autocast, pictures channels last; weights, loss and optimiser stay float32.
        1.3 times as fast for 16 channels and 4 times for 32 on a processor with matrix units; slower on one without.
    checkpoint : str, Path or None, default=None
        Folder in which weights, optimiser and random state are kept; training that finds them there goes on from them,
        and ends as if it had never been interrupted. Needs safetensors.
    checkpoint_every : int, default=0
        Steps between two checkpoints; one is made after each epoch as well.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 1.0
    restarts: int = 0
    floor: float = 1e-3
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    threads: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint: str | Path | None = None
    checkpoint_every: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name, ok, want in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("optimizer", self.optimizer in ("sgd", "adam"), "'sgd' or 'adam'"),
            ("lr", self.lr > 0, "above 0"),
            ("warmup", 0 <= self.warmup < max(self.epochs, 1), "0 or more, and less than epochs"),
            ("restarts", self.restarts >= 0, "0 or more"),
            ("floor", 0 <= self.floor <= 1, "a share of lr, 0 to 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 or more and below 1"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "above 0, or None"),
            ("threads", self.threads >= 1, "1 or more"),
            ("precision", self.precision in PRECISIONS, "'float32' or 'bfloat16'"),
            ("checkpoint_every", self.checkpoint_every >= 0, "a number of steps, or 0"),
        ):
            if not ok:
                msg = f"{name}={getattr(self, name)!r}: give {want}."
                raise InputError(msg)

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a point of training, in epochs (2.5: in the middle of the third)."""
        if epoch < self.warmup:
            return self.lr * max(epoch / self.warmup, self.floor)
        cycle = (self.epochs - self.warmup) / (self.restarts + 1)
        done = min((epoch - self.warmup) / cycle, self.restarts + 1 - 1e-9) % 1.0
        low = self.floor * self.lr
        return low + (self.lr - low) * (1 + math.cos(math.pi * done)) / 2


@dataclass
class History:
    """What training saw: mean loss and accuracy on its own rows, an entry an epoch (of augmented, moving weights)."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def train(
    net: nn.Module,
    X: Any,
    y: ArrayLike,
    *,
    recipe: Recipe | None = None,
    loss: Loss | None = None,
    augment: Augment | None = None,
    clipped: nn.Module | None = None,
    on_epoch: Callable[[int, nn.Module], Any] | None = None,
    device: str = "cpu",
    random_state: int | np.random.Generator | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a network in place; it ends in evaluation mode, on ``device``.

    Parameters
    ----------
    net : torch.nn.Module
        Takes float32 batches.
    X : array-like or tensor of shape (n, ...)
        uint8 pixels become [0, 1] a batch at a time; a picture may be (n, h, w, channels) or (n, channels, h, w).
        ``range(n)``: the network is handed row numbers (int64) and looks its input up, whatever that is.
    y : array-like of shape (n,)
        Class numbers from 0.
    recipe : Recipe or None, default=None
        None: ``Recipe()``.
    loss : callable or None, default=None
        ``loss(outputs, targets, rows)``, a mean or one value a row; ``rows`` are the row numbers of the batch, for
        weights and teachers. Parameters of an ``nn.Module`` are trained too. None: cross-entropy.
    augment : callable or None, default=None
        ``augment(batch, generator)`` returns a changed batch, such as :func:`crop_flip`.
    clipped : torch.nn.Module or None, default=None
        The part whose gradient ``recipe.clip_norm`` bounds, the rest goes free; None: all that is trained, as one.
    on_epoch : callable or None, default=None
        ``on_epoch(epoch, net)`` after each epoch from 1, the network in evaluation mode: for checkpoints and curves.
        Training stops where it returns True.
    device : str, default="cpu"
        Where to compute; on the CPU by ``recipe.threads``.
    random_state : int, Generator or None, default=None
        Order, augmentation and dropout; the weights are drawn before, see :func:`seeded`.
    progress : callable or None, default=None
        ``progress("epochs", done, total)``.

    Returns
    -------
    History

    Raises
    ------
    InputError
        On rows that do not fit, or a loss that is no longer finite.
    """
    how = recipe or Recipe()
    images = None if isinstance(X, range) else pictures(X)
    n = len(X) if images is None else len(images)
    target = torch.as_tensor(class_numbers(y, n))
    if n < 2:
        msg = f"X has {n} rows: give one class number a row, and 2 rows or more."
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    seed = int(rng.integers(2**31))
    with seeded(seed), on_threads(how.threads):
        draw = torch.Generator().manual_seed(seed)
        net.to(device_of(device))
        if how.precision == "bfloat16":
            _laid_out(net, torch.channels_last)
        criterion = loss if loss is not None else _Smoothed(how.label_smoothing, target)
        parameters = [p for p in net.parameters() if p.requires_grad]
        if isinstance(criterion, nn.Module):
            parameters += [p for p in criterion.to(device).parameters() if p.requires_grad]
        run = Run(net, images, target, how, criterion, optimizer_of(how, parameters), augment, draw, rng, History())
        run.bounded = parameters if clipped is None else [p for p in clipped.parameters() if p.requires_grad]
        if how.checkpoint is not None:
            run.resume(None if random_state is None else seed)
        while run.epoch < how.epochs:
            run.one_epoch()
            if progress is not None:
                progress("epochs", run.epoch, how.epochs)
            stop = on_epoch is not None and on_epoch(run.epoch, net) is True
            if stop:
                run.epoch = how.epochs
            run.keep()
    if how.precision == "bfloat16":
        _laid_out(net, torch.contiguous_format)
    net.eval()
    return run.history


def outputs(
    net: Callable[[torch.Tensor], torch.Tensor],
    X: Any,
    *,
    device: str = "cpu",
    batch_size: int | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Any:
    """Return what a network, or a method of one such as ``net.features``, gives for all rows, as float32 (n, ...).

    Parameters
    ----------
    net : torch.nn.Module or callable
        A module is put onto ``device``, and in evaluation mode meanwhile; of what it gives the first tensor counts.
    X : array-like or tensor of shape (n, ...)
        As in :func:`train`.
    device : str, default="cpu"
        Where to compute.
    batch_size : int or None, default=None
        Rows at a time; None: 128 pictures on the CPU, so that they stay in its cache, else 512.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16": products as in :class:`Recipe`, with three digits of each output; 3 times as fast for 32 channels on
        a processor with matrix units.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    InputError
        On rows that the network does not take, and another precision.
    """
    if precision not in PRECISIONS:
        msg = f"precision={precision!r}: give 'float32' or 'bfloat16'."
        raise InputError(msg)
    images = pictures(X)
    few = 128 if images.ndim == 4 and device_of(device).type == "cpu" else 512
    step = few if batch_size is None else batch_size
    ready = evaluating(net, device) if isinstance(net, nn.Module) else nullcontext()
    with ready, torch.inference_mode(), on_threads(1):
        read = partial(computed, net, precision=precision)
        batches = (batch_of(net, images[i : i + step], device) for i in steps_of(len(images), step))
        found = [tensor_of(through(read, batch)).float().cpu().numpy() for batch in batches]
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


def class_numbers(y: Any, n: int) -> NDArray[np.int64]:
    """Return class numbers (n,); InputError on another length, or what is no whole number."""
    values = np.asarray(y.detach().cpu() if isinstance(y, torch.Tensor) else y)
    whole = values.dtype.kind in "biu" or (values.dtype.kind == "f" and bool((values == np.floor(values)).all()))
    if values.shape != (n,) or not whole:
        msg = (
            f"X has {n} rows and y shape {values.shape} and type {values.dtype}: give one class number a row; "
            "np.unique(y, return_inverse=True)[1] makes them of labels."
        )
        raise InputError(msg)
    return values.astype(np.int64)


def crop_flip(pad: int = 4, *, flip: bool = True) -> Augment:
    """Return an augmentation: shift by up to ``pad`` pixels, filled by reflection, and mirror half of the pictures."""

    def change(batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        n, _, h, w = batch.shape
        if flip:
            mirrored = (torch.rand(n, generator=draw) < 0.5).to(batch.device)
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        if not pad:
            return batch
        wide = F.pad(batch, (pad,) * 4, mode="reflect")
        down, right = torch.randint(0, 2 * pad + 1, (2, n), generator=draw).to(batch.device)
        rows = down[:, None] + torch.arange(h, device=batch.device)
        columns = right[:, None] + torch.arange(w, device=batch.device)
        at = torch.arange(n, device=batch.device)[:, None, None]
        return wide[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()

    return change


def pictures(X: Any) -> torch.Tensor:
    """Return X as a CPU tensor, channels first; its type stays, uint8 included.

    Raises
    ------
    InputError
        On NaN or infinity, and on what is no numbers.
    """
    if not isinstance(X, torch.Tensor):
        rows = np.asarray(X)
        if rows.dtype.kind not in "biuf" or not rows.ndim:
            msg = f"X has shape {rows.shape} and type {rows.dtype}: give numbers, one row or picture after another."
            raise InputError(msg)
        X = torch.as_tensor(np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("=")))
    t = X.detach().cpu()
    if t.ndim == 4 and t.shape[1] not in (1, 3) and t.shape[3] in (1, 3):
        t = t.permute(0, 3, 1, 2).contiguous()
    if t.is_floating_point() and not bool(torch.isfinite(t).all()):
        raise InputError("X holds NaN or infinity: repair or drop such rows first.")
    return t


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from a seed inside of the block; its global state is as before afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_available() else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """Compute on this many threads of the CPU inside of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _laid_out(net: nn.Module, order: torch.memory_format) -> None:
    move: Any = net.to  # torch's types do not know the argument
    move(memory_format=order)


class _Smoothed:
    """Cross-entropy with smoothed labels."""

    def __init__(self, smoothing: float, target: torch.Tensor) -> None:
        self.smoothing, self.low, self.high = smoothing, int(target.min()), int(target.max())

    def __call__(self, out: torch.Tensor, target: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if self.low < 0 or out.ndim != 2 or self.high >= out.shape[1]:
            msg = (
                f"y holds class numbers from {self.low} to {self.high}, and the network gives {tuple(out.shape[1:])} "
                "logits a row: give one logit a class, and numbers from 0."
            )
            raise InputError(msg)
        return F.cross_entropy(out, target, label_smoothing=self.smoothing)
