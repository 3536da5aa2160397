"""When is the answer "none of these"? Scores of how familiar a row is, and thresholds that keep what they promise."""

from __future__ import annotations

from trueneg.core.lazy import loader

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
    "tree_distance": "max_logit",
}
__all__ = sorted(_PUBLIC)

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
