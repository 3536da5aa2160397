"""Which decision rule on the features? Rules that can be read, and naive Bayes beside logistic regression."""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "Binarizer": "tsetlin",
    "DiscreteNaiveBayes": "naive_bayes",
    "EpisodeComparison": "teen",
    "ErrorAt": "loki",
    "FrechetLayer": "loki",
    "GaussianNaiveBayes": "naive_bayes",
    "GeometryAwareClassifier": "loki",
    "IncrementalReport": "teen",
    "MetricLabelSpace": "loki",
    "PrototypeClassifier": "teen",
    "SessionReport": "teen",
    "TsetlinMachineClassifier": "tsetlin",
    "TsetlinMachineSearch": "tsetlin",
    "choose_alpha": "teen",
    "compare_episodes": "teen",
    "error_study": "loki",
    "expected_squared_distance": "loki",
    "frechet_predict": "loki",
    "incremental_report": "teen",
    "is_locus_cover": "loki",
    "linear_evaluation": "naive_bayes",
    "locus": "loki",
    "locus_cover": "loki",
    "logistic_consistency_bound": "naive_bayes",
    "measure_regime": "naive_bayes",
    "next_class": "loki",
    "random_tree": "loki",
    "regime_advice": "naive_bayes",
    "sample_complexity_curve": "naive_bayes",
    "session_report": "teen",
    "squared_distance_error": "loki",
}
__all__ = sorted(_PUBLIC)

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
