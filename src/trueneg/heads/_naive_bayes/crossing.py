"""Where two learning curves cross."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.intervals import Estimate

__all__ = ["crossing_interval", "crossings"]

_DRAWS = 4000


def crossings(sizes: Sequence[float], difference: ArrayLike) -> tuple[float, ...]:
    """Return where a curve changes its sign, by a straight line in log size.

    Parameters
    ----------
    sizes : sequence of float
        Rising, above 0, (J,).
    difference : array-like of shape (J,)
        First error minus second. A zero belongs to the sign before it; zeros at the start to that after them.

    Returns
    -------
    tuple of float
        Rising; empty where one side leads throughout.
    """
    x, d = np.log(np.asarray(sizes, np.float64)), np.asarray(difference, np.float64)
    kept = np.flatnonzero(d)  # a touch of zero is no crossing
    pairs = zip(kept[:-1], kept[1:], strict=True)
    at = [x[a] + (x[b] - x[a]) * d[a] / (d[a] - d[b]) for a, b in pairs if (d[a] < 0) != (d[b] < 0)]
    return tuple(float(v) for v in np.exp(at))


def crossing_interval(
    sizes: list[int],
    difference: NDArray[np.float64],
    value: float,
    ratio: float,
    level: float,
    rng: np.random.Generator,
) -> Estimate:
    """Return the crossing with its interval; see ``sample_complexity_curve`` for the rule.

    Parameters
    ----------
    sizes : list of int
        Rising, (J,).
    difference : ndarray of shape (n_repeats, J)
        First error minus second.
    value : float
        Where the mean curve crosses.
    ratio : float
        Test rows over training rows of a split, for the correlation of the splits.
    level : float
        Coverage.
    rng : Generator
        Of the drawn curves.
    """
    n = len(difference)
    centred = difference - difference.mean(axis=0)
    # Draws with the covariance of the repeats, a factor of it being the centred repeats themselves.
    noise = rng.normal(size=(_DRAWS, n)) @ centred / math.sqrt(n - 1) * math.sqrt(1 / n + ratio)
    ends = np.array([_ends(sizes, curve) for curve in difference.mean(axis=0) + noise])
    tail = (1 - level) / 2
    low = float(np.quantile(ends[:, 0], tail, method="lower"))
    high = float(np.quantile(ends[:, 1], 1 - tail, method="higher"))
    return Estimate(value, min(low, value), max(high, value), level, "simulated mean curves, splits share rows", n)


def _ends(sizes: list[int], curve: NDArray[np.float64]) -> tuple[float, float]:
    """First and last crossing; 0 where the curve starts above zero, inf where it ends below."""
    found = crossings(sizes, curve)
    low = 0.0 if curve[0] > 0 else (found[0] if found else math.inf)
    high = math.inf if curve[-1] < 0 else (found[-1] if found else 0.0)
    return low, high
