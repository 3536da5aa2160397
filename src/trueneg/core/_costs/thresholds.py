"""The cheapest threshold, and the cost ratio at which one decision rule overtakes another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._costs.inputs import in_unit, same_length
from trueneg.core._costs.matrix import CostMatrix, RowCosts, expected_cost, two_costs
from trueneg.core._intervals.inputs import binary_of, vector_of, weights_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import sweep


@dataclass(frozen=True, eq=False)
class CostThreshold:
    """The cheapest threshold on rows with labels; see :func:`threshold_by_cost`.

    Attributes
    ----------
    threshold : float
        Call positive where ``score >= threshold``; ``inf`` where never to alarm is cheapest.
    cost : float
        Mean cost a row there.
    bayes_threshold : float or ndarray of shape (n,) or None
        ``fp / (fp + fn)``, one a row with :class:`RowCosts`; None for scores that are no probabilities.
    bayes_cost : float or None
        Mean cost a row there.
    all_negative_cost, all_positive_cost : float
        Mean cost a row of the two rules that need no model.
    """

    threshold: float
    cost: float
    bayes_threshold: float | NDArray[np.float64] | None
    bayes_cost: float | None
    all_negative_cost: float
    all_positive_cost: float


def threshold_by_cost(
    y: ArrayLike,
    scores: ArrayLike,
    costs: CostMatrix | RowCosts,
    *,
    probabilities: bool = True,
    sample_weight: ArrayLike | None = None,
) -> CostThreshold:
    """Find the cheapest threshold among all that the scores allow, beside the Bayes threshold.

    The optimum is exact for these rows and therefore optimistic on them: choose it on rows that are not the ones
    reported. The Bayes threshold needs no labels, but calibrated probabilities; if it costs much more than the
    optimum, they are not.

    Parameters
    ----------
    y : array-like of shape (n,)
        0 or 1, both present.
    scores : array-like of shape (n,)
        Probability of the positive class, or any score with ``probabilities=False``.
    costs : CostMatrix or RowCosts
        Costs of two classes.
    probabilities : bool, default=True
        Whether the scores are probabilities.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    CostThreshold
        Among equally cheap thresholds the highest, which alarms least.
    """
    truth = binary_of(y, "y")
    s = vector_of(scores, "scores", dtype=None)
    same_length(truth, s, "scores")
    if probabilities:
        in_unit(s, "scores", " With probabilities=False any score will do.")
    n = len(truth)
    fn, fp = two_costs(costs, n)
    base = 0.0 if isinstance(costs, RowCosts) else np.diag(costs.matrix)[truth]
    w = np.ones(n) if sample_weight is None else weights_of(sample_weight, n)
    sweep(truth, s, sample_weight=w)  # both classes must be there; the message names the missing one
    all_negative = float((w * (truth * fn + base)).sum())
    # Calling a row positive saves its fn or adds its fp.
    threshold, change, change_all = _cheapest(s, w * np.where(truth == 1, -fn, fp))
    bayes: float | NDArray[np.float64] | None = None
    bayes_cost = None
    if probabilities:
        bayes = costs.bayes_threshold if isinstance(costs, CostMatrix) else _row_thresholds(fn, fp)
        bayes_cost = expected_cost(truth, costs, proba=s, sample_weight=w)
    total = float(w.sum())
    return CostThreshold(
        threshold,
        (all_negative + change) / total,
        bayes,
        bayes_cost,
        all_negative / total,
        (all_negative + change_all) / total,
    )


def implied_ratio(threshold: float = 0.5) -> float:
    """Return the cost ratio ``fn / fp`` that a threshold on calibrated probabilities amounts to.

    0.5 says that a missed positive costs exactly as much as a false alarm; 0.1, nine times as much.
    """
    if not 0 <= threshold <= 1:
        msg = f"threshold={threshold!r} must lie in [0, 1]: it is a probability."
        raise InputError(msg)
    return (1 - threshold) / threshold if threshold > 0 else math.inf


@dataclass(frozen=True)
class BreakEven:
    """Where two decision rules cost the same; see :func:`break_even_ratio`.

    Attributes
    ----------
    ratio : float
        ``fn / fp`` at which both cost the same; NaN where there is none.
    above : {"a", "b", "tie"}
        The cheaper rule above the ratio (or at any ratio, where ``ratio`` is NaN).
    fn_a, fp_a, fn_b, fp_b : float
        False negatives and false positives of both, weighted.
    """

    ratio: float
    above: str
    fn_a: float
    fp_a: float
    fn_b: float
    fp_b: float

    def cheaper(self, ratio: float) -> str:
        """Return the cheaper rule at a ratio ``fn / fp``: "a", "b" or "tie"."""
        if not ratio >= 0:
            msg = f"ratio={ratio!r} must be 0 or more."
            raise InputError(msg)
        a, b = (
            (self.fn_a, self.fn_b)
            if math.isinf(ratio)
            else (self.fn_a * ratio + self.fp_a, self.fn_b * ratio + self.fp_b)
        )
        if math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12):
            return "tie"
        return "a" if a < b else "b"


def break_even_ratio(
    y: ArrayLike, a: ArrayLike, b: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None
) -> BreakEven:
    """Find the cost ratio at which two decision rules cost the same.

    ``(FP_a - FP_b) / (FN_b - FN_a)``. Against "all negative" this is ``FP / TP``: below it, the model costs more than
    doing nothing. One of two rules may be cheaper at every ratio; then there is no break-even.

    Parameters
    ----------
    y : array-like of shape (n,)
        0 or 1, both present.
    a : array-like of shape (n,)
        Decisions of one rule, 0 or 1.
    b : array-like of shape (n,) or None, default=None
        Decisions of the other; None is "all negative".
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    BreakEven
        The ratio, and which rule is cheaper above it.
    """
    truth, first = binary_of(y, "y"), binary_of(a, "a")
    second = np.zeros_like(truth) if b is None else binary_of(b, "b")
    same_length(truth, first, "a")
    same_length(truth, second, "b")
    w = np.ones(len(truth)) if sample_weight is None else weights_of(sample_weight, len(truth))
    if not 0 < (w * truth).sum() < w.sum():
        raise InputError("y holds one class only: a ratio of the costs of two errors needs both.")
    fn_a, fn_b = (float((w * truth * (1 - d)).sum()) for d in (first, second))
    fp_a, fp_b = (float((w * (1 - truth) * d).sum()) for d in (first, second))
    d_fn, d_fp = fn_b - fn_a, fp_a - fp_b  # what a saves, what a adds
    if d_fn * d_fp > 0:
        return BreakEven(d_fp / d_fn, "a" if d_fn > 0 else "b", fn_a, fp_a, fn_b, fp_b)
    better = d_fn - d_fp  # of opposite sign (or one is 0): one rule is at least as good on both errors
    return BreakEven(math.nan, "tie" if better == 0 else "a" if better > 0 else "b", fn_a, fp_a, fn_b, fp_b)


def _cheapest(scores: NDArray[Any], change: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the cheapest threshold (the highest of equals), the change in cost there, and at "all positive"."""
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    cost = np.append(0.0, np.cumsum(change[order])[last])
    slack = 1e-12 * max(1.0, float(np.abs(cost).max()))  # equal costs may differ by rounding
    best = int(np.flatnonzero(cost <= cost.min() + slack)[0])
    threshold = math.inf if best == 0 else float(ranked[last[best - 1]])
    return threshold, float(cost[best]), float(cost[-1])


def _row_thresholds(fn: NDArray[np.float64], fp: NDArray[np.float64]) -> NDArray[np.float64]:
    total = fn + fp
    # Where neither error costs anything every threshold is as good; 0 agrees with bayes_decisions on ties.
    return np.divide(fp, total, out=np.zeros(len(total)), where=total > 0)
