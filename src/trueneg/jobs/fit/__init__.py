"""Fit a head or rejecter, keep it in a folder without pickle, and let it label other data batch by batch."""

from __future__ import annotations

from trueneg.jobs.fit.extend import extend
from trueneg.jobs.fit.heads import HEADS, head_of
from trueneg.jobs.fit.model import Model
from trueneg.jobs.fit.run import Reading, fit
from trueneg.jobs.fit.stream import predict

__all__ = ["HEADS", "Model", "Reading", "extend", "fit", "head_of", "predict"]
