"""Metrics read off noisy labels: what was observed, what was true, and which order survives.

Labels are wrong at two rates: a *miss* (a true positive written down as negative) and a *false alarm* (a true
negative written down as positive). When these rates do not depend on what the model predicted, the confusion
counts seen are a linear map of the true ones, so every metric can be corrected, and precision, MCC, balanced
accuracy, Youden's J and AUROC keep the order of the models. When they do depend on the prediction, one global
correction makes matters worse; then the audit must be drawn per (observed, predicted) cell.

Counts are always ordered ``(TP, FP, FN, TN)`` along the last axis; of K classes they are (K, K), labels in rows,
and a :class:`NoiseMatrix` takes the place of the two rates.

Source: Kulatilleke and Samarakoon, "Empirical study of classifier evaluation metrics in massively imbalanced and
noisy data", arXiv 2208.11904; the closed forms and the audit are this project's own.
"""

from __future__ import annotations

from trueneg.judge._noisy_metrics.auroc import corrected_auroc, expected_auroc
from trueneg.judge._noisy_metrics.correction import (
    CorrectedMetrics,
    corrected_confusion,
    corrected_metrics,
    expected_observed,
)
from trueneg.judge._noisy_metrics.metrics import METRICS, confusion_counts, f_beta, metric_values
from trueneg.judge._noisy_metrics.multiclass import (
    CLASS_METRICS,
    NoiseMatrix,
    class_confusion,
    corrected_class_confusion,
    corrected_class_metrics,
    expected_class_confusion,
)
from trueneg.judge._noisy_metrics.ranking import (
    Comparison,
    Trust,
    compare,
    rank_preserving,
    ranking_distortion,
    trusted_metric,
)
from trueneg.judge._noisy_metrics.rates import NoiseRates

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "Comparison",
    "CorrectedMetrics",
    "NoiseMatrix",
    "NoiseRates",
    "Trust",
    "class_confusion",
    "compare",
    "confusion_counts",
    "corrected_auroc",
    "corrected_class_confusion",
    "corrected_class_metrics",
    "corrected_confusion",
    "corrected_metrics",
    "expected_auroc",
    "expected_class_confusion",
    "expected_observed",
    "f_beta",
    "metric_values",
    "rank_preserving",
    "ranking_distortion",
    "trusted_metric",
]
