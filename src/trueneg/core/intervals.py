"""Estimates with intervals, and comparisons at a matched operating point.

Every figure that trueneg reports is an :class:`Estimate`. The functions here make one from counts
(:func:`wilson`, :func:`jeffreys`, :func:`stratified`), from any statistic of rows (:func:`bootstrap`) and from
repeated cross-validation (:func:`corrected_resampled_t`). :func:`matched` answers the question that comes before any of
them: are two scorers being compared at the same operating point?
"""

from __future__ import annotations

from trueneg.core._intervals.estimate import Estimate, jeffreys, stratified, wilson
from trueneg.core._intervals.matching import Matched, OperatingPoint, Sweep, matched, sweep
from trueneg.core._intervals.resampling import bootstrap, corrected_resampled_t

__all__ = [
    "Estimate",
    "Matched",
    "OperatingPoint",
    "Sweep",
    "bootstrap",
    "corrected_resampled_t",
    "jeffreys",
    "matched",
    "stratified",
    "sweep",
    "wilson",
]
