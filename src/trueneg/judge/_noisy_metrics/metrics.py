"""Binary metrics as functions of counts ``(TP, FP, FN, TN)``, the last axis; undefined is NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trueneg.core.errors import InputError

Array = np.ndarray


def ratio(top: Array, bottom: Array) -> Array:
    """Divide, with NaN (not a warning, not a zero) where the metric is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(top, bottom)


def split(counts: Array) -> tuple[Array, Array, Array, Array]:
    return counts[..., 0], counts[..., 1], counts[..., 2], counts[..., 3]


def _accuracy(c: Array) -> Array:
    tp, fp, fn, tn = split(c)
    return ratio(tp + tn, tp + fp + fn + tn)


def _precision(c: Array) -> Array:
    return ratio(c[..., 0], c[..., 0] + c[..., 1])


def _recall(c: Array) -> Array:
    return ratio(c[..., 0], c[..., 0] + c[..., 2])


def _specificity(c: Array) -> Array:
    return ratio(c[..., 3], c[..., 3] + c[..., 1])


def _g_mean(c: Array) -> Array:
    return np.sqrt(_recall(c) * _specificity(c))


def _youden_j(c: Array) -> Array:
    return _recall(c) + _specificity(c) - 1.0


def _balanced_accuracy(c: Array) -> Array:
    return 0.5 * (_recall(c) + _specificity(c))


def _mcc(c: Array) -> Array:
    tp, fp, fn, tn = split(c)
    # Two square roots instead of one: the product of four counts overflows integers and loses digits early.
    below = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return ratio(tp * tn - fp * fn, below)


def _kappa(c: Array) -> Array:
    tp, fp, fn, tn = split(c)
    return ratio(2.0 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))


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
        tp, fp, fn, _ = split(c)
        return ratio((1.0 + square) * tp, (1.0 + square) * tp + square * fn + fp)

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


def check_names(metrics: str | Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(METRICS) if metrics is None else ((metrics,) if isinstance(metrics, str) else tuple(metrics))
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise InputError(f"Unknown metrics {unknown}; choose at least one of {', '.join(METRICS)}.")
    return names


def check_counts(confusion: Any, what: str = "confusion") -> Array:
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
    counts = check_counts(confusion)
    return {name: METRICS[name](counts) for name in check_names(metrics)}


def check_binary(values: Any, what: str) -> Array:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{what} has shape {array.shape}; give one value for each row.")
    if not np.isin(array, (0, 1)).all():
        raise InputError(
            f"{what} holds values other than 0 and 1; drop unjudged rows and code the positive class as 1."
        )
    return array.astype(np.int64)


def check_lengths(*arrays: Array) -> None:
    if len({a.shape[0] for a in arrays}) > 1:
        raise InputError(f"Lengths differ: {[a.shape[0] for a in arrays]}; give one entry for each row everywhere.")


def confusion_counts(y: Any, y_pred: Any) -> Array:
    """Count ``(TP, FP, FN, TN)`` of binary labels ``y`` (n,) and predictions ``y_pred`` (n,) as float64 (4,)."""
    label, pred = check_binary(y, "y"), check_binary(y_pred, "y_pred")
    check_lengths(label, pred)
    n = np.bincount(2 * label + pred, minlength=4)
    return np.array([n[3], n[1], n[2], n[0]], dtype=np.float64)
