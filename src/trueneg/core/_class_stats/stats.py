"""The sums of each class, and how they grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._class_stats.labels import labels_of, merge_labels, unique_labels
from trueneg.core._class_stats.whitening import Whitening, whitening_of
from trueneg.core._intervals.inputs import array_of
from trueneg.core.errors import InputError

__all__ = ["ClassStats"]

_BLOCK = 1 << 19  # cells of a float64 block: 4 MiB, so that no full copy of the input is ever made


def refuse_not_finite(rows: NDArray[Any]) -> None:
    """Raise the one-line error that names the first row (of n, d) with NaN or infinity."""
    if rows.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(rows.sum()):  # no second array where all is well
            return
    if not np.isfinite(rows).all():
        i = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        msg = f"X, row {i}, holds NaN or infinity: repair or drop such rows first."
        raise InputError(msg)


class ClassStats:
    """Weight, mean and scatter of each class.

    The scatter is kept around the class means and moved when they move (Chan, Golub and LeVeque), not as a raw Gram
    matrix: subtracting two large sums would lose the spread of features that lie far from zero. :meth:`gram` gives
    the raw one.

    Parameters
    ----------
    spread : {"diagonal", "full"}, default="diagonal"
        Squares of each feature, (K, d), or all products, (K, d, d).
    tied : bool, default=False
        Keep the sum over the classes only, (d,) or (d, d): a full matrix for each of many classes does not fit.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        Labels seen, sorted.
    counts : ndarray of float64 of shape (K,)
        Sum of the weights of each class; rows, where no weights were given.
    means : ndarray of float64 of shape (K, d)
        Weighted means; zero for a class without weight.
    scatter : ndarray of float64
        Weighted sum of (x - mean of its class)(x - mean of its class)', of the shape above.

    Notes
    -----
    Memory: the arrays above, blocks of 4 MiB and two matrices (d, d), whatever the number of rows.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
    """

    def __init__(self, *, spread: Literal["diagonal", "full"] = "diagonal", tied: bool = False) -> None:
        if spread not in ("diagonal", "full"):
            msg = f"spread={spread!r}: choose 'diagonal' or 'full'."
            raise InputError(msg)
        self.spread, self.tied = spread, bool(tied)
        self.classes: NDArray[Any] = np.empty(0)
        self.counts: NDArray[np.float64] = np.zeros(0)
        self.means: NDArray[np.float64] = np.zeros((0, 0))
        self.scatter: NDArray[np.float64] = np.zeros(0)

    # -- what was seen ---------------------------------------------------------------------------------------------

    @property
    def n_features(self) -> int:
        """Number of features; 0 before the first row."""
        return int(self.means.shape[1])

    @property
    def sums(self) -> NDArray[np.float64]:
        """Weighted sums of the rows of each class, (K, d)."""
        return self.counts[:, None] * self.means

    def gram(self) -> NDArray[np.float64]:
        """Return the weighted sum of x x' (its diagonal, where only that is kept), of the shape of ``scatter``."""
        return self.scatter + self._products(self.counts, self.means)

    def covariance(self) -> NDArray[np.float64]:
        """Return the maximum-likelihood covariance, ``scatter / weight``; zero where there is no weight.

        Returns
        -------
        ndarray of float64
            Of the shape of ``scatter``: variances where the spread is diagonal.
        """
        weight = self.counts.sum() if self.tied else self.counts
        weight = np.maximum(np.asarray(weight), np.finfo(float).tiny)
        return self.scatter / weight.reshape(weight.shape + (1,) * (self.scatter.ndim - weight.ndim))

    def grand_mean(self) -> NDArray[np.float64]:
        """Return the weighted mean of all rows, (d,)."""
        weight = max(float(self.counts.sum()), np.finfo(float).tiny)
        return self.counts @ self.means / weight

    def total_variance(self) -> NDArray[np.float64]:
        """Return the variance of each feature over all rows, classes ignored, (d,)."""
        within = self.scatter if self.tied else self.scatter.sum(axis=0)
        if self.spread == "full":
            within = np.diagonal(within)
        between = self.counts @ np.square(self.means - self.grand_mean())
        return (within + between) / max(float(self.counts.sum()), np.finfo(float).tiny)

    def quartic(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the weighted sum of ``|x - mean of its class|^4`` over rows, for each class, (K,).

        A second pass, for Ledoit and Wolf's shrinkage: fourth moments around means that still move cannot be kept.
        Those of several batches add up.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`update`; rows that were seen, of known classes.
        """
        rows, labels, weight = self._checked(X, y, sample_weight)
        place = self.places(labels)
        out = np.zeros(len(self.classes))
        for part in self._parts(place, rows.shape[1]):
            length = np.square(rows[part] - self.means[place[part]]).sum(axis=1)
            out += np.bincount(place[part], weights=weight[part] * np.square(length), minlength=len(out))
        return out

    def whitening(
        self,
        *,
        shrinkage: float | Literal["ledoit_wolf", "oas"] | None = None,
        quartic: ArrayLike | None = None,
        cut: float = 1e-10,
        label: Any = None,
    ) -> Whitening:
        """Return the map that makes the spread within the classes the identity.

        Parameters
        ----------
        shrinkage : None, "ledoit_wolf", "oas" or float, default=None
            How much of the mean variance to mix in. None suits many more rows than features; with fewer, the
            smallest eigenvalues are far too small, and distances along them far too large.
        quartic : array-like of shape (K,) or None, default=None
            Of :meth:`quartic`, over all rows; only Ledoit and Wolf's rule needs it.
        cut : float, default=1e-10
            Directions with at most this share of the largest variance are left out: beyond it, eigenvalues are
            rounding. Condition numbers up to 1e8 pass with a relative error below 1e-4.
        label : object or None, default=None
            Whiten by the covariance of this class alone, around its mean; needs ``tied=False``.

        Returns
        -------
        Whitening
            ``transform`` gives white rows. Without any spread it has no direction at all, ``dropped`` being d.

        Raises
        ------
        InputError
            Where only diagonals were kept, a class is not there or was not kept apart, or an option is out of range.
        """
        return whitening_of(self, shrinkage, quartic, cut, label)

    def places(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return the number of each label among ``classes``, (n,); InputError on one that was never seen."""
        fresh, codes = np.unique(labels, return_inverse=True)
        if len(merge_labels(self.classes, fresh)) > len(self.classes):
            msg = f"label {fresh[~np.isin(fresh, self.classes)].tolist()[0]!r} is none of the classes seen so far."
            raise InputError(msg)
        return np.searchsorted(self.classes, fresh)[codes.reshape(-1)].astype(np.int64)

    # -- seeing more -----------------------------------------------------------------------------------------------

    def update(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> ClassStats:
        """Add rows; one row is enough, and classes may be new.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Finite numbers, 1 feature or more; float32 is not copied as a whole, and tensors are read.
        y : array-like of shape (n,)
            Labels of any one type that can be sorted.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of 0 or more. A row of weight 0 names its class and adds nothing to it.

        Returns
        -------
        ClassStats
            Itself.

        Raises
        ------
        InputError
            On shapes that do not fit, values that are not finite, negative weights. Nothing is changed then.
        """
        rows, labels, weight = self._checked(X, y, sample_weight)
        self._widen(merge_labels(self.classes, unique_labels(labels)), rows.shape[1])
        place = self.places(labels)
        for part in self._parts(place, rows.shape[1]):
            self._add_block(rows[part].astype(np.float64), place[part], weight[part])
        return self

    def expect(self, classes: ArrayLike, n_features: int) -> ClassStats:
        """Name classes whose rows are still to come; they have no weight until then."""
        self._widen(merge_labels(self.classes, unique_labels(labels_of(classes))), n_features)
        return self

    def merge(self, other: ClassStats) -> ClassStats:
        """Add the statistics of other rows; ``other`` is left as it is.

        Parameters
        ----------
        other : ClassStats
            Of the same kind and number of features, or empty.

        Returns
        -------
        ClassStats
            Itself.
        """
        if (other.spread, other.tied) != (self.spread, self.tied):
            msg = (
                f"spread={self.spread!r}, tied={self.tied} cannot be merged with spread={other.spread!r}, "
                f"tied={other.tied}: collect both in the same way."
            )
            raise InputError(msg)
        if not len(other.classes):
            return self
        if len(self.classes) and other.n_features != self.n_features:
            msg = f"statistics of {other.n_features} features cannot be merged with those of {self.n_features}."
            raise InputError(msg)
        self._widen(merge_labels(self.classes, other.classes), other.n_features)
        at = np.searchsorted(self.classes, other.classes)
        self._join(at, other.counts, other.means, other.scatter)
        return self

    def copy(self) -> ClassStats:
        """Return a copy that shares no array."""
        twin = ClassStats(spread=self.spread, tied=self.tied)
        twin.classes, twin.counts = self.classes.copy(), self.counts.copy()
        twin.means, twin.scatter = self.means.copy(), self.scatter.copy()
        return twin

    # -- private ---------------------------------------------------------------------------------------------------

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        rows, labels = np.asarray(array_of(X)), labels_of(y)
        if rows.ndim != 2 or not rows.shape[1] or rows.dtype.kind not in "biuf":
            msg = f"X has shape {rows.shape} and type {rows.dtype}: give numbers of shape (n, d)."
            raise InputError(msg)
        if labels.shape != (len(rows),):
            msg = f"y has shape {labels.shape}; X has {len(rows)} rows: give one label a row."
            raise InputError(msg)
        if len(self.classes) and rows.shape[1] != self.n_features:
            msg = f"X has {rows.shape[1]} features; the rows before had {self.n_features}."
            raise InputError(msg)
        refuse_not_finite(rows)
        if sample_weight is None:
            return rows, labels, np.ones(len(rows))
        weight = np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != (len(rows),) or not np.isfinite(weight).all() or (weight < 0).any():
            msg = f"sample_weight needs one finite weight of 0 or more for each of the {len(rows)} rows."
            raise InputError(msg)
        return rows, labels, weight

    def _parts(self, place: NDArray[np.int64], n_features: int) -> Iterator[Any]:
        """Yield the rows of each block; of one class each, where every class has a matrix of its own to add to."""
        step = max(256, _BLOCK // max(1, n_features))
        if self.tied or self.spread == "diagonal":
            yield from (slice(start, start + step) for start in range(0, len(place), step))
            return
        order = np.argsort(place, kind="stable")
        edges = np.flatnonzero(np.r_[True, np.diff(place[order]) != 0, True]) if len(place) else np.zeros(1, np.int64)
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            yield from (order[start : min(start + step, high)] for start in range(low, high, step))

    def _widen(self, classes: NDArray[Any], n_features: int) -> None:
        """Make room for new classes, zero each."""
        if len(self.classes) and len(classes) == len(self.classes):
            return
        at = np.searchsorted(classes, self.classes)
        counts, means = np.zeros(len(classes)), np.zeros((len(classes), n_features))
        shape = (n_features,) * (2 if self.spread == "full" else 1)
        scatter = np.zeros(shape if self.tied else (len(classes), *shape))
        if len(self.classes):
            counts[at], means[at] = self.counts, self.means
            scatter[... if self.tied else at] = self.scatter
        self.classes, self.counts, self.means, self.scatter = classes, counts, means, scatter

    def _add_block(self, rows: NDArray[np.float64], place: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        order = np.argsort(place, kind="stable")
        rows, place, weight = rows[order], place[order], weight[order]
        start = np.flatnonzero(np.r_[True, place[1:] != place[:-1]]) if len(place) else np.zeros(0, np.int64)
        if not len(start):
            return
        at = place[start]
        own = np.repeat(np.arange(len(start)), np.diff(np.r_[start, len(place)]))
        counts = np.add.reduceat(weight, start)
        safe = np.where(counts > 0, counts, 1.0)[:, None]
        means = np.add.reduceat(rows * weight[:, None], start, axis=0) / safe
        rows -= means[own]
        rows *= np.sqrt(weight)[:, None]
        scatter: NDArray[np.float64]
        if self.spread == "diagonal":
            np.square(rows, out=rows)
            scatter = rows.sum(axis=0) if self.tied else np.add.reduceat(rows, start, axis=0)
        elif self.tied:
            scatter = rows.T @ rows
        else:
            scatter = (rows.T @ rows)[None]  # a block of one class, see _parts
        self._join(at, counts, means, scatter)

    def _join(
        self,
        at: NDArray[np.int64],
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        scatter: NDArray[np.float64],
    ) -> None:
        """Merge statistics of the classes ``at`` into these."""
        both = self.counts[at] + counts
        safe = np.where(both > 0, both, 1.0)
        shift = np.where((counts > 0)[:, None], means - self.means[at], 0.0)
        moved = self._products(self.counts[at] * counts / safe, shift)
        if self.tied:
            self.scatter += scatter + moved
        else:
            self.scatter[at] += scatter + moved
        self.means[at] += shift * (counts / safe)[:, None]
        self.counts[at] = both

    def _products(self, weight: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted v v' of each class, or their sum, of the shape of ``scatter``."""
        if self.spread == "diagonal":
            return weight @ np.square(v) if self.tied else weight[:, None] * np.square(v)
        if self.tied:
            return np.asarray((v * weight[:, None]).T @ v)
        return weight[:, None, None] * v[:, :, None] * v[:, None, :]
