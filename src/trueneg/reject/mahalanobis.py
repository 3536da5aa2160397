"""Mahalanobis: how far a row is from every class, at the layers of a network.

Class means and one shared covariance at several layers; the distance to the nearest class is the score. A logistic
regression weighs the layers (:class:`FeatureEnsembleDetector`), learned from unknown rows or from FGSM alone. New
classes are added without training (``add_class``). The same scores tell attacked pictures from clean ones
(:func:`adversarial_protocol`), with attacks of our own, and ODIN and LID beside them.

Lee, Lee, Lee and Shin (2018), "A simple unified framework for detecting out-of-distribution samples and adversarial
attacks", NeurIPS, arXiv 1807.03888.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.core.lazy import loader
from trueneg.reject._mahalanobis.detector import MahalanobisDetector
from trueneg.reject._mahalanobis.ensemble import EPS_GRID, FeatureEnsembleDetector, tnr_at_tpr

if TYPE_CHECKING:
    from trueneg.reject._mahalanobis.attacks import (
        ATTACKS,
        bim,
        carlini_wagner,
        deepfool,
        fgsm,
        noise_like,
        pgd,
    )
    from trueneg.reject._mahalanobis.baselines import LidDetector, local_dimension, odin_scores
    from trueneg.reject._mahalanobis.protocol import AttackResult, adversarial_protocol

__all__ = [
    "ATTACKS",
    "EPS_GRID",
    "AttackResult",
    "FeatureEnsembleDetector",
    "LidDetector",
    "MahalanobisDetector",
    "adversarial_protocol",
    "bim",
    "carlini_wagner",
    "deepfool",
    "fgsm",
    "local_dimension",
    "noise_like",
    "odin_scores",
    "pgd",
    "tnr_at_tpr",
]

_TORCH = dict.fromkeys(("ATTACKS", "bim", "carlini_wagner", "deepfool", "fgsm", "noise_like", "pgd"), "attacks")
_TORCH |= dict.fromkeys(("LidDetector", "local_dimension", "odin_scores"), "baselines")
_TORCH |= dict.fromkeys(("AttackResult", "adversarial_protocol"), "protocol")

# Ready features do without torch: what needs it is loaded when it is first asked for.
__getattr__, _ = loader(__name__, _TORCH, within="trueneg.reject._mahalanobis")
