"""Vectors that are there already, found by id: files of NumPy in place of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["GivenVectors"]

_BLOCK = 65_536  # rows hashed at a time


class GivenVectors:
    """One vector an id; ``encode`` takes ids in any order.

    Parameters
    ----------
    ids : sequence of n str
        Each once.
    vectors : ndarray of shape (n, d)
        Numbers of any width, memory-mapped or not; given back as float32.
    name : str, default="the vectors"
        What messages call them.

    Raises
    ------
    InputError
        On another number of rows, an id that is there twice, or an array that is not (n, d) of real numbers.
    """

    def __init__(self, ids: Sequence[str], vectors: NDArray[Any], *, name: str = "the vectors") -> None:
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
            msg = f"{name}: {vectors.dtype} of shape {vectors.shape}; give real numbers of shape (n, d)"
            raise InputError(msg)
        if len(ids) != len(vectors):
            msg = f"{name}: {len(ids):,} ids and {len(vectors):,} rows; give one id a row"
            raise InputError(msg)
        self.ids, self.vectors, self.name = list(ids), vectors, name
        self._row = {key: i for i, key in enumerate(self.ids)}
        if len(self._row) < len(self.ids):
            twice = next(key for i, key in enumerate(self.ids) if self._row[key] != i)
            msg = f"{name}: the id {twice[:40]!r} is there twice; keep one of its rows"
            raise InputError(msg)

    @classmethod
    def load(cls, path: str | Path) -> GivenVectors:
        """Open ``PATH.npy``, memory-mapped, with its ids in ``PATH.ids``, one a line.

        Parameters
        ----------
        path : str or Path
            Without the ending.

        Raises
        ------
        InputError
            On a missing or unreadable file.
        """
        path = Path(path)
        rows, names = path.with_name(path.name + ".npy"), path.with_name(path.name + ".ids")
        for found in (rows, names):
            if not found.is_file():
                msg = f"{found}: there is no such file; give the vectors as .npy and beside it .ids, one id a line"
                raise InputError(msg)
        try:
            vectors = np.load(rows, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            msg = f"{rows} is no .npy file of numbers; write it with numpy.save"
            raise InputError(msg) from error
        try:
            ids = names.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            msg = f"{names} is no UTF-8 at byte {error.start}; write one id a line"
            raise InputError(msg) from error
        return cls([key.removesuffix("\r") for key in ids], vectors, name=str(rows))

    @cached_property
    def fingerprint(self) -> str:
        """Content of ids and vectors."""
        mark = hashlib.blake2b(json.dumps(self.ids).encode(), digest_size=16)
        mark.update(f"{self.vectors.dtype.str} {self.vectors.shape}".encode())
        for start in range(0, len(self.vectors), _BLOCK):
            mark.update(np.ascontiguousarray(self.vectors[start : start + _BLOCK]).data)
        return json.dumps(["numpy", mark.hexdigest()])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the rows of these ids, float32 (n, d).

        Parameters
        ----------
        texts : sequence of str
            Ids.

        Raises
        ------
        InputError
            With the first id that has no vector.
        """
        rows = [self._row.get(key, -1) for key in texts]
        if -1 in rows:
            missing = rows.count(-1)
            first = texts[rows.index(-1)]
            msg = f"{self.name}: {missing:,} of {len(rows):,} ids have no vector, the first is {first[:40]!r}; add them"
            raise InputError(msg)
        found: NDArray[np.float32] = self.vectors[np.array(rows, dtype=np.int64)].astype(np.float32)
        return found
