"""Fit a head to a table, keep it in a folder without pickle, and let it label other tables batch by batch."""

from __future__ import annotations

from trueneg.jobs.fit.heads import HEADS, head_of
from trueneg.jobs.fit.model import Model
from trueneg.jobs.fit.run import fit, predict

__all__ = ["HEADS", "Model", "fit", "head_of", "predict"]
