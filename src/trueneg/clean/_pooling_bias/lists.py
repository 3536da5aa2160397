"""The coupled losses over lists, for linear scorers: two convex problems, each weighted by the other's answer.

Pairs lie query by query in flat arrays, so that lists of any length and number of positives cost what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_BLOCK = 1 << 16  # pairs scored at a time


@dataclass(frozen=True, eq=False)
class Lists:
    """Pairs of the queries that have a labelled positive and something beside it, query by query.

    Attributes
    ----------
    pair : (n,) int64
        Rows of the input, in the order of the queries.
    start : (m + 1,) int64
        Where the list of each query begins.
    query : (n,) int64
        Number of the list of each pair.
    positive : (n,) bool
    """

    pair: Rows
    start: Rows
    query: Rows
    positive: NDArray[np.bool_]

    @classmethod
    def of(cls, query: Rows, positive: NDArray[np.bool_]) -> Lists:
        """Group pairs by query; a query without a labelled positive, or with nothing but such, teaches nothing."""
        n = np.bincount(query)
        labelled = np.bincount(query, weights=positive)
        use = (labelled > 0) & (labelled < n)
        pair = np.flatnonzero(use[query])
        pair = pair[np.argsort(query[pair], kind="stable")]
        _, place, count = np.unique(query[pair], return_inverse=True, return_counts=True)
        start = np.concatenate([[0], np.cumsum(count)])
        return cls(pair, start, place.astype(np.int64), positive[pair])

    def sums(self, value: Floats) -> Floats:
        """Add up a value over each list."""
        out: Floats = np.add.reduceat(value, self.start[:-1])
        return out

    def softmax(self, score: Floats) -> Floats:
        """Return the softmax over each list."""
        value = np.exp(score - np.maximum.reduceat(score, self.start[:-1])[self.query])
        out: Floats = value / self.sums(value)[self.query]
        return out


def softmax_loss(lists: Lists, score: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the mean over lists of ``-sum_d w_d log softmax(score)_d`` and its gradient, a number a pair.

    `weight` is 0 where a pair is no labelled positive (Ai et al. 2018, eq. 8).
    """
    top = np.maximum.reduceat(score, lists.start[:-1])
    value = np.exp(score - top[lists.query])
    total = lists.sums(value)
    log_p = score - (top + np.log(total))[lists.query]
    n = len(total)
    mass = lists.sums(weight)[lists.query]
    gradient = (mass * value / total[lists.query] - weight) / n
    return float(-(weight @ log_p) / n), gradient


def pair_loss(lists: Lists, score: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the mean of ``w_n softplus(score_n - score_p)`` over labelled positives p and the others n of a list.

    `weight` is that of the others, and is 0 for labelled positives. Every list counts once, whatever it holds.
    """
    at = np.flatnonzero(lists.positive)
    width = np.diff(lists.start)[lists.query[at]]
    labelled = lists.sums(lists.positive.astype(np.float64))
    share = 1 / (labelled * (np.diff(lists.start) - labelled) * len(labelled))
    gradient, loss = np.zeros(len(score)), 0.0
    ends = np.cumsum(width)
    first = 0
    while first < len(at):  # blocks of positives, each beside its whole list
        last = max(int(np.searchsorted(ends, (ends[first - 1] if first else 0) + _BLOCK)), first + 1)
        own, size = at[first:last], width[first:last]
        begin = np.repeat(lists.start[lists.query[own]] - np.concatenate([[0], np.cumsum(size)[:-1]]), size)
        other = begin + np.arange(len(begin))
        margin = score[other] - np.repeat(score[own], size)
        scale = weight[other] * share[lists.query[other]]
        loss += float(scale @ np.logaddexp(0, margin))
        slope = scale / (1 + np.exp(-margin))
        gradient += np.bincount(other, weights=slope, minlength=len(score))
        gradient[own] -= np.add.reduceat(slope, np.concatenate([[0], np.cumsum(size)[:-1]]))
        first = last
    return loss, gradient


def positive_weights(lists: Lists, other: Floats, clip: float) -> Floats:
    """Weigh each labelled positive by the inverse of what the other model gives it, against the list's best one.

    ``P(best) / P(d)`` with P the softmax of the other model over the list, so that the best-placed positive weighs 1
    and the ones that were unlikely to be selected weigh more; at most `clip`.
    """
    best = np.maximum.reduceat(np.where(lists.positive, other, -np.inf), lists.start[:-1])
    lift = np.where(lists.positive, best[lists.query] - other, 0.0)
    return np.where(lists.positive, np.exp(np.minimum(lift, np.log(clip))), 0.0)


def negative_weights(lists: Lists, other: Floats, clip: float, temperature: float) -> Floats:
    """Weigh each unlabelled pair by ``1 / (1 - sigmoid(other / temperature))``, at most `clip`.

    What the pool would have held, and nobody labelled, is a negative to believe (Cai et al. 2022, as the authors'
    code has it).
    """
    return np.where(lists.positive, 0.0, np.minimum(1 + np.exp(np.minimum(other / temperature, 50.0)), clip))


def fit_linear(lists: Lists, x: Floats, weight: Floats, start: Floats, *, pairwise: bool, l2: float) -> Floats:
    """Minimise a loss over linear scorers; convex, to the optimum."""
    from scipy.optimize import minimize

    loss: Any = pair_loss if pairwise else softmax_loss

    def objective(w: Floats) -> tuple[float, Floats]:
        value, slope = loss(lists, x @ w, weight)
        return value + 0.5 * l2 * float(w @ w), x.T @ slope + l2 * w

    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7}
    )
    out: Floats = found.x
    return out
