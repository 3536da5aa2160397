"""The neighbour search of the cleaner: some rows asked, some rows searched, one table of coordinates."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from trueneg.core.neighbors import top_k


def nearest(
    points: np.ndarray, asked: np.ndarray, pool: np.ndarray, k: int, *, metric: str, index: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k rows of ``pool`` nearest to each row of ``asked``.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    asked, pool : ndarray of int64
        Row numbers.
    k : int
        Cut to the size of the pool, so that the exact search leaves no slot empty.
    metric : str
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` over *all* rows of ``points``: rows outside the pool are
        filtered out, and more are asked for where that leaves too few.

    Returns
    -------
    score : ndarray of float32, shape (len(asked), min(k, len(pool)))
        Larger = nearer.
    row : ndarray of int64, same shape
        Row numbers of the table; -1 where an index found no further one.
    """
    k = min(k, len(pool))
    # top_k itself refuses an unknown metric.
    known = cast(Any, metric)
    if index is None:
        score, hit = top_k(points[asked], points[pool], k, metric=known)
        return score, pool[hit]
    # "Never of the query's own group": everything outside the pool is put into that group.
    outside = np.ones(len(points), dtype=np.int8)
    outside[pool] = 0
    same = np.ones(len(asked), dtype=np.int8)
    return top_k(points[asked], points, k, metric=known, query_groups=same, pool_groups=outside, index=index)
