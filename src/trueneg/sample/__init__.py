"""Which rows should a model see? SMOTE with its variants, replication and under-sampling."""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "ADASYN": "smote",
    "BorderlineSMOTE": "smote",
    "KMeansSMOTE": "smote",
    "OverSampler": "smote",
    "ResampledClassifier": "smote",
    "SMOTE": "smote",
    "SMOTEN": "smote",
    "SMOTENC": "smote",
    "SVMSMOTE": "smote",
    "SamplingPlan": "smote",
    "SamplingWarning": "smote",
    "UnderSampler": "smote",
    "prior_corrected": "smote",
    "roc_by_sampling": "smote",
}
__all__ = sorted(_PUBLIC)

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
