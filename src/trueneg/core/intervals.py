"""Estimates with intervals, and comparisons at a matched operating point.

Every figure that trueneg reports is an :class:`Estimate`. The functions here make one from counts
(:func:`wilson`, :func:`jeffreys`, :func:`stratified`), from any statistic of rows (:func:`bootstrap`) and from
repeated cross-validation (:func:`corrected_resampled_t`). :func:`matched` answers the question that comes before any of
them: are two scorers being compared at the same operating point?
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

__all__ = [
    "Estimate",
    "Matched",
    "OperatingPoint",
    "Sweep",
    "bootstrap",
    "corrected_resampled_t",
    "jeffreys",
    "matched",
    "stratified",
    "sweep",
    "wilson",
]

# Delete-one jackknife up to this many units; beyond it, delete-a-block with this many blocks. The acceleration of BCa
# is a skewness, which block sums keep; its noise is about 0.4 / blocks, far below what moves an interval.
_MAX_JACKKNIFE = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Parameters
    ----------
    value, low, high : float
        The point estimate and the ends of its interval.
    level : float, default=0.95
        Nominal coverage of the interval.
    method : str, default=""
        How the interval was made, in a few words.
    n : int or None, default=None
        Number of independent units behind it (groups, where rows were clustered).
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = ""
    n: int | None = None

    def __str__(self) -> str:
        """Return ``0.87 [0.82, 0.91]``: as many decimals as the width of the interval deserves."""
        width = self.high - self.low
        digits = 2
        if math.isfinite(width) and width >= 10:
            digits = 0
        elif math.isfinite(width) and width > 0:
            digits = -math.floor(math.log10(width))
            digits = 2 if digits <= 2 else min(digits + 1, 9)  # rare events: two digits of the width, not one
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that strict JSON can hold: what is not finite becomes ``None``."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


# -- counts --------------------------------------------------------------------------------------------------------


def wilson(k: float, n: float, *, level: float = 0.95) -> Estimate:
    """Wilson's score interval of a proportion.

    Parameters
    ----------
    k : float
        Successes, ``0 <= k <= n``.
    n : float
        Trials, above 0.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Estimate
        ``k / n`` with the set of proportions that a score test does not reject.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    k, n, z = *_counts(k, n), _z(level)
    p, z2 = k / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At the ends the exact limit is 0 or 1; rounding would leave 1e-17 there.
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Estimate(p, low, high, level, "Wilson", int(n))


def jeffreys(k: float, n: float, *, level: float = 0.95) -> Estimate:
    """Jeffreys' interval of a proportion: quantiles of Beta(k + 1/2, n - k + 1/2).

    The lower end is 0 at ``k = 0`` and the upper one 1 at ``k = n``, as is usual, so that it always holds ``k / n``.

    Parameters
    ----------
    k : float
        Successes, ``0 <= k <= n``; need not be whole (effective counts).
    n : float
        Trials, above 0.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Estimate
        ``k / n`` with its interval.

    References
    ----------
    Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion".
    """
    k, n = _counts(k, n)
    _z(level)
    low, high = _jeffreys_ends(np.array([k]), np.array([n]), level)
    return Estimate(k / n, float(low[0]), float(high[0]), level, "Jeffreys", int(n))


def stratified(
    hits: ArrayLike,
    sampled: ArrayLike,
    sizes: ArrayLike,
    *,
    level: float = 0.95,
    total: bool = False,
    finite: bool = False,
) -> Estimate:
    """Proportion (or total) in a population from a stratified random sample.

    Jeffreys' interval in each stratum, combined by MOVER: with ``W_h = N_h / N``, ``p = sum W_h p_h``, the lower end
    is ``p - sqrt(sum W_h^2 (p_h - l_h)^2)`` and the upper one ``p + sqrt(sum W_h^2 (u_h - p_h)^2)``. Unlike a normal
    interval it does not collapse where a stratum shows no hit.

    Parameters
    ----------
    hits : array-like of shape (n_strata,)
        Hits found in the sample of each stratum.
    sampled : array-like of shape (n_strata,)
        Rows sampled in each stratum.
    sizes : array-like of shape (n_strata,)
        Rows of the population in each stratum. A stratum of size 0 is ignored.
    level : float, default=0.95
        Nominal coverage.
    total : bool, default=False
        Give the number of hits in the population in place of the proportion.
    finite : bool, default=False
        Shrink each stratum's distances by ``sqrt(1 - n_h / N_h)``: a stratum seen whole is then known. The default is
        wider, and right where the rows themselves are a sample of something larger.

    Returns
    -------
    Estimate
        With ``n`` the number of rows sampled.

    References
    ----------
    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach".
    """
    k, n, size = _strata(hits, sampled, sizes)
    p_h, weight = k / n, size / size.sum()
    low_h, high_h = _jeffreys_ends(k, n, level)
    shrink = np.sqrt(1 - n / size) if finite else np.ones_like(size)
    p = float(weight @ p_h)
    low = max(0.0, p - float(np.linalg.norm(weight * (p_h - low_h) * shrink)))
    high = min(1.0, p + float(np.linalg.norm(weight * (high_h - p_h) * shrink)))
    scale = float(size.sum()) if total else 1.0
    method = "stratified, Jeffreys and MOVER" + (", finite population" if finite else "")
    return Estimate(scale * p, scale * low, scale * high, level, method, int(n.sum()))


# -- resampling ----------------------------------------------------------------------------------------------------


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
    _z(level)
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

    _z(level)
    d = _vector(differences, "differences")
    if len(d) < 2:
        raise InputError("one difference has no spread: give two folds or more.")
    train, test = (
        float(np.mean(_vector(np.atleast_1d(a), name))) for a, name in ((n_train, "n_train"), (n_test, "n_test"))
    )
    if train <= 0 or test <= 0:
        msg = f"n_train={train:g} and n_test={test:g} must be above 0."
        raise InputError(msg)
    mean = float(d.mean())
    error = math.sqrt(float(d.var(ddof=1)) * (1 / len(d) + test / train))
    half = float(stdtrit(len(d) - 1, 0.5 + level / 2)) * error
    return Estimate(mean, mean - half, mean + half, level, "corrected resampled t", len(d))


# -- operating points ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """Every operating point that a threshold on the scores can reach, from no alarm to all.

    Point ``i`` calls positive the rows with ``score >= threshold[i]``; tied rows enter together. All arrays have shape
    (n_distinct + 1,), the first point is the threshold ``inf``.
    """

    threshold: NDArray[np.float64]
    tp: NDArray[np.float64]
    fp: NDArray[np.float64]

    @property
    def positives(self) -> float:
        """Weight of the positive rows."""
        return float(self.tp[-1])

    @property
    def negatives(self) -> float:
        """Weight of the negative rows."""
        return float(self.fp[-1])


@dataclass(frozen=True)
class OperatingPoint:
    """One scorer at one operating point.

    ``tied_share`` is the share of the rows tied at ``threshold`` that are called positive: below 1, the point lies
    between two thresholds, and its figures are what drawing that share of the tied rows at random gives on average.
    """

    threshold: float
    tied_share: float
    alarms: float
    fpr: float
    fnr: float
    precision: float


@dataclass(frozen=True)
class Matched:
    """Two scorers at the same operating point; see :func:`matched`."""

    at: str
    value: float
    a: OperatingPoint
    b: OperatingPoint


def sweep(y: ArrayLike, scores: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Sweep:
    """Count true and false positives at every distinct threshold.

    Parameters
    ----------
    y : array-like of shape (n,)
        0 or 1, both present.
    scores : array-like of shape (n,)
        Larger = more positive.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row, 0 or more.

    Returns
    -------
    Sweep
        From the threshold ``inf`` down to the lowest score.
    """
    truth = _binary(y, "y")
    s = _vector(scores, "scores", dtype=None)
    if len(s) != len(truth):
        msg = f"y has {len(truth)} rows and scores {len(s)}: give one score a row."
        raise InputError(msg)
    weight = np.ones(len(truth)) if sample_weight is None else _weights(sample_weight, len(truth))
    order = np.argsort(s)[::-1]
    s, truth, weight = s[order], truth[order], weight[order]
    last = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
    tp = np.append(0.0, np.cumsum(weight * truth)[last])
    fp = np.append(0.0, np.cumsum(weight * (1 - truth))[last])
    if tp[-1] <= 0 or fp[-1] <= 0:
        which = "positive" if tp[-1] <= 0 else "negative"
        msg = f"y holds no {which} row (of weight above 0): rates and thresholds need both classes."
        raise InputError(msg)
    return Sweep(np.append(np.inf, s[last].astype(np.float64)), tp, fp)


def matched(
    a_scores: ArrayLike,
    b_scores: ArrayLike,
    y: ArrayLike,
    *,
    at: Literal["fpr", "fnr", "alarms"] = "fpr",
    value: float | None = None,
    threshold: float | None = None,
    sample_weight: ArrayLike | None = None,
) -> Matched:
    """Put two scorers at the same false-positive rate, false-negative rate or number of alarms.

    A remedy that only moves the operating point looks better on one error and worse on the other; at a matched point
    what is left is the ranking. Where ties jump over the wished point, it is reached by drawing among the tied rows
    (a straight line between two points of the ROC curve), so that the match is exact. Both scorers are placed by the
    same rule: at a given fpr the smallest fnr, at a given fnr the smallest fpr; a scorer matched with itself ties.

    Parameters
    ----------
    a_scores, b_scores : array-like of shape (n,)
        Larger = more positive; hard decisions (0 / 1) are scores with two ties.
    y : array-like of shape (n,)
        0 or 1, both present.
    at : {"fpr", "fnr", "alarms"}, default="fpr"
        What is held equal.
    value : float or None, default=None
        The rate in [0, 1], or the number of alarms in [0, n] (their weight, with ``sample_weight``).
    threshold : float or None, default=None
        In place of ``value``: take the value that ``a_scores >= threshold`` has.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    Matched
        The value, and the operating points of a and of b.
    """
    if at not in ("fpr", "fnr", "alarms"):
        msg = f"at={at!r}: choose 'fpr', 'fnr' or 'alarms'."
        raise InputError(msg)
    if (value is None) == (threshold is None):
        raise InputError("give either value (the rate or number of alarms) or threshold (of a), not both or neither.")
    a, b = (sweep(y, s, sample_weight=sample_weight) for s in (a_scores, b_scores))
    if threshold is not None:
        if math.isnan(threshold):
            raise InputError("threshold is NaN: give a number.")
        # The last point whose threshold is still at or above the wished one holds exactly the rows with score >= it.
        value = float(_axis(a, at)[np.flatnonzero(a.threshold >= threshold)[-1]])
    top = a.positives + a.negatives if at == "alarms" else 1.0
    if value is None or not 0 <= value <= top:
        msg = f"value={value!r} cannot be reached: {at} lies between 0 and {top:g}."
        raise InputError(msg)
    return Matched(at, float(value), _place(a, at, value), _place(b, at, value))


def _axis(points: Sweep, at: str) -> NDArray[np.float64]:
    if at == "fpr":
        return points.fp / points.negatives
    if at == "fnr":
        return 1 - points.tp / points.positives
    return points.tp + points.fp


def _place(points: Sweep, at: str, value: float) -> OperatingPoint:
    """Find the (possibly drawn) point with the wished value; see :func:`matched` for the rule."""
    # Rates come from cumulated sums: a value that equals one of them in exact arithmetic must find it.
    slack = 1e-12 * max(1.0, abs(value))
    if at == "fnr":
        recall = points.tp / points.positives
        i = int(np.searchsorted(recall, 1 - value - slack, side="left"))  # the first point that misses no more
        before, here, wish = recall[i - 1] if i else 0.0, recall[i], 1 - value
    else:
        axis = _axis(points, at)
        i = int(np.searchsorted(axis, value + slack, side="right"))  # the first point that goes beyond
        if i == len(axis) or abs(axis[i - 1] - value) <= slack:
            return _point(points, i - 1, 1.0)
        before, here, wish = axis[i - 1], axis[i], value
    if i == 0 or abs(here - wish) <= slack:
        return _point(points, i, 1.0)
    return _point(points, i, float((wish - before) / (here - before)))


def _point(points: Sweep, i: int, share: float) -> OperatingPoint:
    tp0, fp0 = (points.tp[i - 1], points.fp[i - 1]) if i else (0.0, 0.0)
    tp = float(tp0 + share * (points.tp[i] - tp0))
    fp = float(fp0 + share * (points.fp[i] - fp0))
    precision = tp / (tp + fp) if tp + fp > 0 else math.nan
    return OperatingPoint(
        float(points.threshold[i]), share, tp + fp, fp / points.negatives, 1 - tp / points.positives, precision
    )


# -- private -------------------------------------------------------------------------------------------------------


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


def _jeffreys_ends(
    k: NDArray[np.float64], n: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import betaincinv

    _z(level)
    tail = (1 - level) / 2
    low = np.where(k == 0, 0.0, betaincinv(k + 0.5, n - k + 0.5, tail))
    high = np.where(k == n, 1.0, betaincinv(k + 0.5, n - k + 0.5, 1 - tail))
    # Near the ends at a low level the quantiles may pass by k / n; the interval must hold its own estimate.
    return np.minimum(low, k / n), np.maximum(high, k / n)


def _z(level: float) -> float:
    if not 0 < level < 1:
        msg = f"level={level!r} must lie strictly between 0 and 1, for example 0.95."
        raise InputError(msg)
    return NormalDist().inv_cdf(0.5 + level / 2)


def _strata(hits: ArrayLike, sampled: ArrayLike, sizes: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Validate a stratified sample and leave out strata of size 0."""
    k, n, size = _vector(hits, "hits"), _vector(sampled, "sampled"), _vector(sizes, "sizes")
    if not len(k) == len(n) == len(size):
        msg = f"hits, sampled and sizes need one entry a stratum; they have {len(k)}, {len(n)} and {len(size)}."
        raise InputError(msg)
    bad = (k < 0) | (k > n) | (n > size)
    if bad.any():
        h = int(np.flatnonzero(bad)[0])
        msg = (
            f"stratum {h}: {k[h]:g} hits among {n[h]:g} sampled of {size[h]:g} rows; "
            "0 <= hits <= sampled <= size must hold. Rows drawn twice count once."
        )
        raise InputError(msg)
    used = size > 0
    if not used.any():
        raise InputError("every stratum has size 0: there is no population to estimate.")
    if (n[used] == 0).any():
        h = int(np.flatnonzero(used & (n == 0))[0])
        msg = f"stratum {h} has {size[h]:g} rows and none was sampled: sample it, or merge it with its neighbour."
        raise InputError(msg)
    return k[used], n[used], size[used]


def _counts(k: float, n: float) -> tuple[float, float]:
    k, n = float(k), float(n)
    if not (n > 0 and math.isfinite(n)):
        msg = f"n={n:g}: a proportion needs at least one trial."
        raise InputError(msg)
    if not 0 <= k <= n:
        msg = f"k={k:g} of n={n:g}: 0 <= k <= n must hold."
        raise InputError(msg)
    return k, n


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


def _vector(x: ArrayLike, name: str, *, dtype: Any = np.float64) -> NDArray[Any]:
    """One finite number an entry, shape (n,), n above 0; ``dtype=None`` keeps the type (float32 stays float32)."""
    try:
        a = np.asarray(x, dtype=dtype)
    except (TypeError, ValueError):
        msg = f"{name} must hold numbers."
        raise InputError(msg) from None
    if a.dtype.kind not in "biuf":
        msg = f"{name} must hold numbers, not {a.dtype}."
        raise InputError(msg)
    if a.ndim != 1:
        msg = f"{name} has shape {a.shape}; it must have one dimension, one entry a row."
        raise InputError(msg)
    if a.size == 0:
        msg = f"{name} is empty: give at least one entry."
        raise InputError(msg)
    if a.dtype.kind == "f" and not np.isfinite(a).all():
        i = int(np.flatnonzero(~np.isfinite(a))[0])
        msg = f"{name}[{i}] is {a[i]}: drop or repair rows with missing or infinite values first."
        raise InputError(msg)
    return a


def _binary(y: ArrayLike, name: str) -> NDArray[np.int64]:
    a = _vector(y, name, dtype=None)
    if not ((a == 0) | (a == 1)).all():
        hint = " -1 means unjudged: drop those rows, or review them." if (a == -1).any() else ""
        msg = f"{name} must hold 0 (negative) and 1 (positive) only.{hint}"
        raise InputError(msg)
    return a.astype(np.int64)


def _weights(sample_weight: ArrayLike, n: int) -> NDArray[np.float64]:
    w = _vector(sample_weight, "sample_weight")
    if len(w) != n or (w < 0).any() or w.sum() <= 0:
        msg = f"sample_weight needs one weight of 0 or more for each of the {n} rows, and a sum above 0."
        raise InputError(msg)
    return w
