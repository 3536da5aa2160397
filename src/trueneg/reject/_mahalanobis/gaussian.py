"""Gaussians with one covariance at one layer: whiten once, then one product against the whitened means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rq

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError

__all__ = ["Gaussians", "gaussians"]

_BLOCK = 1 << 19  # cells of a block of rows
_COLUMNS = 64  # of a block of columns of the product


@dataclass(frozen=True)
class Gaussians:
    """What scoring at one layer needs.

    Attributes
    ----------
    center : ndarray of shape (d,)
        Taken off first, so that products stay small.
    matrix : ndarray of shape (d, r)
        Whitens: distances after it are Mahalanobis distances. Rotated so that ``matrix[i, j]`` is 0 for
        ``i > j + d - r``, which leaves distances as they are and spares nearly half of the product.
    means : ndarray of shape (K, r)
        Of the classes, whitened.
    dropped : int
        Directions without spread, ``d - r``.
    """

    center: NDArray[Any]
    matrix: NDArray[Any]
    means: NDArray[Any]
    dropped: int

    @property
    def rank(self) -> int:
        """Directions that count."""
        return int(self.matrix.shape[1])

    def score(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return minus half the squared distance to the nearest class mean (n,), and that class (n,)."""
        out, place = np.empty(len(X)), np.empty(len(X), np.int64)
        kind = self.matrix.dtype
        half = np.square(self.means).sum(axis=1) / 2
        step = max(256, _BLOCK // max(1, X.shape[1]))
        for start in range(0, len(X), step):
            part = slice(start, start + step)
            white = self._white(X[part].astype(kind) - self.center)
            near = white @ self.means.T
            near -= half
            place[part] = near.argmax(axis=1)
            best = near[np.arange(len(near)), place[part]]
            out[part] = np.minimum(best - np.einsum("ij,ij->i", white, white) / 2, 0.0)
        return out, place

    def _white(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return ``rows @ matrix``, by blocks of columns where the zeros below are worth leaving out."""
        d, r = self.matrix.shape
        if r < 2 * _COLUMNS:
            return rows @ self.matrix
        out = np.empty((len(rows), r), rows.dtype)
        for start in range(0, r, _COLUMNS):
            stop = min(start + _COLUMNS, r)
            high = stop + d - r
            np.matmul(rows[:, :high], self.matrix[:high, start:stop], out=out[:, start:stop])
        return out


def gaussians(stats: ClassStats, shrinkage: Any, quartic: Any, cut: float, dtype: Any) -> Gaussians:
    """Return what scoring needs of the statistics of a layer.

    Raises
    ------
    InputError
        Where no class has two different rows, so that there is no spread to measure distances by.
    """
    found = stats.whitening(shrinkage=shrinkage, quartic=quartic, cut=cut)
    if not len(found.eigenvalues):
        raise InputError("no class has two different rows: without any spread there is no distance; give more rows.")
    matrix = rq(found.matrix, mode="r")
    means = (stats.means - found.center) @ matrix
    return Gaussians(
        found.center.astype(dtype),
        np.ascontiguousarray(matrix, dtype=dtype),
        np.ascontiguousarray(means, dtype=dtype),
        found.dropped,
    )
