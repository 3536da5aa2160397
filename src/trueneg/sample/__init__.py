"""Which rows should a model see? SMOTE with its variants, replication and under-sampling."""

from __future__ import annotations

from importlib import import_module
from typing import Any

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


def __getattr__(name: str) -> Any:
    """Load a system when it is first asked for, so that importing the room is free."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
