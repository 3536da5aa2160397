"""How much does each negative weigh? Losses as plain functions of scores and targets, each with a thin module."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "SoftLabelKLLoss": "soft_labels",
    "soft_label_kl": "soft_labels",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a loss when it is first asked for: torch takes seconds to import."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
