"""How well do scores tell the known from the unknown? Each figure with its interval.

``known`` is 1 for a row of a known class and 0 for an unknown one, and scores are higher for familiar rows. So the true
positive rate is the share of known rows that pass, the false positive rate that of unknown rows that pass. Ties are
never broken by position, and everything takes O(n log n). :func:`auroc_of` gives a plain number for choices inside of
a method.
"""

from __future__ import annotations

from trueneg.core._detection.ranking import (
    OscrCurve,
    aupr,
    auroc,
    auroc_of,
    compare_detectors,
    detection_accuracy,
    fpr_at_tpr,
    oscr,
    oscr_curve,
)
from trueneg.core._detection.rates import (
    AttackRates,
    NoveltyReport,
    attack_rates,
    eer,
    eer_threshold,
    novelty_report,
)

__all__ = [
    "AttackRates",
    "NoveltyReport",
    "OscrCurve",
    "attack_rates",
    "aupr",
    "auroc",
    "auroc_of",
    "compare_detectors",
    "detection_accuracy",
    "eer",
    "eer_threshold",
    "fpr_at_tpr",
    "novelty_report",
    "oscr",
    "oscr_curve",
]
