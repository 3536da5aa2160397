"""Shared mechanisms, few and small, each with one job: one module each."""

from __future__ import annotations

from trueneg.core.lazy import loader

__all__ = [
    "cells",
    "class_stats",
    "costs",
    "detection",
    "errors",
    "intervals",
    "neighbors",
    "shapes",
    "survey",
    "suspects",
    "training",
    "verdicts",
]

# Load a mechanism when it is first asked for, so that importing the package is free.
__getattr__, __dir__ = loader(__name__, {name: name for name in __all__})
