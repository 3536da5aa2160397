"""Doors to tables on disk and in memory: readers, roles of columns, writers, and the data sets of the claims."""

from __future__ import annotations

from trueneg.core.lazy import loader

__all__ = ["readers", "registry", "retrieval", "sniff", "streams", "writers"]

# Load a door when it is first asked for, so that importing the package is free.
__getattr__, __dir__ = loader(__name__, {name: name for name in __all__})
