"""Doors to models that turn images or texts into vectors: each has ``encode(items) -> float32 (n, d)``."""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "CachedEncoder": "cache",
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
    "vector_cache": "cache",
}
__all__ = sorted(_PUBLIC)

# Load an encoder when it is first asked for: torch takes seconds to import.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
