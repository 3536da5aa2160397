"""When is the answer "none of these"? Scores of how familiar a row is, and thresholds that keep what they promise."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AlarmBudget": "intrusion",
    "AlarmMeter": "intrusion",
    "BaseRejecter": "base",
    "EnergyDetector": "max_logit",
    "FeatureEnsembleDetector": "mahalanobis",
    "FlowEncoder": "intrusion",
    "HyperbolicOneClass": "hyp_oc",
    "IntrusionRejecter": "intrusion",
    "MSPDetector": "max_logit",
    "MahalanobisDetector": "mahalanobis",
    "MaxLogitDetector": "max_logit",
    "NotCalibratedError": "base",
    "OpenSetClassifier": "max_logit",
    "Threshold": "threshold",
    "find_threshold": "threshold",
    "read_ssb_split": "max_logit",
    "semantic_shift_split": "max_logit",
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
