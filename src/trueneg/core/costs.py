"""What errors cost, and which decisions follow from it.

With costs given: :func:`expected_cost`, :func:`bayes_decisions` and :func:`threshold_by_cost`. Without: no threshold is
"best", and :func:`cost_curve`, :func:`break_even_ratio` and :func:`implied_ratio` say what each choice amounts to.
:func:`risk_coverage` is for a model that may abstain. The functions give plain numbers; for an interval hand
:func:`cost_per_row` to :func:`trueneg.core.intervals.bootstrap`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import _binary, _vector, _weights, sweep

__all__ = [
    "BreakEven",
    "CostCurve",
    "CostMatrix",
    "CostThreshold",
    "RiskCoverage",
    "RowCosts",
    "bayes_decisions",
    "break_even_ratio",
    "cost_curve",
    "cost_per_row",
    "expected_cost",
    "implied_ratio",
    "risk_coverage",
    "threshold_by_cost",
]

# A float32 softmax may exceed 1 by an ulp or two, and its row sums by a little more.
_PROBA_SLACK = 1e-6
_SUM_SLACK = 1e-3


class CostMatrix:
    """The cost of each decision for each true class; ``matrix[true, decided]``.

    Parameters
    ----------
    matrix : array-like of shape (K, K) or None, default=None
        Costs of 0 or more, no right decision dearer than a wrong one of the same row. A gain is written by adding a
        constant to its whole row, which changes no decision.
    fn, fp : float or None, default=None
        In place of the matrix, for two classes: the cost of a false negative and of a false positive.

    References
    ----------
    Elkan (2001), "The foundations of cost-sensitive learning".
    """

    def __init__(self, matrix: ArrayLike | None = None, *, fn: float | None = None, fp: float | None = None) -> None:
        if (matrix is None) == (fn is None and fp is None) or (fn is None) != (fp is None):
            raise InputError("give either a K x K matrix of costs, or both fn and fp.")
        try:
            c = np.array([[0.0, fp], [fn, 0.0]] if matrix is None else matrix, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError("costs must be numbers, a square matrix[true, decided].") from None
        if c.ndim != 2 or c.shape[0] != c.shape[1] or len(c) < 2:
            msg = f"the cost matrix has shape {c.shape}; it must be K x K with K of 2 or more, matrix[true, decided]."
            raise InputError(msg)
        if not np.isfinite(c).all() or (c < 0).any():
            raise InputError("every cost must be finite and 0 or more; add a constant to a row to write a gain in it.")
        wrong = np.argwhere(c < np.diag(c)[:, None])
        if len(wrong):
            i, j = (int(v) for v in wrong[0])
            msg = (
                f"deciding {j} for true class {i} costs less than being right ({c[i, j]:g} < {c[i, i]:g}): transposed?"
            )
            raise InputError(msg)
        if (c == np.diag(c)[:, None]).all():
            raise InputError("no error costs more than a right decision: every decision rule would be as good.")
        c.setflags(write=False)
        self.matrix: NDArray[np.float64] = c

    def __repr__(self) -> str:
        return f"CostMatrix({self.matrix.tolist()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CostMatrix) and np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.matrix.shape, self.matrix.tobytes()))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.matrix)

    @property
    def fn(self) -> float:
        """What missing a positive costs beyond getting it right (two classes)."""
        c = self._two()
        return float(c[1, 0] - c[1, 1])

    @property
    def fp(self) -> float:
        """What a false alarm costs beyond getting the negative right (two classes)."""
        c = self._two()
        return float(c[0, 1] - c[0, 0])

    @property
    def ratio(self) -> float:
        """``fn / fp``: how many false alarms one missed positive is worth; infinite where an alarm is free."""
        return self.fn / self.fp if self.fp > 0 else math.inf

    @property
    def bayes_threshold(self) -> float:
        """``fp / (fp + fn)``: with calibrated probabilities, call positive from here on."""
        return self.fp / (self.fp + self.fn)

    def _two(self) -> NDArray[np.float64]:
        if self.n_classes != 2:
            msg = f"fn, fp and thresholds belong to two classes; this matrix has {self.n_classes}."
            raise InputError(msg)
        return self.matrix


@dataclass(frozen=True, eq=False)
class RowCosts:
    """Costs that differ from row to row (two classes): an amount of money, a severity.

    Parameters
    ----------
    fn, fp : float or array-like of shape (n,)
        What missing the row costs if it is positive; what an alarm costs if it is negative. At least one is an array.
    """

    fn: ArrayLike
    fp: ArrayLike

    def arrays(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both as validated arrays of shape (n,)."""
        out = []
        for name, cost in (("fn", self.fn), ("fp", self.fp)):
            c = _vector(np.atleast_1d(np.asarray(cost)), f"the cost {name}")
            if len(c) not in (1, n) or (c < 0).any():
                msg = f"the cost {name} needs one value of 0 or more for each of the {n} rows, or one for all."
                raise InputError(msg)
            out.append(np.broadcast_to(c, (n,)))
        return out[0], out[1]


# -- what decisions cost -------------------------------------------------------------------------------------------


def cost_per_row(y: ArrayLike, decisions: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[np.float64]:
    """Cost of each row's decision.

    Parameters
    ----------
    y : array-like of shape (n,)
        True class codes, 0 .. K-1.
    decisions : array-like of shape (n,)
        Decided class codes, 0 .. K-1.
    costs : CostMatrix or RowCosts
        The costs.

    Returns
    -------
    ndarray of shape (n,)
        ``matrix[y, decisions]``.
    """
    k = 2 if isinstance(costs, RowCosts) else costs.n_classes
    truth, decided = _codes(y, k, "y"), _codes(decisions, k, "decisions")
    _same_length(truth, decided, "decisions")
    if isinstance(costs, RowCosts):
        fn, fp = costs.arrays(len(truth))
        return np.where(truth == decided, 0.0, np.where(truth == 1, fn, fp))
    return costs.matrix[truth, decided]


def bayes_decisions(proba: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[np.int64]:
    """Decide what costs least on average if the probabilities are calibrated.

    Parameters
    ----------
    proba : array-like of shape (n,) or (n, K)
        Probability of the positive class, or of every class.
    costs : CostMatrix or RowCosts
        The costs.

    Returns
    -------
    ndarray of shape (n,)
        Class codes. On a tie between two classes, the positive one; among more, the lowest code.
    """
    p, positive = _proba(proba, costs)
    if positive:
        fn, fp = _two_costs(costs, len(p))
        # p * fn >= (1 - p) * fp, rather than p >= fp / (fp + fn), so that a row whose both costs are 0 needs no case.
        return (p * fn >= (1 - p) * fp).astype(np.int64)
    if p.dtype.kind != "f":
        p = p.astype(np.float64)
    return np.argmin(p @ _matrix(costs).astype(p.dtype), axis=1).astype(np.int64)


def expected_cost(
    y: ArrayLike | None,
    costs: CostMatrix | RowCosts,
    *,
    decisions: ArrayLike | None = None,
    proba: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean cost a row, of decisions or of probabilities.

    ========== ============= ========= ======================================================================
    ``y``      ``decisions`` ``proba`` the result
    ========== ============= ========= ======================================================================
    given      given         None      what these decisions cost on these labels
    given      None          given     what the Bayes decisions (:func:`bayes_decisions`) cost on these labels
    None       given         given     model-based: what these decisions cost if the probabilities are right
    None       None          given     model-based: what the Bayes decisions cost if the probabilities are right
    ========== ============= ========= ======================================================================

    Parameters
    ----------
    y : array-like of shape (n,) or None
        True class codes.
    costs : CostMatrix or RowCosts
        The costs.
    decisions : array-like of shape (n,) or None, default=None
        Decided class codes.
    proba : array-like of shape (n,) or (n, K) or None, default=None
        Probability of the positive class, or of every class.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    float
        Cost a row. A model-based one is only as good as the calibration.
    """
    if y is not None and decisions is not None and proba is not None:
        raise InputError("with y, give decisions or proba, not both.")
    if proba is None and (y is None or decisions is None):
        raise InputError("give y with decisions or proba, or proba without y (model-based).")
    if decisions is None:
        decisions = bayes_decisions(proba, costs)  # type: ignore[arg-type]
    rows = cost_per_row(y, decisions, costs) if y is not None else _model_cost(proba, decisions, costs)
    if sample_weight is None:
        return float(rows.mean(dtype=np.float64))
    w = _weights(sample_weight, len(rows))
    return float(w @ rows / w.sum())


def _model_cost(proba: Any, decisions: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[Any]:
    p, positive = _proba(proba, costs)
    if positive:
        decided = _codes(decisions, 2, "decisions")
        _same_length(p, decided, "decisions")
        if isinstance(costs, RowCosts):
            fn, fp = costs.arrays(len(p))
            return np.where(decided == 1, (1 - p) * fp, p * fn)
        c = costs.matrix
        return (1 - p) * c[0, decided] + p * c[1, decided]
    c = _matrix(costs)
    decided = _codes(decisions, len(c), "decisions")
    _same_length(p, decided, "decisions")
    return np.einsum("nk,nk->n", p, c.T.astype(p.dtype if p.dtype.kind == "f" else np.float64)[decided])


# -- thresholds ----------------------------------------------------------------------------------------------------


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
    truth = _binary(y, "y")
    s = _vector(scores, "scores", dtype=None)
    _same_length(truth, s, "scores")
    if probabilities:
        _in_unit(s, "scores", " With probabilities=False any score will do.")
    n = len(truth)
    fn, fp = _two_costs(costs, n)
    base = 0.0 if isinstance(costs, RowCosts) else np.diag(costs.matrix)[truth]
    w = np.ones(n) if sample_weight is None else _weights(sample_weight, n)
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
    truth, first = _binary(y, "y"), _binary(a, "a")
    second = np.zeros_like(truth) if b is None else _binary(b, "b")
    _same_length(truth, first, "a")
    _same_length(truth, second, "b")
    w = np.ones(len(truth)) if sample_weight is None else _weights(sample_weight, len(truth))
    if not 0 < (w * truth).sum() < w.sum():
        raise InputError("y holds one class only: a ratio of the costs of two errors needs both.")
    fn_a, fn_b = (float((w * truth * (1 - d)).sum()) for d in (first, second))
    fp_a, fp_b = (float((w * (1 - truth) * d).sum()) for d in (first, second))
    d_fn, d_fp = fn_b - fn_a, fp_a - fp_b  # what a saves, what a adds
    if d_fn * d_fp > 0:
        return BreakEven(d_fp / d_fn, "a" if d_fn > 0 else "b", fn_a, fp_a, fn_b, fp_b)
    better = d_fn - d_fp  # of opposite sign (or one is 0): one rule is at least as good on both errors
    return BreakEven(math.nan, "tie" if better == 0 else "a" if better > 0 else "b", fn_a, fp_a, fn_b, fp_b)


# -- curves --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Cost at every cost ratio and prevalence at once; see :func:`cost_curve`.

    Attributes
    ----------
    probability_cost : ndarray of shape (m,)
        The x axis, ``PC(+) = p fn / (p fn + (1 - p) fp)`` with prevalence p; see :meth:`place`.
    envelope, threshold : ndarray of shape (m,)
        The lowest normalised cost over all thresholds, and the threshold that reaches it.
    trivial : ndarray of shape (m,)
        ``min(x, 1 - x)``: the better of all negative and all positive. A model is of use only below it.
    thresholds, fpr, fnr : ndarray of shape (t,)
        The line of each threshold: ``fpr`` at x = 0, ``fnr`` at x = 1, straight between; see :meth:`line`.
    prevalence : float
        Of the positives, in the rows given.
    """

    probability_cost: NDArray[np.float64]
    envelope: NDArray[np.float64]
    threshold: NDArray[np.float64]
    trivial: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    fpr: NDArray[np.float64]
    fnr: NDArray[np.float64]
    prevalence: float

    def line(self, threshold: float) -> NDArray[np.float64]:
        """Return the normalised cost, shape (m,), of calling positive where ``score >= threshold``."""
        if math.isnan(threshold):
            raise InputError("threshold is NaN: give a number.")
        i = int(np.flatnonzero(self.thresholds >= threshold)[-1])
        return self.fnr[i] * self.probability_cost + self.fpr[i] * (1 - self.probability_cost)

    def place(self, costs: CostMatrix, *, prevalence: float | None = None) -> float:
        """Return the x at which these costs lie, at the prevalence of the rows or another."""
        p = self.prevalence if prevalence is None else prevalence
        if not 0 <= p <= 1:
            msg = f"prevalence={p!r} must lie in [0, 1]."
            raise InputError(msg)
        positive, negative = p * costs.fn, (1 - p) * costs.fp
        if positive + negative == 0:
            raise InputError("at this prevalence no error costs anything: there is no place on the curve.")
        return positive / (positive + negative)


def cost_curve(
    y: ArrayLike, scores: ArrayLike, *, n_points: int = 101, sample_weight: ArrayLike | None = None
) -> CostCurve:
    """Draw the cost curve: what is shown where no cost is given.

    Parameters
    ----------
    y : array-like of shape (n,)
        0 or 1, both present.
    scores : array-like of shape (n,)
        Larger = more positive.
    n_points : int, default=101
        Points of the x axis, evenly from 0 to 1; 2 or more.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    CostCurve
        The lower envelope, and the line of every threshold.

    References
    ----------
    Drummond and Holte (2006), "Cost curves: an improved method for visualizing classifier performance".
    """
    if n_points < 2:
        msg = f"n_points={n_points}: a curve needs 2 points or more."
        raise InputError(msg)
    points = sweep(y, scores, sample_weight=sample_weight)
    fpr, fnr = points.fp / points.negatives, 1 - points.tp / points.positives
    x = np.linspace(0.0, 1.0, n_points)
    # One pass over the thresholds a grid point: memory stays O(thresholds).
    best = np.array([int(np.argmin(fnr * v + fpr * (1 - v))) for v in x])
    envelope = fnr[best] * x + fpr[best] * (1 - x)
    prevalence = points.positives / (points.positives + points.negatives)
    return CostCurve(x, envelope, points.threshold[best], np.minimum(x, 1 - x), points.threshold, fpr, fnr, prevalence)


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Risk of what is answered against the share answered; see :func:`risk_coverage`.

    Attributes
    ----------
    coverage, risk, threshold : ndarray of shape (n,)
        In falling confidence: the share answered, the mean loss of what is answered, the confidence of the last row.
    reachable : ndarray of bool, shape (n,)
        Whether a threshold on the confidence can stop here; False inside ties.
    aurc : float
        Area under the curve, the mean of ``risk`` over rows. With ties, its mean over all orders of the tied rows.
    best_aurc : float
        The same with the rows in rising loss: no confidence can do better.
    excess_aurc : float
        ``aurc - best_aurc``.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reachable: NDArray[np.bool_]
    aurc: float
    best_aurc: float
    excess_aurc: float

    def coverage_at(self, risk: float) -> float:
        """Return the largest share that a threshold can answer with at most this risk; 0 where there is none."""
        fits = self.reachable & (self.risk <= risk + 1e-12)
        return float(self.coverage[fits].max()) if fits.any() else 0.0


def risk_coverage(losses: ArrayLike, confidence: ArrayLike, *, sample_weight: ArrayLike | None = None) -> RiskCoverage:
    """Trace the risk of a model that answers only where it is confident.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Loss of each row: 0 / 1 errors, or :func:`cost_per_row`.
    confidence : array-like of shape (n,)
        Larger = answered earlier. Tied rows are answered in random order, as an average: the result does not depend on
        the order of the rows.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    RiskCoverage
        The curve, its area, and the area of the best order.

    References
    ----------
    Geifman, Uziel and El-Yaniv (2019), "Bias-reduced uncertainty estimation for deep neural classifiers".
    """
    loss = _vector(losses, "losses")
    c = _vector(confidence, "confidence", dtype=None)
    _same_length(loss, c, "confidence")
    w = np.ones(len(loss)) if sample_weight is None else _weights(sample_weight, len(loss))
    loss, c, w = (a[w > 0] for a in (loss, c, w))
    order = np.lexsort((w, c))[::-1]  # by weight inside ties, so that the order of the rows never matters
    conf, weight = c[order], w[order]
    start = np.append(0, np.flatnonzero(conf[1:] != conf[:-1]) + 1)
    mass = np.add.reduceat(weight, start)
    mean = np.add.reduceat(weight * loss[order], start) / mass
    size = np.diff(np.append(start, len(conf)))
    risk, covered = _running(np.repeat(mean, size), weight)
    best_order = np.argsort(loss, kind="stable")
    best, _ = _running(loss[best_order], w[best_order])
    total = float(w.sum())
    aurc, best_aurc = float(weight @ risk) / total, float(w[best_order] @ best) / total
    reachable = np.append(conf[1:] != conf[:-1], True)
    return RiskCoverage(covered / total, risk, conf.astype(np.float64), reachable, aurc, best_aurc, aurc - best_aurc)


# -- private -------------------------------------------------------------------------------------------------------


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


def _running(loss: NDArray[Any], weight: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    covered = np.cumsum(weight)
    return np.cumsum(weight * loss) / covered, covered


def _same_length(truth: NDArray[Any], other: NDArray[Any], name: str) -> None:
    if len(truth) != len(other):
        msg = f"{name} has {len(other)} rows where {len(truth)} are needed: give one a row."
        raise InputError(msg)


def _codes(x: ArrayLike, k: int, name: str) -> NDArray[np.int64]:
    a = _vector(x, name, dtype=None)
    codes = a.astype(np.int64)
    if (codes != a).any() or codes.min() < 0 or codes.max() >= k:
        hint = " -1 means unjudged: drop those rows first." if (a == -1).any() else ""
        msg = f"{name} must hold class codes 0 to {k - 1}, as the costs have {k} classes.{hint}"
        raise InputError(msg)
    return codes


def _matrix(costs: CostMatrix | RowCosts) -> NDArray[np.float64]:
    if isinstance(costs, RowCosts):
        raise InputError("costs by row are for two classes: give the probability of the positive class, shape (n,).")
    return costs.matrix


def _two_costs(costs: CostMatrix | RowCosts, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(costs, RowCosts):
        return costs.arrays(n)
    return np.broadcast_to(costs.fn, (n,)), np.broadcast_to(costs.fp, (n,))


def _row_thresholds(fn: NDArray[np.float64], fp: NDArray[np.float64]) -> NDArray[np.float64]:
    total = fn + fp
    # Where neither error costs anything every threshold is as good; 0 agrees with bayes_decisions on ties.
    return np.divide(fp, total, out=np.zeros(len(total)), where=total > 0)


def _in_unit(p: NDArray[Any], name: str, hint: str = "") -> None:
    low, high = float(p.min()), float(p.max())
    if not (low >= -_PROBA_SLACK and high <= 1 + _PROBA_SLACK):
        msg = f"{name} must be probabilities in [0, 1]; they run from {low:g} to {high:g}.{hint}"
        raise InputError(msg)


def _proba(proba: ArrayLike, costs: CostMatrix | RowCosts) -> tuple[NDArray[Any], bool]:
    """Validate probabilities; the flag says whether they are of the positive class alone, shape (n,)."""
    p = np.asarray(proba)
    k = 2 if isinstance(costs, RowCosts) else costs.n_classes
    if p.ndim == 1 and k == 2:
        p = _vector(p, "proba", dtype=None)
        _in_unit(p, "proba")
        return p, True
    if p.ndim != 2 or p.shape[1] != k:
        shapes = "(n,) or (n, 2)" if k == 2 else f"(n, {k})"
        msg = f"proba has shape {p.shape}; these costs need {shapes}."
        raise InputError(msg)
    if p.size == 0:
        raise InputError("proba is empty: give at least one row.")
    if p.dtype.kind not in "biuf":
        msg = f"proba must hold numbers, not {p.dtype}."
        raise InputError(msg)
    if np.isnan(p.min()):
        raise InputError("proba holds missing values: drop or repair those rows first.")
    _in_unit(p, "proba")
    off = np.abs(p.sum(axis=1, dtype=np.float64) - 1)
    if off.max() > _SUM_SLACK:
        i = int(np.argmax(off))
        msg = f"proba[{i}] sums to {p[i].sum():g}: each row must sum to 1."
        raise InputError(msg)
    return (p[:, 1], True) if k == 2 else (p, False)
