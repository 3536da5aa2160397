"""One file a check: a stable code, a title, a docstring for its page, and ``run(context) -> Finding``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

CHECKS: tuple[str, ...] = (
    "tn101_classes",
    "tn102_unlabelled",
    "tn103_conflicts",
    "tn104_leak",
    "tn105_straddle",
    "tn106_near_duplicates",
    "tn201_false_negatives",
    "tn202_false_positives",
    "tn203_confusions",
    "tn204_least_believable",
    "tn205_hard_negatives",
    "tn206_rules",
    "tn301_metrics",
    "tn302_costs",
    "tn303_calibration",
    "tn401_unfamiliar",
    "tn501_unjudged",
    "tn502_false_negatives",
    "tn503_pooling",
    "tn504_copies",
    "tn505_queries",
    "tn506_without",
    "tn507_leaks",
    "tn601_false_passes",
    "tn602_rates",
    "tn603_rules",
    "tn604_attempts",
    "tn605_silence",
    "tn650_automatic_labels",
)


def load(kind: str | None = None) -> list[ModuleType]:
    """Import every check, or those of one kind of data, in the order of its code."""
    found = [import_module(f"{__name__}.{name}") for name in CHECKS]
    return found if kind is None else [check for check in found if kind in getattr(check, "DATA", ("table",))]


def by_code(code: str) -> Any:
    """Return the check of this code, or None."""
    return next((check for check in load() if code.upper() == check.CODE), None)
