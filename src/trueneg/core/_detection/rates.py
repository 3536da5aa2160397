"""Figures at a threshold set beforehand, and thresholds at which both errors are equal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._detection.ranked import (
    Ranked,
    area,
    average_precision,
    fewer,
    resampled,
    resampled_all,
    truth_of,
    widened,
)
from trueneg.core._detection.ranking import Seed, auroc
from trueneg.core._intervals.inputs import vector_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson

__all__ = ["AttackRates", "NoveltyReport", "attack_rates", "eer", "eer_threshold", "novelty_report"]


def eer(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> Estimate:
    """Equal error rate: known rows refused as often as unknown ones accepted, on a straight line between thresholds.

    Parameters
    ----------
    known : array-like of shape (n,)
        1 for known (real, bona fide), 0 for unknown (attack).
    scores : array-like of shape (n,)
        Higher = more familiar.
    groups : array-like of shape (n,) or None, default=None
        Rows that belong together.
    level, n_boot, random_state
        Of the bootstrap.

    Returns
    -------
    Estimate
    """
    ranked = Ranked.of(known, scores)

    def stat(weight: NDArray[np.float64] | None) -> float:
        shares = ranked.shares(weight)
        if shares is None:
            return float("nan")
        gap = shares[1] - (1 - shares[0])  # rises from -1 to 1
        at = int(np.argmax(gap >= 0))
        if gap[at] == gap[at - 1]:
            return float(shares[1][at])
        mix = -gap[at - 1] / (gap[at] - gap[at - 1])
        return float(shares[1][at - 1] + mix * (shares[1][at] - shares[1][at - 1]))

    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}
    return resampled(stat, ranked.known, curved=(0,), **options)


def eer_threshold(known: ArrayLike, scores: ArrayLike) -> float:
    """Return the score at which the two error rates differ least; the higher of two equal ones.

    Choose it on validation rows, and measure with :func:`attack_rates` on others.

    Parameters
    ----------
    known, scores
        As in :func:`eer`.

    Returns
    -------
    float
        Rows with ``score >= threshold`` are accepted.
    """
    ranked = Ranked.of(known, scores)
    tpr, fpr = ranked.shares()
    return float(ranked.thresholds[int(np.argmin(np.abs(fpr[1:] - (1 - tpr[1:]))))])


@dataclass(frozen=True)
class AttackRates:
    """Error rates of a presentation-attack detector at a threshold that was set beforehand.

    Attributes
    ----------
    apcer : Estimate
        Share of attacks accepted, of the worst type of attack (ISO/IEC 30107-3).
    bpcer : Estimate
        Share of real rows refused.
    acer : Estimate
        Mean of ``apcer`` and ``bpcer``.
    hter : Estimate
        Mean of the share of all attacks accepted and ``bpcer``.
    by_type : mapping
        Share accepted of each type of attack.
    """

    apcer: Estimate
    bpcer: Estimate
    acer: Estimate
    hter: Estimate
    by_type: Mapping[Any, Estimate] = field(default_factory=dict)


def attack_rates(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    threshold: float,
    types: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Seed = None,
) -> AttackRates:
    """Measure APCER, BPCER, ACER and HTER at a threshold.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`eer`. Without groups shares get Wilson's interval and means of two Newcombe's combination (MOVER).
    threshold : float
        From validation rows, such as :func:`eer_threshold`: one found on these rows is too good.
    types : array-like of shape (n,) or None, default=None
        Type of attack; not read for real rows. None: one type.

    Returns
    -------
    AttackRates
        Where several types are nearly as bad, the worst one's interval says nothing of having been chosen.
    """
    truth, s = truth_of(known), vector_of(scores, "scores", finite=False)
    kinds = np.zeros(len(truth), np.int64) if types is None else np.asarray(types)
    if len(s) != len(truth) or kinds.shape != truth.shape:
        msg = f"known, scores and types need one entry a row: they have {len(truth)}, {len(s)} and {kinds.shape}."
        raise InputError(msg)
    if not isinstance(threshold, Real) or math.isnan(threshold):
        msg = f"threshold={threshold!r}: set it on validation rows, for example by eer_threshold."
        raise InputError(msg)
    accepted = s >= float(threshold)
    options: dict[str, Any] = {"groups": groups, "level": level, "n_boot": n_boot, "random_state": random_state}

    def share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        if groups is None:
            return wilson(int((hit & among).sum()), int(among.sum()), level=level)
        few = len(np.unique(np.asarray(groups)[among])) if np.shape(groups) == truth.shape else None
        return resampled(lambda w: _mean(hit, among, w), truth, few=few, **options)

    every = {k.item() if hasattr(k, "item") else k: ~truth & (kinds == k) for k in np.unique(kinds[~truth])}
    by_type = {k: share(accepted, among) for k, among in every.items()}
    worst = max(by_type, key=lambda k: by_type[k].value)
    bpcer, far = share(~accepted, truth), share(accepted, ~truth)

    def both(attack: Estimate, among: NDArray[np.bool_]) -> Estimate:
        if groups is None:
            return _half_sum(attack, bpcer)
        return resampled(lambda w: (_mean(accepted, among, w) + _mean(~accepted, truth, w)) / 2, truth, **options)

    return AttackRates(by_type[worst], bpcer, both(by_type[worst], every[worst]), both(far, ~truth), by_type)


def _mean(hit: NDArray[np.bool_], among: NDArray[np.bool_], weight: NDArray[np.float64] | None) -> float:
    w = among.astype(np.float64) if weight is None else weight * among
    total = float(w.sum())
    return float((w * hit).sum()) / total if total > 0 else float("nan")


def _half_sum(a: Estimate, b: Estimate) -> Estimate:
    value = (a.value + b.value) / 2
    low = value - math.hypot(a.value - a.low, b.value - b.low) / 2
    high = value + math.hypot(a.high - a.value, b.high - b.value) / 2
    n = (a.n or 0) + (b.n or 0)
    return Estimate(value, max(0.0, low), min(1.0, high), a.level, "Wilson, combined by MOVER", n)


@dataclass(frozen=True)
class NoveltyReport:
    """How well scores tell known rows from unknown ones.

    Attributes
    ----------
    auroc, fpr95, detection_accuracy, aupr_in, aupr_out : Estimate
        ``fpr95`` is the share of unknown rows that pass where 95 % of the known ones do.
    """

    auroc: Estimate
    fpr95: Estimate
    detection_accuracy: Estimate
    aupr_in: Estimate
    aupr_out: Estimate

    @property
    def tnr95(self) -> Estimate:
        """Share of unknown rows refused where 95 % of the known ones pass."""
        e = self.fpr95
        return Estimate(1 - e.value, 1 - e.high, 1 - e.low, e.level, e.method, e.n)


def novelty_report(
    known: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 500,
    random_state: Seed = None,
) -> NoveltyReport:
    """Return the five figures that work on out-of-distribution detection reports.

    Parameters
    ----------
    known, scores, groups, level, n_boot, random_state
        As in :func:`eer`.

    Returns
    -------
    NoveltyReport
    """
    ranked = Ranked.of(known, scores)

    def figures(weight: NDArray[np.float64] | None) -> Any:
        shares = ranked.shares(weight)
        if shares is None:
            return (math.nan,) * 5
        tpr, fpr = shares
        w = np.ones(len(ranked.known)) if weight is None else weight
        both = float((w * ranked.known).sum()), float((w * ~ranked.known).sum())
        return (
            area(tpr, fpr),
            fpr[np.argmax(tpr >= 0.95 - 1e-12)],
            (tpr + 1 - fpr).max() / 2,
            average_precision(tpr, fpr, both),
            average_precision(1 - fpr[::-1], 1 - tpr[::-1], both[::-1]),  # unknown rows, the least familiar first
        )

    options: dict[str, Any] = {"level": level, "n_boot": n_boot, "random_state": random_state}
    found = resampled_all(figures, ranked.known, groups=groups, curved=(0, 3, 4), **options)
    if groups is None:
        found[0] = auroc(known, scores, level=level)
        found[1] = widened(found[1], int((~ranked.known).sum()))
    found[2] = widened(found[2], fewer(ranked.known, groups))
    return NoveltyReport(*found)
