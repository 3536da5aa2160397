"""Doors to where the work is done: in this process, or on the workers of a Ray cluster."""

from __future__ import annotations

from trueneg.core.lazy import loader

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

# Load an engine when it is first asked for.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
