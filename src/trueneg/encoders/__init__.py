"""Doors to models that turn images or texts into vectors: each has ``encode(items) -> float32 (n, d)``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "CachedEncoder": "text",
    "CallableEncoder": "text",
    "ContrastiveEncoder": "contrastive",
    "EfficientNetLite0": "efficientnet",
    "GgufEncoder": "gguf",
    "GivenVectors": "given",
    "OnnxEncoder": "onnx",
    "RandomEncoder": "baselines",
    "Recipe": "tokens",
    "SentenceEncoder": "text",
    "StaticEncoder": "static",
    "TorchEncoder": "module",
    "text_encoder": "text",
    "WordsEncoder": "baselines",
    "train_contrastive": "contrastive",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load an encoder when it is first asked for: torch takes seconds to import."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
