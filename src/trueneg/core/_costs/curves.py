"""Cost at every ratio and prevalence, and risk at every share of rows answered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._costs.inputs import same_length
from trueneg.core._intervals.inputs import vector_of, weights_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import sweep

if TYPE_CHECKING:
    from trueneg.core._costs.matrix import CostMatrix


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
    loss = vector_of(losses, "losses")
    c = vector_of(confidence, "confidence", dtype=None)
    same_length(loss, c, "confidence")
    w = np.ones(len(loss)) if sample_weight is None else weights_of(sample_weight, len(loss))
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


def _running(loss: NDArray[Any], weight: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    covered = np.cumsum(weight)
    return np.cumsum(weight * loss) / covered, covered
