"""Which negatives are hard *and* true? Mining, filters against false negatives, and what each of them costs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AtMost": "mining",
    "BelowPositive": "mining",
    "Bm25": "mining",
    "Dense": "mining",
    "Duplicates": "mining",
    "Filter": "mining",
    "Fusion": "mining",
    "JudgeScore": "mining",
    "Listed": "mining",
    "Negatives": "mining",
    "Positives": "mining",
    "SecondOpinion": "mining",
    "ann_recall": "mining",
    "hard_negatives": "mining",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a system when it is first asked for, so that importing the room is free."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
