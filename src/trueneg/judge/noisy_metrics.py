"""Metrics read off noisy labels: what was observed, what was true, and which order survives.

Labels are wrong at two rates: a *miss* (a true positive written down as negative) and a *false alarm* (a true
negative written down as positive). When these rates do not depend on what the model predicted, the confusion
counts seen are a linear map of the true ones, so every metric can be corrected, and precision, MCC, balanced
accuracy, Youden's J and AUROC keep the order of the models. When they do depend on the prediction, one global
correction makes matters worse; then the audit must be drawn per (observed, predicted) cell.

Counts are always ordered ``(TP, FP, FN, TN)`` along the last axis.

Source: Kulatilleke and Samarakoon, "Empirical study of classifier evaluation metrics in massively imbalanced and
noisy data", arXiv 2208.11904; the closed forms and the audit are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

__all__ = [
    "METRICS",
    "Comparison",
    "CorrectedMetrics",
    "NoiseRates",
    "Trust",
    "compare",
    "confusion_counts",
    "corrected_auroc",
    "corrected_confusion",
    "corrected_metrics",
    "expected_auroc",
    "expected_observed",
    "f_beta",
    "metric_values",
    "rank_preserving",
    "ranking_distortion",
    "trusted_metric",
]

Array = np.ndarray
_DIFFER = 0.05  # level at which the rates are said to differ between predicted-positive and predicted-negative rows
_RANK_PRESERVING = frozenset({"precision", "mcc", "balanced_accuracy", "youden_j", "auroc"})


# ---------------------------------------------------------------------------------------------------- metrics
def _ratio(top: Array, bottom: Array) -> Array:
    """Divide, with NaN (not a warning, not a zero) where the metric is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(top, bottom)


def _split(counts: Array) -> tuple[Array, Array, Array, Array]:
    return counts[..., 0], counts[..., 1], counts[..., 2], counts[..., 3]


def _accuracy(c: Array) -> Array:
    tp, fp, fn, tn = _split(c)
    return _ratio(tp + tn, tp + fp + fn + tn)


def _precision(c: Array) -> Array:
    return _ratio(c[..., 0], c[..., 0] + c[..., 1])


def _recall(c: Array) -> Array:
    return _ratio(c[..., 0], c[..., 0] + c[..., 2])


def _specificity(c: Array) -> Array:
    return _ratio(c[..., 3], c[..., 3] + c[..., 1])


def _g_mean(c: Array) -> Array:
    return np.sqrt(_recall(c) * _specificity(c))


def _youden_j(c: Array) -> Array:
    return _recall(c) + _specificity(c) - 1.0


def _balanced_accuracy(c: Array) -> Array:
    return 0.5 * (_recall(c) + _specificity(c))


def _mcc(c: Array) -> Array:
    tp, fp, fn, tn = _split(c)
    # Two square roots instead of one: the product of four counts overflows integers and loses digits early.
    below = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return _ratio(tp * tn - fp * fn, below)


def _kappa(c: Array) -> Array:
    tp, fp, fn, tn = _split(c)
    return _ratio(2.0 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))


def f_beta(beta: float = 1.0) -> Callable[[Array], Array]:
    """Return the F-beta metric as a function of counts.

    Parameters
    ----------
    beta : float, default 1.0
        Weight of recall against precision; above 1 recall counts more. Must be positive.

    Returns
    -------
    callable
        Maps counts ``(..., 4)`` to values ``(...)``; NaN where no positive was present nor predicted.
    """
    if not beta > 0:
        raise InputError(f"beta is {beta!r}; F-beta needs a positive number, such as 1 or 2.")
    square = float(beta) ** 2

    def score(c: Array) -> Array:
        tp, fp, fn, _ = _split(c)
        return _ratio((1.0 + square) * tp, (1.0 + square) * tp + square * fn + fp)

    return score


METRICS: dict[str, Callable[[Array], Array]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "specificity": _specificity,
    "f1": f_beta(1.0),
    "f2": f_beta(2.0),
    "g_mean": _g_mean,
    "mcc": _mcc,
    "kappa": _kappa,
    "balanced_accuracy": _balanced_accuracy,
    "youden_j": _youden_j,
}
"""Metric name -> function of counts ``(..., 4)`` in the order TP, FP, FN, TN; NaN where undefined."""


def _chosen(metrics: str | Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(METRICS) if metrics is None else ((metrics,) if isinstance(metrics, str) else tuple(metrics))
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise InputError(f"Unknown metrics {unknown}; choose at least one of {', '.join(METRICS)}.")
    return names


def _counts(confusion: Any, what: str = "confusion") -> Array:
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim == 0 or counts.shape[-1] != 4:
        raise InputError(f"{what} has shape {counts.shape}; give counts (..., 4) in the order TP, FP, FN, TN.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError(f"{what} holds negative or non-finite counts; give counts of rows, zero or more.")
    return counts


def metric_values(confusion: Any, metrics: str | Sequence[str] | None = None) -> dict[str, Array]:
    """Compute metrics from counts.

    Parameters
    ----------
    confusion : array_like, shape (..., 4)
        Counts in the order TP, FP, FN, TN.
    metrics : str or sequence of str, optional
        Names in :data:`METRICS`; all of them by default.

    Returns
    -------
    dict of str to ndarray, shape (...)
    """
    counts = _counts(confusion)
    return {name: METRICS[name](counts) for name in _chosen(metrics)}


def _binary(values: Any, what: str) -> Array:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{what} has shape {array.shape}; give one value for each row.")
    if not np.isin(array, (0, 1)).all():
        raise InputError(
            f"{what} holds values other than 0 and 1; drop unjudged rows and code the positive class as 1."
        )
    return array.astype(np.int64)


def _same_length(*arrays: Array) -> None:
    if len({a.shape[0] for a in arrays}) > 1:
        raise InputError(f"Lengths differ: {[a.shape[0] for a in arrays]}; give one entry for each row everywhere.")


def confusion_counts(y: Any, y_pred: Any) -> Array:
    """Count ``(TP, FP, FN, TN)`` of binary labels ``y`` (n,) and predictions ``y_pred`` (n,) as float64 (4,)."""
    label, pred = _binary(y, "y"), _binary(y_pred, "y_pred")
    _same_length(label, pred)
    n = np.bincount(2 * label + pred, minlength=4)
    return np.array([n[3], n[1], n[2], n[0]], dtype=np.float64)


# ------------------------------------------------------------------------------------------------------ rates
@dataclass(frozen=True)
class _Audit:
    """What an audit saw in each (observed, predicted) cell; arrays (2, 2), predicted axis of size 1 if unknown."""

    rows: Array  # effective number of audited rows
    positive: Array  # effective number of them truly positive
    mass: Array  # rows of the data that the audited rows stand for

    def draw(self, rng: np.random.Generator, n_draws: int) -> Array:
        """Draw P(truly positive | cell), shape (n_draws, 2, P), from the Jeffreys posterior."""
        a, b = self.positive + 0.5, self.rows - self.positive + 0.5
        return rng.beta(a, np.maximum(b, 0.5), size=(n_draws, *a.shape))

    def rates(self, share: Array) -> tuple[Array, Array]:
        """Turn P(truly positive | cell) (..., 2, P) into pooled (miss, false_alarm) (...)."""
        positive = (self.mass * share).sum(axis=-1)
        negative = (self.mass * (1.0 - share)).sum(axis=-1)
        return (
            _ratio(positive[..., 0], positive.sum(axis=-1)),
            _ratio(negative[..., 1], negative.sum(axis=-1)),
        )

    @property
    def share(self) -> Array:
        """P(truly positive | cell) as counted; 0 in a cell without audited rows."""
        return np.divide(self.positive, self.rows, out=np.zeros_like(self.rows), where=self.rows > 0)


@dataclass(frozen=True)
class NoiseRates:
    """How often labels are wrong.

    Parameters
    ----------
    miss : float
        P(observed negative | truly positive), in [0, 1).
    false_alarm : float
        P(observed positive | truly negative), in [0, 1). The two must sum to less than 1.
    se : pair of float, optional
        Standard errors of the two rates; the intervals then carry them. Without, the rates count as known.
    by_prediction : pair of NoiseRates, optional
        Rates among predicted-negative rows, then among predicted-positive rows. They belong to one model.
    difference_p : float, optional
        Set by :meth:`from_audit`: p-value that the rates are the same in both predicted columns.
    """

    miss: float
    false_alarm: float
    se: tuple[float, float] | None = None
    by_prediction: tuple[NoiseRates, NoiseRates] | None = None
    difference_p: float | None = None
    _audit: _Audit | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("miss", "false_alarm"):
            value = float(getattr(self, name))
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} is {value!r}; a rate lies between 0 and 1.")
        if self.miss + self.false_alarm >= 1.0:
            raise InputError(
                f"miss + false_alarm = {self.miss + self.false_alarm:.3f}, which is 1 or more: the labels then say "
                "nothing about the truth, or its opposite. Check that the classes are not exchanged, or relabel."
            )
        if self.se is not None and (len(self.se) != 2 or not all(np.isfinite(s) and s >= 0 for s in self.se)):
            raise InputError(f"se is {self.se!r}; give two standard errors, of miss and of false_alarm.")
        if self.by_prediction is not None and len(self.by_prediction) != 2:
            raise InputError("by_prediction needs two NoiseRates: predicted-negative rows, predicted-positive rows.")

    @property
    def differs(self) -> bool:
        """True when the rates are known to depend on the prediction, so that no global correction is valid."""
        return self.difference_p is not None and self.difference_p < _DIFFER

    @classmethod
    def from_audit(
        cls,
        observed: Any,
        audited: Any,
        predicted: Any = None,
        *,
        weights: Any = None,
        min_cell: int = 5,
    ) -> NoiseRates:
        """Estimate the rates from rows that were looked at again.

        Parameters
        ----------
        observed, audited : array_like of {0, 1}, shape (m,)
            The label in the data and the label found by the audit, taken as the truth.
        predicted : array_like of {0, 1}, shape (m,), optional
            What the model said. Given, a test of equal rates is made and per-cell correction becomes possible.
        weights : array_like, shape (m,), optional
            How many rows of the data each audited row stands for (1 / its chance to be audited). Needed whenever
            the audit was not a simple random sample, as when it was drawn within observed or predicted cells.
        min_cell : int, default 5
            Audited rows required in each (observed, predicted) cell before cells are corrected one by one.

        Returns
        -------
        NoiseRates
        """
        obs, truth = _binary(observed, "observed"), _binary(audited, "audited")
        pred = np.zeros_like(obs) if predicted is None else _binary(predicted, "predicted")
        weighted = weights is not None
        w = np.asarray(weights, dtype=np.float64) if weighted else np.ones(obs.size)
        _same_length(obs, truth, pred, w)
        if not np.isfinite(w).all() or (w <= 0).any():
            raise InputError("weights must be positive and finite: the number of rows each audited row stands for.")
        audit, rows, hits = _tabulate(obs, truth, pred, w, 1 if predicted is None else 2)
        if (audit.mass.sum(axis=1) == 0).any() or truth.min() == truth.max():
            raise InputError(
                "The audit lacks observed positives or negatives, or found one true class only, so a rate cannot be "
                "estimated; audit some rows of each observed class."
            )
        miss, alarm = (float(v) for v in audit.rates(audit.share))
        draws = audit.rates(audit.draw(np.random.default_rng(0), 4000))
        rates = cls(miss, alarm, (float(draws[0].std()), float(draws[1].std())), _audit=audit)
        if predicted is None:
            return rates
        p_value = _difference_p(audit, rows, hits)
        columns = _column_rates(audit) if (rows >= min_cell).all() else None
        return replace(rates, by_prediction=columns, difference_p=p_value)

    def draw(self, n_draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw (miss, false_alarm), each (n_draws,), from what is known about the pooled rates."""
        if self._audit is not None:
            return self._audit.rates(self._audit.draw(rng, n_draws))
        se = self.se or (0.0, 0.0)
        return _draw_rate(self.miss, se[0], n_draws, rng), _draw_rate(self.false_alarm, se[1], n_draws, rng)


def _tabulate(obs: Array, truth: Array, pred: Array, w: Array, columns: int) -> tuple[_Audit, Array, Array]:
    """Build the audit table; also the plain counts of rows and of true positives, each (2, columns)."""
    cell, size = obs * columns + pred, 2 * columns
    shape = (2, columns)
    rows = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    hits = np.bincount(cell, weights=truth, minlength=size).reshape(shape)
    mass = np.bincount(cell, weights=w, minlength=size).reshape(shape)
    positive = np.bincount(cell, weights=w * truth, minlength=size).reshape(shape)
    squares = np.bincount(cell, weights=w * w, minlength=size).reshape(shape)
    # Kish's effective size: unequal weights inside a cell buy less information than their number.
    effective = np.divide(mass**2, squares, out=np.zeros(shape), where=squares > 0)
    share = np.divide(positive, mass, out=np.zeros(shape), where=mass > 0)
    return _Audit(effective, effective * share, mass), rows, hits


def _column_rates(audit: _Audit) -> tuple[NoiseRates, NoiseRates] | None:
    """Rates in each predicted column, or None where a column is beyond repair (no true class, or sum >= 1)."""
    out = []
    for c in (0, 1):
        part = _Audit(audit.rows[:, [c]], audit.positive[:, [c]], audit.mass[:, [c]])
        miss, alarm = (float(np.nan_to_num(v)) for v in part.rates(part.share))
        # Cells are corrected by P(true | cell), which needs no inverse; a column at sum >= 1 is still usable there,
        # so the displayed rates are capped rather than refused.
        over = miss + alarm
        if over >= 1.0:
            miss, alarm = miss / over * (1 - 1e-9), alarm / over * (1 - 1e-9)
        out.append(NoiseRates(miss, alarm, _audit=part))
    return out[0], out[1]


def _difference_p(audit: _Audit, rows: Array, hits: Array) -> float:
    """P-value of "the rates are the same in both predicted columns", smallest of two tests times two.

    For each true class the four audited counts, observed x predicted, follow Fisher's noncentral hypergeometric
    law given their margins; its odds ratio under equal rates is that of the sampling fractions. Exact in small
    counts, so that a cell without errors proves nothing.
    """
    fraction = np.divide(rows, audit.mass, out=np.ones_like(rows), where=audit.mass > 0)
    odds = fraction[1, 1] * fraction[0, 0] / (fraction[1, 0] * fraction[0, 1])
    p_values = [_noncentral_fisher(table, odds) for table in (hits, rows - hits)]
    return float(min(1.0, 2.0 * min(p_values)))


def _noncentral_fisher(table: Array, odds: float) -> float:
    """Two-sided p-value of a 2 x 2 table of counts against a given odds ratio."""
    t = np.rint(table).astype(np.int64)
    row, column, total = int(t[1].sum()), int(t[:, 1].sum()), int(t.sum())
    x = np.arange(max(0, row + column - total), min(row, column) + 1)
    if x.size < 2:
        return 1.0
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    log_p = x * np.log(odds) - (
        log_factorial[x] + log_factorial[row - x] + log_factorial[column - x] + log_factorial[total - row - column + x]
    )
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return float(min(1.0, p[p <= p[x == t[1, 1]][0] * (1 + 1e-9)].sum()))


def _draw_rate(mean: float, se: float, n_draws: int, rng: np.random.Generator) -> Array:
    """Draw a rate with a given mean and standard error, inside [0, 1]: a Beta law matched by moments."""
    spread = mean * (1.0 - mean)
    if se == 0.0:
        return np.full(n_draws, mean)
    if se * se < spread:
        strength = spread / (se * se) - 1.0
        return rng.beta(mean * strength, (1.0 - mean) * strength, size=n_draws)
    return np.clip(rng.normal(mean, se, size=n_draws), 0.0, 1.0)


# ------------------------------------------------------------------------------------------- forward, inverse
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
    counts = _counts(confusion)
    tp, fp, fn, tn = _split(counts)
    neg, pos = rates.by_prediction or (rates, rates)
    seen_tp = (1.0 - pos.miss) * tp + pos.false_alarm * fp
    seen_fn = (1.0 - neg.miss) * fn + neg.false_alarm * tn
    return np.stack([seen_tp, tp + fp - seen_tp, seen_fn, fn + tn - seen_fn], axis=-1)


def _invert(counts: Array, miss: Any, alarm: Any) -> tuple[Array, Array]:
    """Undo global noise on counts (..., 4); also says (...) where a negative count had to be clipped.

    ``miss`` and ``alarm`` are scalars or pairs (predicted-negative, predicted-positive) of scalars or arrays (...).
    """
    miss_neg, miss_pos = miss if isinstance(miss, tuple) else (miss, miss)
    alarm_neg, alarm_pos = alarm if isinstance(alarm, tuple) else (alarm, alarm)
    tp, fp, fn, tn = _split(counts)
    out = np.empty(np.broadcast_shapes(counts.shape[:-1], np.shape(miss_pos)) + (4,))
    clipped = np.zeros(out.shape[:-1], dtype=bool)
    for at, hit, other, m, a in ((0, tp, fp, miss_pos, alarm_pos), (2, fn, tn, miss_neg, alarm_neg)):
        column = hit + other  # what was predicted is known without error, so a clipped column keeps its sum
        raw = _ratio(hit - a * column, 1.0 - m - a)
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
    counts = _counts(observed, "observed")
    if rates.by_prediction is None:
        _refuse_global(rates)
        return _invert(counts, rates.miss, rates.false_alarm)
    neg, pos = rates.by_prediction
    if rates._audit is not None:
        return _by_cell(counts, rates._audit.share), np.zeros(counts.shape[:-1], dtype=bool)
    return _invert(counts, (neg.miss, pos.miss), (neg.false_alarm, pos.false_alarm))


def _by_cell(counts: Array, share: Array) -> Array:
    """True counts from P(truly positive | observed, predicted) (..., 2, 2): no inverse, hence never negative."""
    tp, fp, fn, tn = _split(counts)
    true_tp = share[..., 1, 1] * tp + share[..., 0, 1] * fp
    true_fn = share[..., 1, 0] * fn + share[..., 0, 0] * tn
    return np.stack([true_tp, tp + fp - true_tp, true_fn, fn + tn - true_fn], axis=-1)


def _refuse_global(rates: NoiseRates) -> None:
    if rates.differs:
        raise InputError(
            f"The audit shows that label errors depend on the prediction (p = {rates.difference_p:.2g}), so one global "
            "correction would move the metrics away from the truth. Audit rows within each (observed, predicted) "
            "cell, give from_audit their predictions and weights, and correct per cell."
        )


# ---------------------------------------------------------------------------------------------- with intervals
class CorrectedMetrics(dict[str, Estimate]):
    """Estimates by metric name, with what was assumed.

    Attributes
    ----------
    observed : dict of str to float
        The same metrics, uncorrected.
    confusion : ndarray, shape (4,)
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


def _draws(
    counts: Array, rates: NoiseRates, per_cell: bool, n_draws: int, rng: np.random.Generator, drawn: Any = None
) -> tuple[Array, Array]:
    """Corrected counts (n_draws, 4) under sampling and under what is not known of the rates; clipped (n_draws,)."""
    total = counts.sum()
    sampled = rng.multinomial(int(round(total)), counts / total, size=n_draws).astype(np.float64)
    miss, alarm = drawn if drawn is not None else _rate_draws(rates, per_cell, n_draws, rng)
    if isinstance(miss, np.ndarray) and miss.ndim == 3:
        return _by_cell(sampled, miss), np.zeros(n_draws, dtype=bool)
    return _invert(sampled, miss, alarm)


def _rate_draws(rates: NoiseRates, per_cell: bool, n_draws: int, rng: np.random.Generator) -> tuple[Any, Any]:
    if not per_cell or rates.by_prediction is None:
        if rates._audit is None and not any(rates.se or ()):
            return rates.miss, rates.false_alarm
        return _informative(*rates.draw(n_draws, rng))
    if rates._audit is not None:
        return rates._audit.draw(rng, n_draws), None
    neg, pos = (_informative(*r.draw(n_draws, rng)) for r in rates.by_prediction)
    return (neg[0], pos[0]), (neg[1], pos[1])


def _informative(miss: Array, alarm: Array) -> tuple[Array, Array]:
    """Keep drawn rates invertible; a drawn sum of 1 or more is pulled just below, where counts are clipped."""
    over = np.maximum((miss + alarm) / 0.999, 1.0)
    return miss / over, alarm / over


def _interval(values: Array, point: float, level: float, method: str, n: int) -> Estimate:
    kept = values if np.isfinite(values).all() else values[np.isfinite(values)]
    if kept.size == 0 or not np.isfinite(point):
        return Estimate(value=float(point), low=float("nan"), high=float("nan"), level=level, method=method, n=n)
    low, high = _quantiles(kept, level)
    # A skewed law of draws may leave the point outside; the interval is then widened to hold it.
    return Estimate(
        value=float(point), low=min(low, float(point)), high=max(high, float(point)), level=level, method=method, n=n
    )


def _quantiles(values: Array, level: float) -> tuple[float, float]:
    tail = (1.0 - level) / 2.0
    at = (int(np.floor(tail * (values.size - 1))), int(np.ceil((1.0 - tail) * (values.size - 1))))
    part = np.partition(values, at)
    return float(part[at[0]]), float(part[at[1]])


def _check_draws(level: float, n_draws: int) -> None:
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
        _refuse_global(rates)
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
    names = _chosen(metrics)
    _check_draws(level, n_draws)
    per_cell = _correction(rates, correction)
    counts = _counts(y_observed, "y_observed") if y_pred is None else confusion_counts(y_observed, y_pred)
    if counts.shape != (4,) or counts.sum() <= 0:
        raise InputError(
            f"Observed counts have shape {counts.shape}, sum {counts.sum()}; give one model's counts (4,)."
        )
    used = rates if per_cell else replace(rates, by_prediction=None)
    fixed, at_point = corrected_confusion(counts, used)
    rng = np.random.default_rng(random_state)
    drawn, clipped = _draws(counts, used, per_cell, n_draws, rng)
    method = f"noise-corrected, {'per cell' if per_cell else 'global'}, {n_draws} draws"
    if at_point:
        method += ", clipped"
    out = CorrectedMetrics()
    for name in names:
        out[name] = _interval(METRICS[name](drawn), float(METRICS[name](fixed)), level, method, int(counts.sum()))
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


# ------------------------------------------------------------------------------------------------------- AUROC
def _auroc_factor(prevalence_true: Any, miss: Any, alarm: Any) -> Any:
    """1 - P(true 0 | observed 1) - P(true 1 | observed 0)."""
    seen = (1.0 - miss) * prevalence_true + alarm * (1.0 - prevalence_true)
    return _ratio((1.0 - miss - alarm) * prevalence_true * (1.0 - prevalence_true), seen * (1.0 - seen))


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
    _check_draws(level, n_draws)
    _refuse_global(rates)
    y, s = _binary(y_observed, "y_observed"), np.asarray(scores, dtype=np.float64)
    _same_length(y, s)
    n, n1 = y.size, int(y.sum())
    if n1 in (0, n) or not np.isfinite(s).all():
        raise InputError("AUROC needs finite scores and both observed classes; check y_observed and scores.")
    area, se = _delong(y, s)
    rng = np.random.default_rng(random_state)
    miss, alarm = _rate_draws(replace(rates, by_prediction=None), False, n_draws, rng)

    def correct(auc: Any, seen: Any, m: Any, a: Any) -> Any:
        true = np.clip(_ratio(seen - a, 1.0 - m - a), 0.0, 1.0)
        return 0.5 + _ratio(auc - 0.5, _auroc_factor(true, m, a))

    point = float(correct(area, n1 / n, rates.miss, rates.false_alarm))
    if not np.isfinite(point):
        raise InputError(
            f"The observed share of positives, {n1 / n:.4f}, does not exceed the false-alarm rate "
            f"{rates.false_alarm:.4f}: nothing is left to correct. Audit again; the rates do not fit these labels."
        )
    values = correct(area + se * rng.standard_normal(n_draws), rng.binomial(n, n1 / n, n_draws) / n, miss, alarm)
    method = f"noise-corrected AUROC, DeLong, {n_draws} draws" + (", clipped" if not 0 <= point <= 1 else "")
    return _interval(np.clip(values, 0.0, 1.0), float(np.clip(point, 0.0, 1.0)), level, method, n)


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


# ---------------------------------------------------------------------------------------------- order of models
def rank_preserving(metric: str, rates: NoiseRates | None = None) -> bool:
    """Whether noise leaves the expected order of models unchanged under this metric.

    True for precision, MCC, balanced accuracy, Youden's J and AUROC: under noise that ignores the prediction each
    is mapped by one increasing affine function with the same constants for every model. False for all others, and
    for every metric when ``rates`` depend on the prediction.
    """
    if metric not in METRICS and metric != "auroc":
        raise InputError(f"Unknown metric {metric!r}; choose one of {', '.join(METRICS)}, auroc.")
    depends = rates is not None and (rates.differs or (rates.by_prediction is not None and rates._audit is None))
    return metric in _RANK_PRESERVING and not depends


def _kendall(a: Array, b: Array) -> float:
    """Kendall's tau-b; values equal to 12 digits are ties."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.round(a[both], 12), np.round(b[both], 12)
    if a.size < 2:
        return float("nan")
    top = left = right = 0.0
    for start in range(0, a.size, 512):  # blocks keep the pairwise table small
        da = np.sign(a[start : start + 512, None] - a)
        db = np.sign(b[start : start + 512, None] - b)
        top, left, right = top + (da * db).sum(), left + np.abs(da).sum(), right + np.abs(db).sum()
    return float(top / np.sqrt(left * right)) if left * right > 0 else float("nan")


def ranking_distortion(
    confusions: Any, rates: NoiseRates, *, metrics: str | Sequence[str] | None = None
) -> dict[str, float]:
    """Kendall's tau-b between the true and the expected noisy order of models, by metric.

    Parameters
    ----------
    confusions : array_like, shape (models, 4)
        True counts of at least two models.
    rates : NoiseRates
    metrics : str or sequence of str, optional
        All of :data:`METRICS` by default.

    Returns
    -------
    dict of str to float
        1 where the order is kept; NaN where all models are equal.
    """
    counts = _counts(confusions, "confusions")
    if counts.ndim != 2 or counts.shape[0] < 2:
        raise InputError(f"confusions has shape {counts.shape}; give the counts of two or more models, (models, 4).")
    seen = expected_observed(counts, rates)
    return {name: _kendall(METRICS[name](counts), METRICS[name](seen)) for name in _chosen(metrics)}


@dataclass(frozen=True)
class Trust:
    """Which metrics keep the order of these models, and what choosing by each would cost.

    Attributes
    ----------
    keeps_order : tuple of str
        Metrics whose order survives these rates by theorem.
    tau : dict of str to float
        Kendall's tau-b of each metric for these models.
    cheapest : int or None
        Model of least cost; None unless a cost was given.
    regret : dict of str to float
        Cost of the model each noisy metric would choose over the least cost; empty unless a cost was given.
    clipped : bool
        True when the rates asked for negative counts in some model.
    advice : str
    """

    keeps_order: tuple[str, ...]
    tau: dict[str, float]
    cheapest: int | None
    regret: dict[str, float]
    clipped: bool
    advice: str


def trusted_metric(
    observed: Any,
    rates: NoiseRates,
    *,
    cost: tuple[float, float] | None = None,
    metrics: str | Sequence[str] | None = None,
) -> Trust:
    """Say which metrics can be trusted to order these models.

    Parameters
    ----------
    observed : array_like, shape (models, 4)
        Observed (noisy) counts.
    rates : NoiseRates
    cost : (false alarm, miss), optional
        Cost of one false positive and of one false negative of the model. Without it no metric is best: a metric
        that keeps its order under noise may still order by the wrong thing.
    metrics : str or sequence of str, optional

    Returns
    -------
    Trust
    """
    names = _chosen(metrics)
    counts = _counts(observed, "observed")
    true, clipped = corrected_confusion(counts, rates)
    tau = ranking_distortion(true, rates, metrics=names)
    keeps = tuple(name for name in names if rank_preserving(name, rates))
    head = f"The order of the models survives these label errors under: {', '.join(keeps) or 'none of these'}. "
    if cost is None:
        advice = head + "No metric is best without a cost: give cost=(false alarm, miss) to choose a model."
        return Trust(keeps, tau, None, {}, bool(clipped.any()), advice)
    if len(cost) != 2 or min(cost) < 0 or max(cost) <= 0:
        raise InputError(f"cost is {cost!r}; give two costs, of a false alarm and of a miss, zero or more.")
    price = cost[0] * true[:, 1] + cost[1] * true[:, 2]
    best = int(price.argmin())
    regret = {}
    for name in names:
        values = METRICS[name](counts)
        if np.isfinite(values).any():
            regret[name] = float(_ratio(price[int(np.nanargmax(values))], price[best]))
    advice = head + f"At this cost model {best} is the cheapest by corrected counts; regret gives each metric's choice."
    return Trust(keeps, tau, best, regret, bool(clipped.any()), advice)


# --------------------------------------------------------------------------------------------- paired comparison
@dataclass(frozen=True)
class Comparison:
    """How often one model beats another.

    Attributes
    ----------
    names : tuple of str
    share : ndarray, shape (models, models)
        Entry (a, b): share of noise-consistent worlds in which a beats b; ties count one half; diagonal 0.5.
    metric : str
    n_draws : int
    pairing : {"rows", "rates"}
        "rows": both models were scored on the same drawn rows and rates; "rates": on the same drawn rates only.
    """

    names: tuple[str, ...]
    share: Array
    metric: str
    n_draws: int
    pairing: str

    def beats(self, a: str, b: str) -> float:
        """Share of noise-consistent worlds in which model ``a`` beats model ``b``."""
        for name in (a, b):
            if name not in self.names:
                raise InputError(f"No model is called {name!r}; there are {', '.join(self.names)}.")
        return float(self.share[self.names.index(a), self.names.index(b)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, fit for JSON."""
        return {
            "names": list(self.names),
            "share": self.share.tolist(),
            "metric": self.metric,
            "n_draws": self.n_draws,
            "pairing": self.pairing,
        }


def compare(
    models: Mapping[str, Any],
    rates: NoiseRates,
    *,
    y_observed: Any = None,
    metric: str = "mcc",
    n_draws: int = 10_000,
    random_state: int | np.random.Generator | None = None,
) -> Comparison:
    """Compare models over the worlds that the noisy labels allow.

    A world is one draw of the rows (multinomial) and of the rates, with the noise undone.

    Parameters
    ----------
    models : mapping of str to array_like
        Predictions (n,) where ``y_observed`` is given, else observed counts (4,).
    rates : NoiseRates
        Global rates; rates by prediction belong to one model and are refused here.
    y_observed : array_like of {0, 1}, shape (n,), optional
        With it the two models of a pair see the same drawn rows, which makes the comparison far sharper.
    metric : str, default "mcc"
    n_draws : int, default 10000
    random_state : int, Generator or None

    Returns
    -------
    Comparison
    """
    (name,) = _chosen(metric)
    _check_draws(0.9, n_draws)
    if len(models) < 2:
        raise InputError("compare needs two or more models.")
    _refuse_global(rates)
    if rates.by_prediction is not None and rates._audit is None:
        raise InputError("These rates depend on one model's predictions; compare needs rates that hold for all models.")
    rng = np.random.default_rng(random_state)
    miss, alarm = _rate_draws(replace(rates, by_prediction=None), False, n_draws, rng)
    names, share = tuple(models), np.full((len(models), len(models)), 0.5)
    if y_observed is None:
        tables = [_counts(models[k], f"models[{k!r}]") for k in names]
        # Every model gets its own draw of rows: counts alone do not say which rows the models share.
        worlds = [METRICS[name](_draws(t, rates, False, n_draws, rng, (miss, alarm))[0]) for t in tables]
    else:
        y = _binary(y_observed, "y_observed")
        preds = [_binary(models[k], f"models[{k!r}]") for k in names]
        _same_length(y, *preds)
    for i, j in combinations(range(len(names)), 2):
        if y_observed is None:
            a, b = worlds[i], worlds[j]
        else:
            a, b = (METRICS[name](_invert(c, miss, alarm)[0]) for c in _paired(y, preds[i], preds[j], n_draws, rng))
        ok = np.isfinite(a) & np.isfinite(b)
        share[i, j] = ((a > b)[ok] + 0.5 * (a == b)[ok]).mean() if ok.any() else np.nan
        share[j, i] = 1.0 - share[i, j]
    return Comparison(names, share, name, n_draws, "rates" if y_observed is None else "rows")


def _paired(y: Array, a: Array, b: Array, n_draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the eight counts (observed, a, b) together; return both models' counts, each (n_draws, 4)."""
    cells = np.bincount(4 * y + 2 * a + b, minlength=8)
    drawn = rng.multinomial(y.size, cells / y.size, size=n_draws).reshape(n_draws, 2, 2, 2).astype(np.float64)
    out = []
    for axis in (3, 2):  # sum over the other model's prediction
        t = drawn.sum(axis=axis)
        out.append(np.stack([t[:, 1, 1], t[:, 0, 1], t[:, 1, 0], t[:, 0, 0]], axis=-1))
    return out[0], out[1]
