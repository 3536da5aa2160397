"""The way over the tiles: which products are taken, by how many threads, and scanned by what."""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._neighbors.plan import Plan, whole_runs
from trueneg.core._neighbors.scans import Merge, Scan
from trueneg.core._neighbors.sides import Rules, Side

_STRIP = 16  # tiles that one thread takes in a row
_LARGEST_POOL = 2**31 - 1  # rows that the compiled scan can number
_NUMBA_CELLS = 4_000_000  # below this many scores the NumPy path is done before numba has loaded
_SLOW_CELLS = 100_000_000  # from here on a missing numba costs seconds, and is said once


def search(
    left: Side,
    right: Side,
    plan: Plan,
    rules: Rules,
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
    scan: Merge | Scan
    if kernels is None:
        scan = Merge(left, right, plan, rules, keys, rows)
    else:
        scan = Scan(left, right, plan, rules, keys, rows, kernels)
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

    def __init__(self, left: Side, right: Side, plan: Plan, scan: Merge | Scan, *, same: bool) -> None:
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
            self.own.buffer = np.empty(tile * whole_runs(tile), dtype=np.float32)
        for b in blocks:
            part = self.pool[b - begin : b - begin + tile]
            wide = whole_runs(len(part))
            block = self.own.buffer[: len(query) * wide].reshape(len(query), wide)
            block[:, len(part) :] = np.nan
            np.matmul(query, part.T, out=block[:, : len(part)])
            both = self.same and a != b
            with self.locks[a // tile], self.locks[b // tile] if both else contextlib.nullcontext():
                self.scan.tile(block, len(part), a, b, both=both)


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
