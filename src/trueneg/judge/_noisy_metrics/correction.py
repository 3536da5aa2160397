"""Label noise on counts, forward and back, and corrected metrics with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.judge._noisy_metrics.draws import interval, sample_counts
from trueneg.judge._noisy_metrics.metrics import METRICS, check_counts, check_names, confusion_counts, ratio, split
from trueneg.judge._noisy_metrics.rates import NoiseRates, draw_rates, refuse_global

Array = np.ndarray


def expected_observed(confusion: Any, rates: NoiseRates) -> Array:
    """Counts that noisy labels show on average.

    Parameters
    ----------
    confusion : array_like, shape (..., 4)
        True counts (TP, FP, FN, TN).
    rates : NoiseRates
        Per-prediction rates are used where given.

    Returns
    -------
    ndarray, shape (..., 4)
        ``TP' = (1-miss) TP + false_alarm FP`` and so on; predicted columns keep their sums.
    """
    counts = check_counts(confusion)
    tp, fp, fn, tn = split(counts)
    neg, pos = rates.by_prediction or (rates, rates)
    seen_tp = (1.0 - pos.miss) * tp + pos.false_alarm * fp
    seen_fn = (1.0 - neg.miss) * fn + neg.false_alarm * tn
    return np.stack([seen_tp, tp + fp - seen_tp, seen_fn, fn + tn - seen_fn], axis=-1)


def invert(counts: Array, miss: Any, alarm: Any) -> tuple[Array, Array]:
    """Undo global noise on counts (..., 4); also says (...) where a negative count had to be clipped.

    ``miss`` and ``alarm`` are scalars or pairs (predicted-negative, predicted-positive) of scalars or arrays (...).
    """
    miss_neg, miss_pos = miss if isinstance(miss, tuple) else (miss, miss)
    alarm_neg, alarm_pos = alarm if isinstance(alarm, tuple) else (alarm, alarm)
    tp, fp, fn, tn = split(counts)
    # Each of the four counts lies in one piece, since every metric reads them one by one.
    out = np.moveaxis(np.empty((4, *np.broadcast_shapes(counts.shape[:-1], np.shape(miss_pos)))), 0, -1)
    clipped = np.zeros(out.shape[:-1], dtype=bool)
    for at, hit, other, m, a in ((0, tp, fp, miss_pos, alarm_pos), (2, fn, tn, miss_neg, alarm_neg)):
        column = hit + other  # what was predicted is known without error, so a clipped column keeps its sum
        raw = ratio(hit - a * column, 1.0 - m - a)
        kept = np.minimum(np.maximum(raw, 0.0), column)
        clipped |= np.abs(kept - raw) > 1e-9 * (1.0 + column)
        out[..., at] = kept
        out[..., at + 1] = column - kept
    return out, clipped


def corrected_confusion(observed: Any, rates: NoiseRates) -> tuple[Array, Array]:
    """Undo the noise in observed counts.

    Parameters
    ----------
    observed : array_like, shape (..., 4)
        Observed counts (TP, FP, FN, TN).
    rates : NoiseRates
        Per-prediction rates are used where given; a pooled correction that an audit refuted is refused.

    Returns
    -------
    counts : ndarray, shape (..., 4)
        Never negative; each predicted column keeps its sum.
    clipped : ndarray of bool, shape (...)
        True where the inverse asked for a negative count: the rates do not fit these counts.
    """
    counts = check_counts(observed, "observed")
    if rates.by_prediction is None:
        refuse_global(rates)
        return invert(counts, rates.miss, rates.false_alarm)
    neg, pos = rates.by_prediction
    if rates._audit is not None:
        return _by_cell(counts, rates._audit.share), np.zeros(counts.shape[:-1], dtype=bool)
    return invert(counts, (neg.miss, pos.miss), (neg.false_alarm, pos.false_alarm))


def _by_cell(counts: Array, share: Array) -> Array:
    """True counts from P(truly positive | observed, predicted) (..., 2, 2): no inverse, hence never negative."""
    tp, fp, fn, tn = split(counts)
    true_tp = share[..., 1, 1] * tp + share[..., 0, 1] * fp
    true_fn = share[..., 1, 0] * fn + share[..., 0, 0] * tn
    return np.moveaxis(np.stack([true_tp, tp + fp - true_tp, true_fn, fn + tn - true_fn]), 0, -1)


class CorrectedMetrics(dict[str, Estimate]):
    """Estimates by metric name, with what was assumed.

    Attributes
    ----------
    observed : dict of str to float
        The same metrics, uncorrected.
    confusion : ndarray, shape (4,) or (K, K)
        Corrected counts.
    correction : {"global", "per_cell"}
    clipped : bool
        True when the point estimate needed a negative count, which was set to zero.
    clipped_share : float
        Share of draws in which that happened.
    notes : tuple of str
        The same in plain words; ``clipped`` notes come first.
    """

    observed: dict[str, float]
    confusion: Array
    correction: str
    clipped: bool
    clipped_share: float
    notes: tuple[str, ...]


def _draw_counts(
    counts: Array, rates: NoiseRates, per_cell: bool, n_draws: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Corrected counts (n_draws, 4) under sampling and under what is not known of the rates; clipped (n_draws,)."""
    sampled = sample_counts(counts, n_draws, rng)
    miss, alarm = draw_rates(rates, per_cell, n_draws, rng)
    if isinstance(miss, np.ndarray) and miss.ndim == 3:
        return _by_cell(sampled, miss), np.zeros(n_draws, dtype=bool)
    return invert(sampled, miss, alarm)


def check_draws(level: float, n_draws: int) -> None:
    """Refuse a level outside (0, 1) and no draws."""
    if not 0.0 < level < 1.0:
        raise InputError(f"level is {level!r}; give a number between 0 and 1, such as 0.9.")
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws!r}; give at least 1, and 1000 or more for an interval worth reading.")


def _correction(rates: NoiseRates, correction: str) -> bool:
    """Whether cells are corrected one by one; refuses what the audit does not allow."""
    if correction not in ("auto", "global", "per_cell"):
        raise InputError(f"correction is {correction!r}; choose 'auto', 'global' or 'per_cell'.")
    if correction == "per_cell" and rates.by_prediction is None:
        raise InputError(
            "Per-cell correction needs rates by prediction; audit rows in each (observed, predicted) cell and give "
            "from_audit their predictions, or set by_prediction."
        )
    per_cell = rates.by_prediction is not None and correction != "global"
    if not per_cell:
        refuse_global(rates)
    return per_cell


def corrected_metrics(
    y_observed: Any,
    y_pred: Any,
    rates: NoiseRates,
    *,
    metrics: str | Sequence[str] | None = None,
    level: float = 0.9,
    n_draws: int = 10_000,
    correction: str = "auto",
    random_state: int | np.random.Generator | None = None,
) -> CorrectedMetrics:
    """Metrics against the truth, from noisy labels, with intervals.

    Parameters
    ----------
    y_observed : array_like of {0, 1}, shape (n,), or counts, shape (4,)
        Noisy labels; or observed counts (TP, FP, FN, TN) with ``y_pred=None``.
    y_pred : array_like of {0, 1}, shape (n,), or None
    rates : NoiseRates
    metrics : str or sequence of str, optional
        Names in :data:`METRICS`; all by default.
    level : float, default 0.9
    n_draws : int, default 10000
        Draws of the counts (multinomial) and, where uncertain, of the rates (Jeffreys posterior of the audit, or a
        Beta law with the stated standard errors). Counts only: no row is touched.
    correction : {"auto", "global", "per_cell"}, default "auto"
        "auto" corrects per cell where the rates allow it. "global" is refused with InputError when the audit
        showed that errors depend on the prediction.
    random_state : int, Generator or None

    Returns
    -------
    CorrectedMetrics
        A dict of Estimate; ``clipped`` and ``notes`` say where the rates do not fit the counts.
    """
    names = check_names(metrics)
    check_draws(level, n_draws)
    per_cell = _correction(rates, correction)
    counts = check_counts(y_observed, "y_observed") if y_pred is None else confusion_counts(y_observed, y_pred)
    if counts.shape != (4,) or counts.sum() <= 0:
        raise InputError(
            f"Observed counts have shape {counts.shape}, sum {counts.sum()}; give one model's counts (4,)."
        )
    used = rates if per_cell else replace(rates, by_prediction=None)
    fixed, at_point = corrected_confusion(counts, used)
    rng = np.random.default_rng(random_state)
    drawn, clipped = _draw_counts(counts, used, per_cell, n_draws, rng)
    method = f"noise-corrected, {'per cell' if per_cell else 'global'}, {n_draws} draws"
    if at_point:
        method += ", clipped"
    out = CorrectedMetrics()
    for name in names:
        out[name] = interval(METRICS[name](drawn), float(METRICS[name](fixed)), level, method, int(counts.sum()))
    out.observed = {name: float(METRICS[name](counts)) for name in names}
    out.confusion, out.correction = fixed, "per_cell" if per_cell else "global"
    out.clipped, out.clipped_share = bool(at_point), float(clipped.mean())
    out.notes = _notes(out, rates, per_cell)
    return out


def _notes(result: CorrectedMetrics, rates: NoiseRates, per_cell: bool) -> tuple[str, ...]:
    notes = []
    if result.clipped:
        notes.append("clipped: these rates ask for a negative count, which was set to zero; they do not fit the data.")
    elif result.clipped_share > 0:
        notes.append(f"clipped: a negative count was set to zero in {result.clipped_share:.1%} of the draws.")
    if not per_cell and rates.difference_p is None:
        notes.append("untested: assumes that label errors do not depend on the prediction; audit per cell to check.")
    if rates.se is None and rates._audit is None:
        notes.append("exact rates: the interval holds sampling error only, not what is unknown about the rates.")
    return tuple(notes)
