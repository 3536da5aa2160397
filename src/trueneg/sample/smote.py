"""SMOTE (Chawla, Bowyer, Hall, Kegelmeyer 2002, JAIR 16, arXiv 1106.1813) and its descendants.

The parts are in ``_smote``, in the order of the work: `labels`, `tables` and `strategy` (what is given, and how many
rows of each class), `nearest` (who may be a partner), `plan` (which pairs, how far along), `rows` (from a plan to the
caller's own container), `base` (the frame they share), `estimators` (the published methods and the baselines), `kinds`
and `clusters` (what each descendant changes), `study` and `roc` (what resampling does to probabilities and ROC curves).
"""

from __future__ import annotations

from trueneg.sample._smote.base import BaseSampler, BaseSmote, SamplingWarning
from trueneg.sample._smote.clusters import KMeansSMOTE
from trueneg.sample._smote.estimators import SMOTE, SMOTEN, SMOTENC, OverSampler, UnderSampler
from trueneg.sample._smote.kinds import ADASYN, SVMSMOTE, BorderlineSMOTE
from trueneg.sample._smote.plan import SamplingPlan
from trueneg.sample._smote.roc import RocBySampling, roc_by_sampling
from trueneg.sample._smote.study import ResampledClassifier, prior_corrected

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
