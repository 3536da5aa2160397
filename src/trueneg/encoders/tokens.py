"""Texts become tokens, and the vectors of tokens one vector a text: what the ONNX and torch encoders share.

A folder is read as sentence-transformers writes it: ``tokenizer.json``, ``sentence_bert_config.json`` (how long a text
may be), ``1_Pooling/config.json`` (mean, first or last token) and ``modules.json`` (whether vectors get the length 1).
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

__all__ = ["Recipe", "Tokens", "content", "last_token"]

POOLINGS = ("mean", "cls", "last")
_LENGTH = 256  # tokens, where a folder does not say: what all-MiniLM-L6-v2 was given


@dataclass(frozen=True)
class Recipe:
    """How a text is cut and its tokens are put together.

    Parameters
    ----------
    max_length : int, default=256
        Tokens of a text; the rest is cut off.
    pooling : {"mean", "cls", "last"}, default="mean"
        The mean of a text's tokens, its first token, or its last one: in a decoder no other has seen the whole text.
    normalize : bool, default=True
        Whether vectors get the length 1.
    eos : int, optional
        Token that ends every text, a text that was cut too; put there where the tokenizer itself has not. Its place is
        where a decoder with "last" says what it has read.
    """

    max_length: int = _LENGTH
    pooling: str = "mean"
    normalize: bool = True
    eos: int | None = None

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS or self.max_length < 3:
            msg = f"pooling={self.pooling!r}, max_length={self.max_length}: give mean, cls or last, and 3 tokens up"
            raise InputError(msg)

    @classmethod
    def of(cls, folder: Path) -> Recipe:
        """Read what a folder says, with the defaults where it says nothing."""
        pooling = _json(folder / "1_Pooling" / "config.json", {})
        modes = [key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True]
        known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}
        mode = pooling.get("pooling_mode", known.get(modes[0], modes[0]) if len(modes) == 1 else "mean")
        mode = "last" if mode == "lasttoken" else mode
        if mode not in POOLINGS or len(modes) > 1:
            msg = f"{folder}: the pooling {mode!r} is not known here; load it with sentence-transformers"
            raise InputError(msg)
        steps = _json(folder / "modules.json", None)
        unit = steps is None or any(str(step.get("type", "")).endswith("Normalize") for step in steps)
        length = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length") or _LENGTH
        ends = _json(folder / "tokenizer_config.json", {}).get("add_eos_token") is True
        eos = _json(folder / "config.json", {}).get("eos_token_id") if ends else None
        return cls(int(length), mode, unit, eos[0] if isinstance(eos, list) else eos)

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
        elif value.ndim == 3 and self.pooling == "last":
            value = last_token(value, mask)
        elif value.ndim == 3:
            weight = mask.astype(np.float32)
            value = np.einsum("bsd,bs->bd", value, weight) / np.maximum(weight.sum(axis=1), 1)[:, None]
        if value.ndim != 2 or len(value) != len(mask):
            msg = f"the model gave shape {np.shape(hidden)} for {len(mask)} texts: (b, tokens, d) or (b, d) is needed"
            raise InputError(msg)
        if self.normalize:
            value = value / np.maximum(np.linalg.norm(value, axis=1), 1e-12)[:, None]
        return value


def last_token(hidden: Any, mask: Any) -> Any:
    """Return the vector of each text's last token, whether the padding is on its right or on its left.

    Parameters
    ----------
    hidden : ndarray or Tensor of shape (b, s, d)
    mask : ndarray or Tensor of shape (b, s)
        1 where there is a token. A text of none gets the first vector of its row.

    Returns
    -------
    ndarray or Tensor of shape (b, d)
        Gradients flow through it.
    """
    at = mask.cumsum(1).argmax(1)  # the first place where all tokens have been counted
    return hidden[list(range(len(hidden))), at]


class Tokens:
    """A ``tokenizer.json``, without the padding and the length that are written in it.

    Parameters
    ----------
    path : Path
    max_length : int
        The end of a longer text is cut off.
    eos : int, optional
        Token that ends every text.
    """

    def __init__(self, path: Path, max_length: int, eos: int | None = None) -> None:
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
        if eos is not None and self._tokenizer.id_to_token(eos) is None:
            msg = f"{path} has no token {eos}: give as eos the number of one of its tokens"
            raise InputError(msg)
        self._max_length, self._eos = max_length, eos
        self._tokenizer.enable_truncation(max_length)

    def batch(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens and the mask, both int64 (b, s), as wide as the longest text of the batch.

        Parameters
        ----------
        texts : list of str
        """
        rows = [self._ended(found.ids) for found in self._tokenizer.encode_batch(_clean(texts))]
        width = max(1, *(len(row) for row in rows))
        ids = np.zeros((len(rows), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return ids, mask

    def count(self, texts: list[str]) -> list[int]:
        """Return how many tokens each text has before it is cut, the one that ends it left out.

        Parameters
        ----------
        texts : list of str
        """
        self._tokenizer.no_truncation()
        try:
            rows = [found.ids for found in self._tokenizer.encode_batch(_clean(texts))]
        finally:
            self._tokenizer.enable_truncation(self._max_length)
        return [len(row) - (self._eos is not None and row[-1:] == [self._eos]) for row in rows]

    def _ended(self, row: list[int]) -> list[int]:
        if self._eos is None or row[-1:] == [self._eos]:
            return row
        return [*row[: self._max_length - 1], self._eos]


def _clean(texts: list[str]) -> list[str]:
    """Make a question mark of a lone surrogate, as broken files hold them: it is no text to the tokenizer."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


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
