"""SMOTE (Chawla, Bowyer, Hall, Kegelmeyer 2002, JAIR 16, arXiv 1106.1813) and its descendants.

The parts are in ``_smote``, in the order of the work: `labels` and `strategy` (how many rows of each class), `nearest`
(who may be a partner), `plan` (which pairs, how far along), `tables` (from a plan to rows of the caller's own
container), `base` (the frame they share), `estimators` (the published methods and the baselines), `kinds` (what each
descendant changes), `study` (what resampling does to probabilities and to the ROC curve).
"""

from __future__ import annotations

from trueneg.sample._smote.base import BaseSampler, BaseSmote, SamplingWarning
from trueneg.sample._smote.estimators import SMOTE, SMOTEN, SMOTENC, OverSampler, UnderSampler
from trueneg.sample._smote.kinds import ADASYN, SVMSMOTE, BorderlineSMOTE, KMeansSMOTE
from trueneg.sample._smote.plan import SamplingPlan
from trueneg.sample._smote.study import ResampledClassifier, RocBySampling, prior_corrected, roc_by_sampling

__all__ = [
    "ADASYN",
    "BaseSampler",
    "BaseSmote",
    "BorderlineSMOTE",
    "KMeansSMOTE",
    "OverSampler",
    "ResampledClassifier",
    "RocBySampling",
    "SMOTE",
    "SMOTEN",
    "SMOTENC",
    "SVMSMOTE",
    "SamplingPlan",
    "SamplingWarning",
    "UnderSampler",
    "prior_corrected",
    "roc_by_sampling",
]
