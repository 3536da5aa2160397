"""Rows of binary features as the machine reads them: packed bits of a dense array, places of a sparse one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["Rows", "Shape", "pack_bits", "rows_of", "unpack_bits"]

_BLOCK = 512  # literals of a block of eight words


class Shape(NamedTuple):
    """How the literals of ``features`` binary features lie in words."""

    features: int
    negation: bool

    @property
    def half(self) -> int:
        """Words of the features, whole blocks."""
        return 8 * max(1, -(-self.features // _BLOCK))

    @property
    def words(self) -> int:
        """Words of all literals."""
        return self.half * (2 if self.negation else 1)

    @property
    def literals(self) -> int:
        """How many literals there are."""
        return self.features * (2 if self.negation else 1)

    def places(self) -> NDArray[np.int64]:
        """Return the bit of each literal, (literals,): features first, then their negations."""
        own = np.arange(self.features, dtype=np.int64)
        return np.concatenate([own, own + 64 * self.half]) if self.negation else own

    def mask(self, on: NDArray[np.bool_] | None = None) -> NDArray[np.uint64]:
        """Return the words whose bits are literals, or those literals that are on, (words,)."""
        bits = np.zeros(64 * self.words, dtype=bool)
        bits[self.places()] = True if on is None else on
        return np.packbits(bits, bitorder="little").view(np.uint64)


class Rows(NamedTuple):
    """Rows as packed bits, or as the places of their ones; what the compiled loops read."""

    sparse: bool
    packed: NDArray[np.uint64]  # (n, words of half the literals); no rows where sparse
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1 if self.sparse else len(self.packed)


def pack_bits(X: NDArray[Any], half: int) -> NDArray[np.uint64]:
    """Return rows of any numbers as bits, one where a value is above zero, (n, half)."""
    packed = np.zeros((len(X), 8 * half), dtype=np.uint8)
    step = max(1, (1 << 24) // max(1, X.shape[1]))
    for start in range(0, len(X), step):
        bits = np.packbits(X[start : start + step] > 0, axis=1, bitorder="little")
        packed[start : start + step, : bits.shape[1]] = bits
    return packed.view(np.uint64)


def unpack_bits(words: NDArray[np.uint64], shape: Shape) -> NDArray[np.bool_]:
    """Return a column for each literal from words, (..., words) to (..., literals)."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    return np.asarray(bits[..., shape.places()], dtype=bool)


def rows_of(X: Any, shape: Shape) -> Rows:
    """Return rows for the loops: a feature is present where its value is above zero.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, features)
        Checked; a sparse one keeps its size.
    shape : Shape
        Of the literals.
    """
    if not sp.issparse(X):
        return Rows(False, pack_bits(X, shape.half), np.zeros(1, np.int64), np.zeros(0, np.int32))
    X = X.tocsr()
    indptr, indices = X.indptr, X.indices
    if not (X.data > 0).all():
        keep = X.data > 0
        indptr = np.concatenate([[0], np.cumsum(keep)])[X.indptr]
        indices = indices[keep]
    empty = np.zeros((0, shape.half), np.uint64)
    return Rows(True, empty, indptr.astype(np.int64, copy=False), indices.astype(np.int32, copy=False))
