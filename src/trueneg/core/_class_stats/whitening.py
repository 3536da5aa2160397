"""Whitening by eigendecomposition with a relative cut, and how far to shrink before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.inputs import array_of
from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core._class_stats.stats import ClassStats

__all__ = ["Whitening", "shrinkage_of", "whiten", "whitening_of"]

_BLOCK = 1 << 19  # cells of a float64 block, 4 MiB


@dataclass(frozen=True)
class Whitening:
    """A linear map after which a covariance is the identity: Mahalanobis distances become plain ones.

    Attributes
    ----------
    center : ndarray of shape (d,)
        Taken from the rows first; it keeps the products small and cancels in every distance.
    matrix : ndarray of shape (d, r)
        ``(x - center) @ matrix`` is white.
    eigenvalues : ndarray of shape (r,)
        Variances along the kept directions, after shrinking, largest first.
    dropped : int
        Directions left out, ``d - r``: along them the rows do not vary, or too little to be told from rounding.
    shrinkage : float
        Share of the mean variance in the covariance, 0 to 1.
    """

    center: NDArray[np.float64]
    matrix: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    dropped: int
    shrinkage: float

    @property
    def log_determinant(self) -> float:
        """Sum of the logarithms of the kept variances."""
        return float(np.log(self.eigenvalues).sum())

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return white rows, (n, r), of rows (n, d); in float64 and by blocks, whatever the type of X."""
        rows = np.asarray(array_of(X))
        if rows.ndim != 2 or rows.shape[1] != len(self.center) or rows.dtype.kind not in "biuf":
            msg = f"X has shape {rows.shape} and type {rows.dtype}: give numbers of shape (n, {len(self.center)})."
            raise InputError(msg)
        out = np.empty((len(rows), self.matrix.shape[1]))
        step = max(256, _BLOCK // max(1, rows.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            out[part] = (rows[part] - self.center) @ self.matrix
        return out


def whiten(covariance: NDArray[np.float64], center: NDArray[np.float64], *, shrinkage: float, cut: float) -> Whitening:
    """Return the whitening of ``(1 - shrinkage) covariance + shrinkage mean variance``.

    Parameters
    ----------
    covariance : ndarray of shape (d, d)
        Symmetric.
    center : ndarray of shape (d,)
        See :class:`Whitening`.
    shrinkage : float
        From 0 to 1.
    cut : float
        Directions with a variance of at most this share of the largest are left out. Relative, since an absolute
        floor would mean something else for every unit of measurement.
    """
    if not 0 <= cut < 1:
        msg = f"cut={cut!r}: give a share of the largest variance, from 0 up to and without 1."
        raise InputError(msg)
    if not np.isfinite(covariance).all():
        raise InputError("squares of the features are beyond what float64 holds: divide the features first.")
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    # The identity has every basis as its own, so that shrinking moves the eigenvalues and no eigenvector.
    values = (1 - shrinkage) * values + shrinkage * (np.trace(covariance) / len(covariance))
    kept = values > max(cut * values[0], 0.0)
    matrix = vectors[:, kept] / np.sqrt(values[kept])
    return Whitening(center.copy(), matrix, values[kept].copy(), int((~kept).sum()), float(shrinkage))


def shrinkage_of(rule: str | float | None, covariance: NDArray[np.float64], n: float, quartic: float | None) -> float:
    """Return how far to shrink a covariance of n centred rows towards its mean variance.

    Parameters
    ----------
    rule : None, "ledoit_wolf", "oas" or float
        None is 0.
    covariance : ndarray of shape (d, d)
        Maximum likelihood.
    n : float
        Rows, or the sum of their weights.
    quartic : float or None
        Sum of the fourth powers of the rows' lengths; Ledoit and Wolf's rule needs it.

    Raises
    ------
    InputError
        On another rule, a value outside of 0 to 1, or a missing ``quartic``.

    References
    ----------
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices"; Chen, Wiesel,
    Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation", in the form for large d that
    scikit-learn uses too.
    """
    if rule is None:
        return 0.0
    if isinstance(rule, int | float) and not isinstance(rule, bool) and 0 <= rule <= 1:
        return float(rule)
    if rule not in ("ledoit_wolf", "oas"):
        msg = f"shrinkage={rule!r}: give None, 'ledoit_wolf', 'oas' or a number from 0 to 1."
        raise InputError(msg)
    if len(covariance) == 1:
        return 0.0  # one variance is its own mean
    d, trace, square = len(covariance), float(np.trace(covariance)), float(np.square(covariance).sum())
    spread = square - trace**2 / d  # how far the eigenvalues are from being equal
    if rule == "oas":
        below = (n + 1) * spread
        return 1.0 if below <= 0 else min(1.0, (square + trace**2) / below)
    if quartic is None:
        msg = "shrinkage='ledoit_wolf' needs fourth moments: pass quartic=stats.quartic(X, y), a second pass."
        raise InputError(msg)
    error = min(max(quartic / n - square, 0.0) / n, spread)
    return 0.0 if error <= 0 else error / spread


def whitening_of(
    stats: ClassStats, shrinkage: str | float | None, quartic: ArrayLike | None, cut: float, label: Any
) -> Whitening:
    """Whiten by class statistics; see ``ClassStats.whitening``."""
    if stats.spread != "full":
        raise InputError("whitening needs all products: collect the statistics with spread='full'.")
    if not stats.counts.sum() > 0:
        raise InputError("whitening needs rows: call update first.")
    fourth = None if quartic is None else np.asarray(quartic, dtype=np.float64)
    if fourth is not None and fourth.shape != stats.counts.shape:
        msg = f"quartic has shape {fourth.shape}: give what quartic() returns, one number a class."
        raise InputError(msg)
    center: NDArray[np.float64]
    if label is None:
        scatter = stats.scatter if stats.tied else stats.scatter.sum(axis=0)
        weight, center = float(stats.counts.sum()), stats.grand_mean()
        fourth = None if fourth is None else fourth.sum()
    elif stats.tied:
        raise InputError("the classes' covariances were not kept apart: collect them with tied=False.")
    else:
        k = int(stats.places(np.asarray([label]))[0])
        scatter, weight, center = stats.scatter[k], float(stats.counts[k]), stats.means[k]
        fourth = None if fourth is None else fourth[k]
    covariance = scatter / max(weight, np.finfo(float).tiny)
    mixed = shrinkage_of(shrinkage, covariance, weight, None if fourth is None else float(fourth))
    return whiten(covariance, center, shrinkage=mixed, cut=cut)
