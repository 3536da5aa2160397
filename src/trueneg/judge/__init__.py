"""What does an error cost, and can the figure be trusted? The systems are modules."""

from __future__ import annotations

from trueneg.core.lazy import loader

__all__ = ["noisy_metrics", "reasoning", "resampling", "sentiment"]

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, {name: name for name in __all__})
