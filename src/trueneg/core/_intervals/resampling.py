"""The bootstrap (rows or groups, paired, percentile or BCa) and the corrected resampled t."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.estimate import Estimate, normal_quantile
from trueneg.core._intervals.inputs import vector_of
from trueneg.core.errors import InputError

# Delete-one jackknife up to this many units; beyond it, delete-a-block with this many blocks. The acceleration of BCa
# is a skewness, which block sums keep; its noise is about 0.4 / blocks, far below what moves an interval.
_MAX_JACKKNIFE = 1000


def bootstrap(
    stat: Callable[..., float],
    *arrays: ArrayLike,
    n_boot: int = 2000,
    method: Literal["percentile", "bca"] = "percentile",
    groups: ArrayLike | None = None,
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
) -> Estimate:
    """Bootstrap interval of any statistic of rows; the arrays are paired and resampled together.

    Parameters
    ----------
    stat : callable
        ``stat(*arrays) -> float``. It may return NaN where it is undefined (one class only in a resample): such
        resamples are left out and counted in ``method``; more than half of them is an error.
    *arrays : array-like of shape (n, ...)
        Rows; for a paired difference hand both sides over, ``bootstrap(lambda a, b: ..., a, b)``.
    n_boot : int, default=2000
        Number of resamples.
    method : {"percentile", "bca"}, default="percentile"
        BCa corrects bias and skewness; it calls ``stat`` up to 1,000 times more.
    groups : array-like of shape (n,) or None, default=None
        Whole groups are resampled where rows of a group belong together; at least 2.
    level : float, default=0.95
        Nominal coverage.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    Estimate
        With ``n`` the number of units resampled: groups, or else rows.

    References
    ----------
    Efron (1987), "Better bootstrap confidence intervals".
    """
    normal_quantile(level)
    if method not in ("percentile", "bca"):
        msg = f"method={method!r}: choose 'percentile' or 'bca'."
        raise InputError(msg)
    if n_boot < 2:
        msg = f"n_boot={n_boot}: at least 2 resamples are needed, 1000 or more for a 95 % interval."
        raise InputError(msg)
    data = _rows(arrays)
    units = _Units.of(len(data[0]), groups)
    value = float(stat(*data))
    if not math.isfinite(value):
        raise InputError("the statistic is not finite on the rows as they are: check for missing values or one class.")
    rng = np.random.default_rng(random_state)
    draws, lost = _draws(stat, data, units, n_boot, rng)
    tail = (1 - level) / 2
    ends = np.array([tail, 1 - tail])
    if method == "bca" and np.ptp(draws) > 0:
        ends = _bca_ends(draws, value, _jackknife(stat, data, units, rng), ends)
    low, high = np.quantile(draws, ends)
    words = ("BCa" if method == "bca" else "percentile") + " bootstrap" + (" of groups" if groups is not None else "")
    if lost:
        words += f", undefined on {lost} of {n_boot} resamples"
    return Estimate(value, float(low), float(high), level, words, units.n)


def corrected_resampled_t(
    differences: ArrayLike, *, n_train: ArrayLike, n_test: ArrayLike, level: float = 0.95
) -> Estimate:
    """Mean difference of two methods over the folds of (repeated) cross-validation.

    Folds share training rows, so their differences are correlated and a plain t interval is too narrow. Nadeau and
    Bengio's variance is ``s^2 (1 / J + n_test / n_train)`` with J differences and ``J - 1`` degrees of freedom.

    Parameters
    ----------
    differences : array-like of shape (J,)
        One paired difference a fold (all repeats together), ``J >= 2``.
    n_train, n_test : int or array-like of shape (J,)
        Rows trained on and tested on; where folds differ, their means are used.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Estimate
        Of the mean difference; an interval without 0 is a difference at ``1 - level``.

    References
    ----------
    Nadeau and Bengio (2003), "Inference for the generalization error"; Bouckaert and Frank (2004).
    """
    from scipy.special import stdtrit

    normal_quantile(level)
    d = vector_of(differences, "differences")
    if len(d) < 2:
        raise InputError("one difference has no spread: give two folds or more.")
    train, test = (
        float(np.mean(vector_of(np.atleast_1d(a), name))) for a, name in ((n_train, "n_train"), (n_test, "n_test"))
    )
    if train <= 0 or test <= 0:
        msg = f"n_train={train:g} and n_test={test:g} must be above 0."
        raise InputError(msg)
    mean = float(d.mean())
    error = math.sqrt(float(d.var(ddof=1)) * (1 / len(d) + test / train))
    half = float(stdtrit(len(d) - 1, 0.5 + level / 2)) * error
    return Estimate(mean, mean - half, mean + half, level, "corrected resampled t", len(d))


@dataclass(frozen=True)
class _Units:
    """What a resample draws: rows, or groups of rows laid side by side in ``order``."""

    n: int
    order: NDArray[np.int64] | None
    start: NDArray[np.int64] | None
    size: NDArray[np.int64] | None

    @classmethod
    def of(cls, n_rows: int, groups: ArrayLike | None) -> _Units:
        if groups is None:
            if n_rows < 2:
                raise InputError("one row has no spread: a bootstrap needs two or more.")
            return cls(n_rows, None, None, None)
        g = np.asarray(groups)
        if g.shape != (n_rows,):
            msg = f"groups has shape {g.shape}; give one group a row, shape ({n_rows},)."
            raise InputError(msg)
        if g.dtype.kind == "f" and np.isnan(g).any():
            raise InputError("groups holds missing values: give each such row a group of its own, or drop it.")
        _, code, size = np.unique(g, return_inverse=True, return_counts=True)
        if len(size) < 2:
            raise InputError("there is one group only: resampling groups needs two or more; leave groups out for rows.")
        return cls(len(size), np.argsort(code, kind="stable"), np.cumsum(size) - size, size)

    def take(self, picks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the picked units, repeats included."""
        if self.order is None or self.start is None or self.size is None:
            return picks
        length = self.size[picks]
        shift = np.repeat(self.start[picks] - (np.cumsum(length) - length), length)
        return self.order[shift + np.arange(len(shift))]


def _draws(
    stat: Callable[..., float], data: list[NDArray[Any]], units: _Units, n_boot: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    """Return the statistic of every resample where it is defined, and how many were undefined."""
    draws = np.empty(n_boot)
    for b in range(n_boot):
        index = units.take(rng.integers(0, units.n, units.n))
        draws[b] = stat(*(a[index] for a in data))
    draws = draws[~np.isnan(draws)]
    lost = n_boot - len(draws)
    if lost * 2 > n_boot:
        msg = f"the statistic is undefined on {lost} of {n_boot} resamples: too few rows or groups of one class."
        raise InputError(msg)
    return draws, lost


def _jackknife(
    stat: Callable[..., float], data: list[NDArray[Any]], units: _Units, rng: np.random.Generator
) -> NDArray[np.float64]:
    n_blocks = min(units.n, _MAX_JACKKNIFE)
    block = np.arange(units.n) % n_blocks
    if n_blocks < units.n:
        block = rng.permutation(block)
    values = np.empty(n_blocks)
    for b in range(n_blocks):
        index = units.take(np.flatnonzero(block != b))
        values[b] = stat(*(a[index] for a in data))
    if np.isnan(values).any():
        raise InputError("BCa is undefined: so is the statistic without one of the units. Use method='percentile'.")
    return values


def _bca_ends(
    draws: NDArray[np.float64], value: float, left_out: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Efron's corrected quantiles; ties with the value count half."""
    normal = NormalDist()
    below = float(np.mean(draws < value) + np.mean(draws <= value)) / 2
    if not 0 < below < 1:
        raise InputError("BCa is undefined: every resample lies on one side of the estimate. Use method='percentile'.")
    z0 = normal.inv_cdf(below)
    d = left_out.mean() - left_out
    spread = float((d**2).sum())
    accel = float((d**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    z = z0 + np.array([normal.inv_cdf(float(q)) for q in ends])
    return np.array([normal.cdf(float(z0 + v / (1 - accel * v))) for v in z])


def _rows(arrays: tuple[ArrayLike, ...]) -> list[NDArray[Any]]:
    data = [np.asarray(a) for a in arrays]
    if not data or any(a.ndim == 0 for a in data):
        raise InputError("give at least one array with one entry a row.")
    if len({len(a) for a in data}) > 1:
        msg = f"the arrays are paired and must have the same length; they have {[len(a) for a in data]}."
        raise InputError(msg)
    if len(data[0]) == 0:
        raise InputError("the arrays are empty: there is nothing to resample.")
    return data
