"""Approximate indexes by faiss, as `index` of :class:`Dense`: hits are scored again, misses stay missed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.neighbors import Index

Kind = Literal["hnsw", "ivf"]
Metric = Literal["cosine", "inner", "euclidean"]
_BLOCK = 65_536  # rows handed to faiss at a time
_PER_LIST = 64  # rows a cell that the centres are learned from


def ann_index(
    documents: ArrayLike,
    kind: Kind = "hnsw",
    *,
    metric: Metric = "cosine",
    links: int = 32,
    build: int = 100,
    depth: int = 128,
    lists: int | None = None,
    probes: int | None = None,
    random_state: int = 0,
) -> Index:
    """Build an approximate index over documents.

    It pays where the same documents are asked again and again, or where there are far more than ten million: below,
    :func:`trueneg.core.neighbors.top_k` has found the exact answer before a graph is built.

    Parameters
    ----------
    documents : array of shape (n, d)
        May be a ``numpy.memmap`` or float16: read in blocks. faiss holds its own float32 copy, 4 n d bytes.
    kind : {"hnsw", "ivf"}, default="hnsw"
        A graph of near neighbours (Malkov and Yashunin 2016, arXiv 1603.09320), or lists around centres, of which the
        nearest are searched (Jégou, Douze and Schmid 2011).
    metric : {"cosine", "inner", "euclidean"}, default="cosine"
    links, build : int, default=32, 100
        Of the graph: neighbours a document keeps, and candidates looked at when it is put in. The graph is built by one
        thread, so that it is the same every time.
    depth : int, default=128
        Of the graph: candidates looked at in a search; twice the neighbours asked for where that is more.
    lists : int, optional
        Centres; ``4 * sqrt(n)`` by default, and at least 39 documents each.
    probes : int, optional
        Lists searched; a sixteenth by default, and at least 8; twice as many where twice as many neighbours are sought.
    random_state : int, default=0
        Seed of the rows that the centres are learned from.

    Returns
    -------
    callable
        ``index(queries, k) -> (scores, ids)``, for ``Dense(..., index=)``.

    Raises
    ------
    InputError
        For an unknown kind or metric, an array of another shape, no documents; without faiss, with the cure.
    """
    try:
        faiss: Any = import_module("faiss")  # its type stubs lack the parameters of a search
    except ImportError:
        missing_extra("faiss", "ann")
    rows = documents if isinstance(documents, np.ndarray) else np.asarray(documents)
    if kind not in ("hnsw", "ivf"):
        msg = f"index {kind!r} is unknown: choose 'hnsw' or 'ivf'"
        raise InputError(msg)
    if metric not in ("cosine", "inner", "euclidean"):
        msg = f"metric={metric!r} is unknown: choose 'cosine', 'inner' or 'euclidean'"
        raise InputError(msg)
    if rows.ndim != 2 or not len(rows):
        msg = f"documents have shape {rows.shape}: embeddings of shape (n, d) are needed, one at least"
        raise InputError(msg)
    by = faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
    if kind == "hnsw":
        graph = faiss.IndexHNSWFlat(rows.shape[1], links, by)
        graph.hnsw.efConstruction = build
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            _add(graph, rows, metric)
        finally:
            faiss.omp_set_num_threads(threads)
        return lambda queries, k: graph.search(
            _float32(queries), k, params=faiss.SearchParametersHNSW(efSearch=max(depth, 2 * k))
        )
    number = max(1, min(lists or int(4 * np.sqrt(len(rows))), len(rows) // 39))
    inverted = faiss.IndexIVFFlat(faiss.IndexFlat(rows.shape[1], by), rows.shape[1], number, by)
    seen = np.random.default_rng(random_state).permutation(len(rows))[: number * _PER_LIST]
    inverted.train(_ready(rows[np.sort(seen)], metric))
    _add(inverted, rows, metric)
    few = probes or max(8, number // 16)
    return lambda queries, k: inverted.search(
        _float32(queries), k, params=faiss.SearchParametersIVF(nprobe=min(number, few * -(-k // 100)))
    )


def _add(index: Any, rows: NDArray[Any], metric: str) -> None:
    for start in range(0, len(rows), _BLOCK):
        index.add(_ready(rows[start : start + _BLOCK], metric))


def _ready(rows: NDArray[Any], metric: str) -> NDArray[np.float32]:
    """Return float32 rows, of unit length under a cosine."""
    out = np.array(rows, dtype=np.float32, order="C")
    if metric == "cosine":
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        out /= np.where(norms > 0, norms, 1)
    return out


def _float32(rows: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)
