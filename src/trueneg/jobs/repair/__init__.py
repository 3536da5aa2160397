"""Repair the suspects of an audit: choose them, decide what to do, write the table again and say what was done."""

from __future__ import annotations

from trueneg.jobs.repair.run import Repair, plan, repair, repair_to

__all__ = ["Repair", "plan", "repair", "repair_to"]
