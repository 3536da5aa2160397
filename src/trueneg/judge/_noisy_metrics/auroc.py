"""AUROC under label noise, forward and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.judge._noisy_metrics.correction import check_draws
from trueneg.judge._noisy_metrics.draws import interval
from trueneg.judge._noisy_metrics.metrics import check_binary, check_lengths, ratio
from trueneg.judge._noisy_metrics.rates import NoiseRates, draw_rates, refuse_global

Array = np.ndarray


def _auroc_factor(prevalence_true: Any, miss: Any, alarm: Any) -> Any:
    """1 - P(true 0 | observed 1) - P(true 1 | observed 0)."""
    seen = (1.0 - miss) * prevalence_true + alarm * (1.0 - prevalence_true)
    return ratio((1.0 - miss - alarm) * prevalence_true * (1.0 - prevalence_true), seen * (1.0 - seen))


def expected_auroc(auroc: Any, prevalence: float, rates: NoiseRates) -> Array:
    """AUROC that noisy labels show, from the true AUROC (...) and the true share of positives."""
    factor = _auroc_factor(prevalence, rates.miss, rates.false_alarm)
    return 0.5 + factor * (np.asarray(auroc, dtype=np.float64) - 0.5)


def corrected_auroc(
    y_observed: Any,
    scores: Any,
    rates: NoiseRates,
    *,
    level: float = 0.9,
    n_draws: int = 10_000,
    random_state: int | np.random.Generator | None = None,
) -> Estimate:
    """AUROC against the truth: AUROC - 1/2 shrinks by one factor, the same for all models, under global noise.

    Parameters
    ----------
    y_observed : array_like of {0, 1}, shape (n,)
    scores : array_like, shape (n,)
        Larger means more likely positive; ties count one half.
    rates : NoiseRates
        Global rates; refused when an audit showed that errors depend on the prediction.
    level : float, default 0.9
    n_draws : int, default 10000
    random_state : int, Generator or None

    Returns
    -------
    Estimate
        Sampling error by DeLong's variance; ``method`` says "clipped" where the correction went beyond 1.
    """
    check_draws(level, n_draws)
    refuse_global(rates)
    y, s = check_binary(y_observed, "y_observed"), np.asarray(scores, dtype=np.float64)
    check_lengths(y, s)
    n, n1 = y.size, int(y.sum())
    if n1 in (0, n) or not np.isfinite(s).all():
        raise InputError("AUROC needs finite scores and both observed classes; check y_observed and scores.")
    area, se = _delong(y, s)
    rng = np.random.default_rng(random_state)
    miss, alarm = draw_rates(replace(rates, by_prediction=None), False, n_draws, rng)

    def correct(auc: Any, seen: Any, m: Any, a: Any) -> Any:
        true = np.clip(ratio(seen - a, 1.0 - m - a), 0.0, 1.0)
        return 0.5 + ratio(auc - 0.5, _auroc_factor(true, m, a))

    point = float(correct(area, n1 / n, rates.miss, rates.false_alarm))
    if not np.isfinite(point):
        raise InputError(
            f"The observed share of positives, {n1 / n:.4f}, does not exceed the false-alarm rate "
            f"{rates.false_alarm:.4f}: nothing is left to correct. Audit again; the rates do not fit these labels."
        )
    values = correct(area + se * rng.standard_normal(n_draws), rng.binomial(n, n1 / n, n_draws) / n, miss, alarm)
    method = f"noise-corrected AUROC, DeLong, {n_draws} draws" + (", clipped" if not 0 <= point <= 1 else "")
    return interval(np.clip(values, 0.0, 1.0), float(np.clip(point, 0.0, 1.0)), level, method, n)


def _midranks(values: Array) -> Array:
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2.0)[inverse]


def _delong(y: Array, scores: Array) -> tuple[float, float]:
    """AUROC and its standard error by DeLong's structural components (from midranks)."""
    pos, neg = scores[y == 1], scores[y == 0]
    ranks = _midranks(np.concatenate([pos, neg]))
    of_pos = (ranks[: pos.size] - _midranks(pos)) / neg.size
    of_neg = 1.0 - (ranks[pos.size :] - _midranks(neg)) / pos.size
    variance = sum(float(v.var(ddof=1)) / v.size for v in (of_pos, of_neg) if v.size > 1)
    return float(of_pos.mean()), float(np.sqrt(variance))
