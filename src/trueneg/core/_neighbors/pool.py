"""A pool that is searched again and again, and measured once."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core._neighbors.sides import Side
from trueneg.core.errors import InputError

_LOOKED_AT = 32  # rows that tell whether the array is still the one that was measured


class Pool:
    """Rows to search again and again, given to :func:`trueneg.core.neighbors.top_k` in place of the array.

    The first search measures the rows: their lengths, that all are finite, and what the metric and the product need.
    Later ones need no pass for it, which pays where queries come a few at a time. The result is that of the array.

    Parameters
    ----------
    x : array of shape (n_pool, d)
        As in :func:`trueneg.core.neighbors.top_k`. Referred to, never copied: beyond it a pool holds 8 bytes a row, or
        16 under "euclidean" and where rows are rounded to bfloat16; for each metric and size of work that it meets.

    Raises
    ------
    InputError
        For what is no table of numbers. A value that is not finite is found by the first search.

    Notes
    -----
    The array must stay as it is. Each search looks at 32 rows and refuses a pool in which one of these has changed, so
    that an array written anew is noticed. A change of few rows may not be: what is then found is undefined.
    """

    __slots__ = ("_look", "_mark", "_side")

    def __init__(self, x: ArrayLike) -> None:
        self._side = Side.of(x, "pool")
        self._look = np.unique(np.linspace(0, max(self._side.n - 1, 0), _LOOKED_AT).astype(np.int64))[: self._side.n]
        self._mark = self._marked()

    def __len__(self) -> int:
        return self._side.n

    def __repr__(self) -> str:
        return f"Pool({self._side.n:,} x {self._side.d}, {self._side.x.dtype})"

    def _marked(self) -> int:
        return zlib.crc32(np.ascontiguousarray(self._side.x[self._look]).tobytes())

    def side(self) -> Side:
        """Return the rows for one search, with what was measured.

        Raises
        ------
        InputError
            Where the array has changed.
        """
        if self._marked() != self._mark:
            raise InputError("the array of the pool has changed since Pool(x): make a new one from it")
        return Side(self._side.x, "pool", self._side.kept)


def sides(queries: ArrayLike, pool: ArrayLike | Pool) -> tuple[Side, Side]:
    """Return both sides of a search; one object where queries and pool are the same array."""
    right = pool.side() if isinstance(pool, Pool) else Side.of(pool, "pool")
    if queries is pool or (isinstance(pool, Pool) and queries is right.x):
        return right, right
    return Side.of(queries, "queries"), right
