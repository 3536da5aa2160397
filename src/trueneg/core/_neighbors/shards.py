"""The k best of shards of a pool, merged without a loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

_PAIRS = 1 << 20  # pairs merged at a time


@dataclass(frozen=True, eq=False)
class TopK:
    """The k best rows of each query in what was searched so far.

    Attributes
    ----------
    keys : float64 array of shape (n_queries, k)
        Scores in falling order; -inf where there is no further row. float32 would not do: two scores that it cannot
        tell apart are ordered by what is behind it.
    rows : int64 array of shape (n_queries, k)
        Rows of the whole pool, -1 where there is none. Equal scores are in order of the row.
    """

    keys: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.float64], rows: NDArray[np.int64]) -> TopK:
        """Put scores and rows that are in no order into theirs."""
        return _sorted([keys], [rows])

    def merge(self, other: TopK) -> TopK:
        """Return the k best of both; which comes first makes no difference.

        Parameters
        ----------
        other : TopK
            Of the same queries and k, from other rows.

        Raises
        ------
        InputError
            For other queries or another k, or a row that is in both.
        """
        if self.keys.shape != other.keys.shape:
            msg = f"the best of shape {self.keys.shape} and {other.keys.shape} do not merge: same queries, same k"
            raise InputError(msg)
        return _sorted([self.keys, other.keys], [self.rows, other.rows])

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores (float32) and rows, as :func:`trueneg.core.neighbors.top_k` does."""
        return self.keys.astype(np.float32), self.rows


def _sorted(keys: list[NDArray[np.float64]], rows: list[NDArray[np.int64]]) -> TopK:
    """Sort each query's rows by falling score, then by row, and keep as many as one of the arrays holds."""
    n, k = keys[0].shape
    best, where = np.empty((n, k)), np.empty((n, k), dtype=np.int64)
    step = max(1, _PAIRS // (len(keys) * k))
    for start in range(0, n, step):
        part = slice(start, start + step)
        key, row = np.concatenate([one[part] for one in keys], 1), np.concatenate([one[part] for one in rows], 1)
        order = np.lexsort((row, -key), axis=1)
        key, row = np.take_along_axis(key, order, axis=1), np.take_along_axis(row, order, axis=1)
        twice = (row[:, 1:] == row[:, :-1]) & (row[:, 1:] >= 0)
        if twice.any():
            msg = f"row {row[:, 1:][twice][0]:,} of the pool is in both parts: a shard was merged twice"
            raise InputError(msg)
        best[part], where[part] = key[:, :k], row[:, :k]
    return TopK(best, where)


def merge_top_k(parts: Iterable[TopK]) -> TopK:
    """Merge the k best of shards, one after the other, so that two are held at a time.

    Parameters
    ----------
    parts : iterable of TopK
        At least one; in any order.

    Returns
    -------
    TopK

    Raises
    ------
    InputError
        For none, or parts that do not belong together.
    """
    merged: TopK | None = None
    for part in parts:
        merged = part if merged is None else merged.merge(part)
    if merged is None:
        msg = "there is no part to merge: search at least one shard"
        raise InputError(msg)
    return merged
