"""Figures of the ranking: AUROC, FPR at TPR, AUPR, detection accuracy, OSCR, and differences of two detectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._detection.ranked import (
    Ranked,
    area,
    average_precision,
    fewer,
    on_logit_scale,
    resampled,
    truth_of,
    widened,
)
from trueneg.core._intervals.inputs import array_of, vector_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson

__all__ = [
    "OscrCurve",
    "aupr",
    "auroc",
    "auroc_of",
    "compare_detectors",
    "detection_accuracy",
    "fpr_at_tpr",
    "oscr",
    "oscr_curve",
]

Seed = int | np.random.Generator | None


def auroc(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Chance that a known row scores above an unknown one; a tie counts half.

    Parameters
    ----------
    known : array-like of shape (n,)
        1 for a row of a known class, 0 for an unknown one; both present.
    scores : array-like of shape (n,)
        Higher = more familiar; infinite ones are above or below all others.
    groups : array-like of shape (n,) or None, default=None
        Rows of one group belong together (frames of a video): whole groups are resampled.
    level : float, default=0.95
        Coverage.
    n_boot, random_state
        Of the bootstrap of groups.

    Returns
    -------
    Estimate
        With DeLong's interval on the logit scale (on the plain one, 95 % intervals of figures near 1 hold the truth in
        80 to 90 samples of 100); at 0 and 1, where that has no width, Wilson's of the smaller kind.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988); Sun and Xu (2014) for the computation in O(n log n).
    """
    ranked = Ranked.of(known, scores)
    if groups is not None:
        return _boot(_auroc, ranked, curved=(0,), groups=groups, level=level, n_boot=n_boot, random_state=random_state)
    tpr, fpr = ranked.shares()
    value = area(tpr, fpr)
    size = np.diff(np.append(-1, ranked.ends))
    of_row = np.empty(len(ranked.order), np.int64)
    of_row[ranked.order] = np.repeat(np.arange(len(size)), size)
    mid_fpr, mid_tpr = (fpr[1:] + fpr[:-1]) / 2, (tpr[1:] + tpr[:-1]) / 2
    a = 1 - mid_fpr[of_row[ranked.known]]  # share of unknown rows below each known one
    b = mid_tpr[of_row[~ranked.known]]
    variance = sum(float(x.var(ddof=1)) / len(x) if len(x) > 1 else 0.25 for x in (a, b))
    if variance <= 1e-24 or not 1e-12 < value < 1 - 1e-12:
        few = min(len(a), len(b))
        edge = wilson(round(value * few), few, level=level)
        return Estimate(value, min(edge.low, value), max(edge.high, value), level, "Wilson of the smaller kind", few)
    low, high = on_logit_scale(value, math.sqrt(variance), level)
    return Estimate(value, low, high, level, "DeLong, logit scale", len(a) + len(b))


def fpr_at_tpr(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    tpr: float = 0.95,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Share of unknown rows that pass where the share ``tpr`` of known ones does.

    The threshold is the highest one that keeps ``tpr`` of the known rows; rows tied with it pass.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`auroc`; the interval is a bootstrap, in which the threshold moves too, and never narrower than
        Wilson's: of unknown rows that never passed no resample knows.
    tpr : float, default=0.95
        Share of known rows to keep, above 0 and up to 1.

    Returns
    -------
    Estimate
    """
    _refuse_share(tpr)

    def stat(shares: Any) -> float:
        return float(shares[1][np.argmax(shares[0] >= tpr - 1e-12)])

    ranked = Ranked.of(known, scores)
    found = _boot(stat, ranked, groups=groups, level=level, n_boot=n_boot, random_state=random_state)
    return found if groups is not None else widened(found, int((~ranked.known).sum()))


def aupr(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    positive: Literal["known", "unknown"] = "known",
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Average precision with the known rows as positives (AUPR-in) or the unknown ones (AUPR-out).

    It depends on how many rows of each kind there are: compare it on the same rows only.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`auroc`; the interval is a bootstrap, on the logit scale.
    positive : {"known", "unknown"}, default="known"
        Whose precision.

    Returns
    -------
    Estimate
    """
    if positive not in ("known", "unknown"):
        msg = f"positive={positive!r}: choose 'known' (AUPR-in) or 'unknown' (AUPR-out)."
        raise InputError(msg)
    truth, s = truth_of(known), vector_of(scores, "scores", finite=False)
    ranked = Ranked.of(truth, s) if positive == "known" else Ranked.of(~truth, -s)

    def stat(weight: NDArray[np.float64] | None) -> float:
        shares = ranked.shares(weight)
        if shares is None:
            return float("nan")
        w = np.ones(len(truth)) if weight is None else weight
        return average_precision(
            shares[0], shares[1], (float((w * ranked.known).sum()), float((w * ~ranked.known).sum()))
        )

    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}
    return resampled(stat, ranked.known, curved=(0,), **options)


def detection_accuracy(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Largest mean of the shares of known rows kept and unknown rows refused, over all thresholds.

    The threshold is chosen on the rows it is measured on, as the literature does: a ceiling, not what a threshold set
    beforehand will reach.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`auroc`; the interval is a bootstrap, and never narrower than Wilson's of the smaller kind:
        a resample gains by the choice again, and holds rows to come far too seldom.

    Returns
    -------
    Estimate
    """
    ranked = Ranked.of(known, scores)
    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}
    found = _boot(lambda shares: float((shares[0] + 1 - shares[1]).max() / 2), ranked, **options)
    return widened(found, fewer(ranked.known, groups))


@dataclass(frozen=True)
class OscrCurve:
    """The open-set classification rate: right answers kept against unknown rows kept.

    Attributes
    ----------
    threshold : ndarray of shape (n_distinct + 1,)
        Falling, from infinity; rows with ``score >= threshold`` are answered.
    correct_rate : ndarray of the same shape
        Share of the known rows that are answered, and rightly.
    false_positive_rate : ndarray of the same shape
        Share of the unknown rows that are answered.
    """

    threshold: NDArray[np.float64]
    correct_rate: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve, by trapezoids between distinct scores."""
        return area(self.correct_rate, self.false_positive_rate)


def oscr_curve(known: ArrayLike, scores: ArrayLike, correct: ArrayLike) -> OscrCurve:
    """Return the open-set classification rate at every threshold, in O(n log n).

    Parameters
    ----------
    known, scores
        As in :func:`auroc`.
    correct : array-like of bool of shape (n,)
        Whether the closed-set answer is right; not read for unknown rows.

    Returns
    -------
    OscrCurve
        Tied rows enter together; constant scores give one step.

    References
    ----------
    Dhamija, Guenther and Boult (2018), "Reducing network agnostophobia".
    """
    ranked = Ranked.of(known, scores)
    right, fpr = ranked.shares(None, _right(correct, len(ranked.known)))
    return OscrCurve(np.append(np.inf, ranked.thresholds), right, fpr)


def oscr(
    known: ArrayLike,
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Area under :func:`oscr_curve`: AUROC where every known row is answered rightly, less where some are not.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`auroc`; the interval is a bootstrap, on the logit scale.
    correct : array-like of bool of shape (n,)
        Whether the closed-set answer is right; not read for unknown rows.

    Returns
    -------
    Estimate
    """
    ranked = Ranked.of(known, scores)
    right = _right(correct, len(ranked.known))

    def stat(weight: NDArray[np.float64] | None) -> float:
        shares = ranked.shares(weight, right)
        return float("nan") if shares is None else area(*shares)

    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}
    return resampled(stat, ranked.known, curved=(0,), **options)


def compare_detectors(
    known: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: Literal["auroc", "fpr_at_tpr"] = "auroc",
    tpr: float = 0.95,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Difference of two detectors on the same rows, ``a`` minus ``b``, resampled together.

    Parameters
    ----------
    known, groups, level, n_boot, random_state
        As in :func:`auroc`.
    a, b : array-like of shape (n,)
        Scores; higher = more familiar.
    metric : {"auroc", "fpr_at_tpr"}, default="auroc"
        What is compared.
    tpr : float, default=0.95
        For ``fpr_at_tpr``.

    Returns
    -------
    Estimate
        An interval without 0 tells the detectors apart on rows like these. Where all resamples agree, as of two that
        err nowhere, it comes from the two figures' own.
    """
    if metric not in ("auroc", "fpr_at_tpr"):
        msg = f"metric={metric!r}: choose 'auroc' or 'fpr_at_tpr'."
        raise InputError(msg)
    _refuse_share(tpr)
    first, second = Ranked.of(known, a), Ranked.of(known, b)

    def one(ranked: Ranked, weight: NDArray[np.float64] | None) -> float:
        shares = ranked.shares(weight)
        if shares is None:
            return float("nan")
        return _auroc(shares) if metric == "auroc" else float(shares[1][np.argmax(shares[0] >= tpr - 1e-12)])

    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}
    found = resampled(lambda w: one(first, w) - one(second, w), first.known, few=0, **options)
    alike = np.array_equal(first.order, second.order) and np.array_equal(first.ends, second.ends)
    if alike or found.high - found.low > 1e-12:
        return found
    figure: Any = auroc if metric == "auroc" else lambda *rows, **how: fpr_at_tpr(*rows, tpr=tpr, **how)
    x, y = figure(known, a, **options), figure(known, b, **options)
    low = found.value - math.hypot(x.value - x.low, y.high - y.value)
    high = found.value + math.hypot(x.high - x.value, y.value - y.low)
    return Estimate(found.value, max(-1.0, low), min(1.0, high), level, "two intervals, combined by MOVER", found.n)


def auroc_of(known: ArrayLike, scores: ArrayLike) -> float:
    """Return AUROC as a plain number, for choices inside a method; report :func:`auroc`."""
    return _auroc(Ranked.of(known, scores).shares())


def _auroc(shares: Any) -> float:
    return area(*shares)


def _boot(stat: Any, ranked: Ranked, **options: Any) -> Estimate:
    def weighted(weight: NDArray[np.float64] | None) -> float:
        shares = ranked.shares(weight)
        return float("nan") if shares is None else float(stat(shares))

    return resampled(weighted, ranked.known, **options)


def _refuse_share(tpr: Any) -> None:
    if not isinstance(tpr, int | float | np.number) or not 0 < tpr <= 1:
        msg = f"tpr={tpr!r}: give the share of known rows to keep, above 0 and up to 1."
        raise InputError(msg)


def _right(correct: ArrayLike, n: int) -> NDArray[np.bool_]:
    right = np.asarray(array_of(correct))
    if right.shape != (n,) or right.dtype.kind not in "biu":
        msg = f"correct has shape {right.shape} and type {right.dtype}: give one true or false for each of {n} rows."
        raise InputError(msg)
    return right.astype(bool)
