"""Remedies side by side on the user's own data; repairs inside the training folds only."""

from __future__ import annotations

from trueneg.jobs.compare.remedies import REMEDIES, Remedy
from trueneg.jobs.compare.run import Comparison, compare

__all__ = ["REMEDIES", "Comparison", "Remedy", "compare"]
