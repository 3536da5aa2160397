"""Counts, means and spread of the rows of each class: streaming, mergeable, in float64.

What a Gaussian head, a shrinkage rule or a far-away test needs of the data is one number, one vector and one matrix a
class. They add up: statistics of two parts, merged, are those of the whole.
"""

from __future__ import annotations

from trueneg.core._class_stats.labels import merge_labels
from trueneg.core._class_stats.stats import ClassStats, refuse_not_finite
from trueneg.core._class_stats.whitening import Whitening

__all__ = ["ClassStats", "Whitening", "merge_labels", "refuse_not_finite"]
