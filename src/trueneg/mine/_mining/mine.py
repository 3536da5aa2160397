"""Mine hard negatives: candidates, known positives out, filters, a window of ranks, a sample of what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.neighbors import parse_memory
from trueneg.mine._mining.filters import Block, Filter
from trueneg.mine._mining.positives import Positives
from trueneg.mine._mining.sources import Dense, Source

Rows = NDArray[np.int64]
Sampling = Literal["top", "random", "cyclic"]
Progress = Callable[[str, int, int], None]
_BYTES = 96  # a candidate of a block: its document, scores, masks and what sorting them holds


@dataclass(frozen=True, eq=False)
class Negatives:
    """Mined pairs, query by query, the hardest first.

    Attributes
    ----------
    query, document : (n,) int64
        Rows; the ids are in `query_ids` and `document_ids`.
    score : (n,) float32
        By the source of the candidates.
    rank : (n,) int64
        In the source's list without the known positives, from 1.
    verdict : (n,) int8
        0 where somebody judged the pair not relevant, -1 where nobody judged it: such a one may be false.
    query_ids, document_ids : arrays
    sampling : str
    candidates : int
        Pairs in the window of ranks, before any filter.
    known : int
        Known positives that were met on the way to the window, and left out.
    removed : dict of str to int
        What each filter removed, in order.
    short : (m,) int64
        Queries that got fewer than they were to get.
    wanted : int
        Negatives asked for in all.
    """

    query: Rows
    document: Rows
    score: NDArray[np.float32]
    rank: Rows
    verdict: NDArray[np.int8]
    query_ids: NDArray[Any] = field(repr=False)
    document_ids: NDArray[Any] = field(repr=False)
    sampling: str
    candidates: int
    known: int
    removed: dict[str, int]
    short: Rows
    wanted: int

    def __len__(self) -> int:
        return len(self.query)

    @property
    def reason(self) -> NDArray[np.object_]:
        """Why each pair is in the list: how it was drawn, and whether somebody judged it."""
        words = np.array([f"{self.sampling}, unjudged", f"{self.sampling}, judged not relevant"], dtype=object)
        out: NDArray[np.object_] = words[(self.verdict == 0).astype(np.int64)]
        return out

    @property
    def hardness(self) -> float:
        """Mean score of the list; NaN where it is empty."""
        return float(self.score.mean(dtype=np.float64)) if len(self.score) else float("nan")

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the columns query, document, score, rank, reason, verdict, with ids in place of rows."""
        return {
            "query": self.query_ids[self.query],
            "document": self.document_ids[self.document],
            "score": self.score,
            "rank": self.rank,
            "reason": self.reason,
            "verdict": self.verdict,
        }


def hard_negatives(
    queries: Any,
    documents: Any,
    positives: Any,
    *,
    n: int | ArrayLike = 5,
    filters: Filter | None = None,
    ranks: tuple[int, int] = (0, 100),
    sampling: Sampling = "top",
    source: Source | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Negatives:
    """Mine hard negatives of every query.

    Parameters
    ----------
    queries, documents : arrays of embeddings (n, d), or anything with a length where `source` is given
        Embeddings are searched exactly by cosine: ``Dense(queries, documents)``.
    positives : Cells, Positives, or rows
        Known positives, which are never returned: ``Cells.from_qrels(..., queries=, documents=)``, one document row a
        query, a list of rows a query, or pairs of shape (n, 2).
    n : int or int array of shape (n_queries,), default=5
        Negatives a query.
    filters : Filter, optional
        Joined by ``&``: ``Duplicates(texts) & SecondOpinion(Bm25(...))``.
    ranks : (int, int), default=(0, 100)
        Window of the source's list without its known positives: ``(10, 100)`` skips the first ten.
    sampling : {"top", "random", "cyclic"}, default="top"
        Of what is left in the window: the hardest; uniformly, without replacement; or in equal steps down the list,
        once more from the second where it ends.
    source : Source, optional
        Where candidates come from: ``Dense``, ``Bm25``, ``Listed``, ``Fusion``.
    random_state : int, default=0
        Seed of "random"; the draw of a query depends on nothing but the seed and what it may draw from.
    progress : callable, optional
        Called with a text, queries done, and their number.

    Returns
    -------
    Negatives

    Raises
    ------
    InputError
        Numbers that do not fit, a query without a positive, embeddings that hold NaN or are of two widths.

    Notes
    -----
    An unjudged document is not an irrelevant one. Of a good retriever's first five unlabelled documents up to 43 % were
    measured to be relevant. How many are in your list only a review tells.
    """
    place = source or Dense(queries, documents)
    if (place.n_queries, place.n_documents) != (len(queries), len(documents)):
        msg = (
            f"the source holds {place.n_queries:,} queries and {place.n_documents:,} documents, and there are "
            f"{len(queries):,} and {len(documents):,}: make it from the same ones"
        )
        raise InputError(msg)
    low, high = _window(ranks)
    wanted = _wanted(n, place.n_queries, high - low)
    if sampling not in ("top", "random", "cyclic"):
        msg = f"sampling={sampling!r}: choose 'top', 'random' or 'cyclic'"
        raise InputError(msg)
    known = Positives.of(positives, place.n_queries, place.n_documents)
    found = _Found()
    done = 0
    for query in _blocks(known, high, getattr(place, "memory", "512MB")):
        block = _candidates(place, known, query, low, high, found)
        alive = _filtered(block, filters, found)
        _sample(block, alive, wanted[query], sampling, low, random_state, found)
        done += len(query)
        if progress is not None:
            progress("mining", done, place.n_queries)
    return found.joined(known, sampling, wanted)


def _window(ranks: tuple[int, int]) -> tuple[int, int]:
    try:
        low, high = (int(one) for one in ranks)
    except (TypeError, ValueError):
        low, high = 0, 0
    if not 0 <= low < high:
        msg = f"ranks={ranks!r}: give two whole numbers, the first from 0, such as (0, 100)"
        raise InputError(msg)
    return low, high


def _wanted(n: int | ArrayLike, n_queries: int, width: int) -> Rows:
    count = np.asarray(n)
    if count.dtype.kind not in "iu" or count.shape not in ((), (n_queries,)) or (count < 0).any() or not count.any():
        msg = f"n={n!r}: give a whole number above 0, or one a query ({n_queries:,})"
        raise InputError(msg)
    if int(count.max()) > width:
        msg = f"n={int(count.max())} negatives do not fit into a window of {width} ranks: widen ranks="
        raise InputError(msg)
    return np.broadcast_to(count, (n_queries,)).astype(np.int64)


def _blocks(known: Positives, high: int, memory: int | str) -> list[Rows]:
    """Cut the queries into blocks that fit the memory; few that have very many positives make no other one pay."""
    count = known.count
    bucket = np.ceil(np.log2(np.maximum(count, 8))).astype(np.int64)
    out = []
    for b in np.unique(bucket):
        rows = np.flatnonzero(bucket == b)
        size = max(64, parse_memory(memory) // (_BYTES * (high + int(count[rows].max()))))
        out += [rows[start : start + size] for start in range(0, len(rows), size)]
    return out


@dataclass(eq=False)
class _Found:
    """What the blocks gave, and what was counted on the way."""

    pairs: list[tuple[Rows, Rows, NDArray[np.float32], Rows]] = field(default_factory=list)
    candidates: int = 0
    known: int = 0
    removed: dict[str, int] = field(default_factory=dict)

    def joined(self, known: Positives, sampling: str, wanted: Rows) -> Negatives:
        query, document, score, rank = (np.concatenate(columns) for columns in zip(*self.pairs, strict=True))
        order = np.lexsort((rank, query))
        query, document = query[order], document[order]
        got = np.bincount(query, minlength=len(wanted))
        verdict = np.where(known.judged(query, document), 0, -1).astype(np.int8)
        return Negatives(
            query,
            document,
            score[order],
            rank[order],
            verdict,
            known.query_ids,
            known.document_ids,
            sampling,
            self.candidates,
            self.known,
            self.removed,
            np.flatnonzero(got < wanted),
            int(wanted.sum()),
        )


def _candidates(source: Source, known: Positives, query: Rows, low: int, high: int, found: _Found) -> Block:
    """Search, move the known positives out of the lists, and cut the window."""
    k = min(high + int(known.count[query].max()), source.n_documents)
    score, document = source.search(query, k)
    who = np.broadcast_to(query[:, None], document.shape)
    positive = known.known(who, document) & (document >= 0)
    order = np.argsort(positive, axis=1, kind="stable")
    last = np.take_along_axis(positive, order, axis=1)
    document = np.where(last, -1, np.take_along_axis(document, order, axis=1))[:, low:high]
    score = np.where(last, -np.inf, np.take_along_axis(score, order, axis=1))[:, low:high]
    found.known += int(positive.sum())
    alive = document >= 0
    found.candidates += int(alive.sum())
    return Block(query, document, score.astype(np.float32), alive, known, source)


def _filtered(block: Block, filters: Filter | None, found: _Found) -> NDArray[np.bool_]:
    """Apply the filters one by one and count what each removes."""
    alive = block.alive
    for one in filters.parts if filters is not None else ():
        left = Block(block.query, block.document, block.score, alive, block.positives, block.source)
        keep = np.asarray(one(left))
        if keep.shape != alive.shape or keep.dtype != bool:
            msg = f"the filter {one.name} gave {keep.dtype} of shape {keep.shape}: bool of {alive.shape} is needed"
            raise InputError(msg)
        found.removed[one.name] = found.removed.get(one.name, 0) + int((alive & ~keep).sum())
        alive = alive & keep
    return alive


def _sample(block: Block, alive: NDArray[np.bool_], n: Rows, sampling: str, low: int, seed: int, found: _Found) -> None:
    """Draw from what is left of each query."""
    place = np.cumsum(alive, axis=1) - 1
    if sampling == "top":
        key: NDArray[Any] = place
    elif sampling == "cyclic":
        step = np.maximum(alive.sum(axis=1) // np.maximum(n, 1), 1)[:, None]
        key = place % step * alive.shape[1] + place // step
    else:
        key = _noise(block.query[:, None], block.document, seed)
    most = np.iinfo(np.int64).max if key.dtype.kind == "i" else np.iinfo(np.uint64).max
    order = np.argsort(np.where(alive, key, key.dtype.type(most)), axis=1, kind="stable")
    turn = np.empty_like(order)
    np.put_along_axis(turn, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    row, column = np.nonzero(alive & (turn < n[:, None]))
    found.pairs.append((block.query[row], block.document[row, column], block.score[row, column], column + low + 1))


def _noise(query: Rows, document: Rows, seed: int) -> NDArray[np.uint64]:
    """Random numbers that depend on the seed and the pair alone (splitmix64), so that blocks change no draw."""
    base = np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    with np.errstate(over="ignore"):
        x = query.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + document.astype(np.uint64) + base
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        return x ^ (x >> np.uint64(31))
