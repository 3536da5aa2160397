"""Two scorers at the same false-positive rate, false-negative rate or number of alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.inputs import binary_of, vector_of, weights_of
from trueneg.core.errors import InputError


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
    truth = binary_of(y, "y")
    s = vector_of(scores, "scores", dtype=None)
    if len(s) != len(truth):
        msg = f"y has {len(truth)} rows and scores {len(s)}: give one score a row."
        raise InputError(msg)
    weight = np.ones(len(truth)) if sample_weight is None else weights_of(sample_weight, len(truth))
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
