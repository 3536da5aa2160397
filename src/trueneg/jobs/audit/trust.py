"""Recalibrate by trusted rows: what the probabilities are worth where the truth is known, and what follows elsewhere.

A trusted flag says that a label is right. It does not say how often annotators err, since the label that the row had
before is gone. So trusted rows are used for one thing only, P(true class | row): the log probabilities, which were
learnt from labels as they are, get one slope and a shift a class that make them right on the trusted rows (vector
scaling: Guo et al., 2017, "On calibration of modern neural networks"). Of the other rows the given label is known too;
with P(true | row) fixed, the error rates P(given | true) that make the given labels most likely follow by EM (Dawid and
Skene, 1979, with one annotator and a known prior a row), and with them the probability that a given label is wrong.

This is right where the trusted rows are a random part of the table and errors depend on the class alone. Rows that are
visibly no random part are refused; the rest cannot be seen in the data, so nothing here carries an interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.context import Context

LEAST, LEAST_OF_CLASS = 50, 5
SLOPE_SD, SHIFT_SD = 0.35, 1.2  # the probabilities are about right, until the trusted rows say otherwise
EM_STEPS, EM_ROWS = 100, 50_000
SHIFT, MAX_TESTED = 0.1, 50
FLOOR = 1e-6
FOLDS = 5
BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """P(true class | row) by trusted rows, and the probability that a given label is wrong.

    Attributes
    ----------
    n_rows : int
        Trusted rows behind it.
    theta : (1 + K,) float64
        Slope, and a shift for each class.
    transition : (K, K) float64
        P(given | true), rows given, columns true.
    """

    n_rows: int
    theta: np.ndarray
    transition: np.ndarray
    logits_of: Callable[[np.ndarray], np.ndarray]
    codes: np.ndarray

    def truth(self, rows: np.ndarray) -> np.ndarray:
        """Return P(true class | row) of some rows (m, K), before their given label is looked at."""
        return scaled(self.logits_of(rows), self.theta)

    def wrong(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability that the given label of each row is wrong (m,); the rows must carry a label."""
        out = np.empty(len(rows))
        for start in range(0, len(rows), EM_ROWS):
            part = rows[start : start + EM_ROWS]
            joint = self.truth(part) * self.transition[self.codes[part]]
            right = joint[np.arange(len(part)), self.codes[part]]
            out[start : start + len(part)] = 1 - right / np.maximum(joint.sum(axis=1), 1e-300)
        return np.clip(out, 0.0, 1.0)


def why_not(context: Context) -> str | None:
    """Say why the trusted rows cannot recalibrate; None where they can, or where there are none.

    The model never saw a row's own label, so that its probabilities are spread alike over trusted and other rows if
    the former are a random part, whatever the labels are. Rows that were trusted because of their class (every
    verified positive) stand apart there, and would shift all the others.
    """
    if context.trusted is None or context.probability is None or not context.trusted.any():
        return None
    known = context.trusted & (context.codes >= 0)
    counts = np.bincount(context.codes[known], minlength=len(context.classes))
    if known.sum() < LEAST or (counts >= LEAST_OF_CLASS).sum() < 2:
        return (
            f"{known.sum():,} trusted rows do not recalibrate the probabilities: {LEAST} are needed, and two classes "
            f"with {LEAST_OF_CLASS} or more; they stay model-based"
        )
    k, above = _apart(context.probability, known, ~context.trusted & (context.codes >= 0))
    if k < 0:
        return None
    return (
        f"the trusted rows are no random part of the table (the model's probability of {context.names[k]!r} is higher "
        f"on a trusted row than on another one {100 * above:.0f} times in 100), so they do not recalibrate the "
        "probabilities, which stay model-based"
    )


def _apart(probability: np.ndarray, trusted: np.ndarray, others: np.ndarray) -> tuple[int, float]:
    """Return the class whose probability sets trusted and other rows apart most and how (AUROC); -1 where none does."""
    from scipy.stats import rankdata

    parts = [_some(np.flatnonzero(mask)) for mask in (trusted, others)]
    n, m = (len(part) for part in parts)
    if not n or not m:
        return -1, 0.5
    bar = max(SHIFT, 3 * float(np.sqrt((n + m + 1) / (12 * n * m))))
    worst, found = -1, 0.5
    for k in range(min(probability.shape[1], MAX_TESTED)):
        ranks = rankdata(np.concatenate([probability[part, k] for part in parts]))
        above = float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
        if abs(above - 0.5) > max(bar, abs(found - 0.5)):
            worst, found = k, above
    return worst, found


def _some(rows: np.ndarray) -> np.ndarray:
    """Return at most 50,000 evenly spaced rows."""
    return rows if rows.size <= EM_ROWS else rows[(np.arange(EM_ROWS) * (rows.size / EM_ROWS)).astype(np.int64)]


def calibrate(context: Context, suspect: int | None) -> Calibration | None:
    """Fit the recalibration of one direction of error; None without (enough) trusted rows.

    Parameters
    ----------
    context : Context
        Its trusted rows train nothing here that they did not train before: their probabilities are out of fold.
    suspect : int or None
        The one given class that may be wrong, None for all.
    """
    if context.trusted is None or not context.trusted.any() or context.probability is None or why_not(context):
        return None
    known = np.flatnonzero(context.trusted & (context.codes >= 0))
    logits_of = _logits(context, suspect)
    theta = fit_scaling(logits_of(known), context.codes[known])
    others = np.flatnonzero(~context.trusted & (context.codes >= 0))
    if not others.size:
        return None
    some = _some(others)
    truth = scaled(logits_of(some), theta)
    transition = fit_transition(truth, context.codes[some], suspect)
    return Calibration(int(known.size), theta, transition, logits_of, context.codes)


def _logits(context: Context, suspect: int | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the evidence (m, K) of any rows: of two classes that of the ranking, neighbours included."""
    probability = context.probability
    assert probability is not None  # noqa: S101 - for the type checker

    def logs(rows: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(probability[rows].astype(float), FLOOR))

    if len(context.classes) != 2 or suspect is None:
        return logs
    ranker = context.ranker(suspect)
    counts = np.maximum(np.bincount(context.codes[context.codes >= 0], minlength=2), 1)
    size = ranker.c_ * float(np.log(counts[1] / counts[0]))
    toward_one = np.where(context.codes == 0, ranker.score_, -ranker.score_) + size

    def margins(rows: np.ndarray) -> np.ndarray:
        return np.column_stack([np.zeros(len(rows)), toward_one[rows]])

    return margins


def scaled(logits: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return softmax(slope * logits + shift) by rows."""
    z = theta[0] * logits + theta[1:]
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    out: np.ndarray = z / z.sum(axis=1, keepdims=True)
    return out


def fit_scaling(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fit slope and shifts (1 + K,) to true classes (m,) by penalised likelihood.

    The penalty keeps the probabilities as they are where few rows speak: slope 1 within about 0.35, shifts 0 within
    about 1.2.
    """
    from scipy.optimize import minimize

    n_classes = logits.shape[1]
    own = np.arange(len(truth))
    sd = np.concatenate([[SLOPE_SD], np.full(n_classes, SHIFT_SD)])
    start = np.concatenate([[1.0], np.zeros(n_classes)])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        p = scaled(logits, theta)
        away = (theta - start) / sd
        value = -float(np.log(np.maximum(p[own, truth], 1e-300)).sum()) + 0.5 * float(away @ away)
        p[own, truth] -= 1.0
        gradient = np.concatenate([[float((p * logits).sum())], p.sum(axis=0)]) + away / sd
        return value, gradient

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None)] + [(None, None)] * n_classes)
    return np.asarray(found.x, float)


def fit_transition(truth: np.ndarray, given: np.ndarray, suspect: int | None) -> np.ndarray:
    """Fit P(given | true) (K, K), rows given, by EM with P(true | row) (m, K) known.

    ``suspect`` is the one given label that may be wrong: every other one is right wherever it is given.
    """
    n_classes = truth.shape[1]
    allowed = np.ones((n_classes, n_classes), bool)
    if suspect is not None:
        allowed = np.eye(n_classes, dtype=bool)
        allowed[suspect] = True
    transition = np.where(np.eye(n_classes, dtype=bool), 0.9, 0.1 / max(n_classes - 1, 1)) * allowed
    transition /= transition.sum(axis=0)
    for _ in range(EM_STEPS):
        share = truth * transition[given]
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        sums = np.zeros((n_classes, n_classes))
        for j in range(n_classes):
            sums[:, j] = np.bincount(given, weights=share[:, j], minlength=n_classes)
        new = (sums + 1e-9 * np.eye(n_classes)) / np.maximum(sums.sum(axis=0) + 1e-9, 1e-12)
        done = float(np.abs(new - transition).max()) < 1e-7
        transition = new
        if done:
            break
    return transition


@dataclass(frozen=True, eq=False)
class Reliability:
    """How well probabilities fit trusted labels, before and after recalibration.

    ``sure`` (m,) is the largest probability of each trusted row, ``right`` (m,) whether it names the trusted label;
    ``sure_after`` and ``right_after`` are the same by a recalibration that did not see the row.
    """

    sure: np.ndarray
    right: np.ndarray
    sure_after: np.ndarray
    right_after: np.ndarray

    @cached_property
    def before(self) -> float:
        """Expected calibration error before."""
        return ece(self.sure, self.right)

    @cached_property
    def after(self) -> float:
        """Expected calibration error after."""
        return ece(self.sure_after, self.right_after)


def reliability(context: Context) -> Reliability | None:
    """Compare the out-of-fold probabilities with the trusted labels; the recalibration is cross-fitted."""
    if context.trusted is None or not context.trusted.any() or context.probability is None or why_not(context):
        return None
    known = np.flatnonzero(context.trusted & (context.codes >= 0))
    truth = context.codes[known]
    logs = np.log(np.maximum(context.probability[known].astype(float), FLOOR))
    fold = np.random.default_rng(context.seed).permutation(len(known)) % FOLDS
    if context.groups is not None:
        member = np.unique(context.groups[known], return_inverse=True)[1]
        fold = np.random.default_rng(context.seed).permutation(int(member.max()) + 1)[member] % FOLDS
    after = np.empty_like(logs)
    for f in range(FOLDS):
        held = fold == f
        if held.any() and not held.all():
            after[held] = scaled(logs[held], fit_scaling(logs[~held], truth[~held]))
        else:
            after[held] = np.exp(logs[held])
    before = context.probability[known].astype(float)
    return Reliability(
        before.max(axis=1), before.argmax(axis=1) == truth, after.max(axis=1), after.argmax(axis=1) == truth
    )


def ece(sure: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error over ten equal bins of the probability."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(sure))
