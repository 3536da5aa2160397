"""Texts become tokens, and the vectors of tokens one vector a text: what the ONNX and torch encoders share.

A folder is read as sentence-transformers writes it: ``tokenizer.json``, ``sentence_bert_config.json`` (how long a text
may be), ``1_Pooling/config.json`` (mean or first token) and ``modules.json`` (whether vectors get the length 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra

__all__ = ["Recipe", "Tokens", "content"]

POOLINGS = ("mean", "cls")
_LENGTH = 256  # tokens, where a folder does not say: what all-MiniLM-L6-v2 was given


@dataclass(frozen=True)
class Recipe:
    """How a text is cut and its tokens are put together.

    Parameters
    ----------
    max_length : int, default=256
        Tokens of a text; the rest is cut off.
    pooling : {"mean", "cls"}, default="mean"
        The mean of a text's tokens, or its first token.
    normalize : bool, default=True
        Whether vectors get the length 1.
    """

    max_length: int = _LENGTH
    pooling: str = "mean"
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS or self.max_length < 3:
            msg = f"pooling={self.pooling!r}, max_length={self.max_length}: give mean or cls, and 3 tokens or more"
            raise InputError(msg)

    @classmethod
    def of(cls, folder: Path) -> Recipe:
        """Read what a folder says, with the defaults where it says nothing."""
        pooling = _json(folder / "1_Pooling" / "config.json", {})
        modes = [key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True]
        known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        mode = pooling.get("pooling_mode", known.get(modes[0], modes[0]) if len(modes) == 1 else "mean")
        if mode not in POOLINGS or len(modes) > 1:
            msg = f"{folder}: the pooling {mode!r} is not known here; load it with sentence-transformers"
            raise InputError(msg)
        steps = _json(folder / "modules.json", None)
        unit = steps is None or any(str(step.get("type", "")).endswith("Normalize") for step in steps)
        length = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length") or _LENGTH
        return cls(int(length), mode, unit)

    def pooled(self, hidden: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return one row a text from the output of a model.

        Parameters
        ----------
        hidden : ndarray of shape (b, s, d) or (b, d)
            Of tokens, or of texts that the model has pooled itself.
        mask : ndarray of shape (b, s)
            1 where there is a token.
        """
        value = np.asarray(hidden, dtype=np.float32)
        if value.ndim == 3 and self.pooling == "cls":
            value = value[:, 0]
        elif value.ndim == 3:
            weight = mask.astype(np.float32)
            value = np.einsum("bsd,bs->bd", value, weight) / np.maximum(weight.sum(axis=1), 1)[:, None]
        if value.ndim != 2 or len(value) != len(mask):
            msg = f"the model gave shape {np.shape(hidden)} for {len(mask)} texts: (b, tokens, d) or (b, d) is needed"
            raise InputError(msg)
        if self.normalize:
            value = value / np.maximum(np.linalg.norm(value, axis=1), 1e-12)[:, None]
        return value


class Tokens:
    """A ``tokenizer.json``, without the padding and the length that are written in it.

    Parameters
    ----------
    path : Path
    max_length : int
    """

    def __init__(self, path: Path, max_length: int) -> None:
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError:
            missing_extra("tokenizers", "onnx")
        if not path.is_file():
            msg = f"{path}: there is no such file; put the model's tokenizer.json there"
            raise InputError(msg)
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises a bare Exception
            msg = f"{path} is no tokenizer ({str(error).splitlines()[0][:60]}): copy the model's tokenizer.json again"
            raise InputError(msg) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def batch(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens and the mask, both int64 (b, s), as wide as the longest text of the batch.

        Parameters
        ----------
        texts : list of str
        """
        # A lone surrogate, as a broken file holds them, is no text to the tokenizer: it becomes a question mark.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        rows = [found.ids for found in self._tokenizer.encode_batch(clean)]
        width = max(1, *(len(row) for row in rows))
        ids = np.zeros((len(rows), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return ids, mask


def content(paths: Iterable[Path]) -> str:
    """Return a short hash of files, names left out: a model trained on and saved in the same place is another one."""
    mark = hashlib.blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as source:
            mark.update(hashlib.file_digest(source, "blake2b").digest())
    return mark.hexdigest()


def _json(path: Path, missing: Any) -> Any:
    if not path.is_file():
        return missing
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is no JSON; copy the model's folder again"
        raise InputError(msg) from error
