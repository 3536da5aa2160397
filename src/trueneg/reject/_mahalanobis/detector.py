"""The detector: class Gaussians at one or several layers of a network, or on ready features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError
from trueneg.core.rows import as_given, note_labels
from trueneg.reject._mahalanobis.gaussian import gaussians
from trueneg.reject.base import BaseRejecter
from trueneg.reject.labels import checked_labels, plain, unknown_of

__all__ = ["MahalanobisDetector"]


class MahalanobisDetector(BaseRejecter):
    """How far a row is from the nearest class, in units of the spread within classes.

    Each class gets a mean, all of them share one covariance, at each layer. The score at a layer is
    ``max_c -1/2 (f - mu_c)' S^-1 (f - mu_c)``; the class is the nearest one, not the network's own answer.

    Parameters
    ----------
    net : torch.nn.Module or None, default=None
        X are its inputs. None: X are ready features (n, d).
    layers : sequence of str or None, default=None
        Names of layers of ``net``, whose maps are averaged over the picture; None: its main parts. One layer is a toy:
        what is far in the input shows in early ones, what is near in meaning in late ones.
    widths : sequence of int or None, default=None
        Without a network: the columns of X are those of several layers, of these widths, side by side.
    shrinkage : None, "ledoit_wolf", "oas" or float, default="oas"
        How much of the mean variance to mix into the covariance. None, as in the paper, is the same with many rows,
        and random with few.
    cut : float, default=1e-10
        Directions with less than this share of the largest variance are left out; relative, so that no unit of
        measurement matters.
    eps : float, default=0.0
        Step on the input towards the nearest class before it is scored, in the units of the input; needs ``net``.
    input_std : sequence of float or None, default=None
        Where ``net`` takes inputs divided by these, one a channel: the step is divided as well.
    dtype : {"float64", "float32"}, default="float64"
        Of the products. float32 takes half the time and memory; relative errors of 1e-4 were measured at a condition
        number of 1e8, where those of float64 are below 1e-9, and more for features far from zero.
    batch_size : int, default=256
        Pictures at a time.
    device : str, default="cpu"
        Of ``net``.
    unknown_label : object, default="auto"
        Answer for "none of these".

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        Known classes.
    layers_ : list of str
        Layers scored.
    stats_ : list of ClassStats
        Of each layer; they add up over batches.
    threshold_ : Threshold
        After ``calibrate``.

    Notes
    -----
    With several layers ``score_samples`` is the mean of the layers' scores, each divided by its number of directions;
    :class:`FeatureEnsembleDetector` learns the weights instead. The nearest class is that at the last layer.

    References
    ----------
    Lee, Lee, Lee and Shin (2018), "A simple unified framework for detecting out-of-distribution samples and
    adversarial attacks", NeurIPS, arXiv 1807.03888.
    """

    def __init__(
        self,
        net: Any = None,
        *,
        layers: Sequence[str] | None = None,
        widths: Sequence[int] | None = None,
        shrinkage: Literal["ledoit_wolf", "oas"] | float | None = "oas",
        cut: float = 1e-10,
        eps: float = 0.0,
        input_std: Sequence[float] | None = None,
        dtype: Literal["float64", "float32"] = "float64",
        batch_size: int = 256,
        device: str = "cpu",
        unknown_label: Any = "auto",
    ) -> None:
        self.net, self.layers, self.widths = net, layers, widths
        self.shrinkage, self.cut, self.eps, self.input_std = shrinkage, cut, eps, input_std
        self.dtype, self.batch_size, self.device, self.unknown_label = dtype, batch_size, device, unknown_label

    # -- learning --------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: ArrayLike | None = None) -> MahalanobisDetector:
        """Learn means and the shared covariance; the network stays as it is.

        Parameters
        ----------
        X : array-like of shape (n, d), or inputs of ``net``
            Rows of known classes.
        y : array-like of shape (n,) or None, default=None
            Labels of any type, two classes or more; None: one Gaussian of all rows.

        Returns
        -------
        MahalanobisDetector
        """
        self._options()
        rows, labels = self._given(X, y, reset=True)
        if y is not None and len(np.unique(labels)) < 2:
            msg = (
                f"y holds one class only, {plain(labels[0])!r}: give two classes, or no y for one Gaussian of all rows."
            )
            raise InputError(msg)
        self.stats_: list[ClassStats] = []
        self.batches_ = 0
        self._see(rows, labels)
        quartic = None
        if self.shrinkage == "ledoit_wolf":
            quartic = [np.zeros(len(s.classes)) for s in self.stats_]
            for part, values in self._values(rows):
                for total, stats, value in zip(quartic, self.stats_, values, strict=True):
                    total += stats.quartic(value, labels[part])
        return self._refresh(quartic)

    def partial_fit(self, X: Any, y: ArrayLike | None = None) -> MahalanobisDetector:
        """Add rows, of known classes or new ones; the result is that of all rows at once.

        Parameters
        ----------
        X, y
            As in :meth:`fit`; one class is enough here. The threshold is kept only if no class is new.

        Returns
        -------
        MahalanobisDetector
        """
        self._options()
        if self.shrinkage == "ledoit_wolf":
            raise InputError("shrinkage='ledoit_wolf' needs all rows twice: take shrinkage='oas' with partial_fit.")
        if not hasattr(self, "stats_"):
            rows, labels = self._given(X, y, reset=True)
            self.stats_, self.batches_ = [], 0
        else:
            rows, labels = self._given(X, y, reset=False)
        self._see(rows, labels)
        return self._refresh(None)

    def merge(self, other: MahalanobisDetector) -> MahalanobisDetector:
        """Add what another detector has seen: parts fitted apart, merged, are the whole.

        Parameters
        ----------
        other : MahalanobisDetector
            Fitted on other rows at the same layers; left as it is.

        Returns
        -------
        MahalanobisDetector
            Itself. The threshold is kept only if no class is new.
        """
        check_is_fitted(self, "stats_")
        check_is_fitted(other, "stats_")
        if self.layers_ != other.layers_:
            msg = f"layers {self.layers_} cannot be merged with {other.layers_}: read the same layers in both."
            raise InputError(msg)
        for stats, more in zip(self.stats_, other.stats_, strict=True):
            stats.merge(more)
        self.batches_ += 1
        return self._refresh(None)

    def add_class(self, X: Any, label: Any, *, rule: Literal["paper", "counts"] = "counts") -> MahalanobisDetector:
        """Add one new class; nothing is trained again.

        Parameters
        ----------
        X : as in :meth:`fit`
            Rows of the new class.
        label : object
            Its label, of the type of the others.
        rule : {"paper", "counts"}, default="counts"
            The paper mixes covariances, ``C / (C + 1) S + 1 / (C + 1) S_new``, as if a class of five rows told as much
            as each of the others; "counts" weighs by rows, which gives what fitting all rows at once does.

        Returns
        -------
        MahalanobisDetector

        Raises
        ------
        InputError
            Where the class is known, or is no single label.
        """
        check_is_fitted(self, "stats_")
        if rule not in ("paper", "counts"):
            msg = f"rule={rule!r}: choose 'paper' or 'counts'."
            raise InputError(msg)
        if np.ndim(label):
            msg = f"label={label!r} is several: give one label, of the type of {self.classes_.tolist()[0]!r}."
            raise InputError(msg)
        if label in self.classes_.tolist():
            msg = f"{label!r} is a known class: add rows to it with partial_fit."
            raise InputError(msg)
        before = [(len(s.classes), s.covariance()) for s in self.stats_]
        count = 1 if self.net is None and np.ndim(X) == 1 else len(X)
        rows, labels = self._given(X, np.full(count, label), reset=False)
        if not count:
            msg = f"{label!r} has no row: give one or more."
            raise InputError(msg)
        fresh = [ClassStats(spread="full", tied=True) for _ in self.stats_]
        for part, values in self._values(rows):
            for stats, value in zip(fresh, values, strict=True):
                stats.update(value, labels[part])
        for stats, (known, covariance), new in zip(self.stats_, before, fresh, strict=True):
            stats.merge(new)
            if rule == "paper":
                mixed = (known * covariance + new.covariance()) / (known + 1)
                stats.scatter = mixed * stats.counts.sum()
        return self._refresh(None)

    # -- scoring ---------------------------------------------------------------------------------------------------

    def layer_scores(self, X: Any, *, eps: float | None = None) -> Any:
        """Return the score at each layer (n, n_layers), higher = nearer to a class; a tensor where X is one.

        Parameters
        ----------
        X : as in :meth:`fit`
            Rows.
        eps : float or None, default=None
            In place of the one of the constructor.
        """
        return as_given(self._all_scores(X, self.eps if eps is None else eps)[0], X)

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        scores, place = self._all_scores(X, self.eps)
        if scores.shape[1] == 1:
            return scores[:, 0], place
        return (scores / [g.rank for g in self.gaussians_]).mean(axis=1), place

    def _all_scores(self, X: Any, eps: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        check_is_fitted(self, "stats_")
        if eps and self.net is None:
            raise InputError("eps is a step on the inputs of a network: give net, or eps=0 with ready features.")
        rows = self._given(X, None, reset=False)[0]
        if eps:
            from trueneg.reject._mahalanobis.preprocess import stepped_scores

            return stepped_scores(self, rows, eps)
        out = np.empty((len(rows), len(self.gaussians_)))
        place = np.empty(len(rows), np.int64)
        for part, values in self._values(rows):
            for j, (found, value) in enumerate(zip(self.gaussians_, values, strict=True)):
                out[part, j], place[part] = found.score(value)
        return out, place

    # -- storing ---------------------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as arrays, without the network: for ``numpy.savez``, no pickle needed."""
        from trueneg.reject._mahalanobis.stored import state_of

        check_is_fitted(self, "stats_")
        return state_of(self)

    @classmethod
    def from_state(cls, state: Any, *, net: Any = None) -> MahalanobisDetector:
        """Return a detector from what :meth:`to_state` gave; ``net`` is the network it had.

        Raises
        ------
        InputError
            Where the arrays are no detector, or were learned with a network that is not given.
        """
        from trueneg.reject._mahalanobis.stored import detector_of

        found: MahalanobisDetector = detector_of(cls, state, net)
        return found

    # -- private ---------------------------------------------------------------------------------------------------

    def _options(self) -> None:
        if self.dtype not in ("float64", "float32"):
            msg = f"dtype={self.dtype!r}: choose 'float64' or 'float32'."
            raise InputError(msg)
        if self.net is not None and self.widths is not None:
            raise InputError("widths divides ready features: with a network name its layers instead.")
        if self.net is None and (self.layers is not None or self.eps or self.input_std is not None):
            raise InputError("layers, eps and input_std belong to a network: give net, or divide features by widths.")
        if not isinstance(self.eps, int | float | np.number) or not 0 <= self.eps < np.inf:
            msg = f"eps={self.eps!r}: give a step of 0 or more."
            raise InputError(msg)

    def _given(self, X: Any, y: ArrayLike | None, *, reset: bool) -> tuple[Any, NDArray[Any]]:
        """Return rows and labels, checked."""
        if self.net is None:
            rows: Any = self._rows(X, reset=reset)
        else:
            from trueneg.core.activations import layer_names
            from trueneg.core.training import pictures

            rows = pictures(X)
            if reset:
                self.layers_ = layer_names(self.net, self.layers)
        labels = np.ones(len(rows), np.int64) if y is None else checked_labels(y, rows)
        if reset:
            note_labels(self, y)
        if self.net is None and reset:
            widths = [self.n_features_in_] if self.widths is None else [int(w) for w in self.widths]
            if sum(widths) != self.n_features_in_ or min(widths, default=0) < 1:
                msg = f"widths={self.widths!r} add up to {sum(widths)}; X has {self.n_features_in_} columns."
                raise InputError(msg)
            self.layers_ = [f"layer {j}" for j in range(len(widths))]
            self.edges_ = np.append(0, np.cumsum(widths)).tolist()
        return rows, labels

    def _values(self, rows: Any) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Yield the values of each layer, all rows at once where they are ready."""
        if self.net is None:
            edges = getattr(self, "edges_", None) or np.append(0, np.cumsum([s.n_features for s in self.stats_]))
            yield slice(0, len(rows)), [rows[:, a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
            return
        from trueneg.core.activations import activations

        layers = self.layers_
        for part, found in activations(self.net, rows, layers, device=self.device, batch_size=self.batch_size):
            yield part, [found[name] for name in layers]

    def _see(self, rows: Any, labels: NDArray[Any]) -> None:
        if not self.stats_:
            self.stats_ = [ClassStats(spread="full", tied=True) for _ in self.layers_]
        for part, values in self._values(rows):
            for stats, value in zip(self.stats_, values, strict=True):
                stats.update(value, labels[part])
        self.batches_ += 1

    def _refresh(self, quartic: Any) -> MahalanobisDetector:
        """Whiten by the statistics there are."""
        known = getattr(self, "classes_", np.empty(0))
        fourth = [None] * len(self.stats_) if quartic is None else quartic
        rule = self.shrinkage
        if rule == "ledoit_wolf" and quartic is None:
            raise InputError("shrinkage='ledoit_wolf' needs all rows twice: take shrinkage='oas' to add a class.")
        self.gaussians_ = [
            gaussians(stats, rule, f, self.cut, np.dtype(self.dtype))
            for stats, f in zip(self.stats_, fourth, strict=True)
        ]
        for stats in self.stats_:
            free = stats.counts.sum() - len(stats.classes)
            if rule is None and free < stats.n_features:
                msg = (
                    f"{int(stats.counts.sum()):,} rows of {len(stats.classes)} classes tell the spread along at most "
                    f"{max(int(free), 0)} of {stats.n_features} directions, the others are left out: take shrinkage."
                )
                warnings.warn(msg, UserWarning, stacklevel=3)
                break
        alone = self.stats_[0].counts == 1
        if alone.any():
            label = plain(self.stats_[0].classes[alone][0])
            msg = f"class {label!r} has one row: it stands for the class, and tells nothing of the spread; add rows."
            warnings.warn(msg, UserWarning, stacklevel=3)
        self.classes_ = self.stats_[0].classes
        unknown_of(self.classes_, self.unknown_label)
        if self.batches_ <= 1 or len(known) != len(self.classes_):
            self.__dict__.pop("threshold_", None)
        return self
