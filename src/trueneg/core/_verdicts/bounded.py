"""Intervals that do not collapse: means of values in [0, 1], clustered by item, and sums of independent parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._intervals.estimate import _jeffreys_ends, normal_quantile
from trueneg.core.errors import InputError

Floats = NDArray[np.float64]
# With errors in fewer items than this, how they cluster cannot be seen, and the worst is taken for granted.
FEW = 5


def clusters_of(item: object, n: int, name: str = "item") -> NDArray[np.int64]:
    """Codes (n,) of the items; every row is an item of its own where none is given."""
    if item is None:
        return np.arange(n)
    a = np.asarray(item)
    if a.shape != (n,):
        msg = f"{name} has shape {a.shape} for {n} verdicts: give one item each."
        raise InputError(msg)
    if a.dtype.kind == "f" and np.isnan(a).any() or a.dtype.kind == "O" and any(v is None for v in a.tolist()):
        msg = f"{name} has missing values: name the item of every verdict."
        raise InputError(msg)
    codes: NDArray[np.int64] = np.unique(a, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes


def design_effect(residual: NDArray[np.floating[Any]], cluster: NDArray[np.int64]) -> float:
    """How much wider clusters make the variance of a mean of ``residual`` (n,) than rows of their own: 1 or more.

    With non-zero residuals in fewer than five clusters the largest effect is returned, ``sum m^2 / sum m`` of the
    cluster sizes ``m``, as if all rows of an item said the same.
    """
    size = np.bincount(cluster)
    size = size[size > 0]
    if size.max(initial=1) == 1:
        return 1.0
    most = float((size.astype(np.float64) ** 2).sum() / size.sum())
    sums = np.bincount(cluster, weights=residual)
    alive = np.bincount(cluster, weights=np.abs(residual)) > 1e-12
    if int(alive.sum()) < FEW:
        return most
    g = len(size)
    ratio = float((sums**2).sum() / (residual**2).sum()) * (g / max(g - 1, 1))
    return min(max(ratio, 1.0), max(most, 1.0) * 2)


def student(level: float, n: int) -> float:
    """Quantile of Student's t with n - 1 degrees of freedom over the normal one: the price of few items."""
    from scipy.special import stdtrit

    z = normal_quantile(level)
    return float(stdtrit(max(n - 1, 1), 0.5 + level / 2)) / z


def share_ends(k: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Jeffreys' ends of shares ``k / n``, counts need not be whole; [0, 1] where ``n`` is 0."""
    k, n = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    some = n > 0
    low, high = np.zeros(len(n)), np.ones(len(n))
    if some.any():
        low[some], high[some] = _jeffreys_ends(np.minimum(k[some], n[some]), n[some], level)
    return low, high


def mean_ends(
    values: Floats, cluster: NDArray[np.int64], level: float, *, most: float | None = None
) -> tuple[float, float, float]:
    """Mean of values in [0, 1] with ends that do not collapse.

    Jeffreys' interval of the number of yes / no draws that would have the same variance, ``n m (1 - m) / v``: the exact
    one where the values are 0 and 1, never narrower than ``most`` draws would give, never of no width at all.
    """
    n = len(values)
    mean = float(values.mean())
    low, high = mean_ends_of(mean, float(values.var()), n, level, most=most)
    effect = design_effect(values - mean, cluster)
    if effect > 1:
        low, high = mean_ends_of(mean, float(values.var()), n / effect, level, most=None if most is None else most)
    return mean, low, high


def mean_ends_of(mean: float, variance: float, n: float, level: float, *, most: float | None) -> tuple[float, float]:
    full = mean * (1 - mean)
    same = n if full <= 0 else n * full / max(variance, 1e-12)
    same = min(max(same, min(n, 1.0)), n if most is None and full <= 0 else (most or 100 * n))
    low, high = share_ends(np.array([same * mean]), np.array([same]), level)
    return float(low[0]), float(high[0])


def mover(value: float, below: list[float], above: list[float], *, scale: float = 1.0) -> tuple[float, float]:
    """Ends of a sum of independent parts, out of the distances of each part to its own ends."""
    low = value - scale * math.sqrt(sum(d * d for d in below))
    high = value + scale * math.sqrt(sum(d * d for d in above))
    return max(0.0, min(low, value)), min(1.0, max(high, value))
