"""Exact nearest neighbours in blocks: one product, one scan, and a result that no block size changes.

A tile of float32 scores comes from one matrix product. Its rounding error has a bound that is known
beforehand (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1: a dot product of
length d is off by at most about ``d * u * |a| |b|``), so a cell whose float32 score lies further than that
below the k-th best cannot enter the result. All others, and only those, are scored again in float64; ties
go to the smaller index. With numba a compiled scan (``_neighbors_scan``) keeps them, without it a NumPy merge.

No n x n matrix is ever made, and where queries and pool are the same array each product serves both sides.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._neighbors.pairs import Index, in_order, search_index
from trueneg.core._neighbors.plan import METRICS, Plan
from trueneg.core._neighbors.sides import Rules, Side
from trueneg.core._neighbors.walk import search
from trueneg.core.errors import InputError

__all__ = ["parse_memory", "top_k"]

Metric = Literal["cosine", "euclidean", "inner"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parse_memory(memory: int | str) -> int:
    """Return a memory budget in bytes.

    Parameters
    ----------
    memory : int or str
        Bytes, or a number with a unit: ``"512MB"`` (powers of 1000), ``"1.5GiB"`` (powers of 1024).

    Returns
    -------
    int
        The budget in bytes, at least 1.
    """
    if isinstance(memory, (int, np.integer)) and not isinstance(memory, bool):
        size = int(memory)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B?)\s*", str(memory).upper())
        if match is None or match[2] not in _UNITS:
            msg = f"memory={memory!r} is not a size: give bytes, or a string like '512MB' or '2GiB'"
            raise InputError(msg)
        size = int(float(match[1]) * _UNITS[match[2]])
    if size < 1:
        msg = f"memory={memory!r} leaves no room to work in: give at least '1MB'"
        raise InputError(msg)
    return size


def top_k(
    queries: ArrayLike,
    pool: ArrayLike,
    k: int,
    *,
    metric: Metric = "cosine",
    memory: int | str = "512MB",
    exclude: ArrayLike | None = None,
    query_groups: ArrayLike | None = None,
    pool_groups: ArrayLike | None = None,
    index: Index | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the k pool rows nearest to each query, exactly.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
        Finite numbers. float32 and float64 are used as they are and never copied whole.
    pool : array of shape (n_pool, d)
        What is searched; may be a ``numpy.memmap``, which is read in blocks, and at the end where the best
        rows lie. Passing the very same object as `queries` halves the work.
    k : int
        Neighbours per query, at least 1.
    metric : {"cosine", "euclidean", "inner"}, default="cosine"
        "euclidean" gives the negative distance, so that larger is nearer under each of them. Under "cosine"
        a zero vector scores 0 against everything.
    memory : int or str, default="512MB"
        Bound on the working set, which is what is needed beyond the input, the result (n_queries x k),
        16 bytes a row of either side and some 20 (k + 4) bytes a query, in which its best cells are kept.
        It never changes the result.
    exclude : int array of shape (n_queries,), optional
        A pool row never to be returned for that query, -1 for none; ``np.arange(n)`` is "never itself".
    query_groups, pool_groups : arrays of shape (n_queries,) and (n_pool,), optional
        Both or neither. A pool row of the query's own group is never returned.
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` of any approximate index over `pool`, with -1 for "no hit".
        Its hits are filtered as above and scored again here; more are asked for where too few are left.

    Returns
    -------
    scores : float32 array of shape (n_queries, k)
        Larger is nearer, in falling order; -inf where there is no further pool row.
    indices : int64 array of shape (n_queries, k)
        Rows of `pool`, -1 where there is none. Equal scores are in order of index.

    Raises
    ------
    InputError
        For a NaN or infinite value (the row is named), shapes that do not fit, or an unknown option.
    """
    if metric not in METRICS:
        msg = f"metric={metric!r} is unknown: choose one of {', '.join(map(repr, METRICS))}"
        raise InputError(msg)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        msg = f"k={k!r} must be a whole number, at least 1"
        raise InputError(msg)
    budget = parse_memory(memory)
    same = queries is pool
    right = Side.of(pool, "pool")
    left = right if same else Side.of(queries, "queries")
    if left.d != right.d:
        msg = f"queries have {left.d} columns and pool has {right.d}: both must come from the same features"
        raise InputError(msg)
    rules = Rules.of(exclude, query_groups, pool_groups, n_queries=left.n, n_pool=right.n)
    plan = Plan.of(left, right, metric=metric, budget=budget)
    keys = np.full((left.n, k), -np.inf)
    rows = np.full((left.n, k), -1, dtype=np.int64)
    if left.n and right.n:
        if index is None:
            search(left, right, plan, rules, keys, rows, same=same)
        else:
            search_index(left, right, plan, rules, keys, rows, index)
    return in_order(keys, rows, plan.chunk)
