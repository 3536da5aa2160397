"""The main job: read a labelled table, run every check that fits, say what to do."""

from __future__ import annotations

from trueneg.jobs.audit.outcome import Audit
from trueneg.jobs.audit.run import audit

__all__ = ["Audit", "audit"]
