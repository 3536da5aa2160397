"""Doors to where the work is done: in this process, or on the workers of a Ray cluster."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Engine": "batches",
    "InProcess": "local",
    "RayEngine": "cluster",
    "Resources": "batches",
    "encode_shards": "encoding",
    "engine_of": "choose",
    "sharded_top_k": "search",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load an engine when it is first asked for."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
