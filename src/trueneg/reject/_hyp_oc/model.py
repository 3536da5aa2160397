"""The one-class classifier: a head on frozen features, or on an encoder whose last block learns with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from trueneg.core.devices import batch_of, through
from trueneg.core.errors import InputError, missing_extra
from trueneg.core.training import Recipe, pictures, seeded, train
from trueneg.reject._hyp_oc.checks import check_settings, rate_of
from trueneg.reject._hyp_oc.layers import OneClassNet, PseudoNegatives, Steps, hyperbolic_pairwise_confusion
from trueneg.reject.base import BaseRejecter

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["HyperbolicOneClass"]

_ROWS = 4096  # of a block when scoring
_SOME = 2048  # rows at most that an encoder's features are standardised by
_REAL, _PSEUDO = 1, 0


class HyperbolicOneClass(BaseRejecter):
    """One-class classification on the Poincare ball, against pseudo-negatives drawn around the mean of the features.

    Learns from familiar rows alone. Each step draws as many pseudo-negatives as there are rows, and lowers the
    cross-entropy of a hyperbolic logistic layer on both, plus ``pc_weight`` times the mean distance of pairs of
    familiar rows. The score is the logit of familiar minus that of pseudo-negative.

    Parameters
    ----------
    hidden : sequence of int, default=(256, 64)
        Widths of the perceptron on the features; the last one is the dimension of the ball.
    curvature : float, default=0.1
        c; 0 is the same head without curvature.
    clip_norm : float or None, default=2.0
        Longest vector that enters the ball; None is for studies: points then reach the boundary.
    alpha : float, default=0.8
        Share of the past in the running mean that pseudo-negatives are drawn around.
    noise_scale : float or "auto", default=1.0
        Their variance in each direction; the paper's 1 suits features of about that spread. "auto" takes the mean
        variance of the features learned from.
    pc_weight : float, default=1.0
        Weight of the distance of pairs; 0 leaves it out.
    standardize : bool, default=True
        Bring features to mean 0 and variance 1 in each direction first, as the rows of ``fit`` have them; where an
        encoder learns, as it gives them before.
    epochs, batch_size, learning_rate, weight_decay : default=5, 64, "auto", 1e-6
        Of Adam with decoupled weight decay; "auto" is 1e-3 for a head alone, 1e-4 where an encoder learns with it: at
        1e-3 that forgets what it knew. The paper's 60 epochs at 1e-6 in batches of 8 fine-tune a network that knows
        faces; a new head needs a larger rate, and few epochs: it soon tells noise from rows by what other rows share.
    clip_gradient : float, default=3.0
        Largest gradient norm of the head; that of an encoder's block goes free, as in the paper.
    encoder : torch.nn.Module or None, default=None
        Where given, X is what it takes, (n, ...), and a copy of it learns with the head; uint8 pixels become [0, 1],
        and pictures may have their channels last.
    trained : str or None, default=None
        Beginning of the names of the parameters of ``encoder`` that learn, such as "layer4"; None is the last of its
        direct children that has parameters. The rest, and all running statistics, stay as they are.
    compat : {None, "reference"}, default=None
        "reference" departs from the paper where the authors' code does: atan for artanh, a sum of distances over the
        number of points, and a mean that mixes the last two batches and restarts each epoch at 0.
    unknown_label : object, default="auto"
        What :meth:`predict` answers below the threshold: -1 where it answers 1 for familiar.
    device : str, default="cpu"
        Any that torch knows and that has float64.
    random_state : int, Generator or None, default=None
        Seed.
    progress : callable or None, default=None
        Called with ``(epoch, epochs)``.

    Attributes
    ----------
    net_ : OneClassNet
        The head.
    encoder_ : torch.nn.Module or None
        The copy that learned.
    centre_ : ndarray of float32 of shape (d,)
        Mean that pseudo-negatives were drawn around last.
    shift_, scale_ : ndarray of float32 of shape (d,)
        What features are shifted by and then divided by; one 0 and one 1 where they are left alone.
    noise_scale_ : float
        In use.
    losses_ : ndarray of shape (epochs,)
        Mean loss of each epoch.

    Raises
    ------
    InputError
        On settings out of range, fewer than 4 rows, NaN, or a loss that is no longer finite.

    Notes
    -----
    Cost: one pass of the perceptron over each row and its pseudo-negative, an epoch. No matrix of features by features
    is made. On the processor a seed gives one answer.

    References
    ----------
    Narayan and Patel (2024), "Hyp-OC: Hyperbolic One Class Classification for Face Anti-Spoofing", arXiv 2404.14406.
    """

    net_: OneClassNet
    encoder_: nn.Module | None
    width_: tuple[int, ...]
    pixels_: bool
    top_: float
    _negatives: Any = PseudoNegatives

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (256, 64),
        curvature: float = 0.1,
        clip_norm: float | None = 2.0,
        alpha: float = 0.8,
        noise_scale: float | str = 1.0,
        pc_weight: float = 1.0,
        standardize: bool = True,
        epochs: int = 5,
        batch_size: int = 64,
        learning_rate: float | str = "auto",
        weight_decay: float = 1e-6,
        clip_gradient: float = 3.0,
        encoder: Any = None,
        trained: str | None = None,
        compat: str | None = None,
        unknown_label: Any = "auto",
        device: str = "cpu",
        random_state: int | np.random.Generator | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.hidden = hidden
        self.curvature = curvature
        self.clip_norm = clip_norm
        self.alpha = alpha
        self.noise_scale = noise_scale
        self.pc_weight = pc_weight
        self.standardize = standardize
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_gradient = clip_gradient
        self.encoder = encoder
        self.trained = trained
        self.compat = compat
        self.unknown_label = unknown_label
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> HyperbolicOneClass:
        """Learn from familiar rows: features (n, d), or what the encoder takes (n, ...); y is not read."""
        check_settings(self)
        rows = self._inputs(X, reset=True)
        if len(rows) < 4:
            msg = f"{len(rows)} rows are too few to learn what is familiar (n_samples={len(rows)}): give 4 or more."
            raise InputError(msg)
        self._known(None, len(rows))
        rng = np.random.default_rng(self.random_state)
        # The user's encoder stays as it is: what learns is a copy.
        self.encoder_ = None if self.encoder is None else copy.deepcopy(self.encoder).to(self.device).eval()
        self._unfreeze()
        first = self._first(rows)
        self.shift_, self.scale_ = self._spread(first)
        self.noise_scale_ = self._noise(first)
        width = first.shape[1]
        with seeded(int(rng.integers(2**62))):
            net = OneClassNet(width, self.hidden, curvature=self.curvature, clip_norm=self.clip_norm)
        self.net_ = net.to(self.device)
        negatives = self._negatives(width, alpha=self.alpha, scale=self.noise_scale_, compat=self.compat)
        self._learn(rows, negatives.to(self.device), rng)
        self.centre_ = negatives.mean.cpu().numpy()
        self.net_.double()  # so that the rows beside it do not show in a row's score
        return self

    def points(self, X: Any) -> NDArray[np.float64]:
        """Return where rows lie on the ball, (n, hidden[-1])."""
        check_is_fitted(self, "net_")
        return self._blocks(self._inputs(X), self.net_.points)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what JSON can hold and the arrays of a fitted model; the encoder's weights are among them."""
        check_is_fitted(self, "net_")
        left = ("encoder", "progress", "random_state", "device", "hidden")
        about = {name: value for name, value in self.get_params(deep=False).items() if name not in left}
        about |= {"hidden": list(self.hidden), "fitted_noise_scale": self.noise_scale_, "width": list(self.width_)}
        about["has_encoder"] = self.encoder_ is not None
        if self.encoder_ is not None:
            about |= {"pixels": self.pixels_, "top": self.top_}
        arrays = {f"net.{name}": value.cpu().numpy() for name, value in self.net_.state_dict().items()}
        if self.encoder_ is not None:
            arrays |= {f"encoder.{name}": value.cpu().numpy() for name, value in self.encoder_.state_dict().items()}
        own = {name: getattr(self, f"{name}_") for name in ("centre", "losses", "shift", "scale")}
        return about, {**arrays, **own}

    @classmethod
    def from_state(
        cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, encoder: Any = None
    ) -> HyperbolicOneClass:
        """Return the model that :meth:`to_state` wrote; one with an encoder needs a module of its kind.

        The threshold is not part of it: set it again with ``calibrate``, or keep it beside the state.
        """
        stored = dict(about)
        noise, width, has = stored.pop("fitted_noise_scale"), stored.pop("width"), stored.pop("has_encoder")
        if has != (encoder is not None):
            msg = "this state has an encoder: pass encoder=." if has else "this state has no encoder: leave it out."
            raise InputError(msg)
        scale = [stored.pop(name, None) for name in ("pixels", "top")]
        model = cls(**{**stored, "hidden": tuple(stored["hidden"])}, encoder=encoder)
        model._known(None, 0)
        model.noise_scale_, model.width_, model.centre_ = noise, tuple(width), arrays["centre"]
        model.losses_, model.shift_, model.scale_ = arrays["losses"], arrays["shift"], arrays["scale"]
        model.pixels_, model.top_ = scale  # type: ignore[assignment]
        if encoder is None:
            model.n_features_in_ = width[0]
        model.net_ = OneClassNet(
            len(model.centre_), model.hidden, curvature=model.curvature, clip_norm=model.clip_norm
        ).double()
        model.encoder_ = None if encoder is None else copy.deepcopy(encoder).eval()
        for lead, module in (("net.", model.net_), ("encoder.", model.encoder_)):
            if module is not None:
                own = {
                    n.removeprefix(lead): torch.from_numpy(np.array(v)) for n, v in arrays.items() if n.startswith(lead)
                }
                try:
                    module.load_state_dict(own)
                except RuntimeError as error:
                    msg = f"the state is damaged, or of another {'head' if lead == 'net.' else 'encoder'}: fit again."
                    raise InputError(msg) from error
        return model

    # -- private ---------------------------------------------------------------------------------------------------

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        rows = self._inputs(X)
        logits = self._blocks(rows, self.net_)
        # Rounded, so that the last bit, which depends on the rows beside it, moves no row across a threshold.
        return (logits[:, _REAL] - logits[:, _PSEUDO]).astype(np.float32), np.zeros(len(rows), np.int64)

    def _inputs(self, X: Any, *, reset: bool = False) -> NDArray[Any]:
        """Return rows, checked against those of ``fit``: features as float32."""
        if self.encoder is None:
            rows = self._rows(X, reset=reset, dtype=np.float32)
        else:
            given = pictures(X)  # in its own type: a batch at a time becomes what the encoder takes
            rows = (given.float() if given.dtype == torch.bfloat16 else given).numpy()
            if rows.ndim < 2:
                msg = f"X has shape {rows.shape}: an encoder takes finite numbers of shape (n, ...)."
                raise InputError(msg)
            if not reset and rows.shape[1:] != self.width_:
                msg = f"a row has shape {rows.shape[1:]}, those of fit had {self.width_}: prepare both alike."
                raise InputError(msg)
            self._same_scale(rows, reset=reset)
        if reset:
            self.width_ = rows.shape[1:]
        return rows

    def _same_scale(self, rows: NDArray[Any], *, reset: bool) -> None:
        """Refuse pixels of 0 to 255 where those of ``fit`` were 0 to 1, and the other way round."""
        whole = rows.dtype == np.uint8
        top = float(rows.max(initial=0))
        if reset:
            self.pixels_, self.top_ = whole, 1.0 if whole else top
        elif len(rows) and ((self.pixels_ and not whole and top > 1) or (whole and self.top_ > 1)):
            msg = (
                f"X is of {rows.dtype} up to {top:g}, and fit saw {'pixels of uint8' if self.pixels_ else 'numbers'} "
                f"that reach the encoder up to {self.top_:g}: prepare both alike (uint8 is divided by 255)."
            )
            raise InputError(msg)

    def _unfreeze(self) -> None:
        """Freeze the encoder but for the block that learns."""
        if self.encoder_ is None:
            return
        for parameter in self.encoder_.parameters():
            parameter.requires_grad_(False)
        begin = self.trained
        if begin is None:
            own = [name for name, child in self.encoder_.named_children() if any(True for _ in child.parameters())]
            begin = own[-1] if own else ""
        learning = [p for n, p in self.encoder_.named_parameters() if n.startswith(begin)]
        if not learning:
            some = ", ".join(name for name, _ in self.encoder_.named_children())
            msg = f"trained={begin!r} begins the name of no parameter of the encoder; its children are {some}."
            raise InputError(msg)
        for parameter in learning:
            parameter.requires_grad_(True)

    def _encode(self, rows: NDArray[Any]) -> Tensor:
        """Return the features of rows, standardised."""
        found = self._raw(rows)
        shift, scale = (torch.as_tensor(own, device=self.device) for own in (self.shift_, self.scale_))
        return (found - shift) / scale

    def _raw(self, rows: NDArray[Any]) -> Tensor:
        batch = torch.tensor(rows, device=self.device)
        if self.encoder_ is None:
            return batch
        found: Tensor = through(self.encoder_, batch_of(self.encoder_, batch, self.device))
        if found.ndim != 2:
            msg = f"the encoder gives shape {tuple(found.shape)}: give one that ends in features (n, d)."
            raise InputError(msg)
        return found.float()

    def _first(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return features as they are before learning; of many rows for an encoder, those of some."""
        if self.encoder_ is None:
            return rows
        step = -(-len(rows) // _SOME)  # neighbours are often frames of one video
        some = rows[::step]
        with torch.no_grad():
            return torch.cat([self._raw(some[i : i + 64]) for i in range(0, len(some), 64)]).cpu().numpy()

    def _spread(self, first: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean and the standard deviation of features, 1 where one is constant."""
        if not self.standardize:
            return np.zeros(1, np.float32), np.ones(1, np.float32)
        mean, deviation = first.mean(axis=0, dtype=np.float64), first.std(axis=0, dtype=np.float64)
        floor = 1e-6 * np.abs(first).max(axis=0)
        return mean.astype(np.float32), np.where(deviation > floor, deviation, 1.0).astype(np.float32)

    def _noise(self, first: NDArray[np.float32]) -> float:
        if self.noise_scale != "auto":
            return float(self.noise_scale)
        found = float((first.var(axis=0, dtype=np.float64) / self.scale_.astype(np.float64) ** 2).mean())
        return found if found > 0 else 1.0

    def _learn(self, rows: NDArray[Any], negatives: PseudoNegatives, rng: np.random.Generator) -> None:
        recipe = Recipe(
            epochs=int(self.epochs),
            batch_size=max(2, min(int(self.batch_size), len(rows))),
            optimizer="adam",
            lr=rate_of(self),
            weight_decay=self.weight_decay,
            warmup=0.0,
            floor=1.0,  # the rate stays as it is
            clip_norm=self.clip_gradient,
        )
        step = Steps(lambda at: self._encode(rows[at]), self.net_, negatives, self.encoder_)
        told = self.progress
        history = train(
            step,
            range(len(rows)),
            np.zeros(len(rows)),
            recipe=recipe,
            loss=self._loss,
            clipped=self.net_,
            on_epoch=lambda epoch, _: negatives.restart(),
            device=self.device,
            random_state=rng,
            progress=None if told is None else lambda _, done, total: told(done, total),
        )
        self.losses_ = np.array(history.loss)
        if not all(bool(torch.isfinite(p).all()) for p in step.parameters()):
            raise InputError("the weights are no longer finite: lower learning_rate, or curvature.")

    def _loss(self, points: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        """Return Hyp-CE plus ``pc_weight`` times Hyp-PC of familiar points and as many pseudo-negative ones."""
        real = len(target)
        kind = torch.full((len(points),), _PSEUDO, device=points.device)
        kind[:real] = _REAL
        loss = F.cross_entropy(self.net_.head(points), kind)
        if self.pc_weight:
            pairs = hyperbolic_pairwise_confusion(points[:real], curvature=self.curvature, compat=self.compat)
            loss = loss + self.pc_weight * pairs
        return loss

    def _blocks(self, rows: NDArray[Any], answer: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
        size = _ROWS if self.encoder_ is None else 64
        with torch.no_grad():
            parts = [
                answer(self._encode(rows[i : i + size]).double()).cpu().numpy()
                for i in range(0, max(1, len(rows)), size)
            ]
        return np.concatenate(parts)
