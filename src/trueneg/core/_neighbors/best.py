"""The k best of each query with their float64 scores, which a later merge needs."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._neighbors.crew import Crew, crew
from trueneg.core._neighbors.pairs import Index, search_index
from trueneg.core._neighbors.plan import METRICS, Blocks, Plan
from trueneg.core._neighbors.pool import Pool, sides
from trueneg.core._neighbors.sides import Rules
from trueneg.core._neighbors.walk import search
from trueneg.core.errors import InputError


def best(
    queries: ArrayLike,
    pool: ArrayLike | Pool,
    k: int,
    *,
    metric: str,
    budget: int,
    exclude: ArrayLike | None,
    query_groups: ArrayLike | None,
    pool_groups: ArrayLike | None,
    index: Index | None = None,
    n_pool: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Return scores and rows, in no order, and how many queries may be sorted at a time.

    Parameters
    ----------
    queries, pool, k, metric, exclude, query_groups, pool_groups, index
        As in :func:`trueneg.core.neighbors.top_k`.
    budget : int
        Bytes.
    n_pool : int, optional
        Rows of the pool of which `pool` is a shard: all shards must be scored by one summation.
    """
    if metric not in METRICS:
        msg = f"metric={metric!r} is unknown: choose one of {', '.join(map(repr, METRICS))}"
        raise InputError(msg)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        msg = f"k={k!r} must be a whole number, at least 1"
        raise InputError(msg)
    left, right = sides(queries, pool)
    if left.d != right.d:
        msg = f"queries have {left.d} columns and pool has {right.d}: both must come from the same features"
        raise InputError(msg)
    rules = Rules.of(exclude, query_groups, pool_groups, n_queries=left.n, n_pool=right.n)
    blocks = Blocks.of(left, right, budget)
    keys = np.full((left.n, k), -np.inf)
    rows = np.full((left.n, k), -1, dtype=np.int64)
    whole = right.n if n_pool is None else n_pool
    gathered = crew(left, right, blocks, n_pool=whole, half=metric != "euclidean")
    with gathered if index is None else nullcontext(Crew()) as hands:
        plan = Plan.of(left, right, metric=metric, blocks=blocks, crew=hands)
        if left.n and right.n:
            if index is None:
                search(left, right, plan, rules, keys, rows, hands, same=left is right)
            else:
                search_index(left, right, plan, rules, keys, rows, index)
    return keys, rows, blocks.chunk
