"""Exact top-k asked again and again over documents that do not change, and the rank of given documents.

Many queries at a time on a CPU go to :func:`trueneg.core.neighbors.top_k` and its pool that is measured once. On a GPU,
and for the few queries of a step, whose product is a walk over the documents, candidates come from float32 products in
blocks, with as many to spare as the error bound of a product asks for. Only those whose order this leaves open are
scored in float64, and put in order, ties by index, so that the result is that of ``top_k``.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.neighbors import Pool, parse_memory, top_k

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["Search"]

Rows = NDArray[np.int64]
Similarity = Literal["inner", "cosine"]
_MANY, _CELLS = 64, 4_000_000  # queries, and scores, from which top_k's own walk, made for many, is the faster one
_UNIT = 2.0**-24
_GRID = 2.0**40
_CHECK = 65_536  # rows measured at a time
_FIRST, _BLOCK = 2048, 8192  # documents of a block: few are sorted for a first bar, the rest are held against it
_CACHED = 400_000  # numbers scored again at a time: what stays in cache


class Search:
    """Documents that are searched exactly, over and over.

    Parameters
    ----------
    documents : ndarray of shape (n, d), or Tensor
        float16, float32 or float64; a ``numpy.memmap`` is read in blocks. A tensor on a GPU is searched there. Never
        copied whole, and never changed.
    similarity : {"inner", "cosine"}, default="inner"
    memory : int or str, default="512MB"
        Bound on what a search holds beyond documents and result.
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` of an approximate index, -1 for "no hit"; its hits are scored again.

    Raises
    ------
    InputError
        On documents that are no table of finite numbers.
    """

    def __init__(
        self,
        documents: Any,
        *,
        similarity: Similarity = "inner",
        memory: int | str = "512MB",
        index: Any = None,
    ) -> None:
        if similarity not in ("inner", "cosine"):
            msg = f"similarity={similarity!r} is unknown: choose 'inner' or 'cosine'"
            raise InputError(msg)
        self.documents = _tensor(documents)
        self.similarity, self.memory, self.index = similarity, memory, index
        self._budget = parse_memory(memory)
        self.n, self.d = (int(s) for s in self.documents.shape)
        self.device = self.documents.device
        self._norms = self._measured()
        known = self.device.type == "cpu" and self.documents.dtype in (torch.float16, torch.float32, torch.float64)
        self._pool = Pool(self.documents.numpy()) if known and index is None else None

    def rows(self, ids: Rows) -> Tensor:
        """Return documents as float32, (..., d), on their device; no gradient ever reaches them."""
        return self.documents[torch.from_numpy(ids).to(self.device)].float()

    def __call__(self, queries: NDArray[np.float32], k: int) -> Rows:
        """Return the k best documents of each query, the best first, int64 (b, k); -1 where there is no more."""
        if queries.ndim != 2 or queries.shape[1] != self.d:
            msg = (
                f"queries have shape {queries.shape} and documents {self.d} columns: both must come from encoders of "
                "one space"
            )
            raise InputError(msg)
        if not np.isfinite(queries).all():
            raise InputError("the query encoder gave NaN or infinity: lower lr, or set clip_norm")
        if self._pool is not None and len(queries) >= _MANY and len(queries) * self.n >= _CELLS:
            return top_k(queries, self._pool, k, metric=self.similarity, memory=self.memory)[1]
        with _all_digits(self.device.type):
            return self._ordered(queries, k, k + max(32, k // 4))

    def pairs(self, queries: NDArray[np.float32], query: Rows, ids: Rows) -> NDArray[np.float32]:
        """Score pairs of rows of `queries` and documents, float32 (n,)."""
        scores = self._exact(queries, query, ids)
        if self.similarity == "cosine":
            norms = np.linalg.norm(queries.astype(np.float64), axis=1)
            scores /= np.where(norms > 0, norms, 1.0)[query]
        return scores.astype(np.float32)

    def ranks(self, queries: NDArray[np.float32], ids: Rows) -> Rows:
        """Return the rank of given documents in the order of all, from 1; 0 where `ids` is -1.

        Parameters
        ----------
        queries : ndarray of shape (q, d)
        ids : ndarray of shape (q, m)

        Returns
        -------
        ndarray of int64 of shape (q, m)
            One more than the documents that score higher in float32, or as high with a smaller index.
        """
        out = np.zeros(ids.shape, dtype=np.int64)
        step = max(1, self._budget // (8 * self.n))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            asked = torch.from_numpy(np.ascontiguousarray(queries[part], dtype=np.float32)).to(self.device)
            scores = torch.empty((len(asked), self.n), device=self.device)
            with _all_digits(self.device.type):
                for low, block in self._blocks(len(asked)):
                    scores[:, low : low + len(block)] = self._scored(asked, low, block)
            full = scores.cpu().numpy()
            for i, line in enumerate(full):  # a line is vectorised
                out[start + i] = _ranks(line, ids[start + i])
        return out

    def _measured(self) -> Tensor:
        """Return the length of each document, and refuse what is not finite."""
        out = torch.empty(self.n, device=self.device)
        for low in range(0, self.n, _CHECK):
            block = self._block(low, low + _CHECK)
            out[low : low + len(block)] = torch.linalg.vector_norm(block, dim=1)
        bad = torch.nonzero(~torch.isfinite(out))
        if len(bad):
            msg = (
                f"documents row {int(bad[0])} holds NaN, infinity or a far too large number: encode it again or drop it"
            )
            raise InputError(msg)
        return out

    def _block(self, low: int, high: int) -> Tensor:
        return self.documents[low:high].float()

    def _blocks(self, queries: int, first: int = _BLOCK) -> Iterator[tuple[int, Tensor]]:
        """Cut the documents so that scores, masks and rows fit into the memory; the first block may be smaller."""
        size = max(1024, min(_BLOCK, self._budget // (16 * queries + 8 * self.d)))
        low = 0
        while low < self.n:
            high = min(low + (min(first, size) if low == 0 else size), self.n)
            yield low, self._block(low, high)
            low = high

    def _scored(self, asked: Tensor, low: int, block: Tensor) -> Tensor:
        scores = asked @ block.T
        if self.similarity == "cosine":
            norms = self._norms[low : low + len(block)]
            scores /= torch.where(norms > 0, norms, torch.ones_like(norms))
        return scores

    def _ordered(self, queries: NDArray[np.float32], k: int, wide: int) -> Rows:
        """Return the k best in order, from `wide` candidates of each query, or more where many scores are too close."""
        found, scores, unsure, short = self._candidates(queries, k, min(wide, self.n))
        query, place = np.nonzero(unsure)
        scores[query, place] = self._exact(queries, query, found[query, place])
        order = np.lexsort((found, -scores), axis=1)[:, :k]
        best, worth = np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)
        best = np.pad(np.where(np.isneginf(worth), -1, best), ((0, 0), (0, k - best.shape[1])), constant_values=-1)
        if len(short):
            best[short] = self._ordered(queries[short], k, 4 * wide)
        return best

    def _candidates(self, queries: NDArray[np.float32], k: int, wide: int) -> tuple[Rows, Any, Any, Rows]:
        """Return documents, their float32 scores, whose order these leave open, and queries whose k best may be more.

        A float32 score is off by half a margin at most. Where the last candidate is a margin below the k-th, none of
        the k best is missing; where neighbours in the order are a margin apart, their order is right.
        """
        if self.index is not None:
            ids = np.sort(np.asarray(self.index(queries, min(k, self.n))[1], dtype=np.int64), axis=1)
            ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = -1
            return ids, np.full(ids.shape, -np.inf), ids >= 0, np.empty(0, dtype=np.int64)
        asked = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self.device)
        reach = torch.linalg.vector_norm(asked, dim=1)
        if self.similarity == "inner":
            reach = reach * self._norms.max()
        margin = (2 * (self.d + 24) * _UNIT * reach + 1e-30)[:, None]
        scores, found = self._best(asked, wide)
        short = torch.zeros(len(asked), dtype=torch.bool)
        if wide < self.n:
            short = (scores[:, -1:] >= scores[:, [k - 1]] - margin)[:, 0]
        close = scores[:, :-1] - scores[:, 1:] <= margin
        unsure = (F.pad(close, (1, 0)) | F.pad(close, (0, 1))) & ~short.to(close.device)[:, None]
        rows = np.flatnonzero(short.cpu().numpy())
        return found.cpu().numpy(), scores.cpu().numpy().astype(np.float64), unsure.cpu().numpy(), rows

    def _exact(self, queries: NDArray[np.float32], query: Rows, ids: Rows) -> NDArray[np.float64]:
        """Score pairs in float64, each by its own sum, to 40 bits: what is below is noise of the summation order."""
        out = np.empty(len(ids))
        step = max(1, _CACHED // self.d)
        for start in range(0, len(ids), step):
            part = slice(start, start + step)
            rows = self.rows(ids[part]).double()
            asked = torch.from_numpy(queries[query[part]]).to(self.device).double()
            scores = (rows * asked).sum(-1)
            if self.similarity == "cosine":
                norms = torch.linalg.vector_norm(rows, dim=-1)
                scores = torch.where(norms > 0, scores / norms.clamp_min(1e-300), 0.0)
            out[part] = scores.cpu().numpy()
        mantissa, exponent = np.frexp(out)
        return np.ldexp(np.rint(mantissa * _GRID), exponent - 40) + 0.0

    def _best(self, asked: Tensor, wide: int) -> tuple[Tensor, Tensor]:
        """Return the `wide` best by float32 scores, falling: what reaches the worst held so far is looked at."""
        best = torch.full((len(asked), wide), -torch.inf, device=self.device)
        ids = torch.full((len(asked), wide), -1, dtype=torch.int64, device=self.device)
        for low, block in self._blocks(len(asked), first=max(2 * wide, _FIRST)):
            scores = self._scored(asked, low, block)
            if low < wide:  # at first nearly all reach it
                new, at = scores.topk(min(wide, scores.shape[1]), dim=1)
                at += low
            else:
                row, column = torch.nonzero(scores > best[:, -1:], as_tuple=True)
                if not len(row):
                    continue
                place = torch.arange(len(row), device=self.device) - torch.searchsorted(row, row)
                new = torch.full((len(asked), int(place.max()) + 1), -torch.inf, device=self.device)
                at = torch.full(new.shape, -1, dtype=torch.int64, device=self.device)
                new[row, place], at[row, place] = scores[row, column], column + low
            best, order = torch.cat([best, new], dim=1).topk(wide, dim=1)
            ids = torch.cat([ids, at], dim=1).gather(1, order)
        return best, ids


@contextlib.contextmanager
def _all_digits(device: str) -> Iterator[None]:
    """Multiply float32 as such, under autocast too, and where torch may give up digits: the bound needs them."""
    parts: list[Any] = [torch.backends.cuda, getattr(torch.backends, "mkldnn", None)]
    places = [part.matmul for part in parts if hasattr(getattr(part, "matmul", None), "fp32_precision")]
    if not places:  # torch before 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
    held = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "ieee"
        with torch.autocast(device, enabled=False):
            yield
    finally:
        for place, precision in zip(places, held, strict=True):
            place.fp32_precision = precision
        if not places:
            torch.set_float32_matmul_precision(before)


def _ranks(line: NDArray[np.float32], ids: Rows) -> Rows:
    """Return the rank of some columns of a line of scores, equal ones by their index; 0 for -1."""
    own = line[np.maximum(ids, 0)]
    if len(ids) > 8:
        ordered = np.sort(line)
        above = len(line) - np.searchsorted(ordered, own, side="right")
        tied = len(line) - np.searchsorted(ordered, own, side="left") - above > 1
    else:
        above = (line[None] > own[:, None]).sum(axis=1)
        tied = np.ones(len(ids), dtype=bool)
    out = 1 + above
    for j in np.flatnonzero(tied & (ids >= 0)).tolist():
        out[j] += np.count_nonzero(line[: ids[j]] == own[j])
    return np.where(ids >= 0, out, 0)


def _tensor(documents: Any) -> Tensor:
    """Look at the documents as a tensor, without a copy and without their gradients."""
    if not isinstance(documents, Tensor):
        array = np.asarray(documents)
        if array.dtype.kind != "f" or array.dtype.itemsize > 8 or not array.dtype.isnative:
            array = array.astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that a read-only map must not be written to; nobody does
            documents = torch.from_numpy(array)
    if documents.ndim != 2 or not documents.numel():
        msg = f"documents have shape {tuple(documents.shape)}: embeddings of shape (n, d) are needed"
        raise InputError(msg)
    return documents.detach()
