"""trueneg: get the negatives right.

Finds the negatives that hurt a model (false ones in the labels, hard ones, ones that are too many)
and says what each finding costs and how to repair it. Importing the package imports nothing third-party.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "audit": "trueneg.jobs.audit",
    "Audit": "trueneg.jobs.audit",
    "review": "trueneg.jobs.review.run",
    "repair": "trueneg.jobs.repair",
    "compare": "trueneg.jobs.compare",
    "Comparison": "trueneg.jobs.compare",
}
_ROOMS = (
    "claims",
    "clean",
    "core",
    "data",
    "encoders",
    "engine",
    "heads",
    "jobs",
    "judge",
    "llm",
    "losses",
    "mine",
    "reject",
    "report",
    "sample",
    "testing",
)
__all__ = ["Audit", "Comparison", "__version__", "audit", "compare", "repair", "review"]


def __getattr__(name: str) -> Any:
    """Load a public name or a room when it is first asked for (PEP 562)."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _ROOMS:
        return import_module(f"trueneg.{name}")
    msg = f"module 'trueneg' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
