"""Exact nearest neighbours in blocks: one product, one scan, and a result that no block size changes.

A tile of scores comes from one matrix product. Its rounding error has a bound that is known beforehand (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1: a float32 dot product of length d is off by at most
about ``d * u * |a| |b|``), so a cell whose score lies further than that below the k-th best cannot enter the result.
All others, and only those, are scored again in float64; ties go to the smaller index. With numba a compiled scan
(``_neighbors_scan``) keeps them, without it NumPy does.

Because the result does not depend on the product, the fastest may take it. Where the work is large and torch is
installed, NumPy's, torch's and torch's in bfloat16 are tried on one tile. A processor with matrix units takes the last
5 to 10 times as fast; what rounding takes from each row is then measured and enters the bound, and where it leaves too
many cells to score again, the search goes on in float32.

No n x n matrix is ever made, and where queries and pool are the same array each product serves both sides. A pool that
is searched again and again is measured once where it is given as a :class:`Pool`.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._neighbors.best import best
from trueneg.core._neighbors.pairs import Index, in_order
from trueneg.core._neighbors.pool import Pool
from trueneg.core._neighbors.shards import TopK, merge_top_k
from trueneg.core.errors import InputError

__all__ = ["Pool", "TopK", "merge_top_k", "parse_memory", "shard_top_k", "top_k"]

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
    pool: ArrayLike | Pool,
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
    pool : array of shape (n_pool, d), or Pool
        What is searched; may be a ``numpy.memmap``, which is read in blocks, and at the end where the best
        rows lie. Passing the very same array as `queries` halves the work. A :class:`Pool` of it is measured once.
    k : int
        Neighbours per query, at least 1.
    metric : {"cosine", "euclidean", "inner"}, default="cosine"
        "euclidean" gives the negative distance, so that larger is nearer under each of them. Under "cosine"
        a zero vector scores 0 against everything.
    memory : int or str, default="512MB"
        Bound on the working set, which is what is needed beyond the input, the result (n_queries x k),
        24 bytes a row of either side and some 48 (k + 8) bytes a query, in which its best cells are kept.
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
    keys, rows, chunk = best(
        queries,
        pool,
        k,
        metric=metric,
        budget=parse_memory(memory),
        exclude=exclude,
        query_groups=query_groups,
        pool_groups=pool_groups,
        index=index,
    )
    return in_order(keys, rows, chunk)


def shard_top_k(
    queries: ArrayLike,
    shard: ArrayLike,
    k: int,
    *,
    start: int,
    n_pool: int,
    metric: Metric = "cosine",
    memory: int | str = "512MB",
    exclude: ArrayLike | None = None,
    query_groups: ArrayLike | None = None,
    pool_groups: ArrayLike | None = None,
) -> TopK:
    """Find the k best of one shard of a pool, in a form that merges exactly.

    ``merge_top_k`` of all shards, then ``result()``, is :func:`top_k` of the whole pool to the bit, however the pool is
    cut and in whatever order the shards come.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
    shard : array of shape (n, d)
        Rows `start` to `start` + n of the pool.
    k : int
        Neighbours per query of the whole pool, which may be more than the shard has rows.
    start : int
        The shard's first row in the pool.
    n_pool : int
        Rows of the whole pool. The pool's size decides which of two exact summations is taken; their last bits differ.
    metric, memory : see :func:`top_k`
    exclude : int array of shape (n_queries,), optional
        A row of the whole pool never to be returned for that query, -1 for none.
    query_groups, pool_groups : arrays of shape (n_queries,) and (n,), optional
        Of the queries and of the shard's rows.

    Returns
    -------
    TopK
        With rows of the whole pool.

    Raises
    ------
    InputError
        As :func:`top_k`, and for a shard that does not lie in the pool.
    """
    count = len(np.asarray(shard))
    if not 0 <= start <= start + count <= n_pool:
        msg = f"a shard of rows {start:,} to {start + count:,} does not lie in a pool of {n_pool:,} rows"
        raise InputError(msg)
    if exclude is not None:
        banned = np.asarray(exclude)
        exclude = np.where((banned >= start) & (banned < start + count), banned - start, -1)
    keys, rows, _ = best(
        queries,
        shard,
        k,
        metric=metric,
        budget=parse_memory(memory),
        exclude=exclude,
        query_groups=query_groups,
        pool_groups=pool_groups,
        n_pool=n_pool,
    )
    return TopK.of(keys, np.where(rows >= 0, rows + start, -1))
