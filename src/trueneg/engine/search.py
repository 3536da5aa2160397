"""Exact nearest neighbours over shards of the documents: each shard is searched where a worker is, the rest is merging.

A shard's k best are merged by :func:`trueneg.core.neighbors.merge_top_k`, so that the result is that of one search over
all documents, to the bit, on machines of one kind.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.neighbors import Metric, TopK, shard_top_k
from trueneg.engine.batches import Batch, Engine, Resources

__all__ = ["sharded_top_k"]

Progress = Callable[[str, int, int], None]
_SHARD = 131_072  # rows: 200 MB of 384 float32 each
_QUERIES = 16_384  # queries whose best of one shard are held at a time: 26 MB for k = 100
_SMALL = 1024  # rows of a pool below which queries are not cut: too few pairs for the core's compiled summation


def sharded_top_k(
    queries: ArrayLike,
    pool: ArrayLike | Sequence[str | Path],
    k: int,
    *,
    engine: Engine,
    shard_rows: int = _SHARD,
    metric: Metric = "cosine",
    memory: int | str = "512MB",
    resources: Resources | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the k pool rows nearest to each query, exactly, shard by shard.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
        Sent once to each machine.
    pool : array of shape (n_pool, d), or paths of .npy files
        A memory-mapped array, and a file, is sent as its path where the engine's workers see the same files; any other
        array is sent in pieces. Of files, rows are numbered through in the order given.
    k : int
    engine : Engine
    shard_rows : int, default=131072
        Rows of a shard; it never changes the result.
    metric, memory : see :func:`trueneg.core.neighbors.top_k`
        Memory of each worker.
    resources : Resources, optional
    progress : callable, optional
        Called with a text, shards done, and their number.

    Returns
    -------
    scores : float32 array of shape (n_queries, k)
    indices : int64 array of shape (n_queries, k)
        As :func:`trueneg.core.neighbors.top_k` returns them for the whole pool.

    Raises
    ------
    InputError
        As there; for an empty pool, a file that a worker does not see, or files of different widths.
    """
    asked = queries if isinstance(queries, np.ndarray) else np.asarray(queries)
    if asked.ndim != 2 or shard_rows < 1:
        msg = f"queries have shape {asked.shape}, shard_rows={shard_rows}: give a table, and shards of a row or more"
        raise InputError(msg)
    pieces = _pieces(pool, shared=engine.shared_files)
    n_pool = sum(piece.count for piece in pieces)
    shards = [shard for piece in pieces for shard in piece.cut(shard_rows)]
    if not shards:
        msg = "the pool has no row: there is nothing to search"
        raise InputError(msg)
    blocks = _blocks(len(asked), n_pool)
    scores = np.empty((len(asked), k), dtype=np.float32)
    rows = np.empty((len(asked), k), dtype=np.int64)
    for turn, block in enumerate(blocks):
        part = asked[block]
        search = _Search(part, k, n_pool, metric, memory)
        best: TopK | None = None
        found = engine.map_batches(search, _batches(shards), batch_size=None, resources=resources)
        for done, one in enumerate(_parts(found, len(part), k), 1):
            best = one if best is None else best.merge(one)
            if progress is not None:
                progress("searching", turn * len(shards) + done, len(blocks) * len(shards))
        if best is not None:
            scores[block], rows[block] = best.result()
    return scores, rows


def _blocks(n: int, n_pool: int) -> list[slice]:
    """Cut the queries evenly: every block must be summed as all of them together would be."""
    count = -(-n // _QUERIES) if n_pool >= _SMALL else min(n, 1)
    edges = np.linspace(0, n, count + 1).astype(int).tolist()
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


@dataclass(frozen=True)
class _Piece:
    """An array, or a file that holds one, whose first row is row `start` of the pool."""

    start: int
    count: int
    array: NDArray[Any] | None
    path: str = ""
    offset: int = 0
    dtype: str = ""
    width: int = 0

    def cut(self, size: int) -> Iterator[tuple[_Piece, int, int]]:
        """Yield the piece with the first row of each shard and the row after its last."""
        for first in range(0, self.count, size):
            yield self, first, min(first + size, self.count)


def _pieces(pool: Any, *, shared: bool) -> list[_Piece]:
    if isinstance(pool, np.ndarray) or not (isinstance(pool, Sequence) and pool and isinstance(pool[0], (str, Path))):
        array = pool if isinstance(pool, np.ndarray) else np.asarray(pool)
        if array.ndim != 2:
            msg = f"pool has shape {array.shape}: a table of (rows, columns) is needed"
            raise InputError(msg)
        return [_piece(0, array, shared=shared)]
    pieces: list[_Piece] = []
    start = 0
    for path in pool:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            msg = f"{path} is no .npy file of numbers ({error.__class__.__name__}); write it with numpy.save"
            raise InputError(msg) from error
        if array.ndim != 2 or (pieces and array.shape[1] != pieces[0].width):
            msg = f"{path} has shape {array.shape}: give files of one width, a row a document"
            raise InputError(msg)
        pieces.append(_piece(start, array, shared=shared))
        start += len(array)
    return pieces


def _piece(start: int, array: NDArray[Any], *, shared: bool) -> _Piece:
    """Name an array by its file where it is a whole memory map; a slice of one does not say where it begins."""
    count, width = array.shape
    whole = isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.flags.c_contiguous
    held: Any = array
    if not (shared and whole) or held.filename is None or array.dtype.hasobject:
        return _Piece(start, count, array, width=width)
    return _Piece(start, count, None, str(Path(held.filename).absolute()), held.offset, array.dtype.str, width)


def _batches(shards: list[tuple[_Piece, int, int]]) -> Iterator[Batch]:
    """Describe each shard by one row, or send its rows."""
    for piece, first, last in shards:
        if piece.array is not None:
            numbers = np.arange(piece.start + first, piece.start + last)
            yield {"number": numbers, "vector": piece.array[first:last]}
            continue
        texts = {"path": piece.path, "dtype": piece.dtype}
        places = {"start": piece.start + first, "count": last - first, "width": piece.width}
        places["offset"] = piece.offset + first * piece.width * np.dtype(piece.dtype).itemsize
        batch: Batch = {name: np.array([text], dtype=object) for name, text in texts.items()}
        yield batch | {name: np.array([place], dtype=np.int64) for name, place in places.items()}


@dataclass(frozen=True, eq=False)
class _Search:
    """What a worker does: open or take a shard, and search it."""

    queries: NDArray[Any]
    k: int
    n_pool: int
    metric: Metric
    memory: int | str

    def __call__(self, batch: Batch) -> Batch:
        if "path" in batch:
            start, shard = int(batch["start"][0]), _opened(batch)
        else:
            start, shard = int(batch["number"][0]), batch["vector"]
        how: dict[str, Any] = {"start": start, "n_pool": self.n_pool, "metric": self.metric, "memory": self.memory}
        best = shard_top_k(self.queries, shard, self.k, **how)
        n = len(self.queries)
        return {"start": np.full(n, start), "query": np.arange(n), "key": best.keys, "row": best.rows}


def _opened(batch: Batch) -> NDArray[Any]:
    path, shape = str(batch["path"][0]), (int(batch["count"][0]), int(batch["width"][0]))
    try:
        return np.memmap(path, dtype=str(batch["dtype"][0]), mode="r", offset=int(batch["offset"][0]), shape=shape)
    except (OSError, ValueError) as error:
        msg = (
            f"a worker does not see {path} as it is here ({error.__class__.__name__}): put it on storage that all "
            "machines mount, or leave --shared-files out"
        )
        raise InputError(msg) from error


def _parts(found: Iterator[Batch], n: int, k: int) -> Iterator[TopK]:
    """Put the rows of each shard together again: Ray may hand on a large result in several blocks."""
    held: dict[int, tuple[TopK, int]] = {}
    for batch in found:
        for start in np.unique(batch["start"]).tolist():
            mine = batch["start"] == start
            best, left = held.pop(start, (TopK(np.empty((n, k)), np.empty((n, k), dtype=np.int64)), n))
            query = batch["query"][mine]
            best.keys[query], best.rows[query] = batch["key"][mine], batch["row"][mine]
            if left == len(query):
                yield best
            else:
                held[start] = best, left - len(query)
