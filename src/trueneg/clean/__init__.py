"""Which labels can be believed? Confident learning, the suspect ranking, neighbours, pooling bias."""

from __future__ import annotations

from trueneg.core.lazy import loader

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

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
