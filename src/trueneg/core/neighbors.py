"""Exact nearest neighbours in blocks: one product, one scan, and a result that no block size changes.

A tile of float32 scores comes from one matrix product. Its rounding error has a bound that is known
beforehand (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1: a dot product of
length d is off by at most about ``d * u * |a| |b|``), so a cell whose float32 score lies further than that
below the k-th best cannot enter the result. All others, and only those, are scored again in float64; ties
go to the smaller index. With numba a compiled scan (``_neighbors_scan``) keeps them, without it a NumPy merge.

No n x n matrix is ever made, and where queries and pool are the same array each product serves both sides.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

__all__ = ["parse_memory", "top_k"]

Metric = Literal["cosine", "euclidean", "inner"]
Index = Callable[[NDArray[Any], int], tuple[ArrayLike, ArrayLike]]

_METRICS = {"cosine": 0, "euclidean": 1, "inner": 2}
_TILE = 832  # rows of a score tile: some 2 MiB of float32, small enough to be scanned from cache
_RUN = 64  # cells that the compiled scan passes over in one go where none reaches the floor
_STRIP = 16  # tiles that one thread takes in a row
_SPARE = 8  # a query holds k cells, and half as many again and 8 that are too close to tell apart
_UNIT = 2.0**-24  # unit roundoff of float32
_GRID = 2.0**40  # float64 scores equal to 40 bits are ties: the last bits are noise of the summation order
_LARGEST = 1e18  # a row norm above this would leave float32 when squared
_LARGEST_POOL = 2**31 - 1  # rows that the compiled scan can number
_NUMBA_CELLS = 4_000_000  # below this many scores the NumPy path is done before numba has loaded
_SLOW_CELLS = 100_000_000  # from here on a missing numba costs seconds, and is said once
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
    if metric not in _METRICS:
        msg = f"metric={metric!r} is unknown: choose one of {', '.join(map(repr, _METRICS))}"
        raise InputError(msg)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        msg = f"k={k!r} must be a whole number, at least 1"
        raise InputError(msg)
    budget = parse_memory(memory)
    same = queries is pool
    right = _Side.of(pool, "pool")
    left = right if same else _Side.of(queries, "queries")
    if left.d != right.d:
        msg = f"queries have {left.d} columns and pool has {right.d}: both must come from the same features"
        raise InputError(msg)
    rules = _Rules.of(exclude, query_groups, pool_groups, n_queries=left.n, n_pool=right.n)
    plan = _Plan.of(left, right, metric=metric, budget=budget)
    keys = np.full((left.n, k), -np.inf)
    rows = np.full((left.n, k), -1, dtype=np.int64)
    if left.n and right.n:
        if index is None:
            _search(left, right, plan, rules, keys, rows, same=same)
        else:
            _search_index(left, right, plan, rules, keys, rows, index)
    return _in_order(keys, rows, plan.chunk)


@dataclass
class _Side:
    """One of the two arrays, its rows' norms, and their radius in the space of the product."""

    x: NDArray[Any]
    name: str
    norms: NDArray[np.float64]
    radius: NDArray[np.float64]

    @property
    def n(self) -> int:
        return self.x.shape[0]

    @property
    def d(self) -> int:
        return self.x.shape[1]

    @classmethod
    def of(cls, data: ArrayLike, name: str) -> _Side:
        """Check type and shape; the values are read later, block by block."""
        if hasattr(data, "toarray"):
            msg = f"{name} is a sparse matrix: pass a dense array, or reduce its dimension first"
            raise InputError(msg)
        x = data if isinstance(data, np.ndarray) else np.asarray(data)
        if x.ndim != 2 or x.shape[1] == 0:
            msg = f"{name} has shape {x.shape}: a table of (rows, columns) with at least one column is needed"
            raise InputError(msg)
        if x.dtype.kind not in "fiub":
            msg = f"{name} holds {x.dtype} values: numbers are needed"
            raise InputError(msg)
        return cls(x, name, np.empty(0), np.empty(0))

    @property
    def ready(self) -> bool:
        """Whether the values can be scored where they lie."""
        return self.x.dtype in (np.float32, np.float64) and self.x.dtype.isnative and self.x.flags.c_contiguous

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows as a C-contiguous float32 or float64 block: a view wherever the input allows one."""
        part = np.asarray(self.x[start:stop])
        small = part.dtype in (np.float32, np.float16)
        return np.ascontiguousarray(part, dtype=np.float32 if small else np.float64)

    def measure(self, chunk: int) -> None:
        """Compute all norms in float64, refusing what is not finite or far too large."""
        self.norms = np.empty(self.n)
        for start in range(0, self.n, chunk):
            block = self.rows(start, start + chunk).astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                norms = np.sqrt((block * block).sum(axis=1))
            self.norms[start : start + chunk] = norms
            bad = np.flatnonzero(~(norms <= _LARGEST))
            if bad.size:
                self._refuse(start + int(bad[0]), block[bad[0]])

    def _refuse(self, row: int, values: NDArray[np.float64]) -> None:
        column = np.flatnonzero(~np.isfinite(values))
        if column.size:
            msg = (
                f"{self.name} row {row}, column {column[0]} is {values[column[0]]}: neighbours need finite "
                "numbers, so drop the row or fill the value in"
            )
        else:
            msg = f"{self.name} row {row} has a norm above {_LARGEST:g}: rescale the features"
        raise InputError(msg)


@dataclass
class _Rules:
    """Which pool rows a query may not get: integer arrays, of length 0 where there is no such rule."""

    exclude: NDArray[np.int64]
    query_groups: NDArray[np.int64]
    pool_groups: NDArray[np.int64]

    @classmethod
    def of(cls, exclude: Any, query_groups: Any, pool_groups: Any, *, n_queries: int, n_pool: int) -> _Rules:
        """Check the rules and turn group labels of any type into codes."""
        none = np.empty(0, dtype=np.int64)
        if exclude is not None:
            exclude = np.asarray(exclude)
            if exclude.shape != (n_queries,) or exclude.dtype.kind not in "iu":
                msg = f"exclude must hold one pool row a query: {n_queries} whole numbers, -1 for none"
                raise InputError(msg)
        if (query_groups is None) != (pool_groups is None):
            msg = "query_groups and pool_groups go together: give both or neither"
            raise InputError(msg)
        first = second = none
        if query_groups is not None:
            first, second = np.asarray(query_groups), np.asarray(pool_groups)
            if first.shape != (n_queries,) or second.shape != (n_pool,):
                msg = (
                    f"groups have shapes {first.shape} and {second.shape}: "
                    f"one group a row is needed, ({n_queries},) and ({n_pool},)"
                )
                raise InputError(msg)
            codes = np.unique(np.concatenate([first, second]), return_inverse=True)[1].astype(np.int64)
            first, second = codes[:n_queries], codes[n_queries:]
        return cls(none if exclude is None else exclude.astype(np.int64), first, second)

    def allowed(self, query: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell for pairs of query and pool row whether the pair may be returned."""
        keep = np.ones(np.broadcast_shapes(query.shape, row.shape), dtype=bool)
        if self.exclude.size:
            keep &= self.exclude[query] != row
        if self.query_groups.size:
            keep &= self.query_groups[query] != self.pool_groups[row]
        return keep


@dataclass
class _Plan:
    """The metric as one product of float32 rows, its error bound, and the block sizes."""

    code: int
    tile: int  # rows of a query block, and of a pool block within a span
    span: int  # pool rows held as float32 at a time, a multiple of `tile`
    threads: int  # tiles that the budget allows at a time
    chunk: int  # rows turned into float64 at a time
    scale: float
    centre: NDArray[np.float64]
    factor: float  # turns an exact score into the product's units
    margin: NDArray[np.float64]  # (n_queries,) how far below the k-th best a cell can still matter

    @classmethod
    def of(cls, left: _Side, right: _Side, *, metric: str, budget: int) -> _Plan:
        """Measure both sides, and choose the blocks that the budget allows."""
        code, d = _METRICS[metric], right.d
        chunk = max(1, min(4096, budget // (64 * (d + 4))))
        right.measure(chunk)
        if left is not right:
            left.measure(chunk)
        scale = max(left.norms.max(initial=0.0), right.norms.max(initial=0.0)) or 1.0
        centre = _mean(right, chunk) if code == 1 else np.empty(0)
        for side in (left, right):
            side.radius = _radius(side, code, scale, centre, chunk)
        reach = right.radius.max(initial=0.0)
        # Both summands hold for any order of summation, fused or not; 1e-30 covers underflow.
        spread = (left.radius + reach) ** 2 if code == 1 else left.radius * reach
        margin = (d + 24) * _UNIT * spread + 1e-30
        tile, span = _blocks(d, right.n, max(left.x.itemsize, right.x.itemsize, 4), budget)
        threads = max(1, budget // 4 // (24 * tile * _whole_runs(tile)))
        factor = {0: 1.0, 1: -0.5 / scale**2, 2: 1.0 / scale**2}[code]
        return cls(code, tile, span, threads, chunk, scale, centre, factor, margin)

    def embed(self, side: _Side, start: int, stop: int, *, as_query: bool) -> NDArray[np.float32]:
        """Rows whose plain product is the score, or a rising function of it: cosine, inner, -distance^2 / 2."""
        rows, d = side.rows(start, stop), side.d
        out = np.empty((len(rows), d + 2 if self.code == 1 else d), dtype=np.float32)
        if self.code == 0:
            norms = side.norms[start:stop, None]
            np.divide(rows, np.where(norms > 0, norms, 1.0), out=out, casting="same_kind", dtype=np.float64)
        elif self.code == 2:
            np.divide(rows, self.scale, out=out, casting="same_kind", dtype=np.float64)
        else:
            np.subtract(rows, self.centre, out=out[:, :d], casting="same_kind", dtype=np.float64)
            out[:, :d] /= np.float32(self.scale)
            out[:, d if as_query else d + 1] = 1.0
            out[:, d + 1 if as_query else d] = -0.5 * side.radius[start:stop] ** 2
        return out

    def floor(self, worst: NDArray[np.float64], start: int) -> NDArray[np.float32]:
        """Smallest float32 score that can still beat the k-th best exact score of each query."""
        value = worst * worst if self.code == 1 else worst
        with np.errstate(over="ignore"):
            low = value * self.factor - self.margin[start : start + len(worst)]
        low[np.isneginf(worst)] = -np.inf
        return low.astype(np.float32)


def _blocks(d: int, n_pool: int, itemsize: int, budget: int) -> tuple[int, int]:
    """Choose tile and span: a score tile, its float32 rows, and the span must fit in the budget."""
    row = 4 * (d + 2) + (itemsize if itemsize > 4 else 4) * d  # the float32 row, and a copy of the original
    tile = _TILE
    # 24 bytes a cell: scores, mask and the candidates' coordinates of the NumPy path.
    while tile > 1 and 24 * tile * tile + 2 * tile * row > budget // 2:
        tile //= 2
    span = max(1, (budget // 2) // (row * tile)) * tile
    return tile, min(span, -(-max(n_pool, 1) // tile) * tile)


def _mean(side: _Side, chunk: int) -> NDArray[np.float64]:
    """Column means in float64: distances do not move with the origin, their rounding errors do."""
    total = np.zeros(side.d)
    for start in range(0, side.n, chunk):
        total += side.rows(start, start + chunk).sum(axis=0, dtype=np.float64)
    return total / max(side.n, 1)


def _radius(side: _Side, code: int, scale: float, centre: NDArray[Any], chunk: int) -> NDArray[np.float64]:
    """Length of each row in the space of the product."""
    if code == 0:
        return (side.norms > 0).astype(np.float64)
    if code == 2:
        return side.norms / scale
    out = np.empty(side.n)
    for start in range(0, side.n, chunk):
        block = (side.rows(start, start + chunk) - centre) / scale
        out[start : start + chunk] = np.sqrt((block * block).sum(axis=1))
    return out


def _search(
    left: _Side,
    right: _Side,
    plan: _Plan,
    rules: _Rules,
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    *,
    same: bool,
) -> None:
    """Walk over the tiles: the pool is streamed once, and a symmetric product is taken once."""
    cells = left.n * right.n
    kernels = _kernels() if cells >= _NUMBA_CELLS and right.n <= _LARGEST_POOL else None
    if kernels is None and cells >= max(_NUMBA_CELLS, _SLOW_CELLS):
        _say_slow()
    scan: _Merge | _Scan
    if kernels is None:
        scan = _Merge(left, right, plan, rules, keys, rows)
    else:
        scan = _Scan(left, right, plan, rules, keys, rows, kernels)
    walk = _Walk(left, right, plan, scan, same=same)
    if cells < _NUMBA_CELLS:
        walk.run(map)
        return
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    workers = min(threads, plan.threads)
    # As many threads as the products would take, but a tile each: they never wait for each other's pieces.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(workers) as team:
        walk.run(map if workers == 1 else team.map)


class _Walk:
    """The way over the tiles, in jobs that may run side by side: a strip of tiles of one query block each."""

    def __init__(self, left: _Side, right: _Side, plan: _Plan, scan: _Merge | _Scan, *, same: bool) -> None:
        self.left, self.right, self.plan, self.scan, self.same = left, right, plan, scan, same
        self.begin, self.pool = 0, np.empty((0, 0), dtype=np.float32)
        self.own = threading.local()  # each thread's block of scores
        self.locks = [threading.Lock() for _ in range(-(-max(left.n, 1) // plan.tile))]  # one a query block

    def run(self, each: Callable[..., Iterable[None]]) -> None:
        """Stream the pool once, doing the jobs of a span by `each`, which is `map` or does what it does."""
        for begin in range(0, self.right.n, self.plan.span):
            end = min(begin + self.plan.span, self.right.n)
            self.begin, self.pool = begin, self.plan.embed(self.right, begin, end, as_query=False)
            if self.same:
                # The tiles of the diagonal come first: afterwards every query has a floor.
                deque(each(self._strip, [(a, [a]) for a in range(begin, end, self.plan.tile)]), maxlen=0)
            deque(each(self._strip, self._strips(end)), maxlen=0)
        deque(each(self.scan.finish, range(0, self.left.n, self.plan.tile)), maxlen=0)

    def _strips(self, end: int) -> list[tuple[int, list[int]]]:
        """List the jobs of a span: a query block, and the pool blocks that it meets."""
        tile, jobs = self.plan.tile, []
        for a in range(0, end if self.same else self.left.n, tile):
            blocks = list(range(max(self.begin, a + tile) if self.same else self.begin, end, tile))
            jobs += [(a, blocks[i : i + _STRIP]) for i in range(0, len(blocks), _STRIP)]
        return jobs

    def _strip(self, job: tuple[int, list[int]]) -> None:
        """Take the products of one query block with some pool blocks, and scan them."""
        a, blocks = job
        tile, begin, plan = self.plan.tile, self.begin, self.plan
        if self.same and a >= begin and plan.code != 1:
            query = self.pool[a - begin : a - begin + tile]
        else:
            query = plan.embed(self.left, a, min(a + tile, self.left.n), as_query=True)
        if not hasattr(self.own, "buffer"):
            self.own.buffer = np.empty(tile * _whole_runs(tile), dtype=np.float32)
        for b in blocks:
            part = self.pool[b - begin : b - begin + tile]
            wide = _whole_runs(len(part))
            block = self.own.buffer[: len(query) * wide].reshape(len(query), wide)
            block[:, len(part) :] = np.nan
            np.matmul(query, part.T, out=block[:, : len(part)])
            both = self.same and a != b
            with self.locks[a // tile], self.locks[b // tile] if both else contextlib.nullcontext():
                self.scan.tile(block, len(part), a, b, both=both)


def _whole_runs(n: int) -> int:
    """Return the width of a score tile for n pool rows: whole runs."""
    return -(-n // _RUN) * _RUN


class _Merge:
    """The scan without numba: keep what can matter, score it in float64, sort by score and index."""

    def __init__(
        self,
        left: _Side,
        right: _Side,
        plan: _Plan,
        rules: _Rules,
        keys: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> None:
        self.left, self.right, self.plan, self.rules = left, right, plan, rules
        self.keys, self.rows = keys, rows
        self.floor = np.full(left.n, -np.inf, dtype=np.float32)

    def tile(self, block: NDArray[np.float32], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        block = block[:, :m]
        self._merge(block, a, b)
        if both:
            self._merge(block.T, b, a)

    def finish(self, start: int) -> None:
        """Nothing is left of the query block: every tile was merged at once."""

    def _merge(self, block: NDArray[np.float32], a: int, b: int) -> None:
        n, m = block.shape
        plan, rules = self.plan, self.rules
        keys, rows, floor = self.keys[a : a + n], self.rows[a : a + n], self.floor[a : a + n]
        k = keys.shape[1]
        low = floor
        unset = np.isneginf(floor)
        if rules.exclude.size or rules.query_groups.size:
            block = np.where(rules.allowed(np.arange(a, a + n)[:, None], np.arange(b, b + m)), block, -np.inf)
        if m > k and unset.any():
            # k cells of this tile score at least their k-th best, less the error on either side.
            bound = np.partition(block[unset], m - k, axis=1)[:, m - k] - 2 * plan.margin[a : a + n][unset]
            low = floor.copy()
            low[unset] = np.nextafter(bound.astype(np.float32), np.float32(-np.inf))
        query, row = np.nonzero((block >= low[:, None]) & (block > -np.inf))
        piece = max(1, n * m // 8)  # many ties: the merge needs some 80 bytes a pair
        for start in range(0, query.size, piece):
            q, p = query[start : start + piece], row[start : start + piece] + b
            _put(keys, rows, q, p, _exact(self.left, self.right, q + a, p, plan))
        floor[:] = plan.floor(keys.min(axis=1), a)


class _Scan:
    """The compiled scan: its working arrays, and what the kernels are handed."""

    def __init__(
        self,
        left: _Side,
        right: _Side,
        plan: _Plan,
        rules: _Rules,
        keys: NDArray[np.float64],
        rows: NDArray[np.int64],
        kernels: tuple[Any, Any],
    ) -> None:
        self.left, self.right, self.rules, self.margin = left, right, rules, plan.margin
        (self.scan, self.settle), self.size = kernels, plan.tile
        n, k = left.n, keys.shape[1]
        held, count = np.empty((n, k + k // 2 + _SPARE), dtype=np.int64), np.zeros(n, dtype=np.int64)
        floor = np.full(n + plan.tile + _RUN, -np.inf, dtype=np.float32)
        self.state = (keys, rows, floor, held, count)
        self.how = (plan.code, plan.factor, _GRID)
        # Other types and layouts are scored tile by tile, while their converted rows are at hand.
        self.whole = left.ready and right.ready

    def tile(self, block: NDArray[np.float32], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        n = len(block)
        block = block.reshape(n, -1, _RUN)
        one, two = self._sides(a, a + n, b, b + m)
        self.scan(block, a, b, both, self.state, one, two, self.rules.exclude, self.margin, self.how)
        if not self.whole:
            self.settle(a, a + n, self.state, one, two, self.margin, self.how)
            if both:
                self.settle(b, b + m, self.state, two, one, self.margin, self.how)

    def finish(self, start: int) -> None:
        """Score what a query block still holds."""
        if self.whole:
            stop = min(start + self.size, self.left.n)
            one, two = self._sides(0, self.left.n, 0, self.right.n)
            self.settle(start, stop, self.state, one, two, self.margin, self.how)

    def _sides(self, a: int, to_a: int, b: int, to_b: int) -> tuple[Any, Any]:
        """Values, norms, groups and first row of both sides."""
        (x, at), (y, by) = [
            (side.x if self.whole else side.rows(start, stop), 0 if self.whole else start)
            for side, start, stop in ((self.left, a, to_a), (self.right, b, to_b))
        ]
        groups = self.rules
        return (x, self.left.norms, groups.query_groups, at), (y, self.right.norms, groups.pool_groups, by)


def _put(
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    query: NDArray[np.int64],
    row: NDArray[np.int64],
    exact: NDArray[np.float64],
) -> None:
    """Merge scored pairs into the k best of their queries, in place."""
    n, k = keys.shape
    touched, local = np.unique(query, return_inverse=True)
    who = np.concatenate([np.repeat(np.arange(touched.size), k), local])
    key = np.concatenate([keys[touched].ravel(), exact])
    idx = np.concatenate([rows[touched].ravel(), row])
    order = np.lexsort((idx, -key, who))
    start = np.searchsorted(who[order], np.arange(touched.size))
    best = order[start[:, None] + np.arange(k)]
    keys[touched], rows[touched] = key[best], idx[best]


def _exact(
    left: _Side, right: _Side, query: NDArray[np.int64], row: NDArray[np.int64], plan: _Plan
) -> NDArray[np.float64]:
    """Score pairs in float64, each by its own sum, so that neighbours in the block cannot change it."""
    out = np.empty(query.size)
    for start in range(0, query.size, plan.chunk):
        q, p = query[start : start + plan.chunk], row[start : start + plan.chunk]
        one, two = left.x[q].astype(np.float64, order="C"), right.x[p].astype(np.float64, order="C")
        if plan.code == 1:
            one -= two
            value = -np.sqrt((one * one).sum(axis=1))
        else:
            one *= two
            value = one.sum(axis=1)
            if plan.code == 0:
                size = left.norms[q] * right.norms[p]
                value = np.where(size > 0, value / np.where(size > 0, size, 1.0), 0.0)
        out[start : start + plan.chunk] = _snap(value, plan.code)
    return out


def _snap(value: NDArray[np.float64], code: int) -> NDArray[np.float64]:
    """Round to 40 bits (of 1 for a cosine, of the value itself otherwise), so that equal scores are equal."""
    if code == 0:
        return np.rint(value * _GRID) / _GRID + 0.0
    mantissa, exponent = np.frexp(value)
    return np.ldexp(np.rint(mantissa * _GRID), exponent - 40) + 0.0


def _in_order(
    keys: NDArray[np.float64], rows: NDArray[np.int64], chunk: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sort each query's neighbours by falling score, then by index."""
    scores = np.empty(keys.shape, dtype=np.float32)
    for start in range(0, len(keys), chunk):
        part = slice(start, start + chunk)
        order = np.lexsort((rows[part], -keys[part]), axis=-1)
        scores[part] = np.take_along_axis(keys[part], order, axis=1)
        rows[part] = np.take_along_axis(rows[part], order, axis=1)
    return scores, rows


def _search_index(
    left: _Side,
    right: _Side,
    plan: _Plan,
    rules: _Rules,
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    index: Index,
) -> None:
    """Take candidates from a foreign index, asking for more where the rules left too few."""
    k = keys.shape[1]
    for start in range(0, left.n, plan.tile):
        todo = np.arange(start, min(start + plan.tile, left.n))
        want = min(right.n, k + int(rules.exclude.size > 0))
        while todo.size:
            found = np.asarray(index(left.x[todo], want)[1])
            if found.ndim != 2 or len(found) != todo.size or found.dtype.kind not in "iu":
                msg = f"index must return (scores, ids), ids being whole numbers of shape ({todo.size}, {want})"
                raise InputError(msg)
            if found.size and (found.max() >= right.n or found.min() < -1):
                msg = f"index returned ids outside the pool of {right.n} rows: was it built on another pool?"
                raise InputError(msg)
            pairs = np.unique(np.stack([np.repeat(todo, found.shape[1]), found.ravel()], axis=1), axis=0)
            query, row = pairs[pairs[:, 1] >= 0].astype(np.int64).T
            keep = rules.allowed(query, row)
            query, row = query[keep], row[keep]
            keys[todo], rows[todo] = -np.inf, -1
            _put(keys, rows, query, row, _exact(left, right, query, row, plan))
            short = (rows[todo] < 0).any(axis=1) & (want < right.n)
            todo, want = todo[short], min(right.n, 2 * want)


@functools.cache
def _say_slow() -> None:
    """Say once that numba is missing: the result stays the same, the wait does not."""
    msg = (
        "numba is not installed, so this large neighbour search takes its slower NumPy path (same result): "
        "pip install 'trueneg[fast]'"
    )
    warnings.warn(msg, UserWarning, stacklevel=4)


@functools.cache
def _kernels() -> tuple[Any, Any] | None:
    """Return the compiled scan and what ends it; None without numba."""
    try:
        from trueneg.core import _neighbors_scan
    except ImportError:
        return None
    return _neighbors_scan.scan, _neighbors_scan.settle
