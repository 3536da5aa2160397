"""Which labels can be believed? Confident learning, the suspect ranking, neighbours, pooling bias."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "ConfidentLearning": "confident_learning",
    "CoupledLoss": "pooling_bias",
    "ListSampler": "pooling_bias",
    "NeighborNegativeCleaner": "neighbors",
    "PoolingBiasCorrector": "pooling_bias",
    "SuspectRanker": "ranking",
    "coupled_loss": "pooling_bias",
    "estimate_false_negative_rate": "pooling_bias",
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
