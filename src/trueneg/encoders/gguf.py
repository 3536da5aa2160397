"""A decoder in a GGUF file as an encoder of texts, run by llama.cpp: no torch."""

from __future__ import annotations

import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.batches import by_length
from trueneg.encoders.tokens import content

__all__ = ["GgufEncoder"]

_POOLINGS = ("last", "mean", "cls")
_BATCH = 16  # texts a call


class GgufEncoder:
    """A GGUF model (extra ``local``).

    Parameters
    ----------
    path : str or Path
        The file, such as that of a decoder which was trained to embed. One that was trained to chat runs too, and
        retrieves badly.
    pooling : {"last", "mean", "cls"}, default="last"
        Which token's vector stands for the text: in a decoder only the last one has seen it whole.
    max_length : int, default=512
        Tokens of a text, the one that ends it counted; the rest is cut off.
    eos : bool, default=True
        Whether the model's end-of-text token is put at the end of each text, where its tokenizer has not.
    prompt : str, default=""
        Put before each text.
    threads : int, default=1

    Notes
    -----
    Vectors have the length 1. The library opens a port on the loopback, locked by a random key, where texts are cut
    into tokens; what a text holds of the model's own marks, such as ``<|im_end|>``, is read as text.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        pooling: str = "last",
        max_length: int = 512,
        eos: bool = True,
        prompt: str = "",
        threads: int = 1,
    ) -> None:
        self.path, self.prompt = Path(path), prompt
        self.pooling, self.max_length, self.eos = pooling, max_length, eos
        if pooling not in _POOLINGS or max_length < 3:
            msg = f"pooling={pooling!r}, max_length={max_length}: give last, mean or cls, and 3 tokens or more"
            raise InputError(msg)
        if not self.path.is_file():
            msg = f"{self.path}: there is no such model file; name a GGUF file"
            raise InputError(msg)
        with self.path.open("rb") as handle:
            if handle.read(4) != b"GGUF":
                msg = f"{self.path}: this is no GGUF file; convert the model, or name another"
                raise InputError(msg)
        if find_spec("xllamacpp") is None:
            missing_extra("xllamacpp", "local")
        self.threads = threads
        self._key, self._lock = secrets.token_hex(16), threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the model, which is loaded there."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_server", "_end", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive with a lock of its own."""
        self.__dict__ |= state | {"_lock": threading.Lock()}

    @cached_property
    def _server(self) -> Any:
        import xllamacpp

        settings = xllamacpp.CommonParams()
        settings.model.path = str(self.path)
        settings.embedding, settings.n_parallel, settings.verbosity = True, 1, -1
        settings.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{self.pooling.upper()}")
        # A text is read in one piece, since a mean over its pieces is not the mean over its tokens.
        settings.n_ctx = settings.n_batch = settings.n_ubatch = max(self.max_length, 64)
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = self.threads
        settings.api_keys = [self._key]
        try:
            return xllamacpp.Server(settings)
        except RuntimeError as error:
            msg = f"{self.path}: the model cannot be loaded ({str(error)[:100]}); is the file whole?"
            raise InputError(msg) from error

    @property
    def fingerprint(self) -> str:
        """Content of the file, pooling, length, whether texts are ended, and prompt."""
        return json.dumps(["gguf", content([self.path]), self.pooling, self.max_length, self.eos, self.prompt])

    def count(self, texts: list[str]) -> list[int]:
        """Return how many tokens each text has before it is cut, the one that ends it left out.

        Parameters
        ----------
        texts : list of str
        """
        return [len(self._tokens(text)) for text in texts]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, d), in order of length.

        Parameters
        ----------
        texts : sequence of str
        """
        with self._lock:
            return by_length(texts, _BATCH, self._batch)

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        room = self.max_length - len(self._end)
        rows = [self._tokens(self.prompt + text)[:room] + self._end for text in texts]
        # llama.cpp takes no empty input: a text of no token, where none ends it either, is the vector of zeros.
        full = [row for row in rows if row]
        found = self._server.handle_embeddings({"input": full}) if full else {"data": []}
        if "data" not in found:
            msg = f"{self.path}: no vectors ({str(found)[:150]}); name a model that can embed"
            raise InputError(msg)
        given = iter(np.asarray(one["embedding"], dtype=np.float32) for one in found["data"])
        vectors = [next(given) if row else None for row in rows]
        width = next((len(one) for one in vectors if one is not None), 1)
        return np.stack([np.zeros(width, np.float32) if one is None else one for one in vectors])

    def _tokens(self, text: str, *, marks: bool = False) -> list[int]:
        clean = text.encode("utf-8", "replace").decode("utf-8")
        asked = {"content": clean, "add_special": not marks, "parse_special": marks}
        tokens: list[int] = self._ask("tokenize", asked)["tokens"]
        return tokens[:-1] if not marks and tokens and tokens[-1:] == self._end else tokens

    @cached_property
    def _end(self) -> list[int]:
        """The token that ends a text, or none."""
        if not self.eos:
            return []
        text = self._ask("props", None).get("eos_token", "")
        tokens = self._tokens(text, marks=True) if text else []
        if len(tokens) != 1:
            msg = f"{self.path}: the model names no end of text; pass eos=False"
            raise InputError(msg)
        return tokens

    def _ask(self, what: str, body: Any) -> Any:
        """Ask the loopback, past any proxy."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._server.listening_address}/{what}", data, headers)  # noqa: S310
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
                return json.load(reply)
        except (urllib.error.URLError, ValueError) as error:
            msg = f"{self.path}: the model's own tokenizer does not answer ({str(error)[:100]})"
            raise InputError(msg) from error
