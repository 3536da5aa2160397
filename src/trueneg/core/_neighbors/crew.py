"""Who does the work of a search: how many threads, compiled passes or NumPy, and which matrix product."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueneg.core._neighbors.product import Product, fastest, load

if TYPE_CHECKING:
    from trueneg.core._neighbors.plan import Blocks
    from trueneg.core._neighbors.sides import Side

_LARGEST_POOL = 2**31 - 1  # rows that the compiled scan can number
_NUMBA_CELLS = 4_000_000  # below this many scores the NumPy path is done before numba has loaded
_ROUNDED = 64  # fewer queries are done with the rows before these are rounded
_SLOW_CELLS = 100_000_000  # from here on a missing numba costs seconds, and is said once


@dataclass(frozen=True)
class Crew:
    """Threads, compiled passes and products.

    Attributes
    ----------
    each : callable
        ``map``, or what does the same side by side.
    kernels : (scan, settle) or None
        The compiled scan and what ends it.
    rows : module or None
        The compiled passes over rows.
    product, fine : Product
        The one to begin with, and the one in float32.
    """

    each: Callable[..., Iterable[Any]] = map
    kernels: tuple[Any, Any] | None = None
    rows: Any = None
    product: Product = Product()
    fine: Product = Product()


@contextlib.contextmanager
def crew(left: Side, right: Side, blocks: Blocks, *, n_pool: int, half: bool) -> Iterator[Crew]:
    """Gather a crew that suits the work; with `half`, the metric is one that bfloat16 may be tried on.

    Of a pool in shards, `n_pool` is the number of all rows: every shard must be scored by the same summation.
    """
    cells = left.n * n_pool
    if cells < _NUMBA_CELLS:
        yield Crew()
        return
    kernels, rows = _kernels() if n_pool <= _LARGEST_POOL else (None, None)
    if kernels is None and cells >= max(_NUMBA_CELLS, _SLOW_CELLS):
        _say_slow()
    from threadpoolctl import ThreadpoolController

    blas = ThreadpoolController().select(user_api="blas")
    allowed = max((pool["num_threads"] for pool in blas.info()), default=1)
    workers = min(allowed, blocks.threads)
    tile = min(left.n, blocks.tile), blocks.tile
    half = half and left.n >= _ROUNDED
    torch = load(right.d, left.n * right.n, tile[0] / tile[1])
    # As many threads as the products would take, but a tile each: they never wait for each other's pieces.
    with blas.limit(limits=1), _alone(torch, workers) as team:
        product = fine = Product()
        if torch is not None:
            product, fine = team.submit(fastest, torch, right.d, tile, half=half and kernels is not None).result()
        yield Crew(map if workers == 1 and torch is None else team.map, kernels, rows, product, fine)


@contextlib.contextmanager
def _alone(torch: Any, workers: int) -> Iterator[ThreadPoolExecutor]:
    """Open a team whose threads take a product each; torch's own number of threads is put back afterwards."""
    if torch is None:
        with ThreadPoolExecutor(workers) as team:
            yield team
        return
    # Torch keeps this number for each thread, and once more for threads to come.
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as team:
            yield team
    finally:
        torch.set_num_threads(before)


@functools.cache
def _say_slow() -> None:
    """Say once that numba is missing: the result stays the same, the wait does not."""
    msg = (
        "numba is not installed, so this large neighbour search takes its slower NumPy path (same result): "
        "pip install 'trueneg[fast]'"
    )
    warnings.warn(msg, UserWarning, stacklevel=6)


@functools.cache
def _kernels() -> tuple[tuple[Any, Any] | None, Any]:
    """Return the compiled scan with what ends it, and the compiled passes over rows; None without numba."""
    try:
        from trueneg.core import _neighbors_rows, _neighbors_scan
    except ImportError:
        return None, None
    return (_neighbors_scan.scan, _neighbors_scan.settle), _neighbors_rows
