"""How much does each negative weigh? Losses as plain functions of scores and targets, each with a thin module."""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "SoftLabelKLLoss": "soft_labels",
    "soft_label_kl": "soft_labels",
}
__all__ = sorted(_PUBLIC)

# Load a loss when it is first asked for: torch takes seconds to import.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
