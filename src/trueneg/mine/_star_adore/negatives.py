"""Lists of hard negatives: renewed as the encoder moves (ADORE), or drawn from a mined list as batches (STAR)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap
from trueneg.mine._mining.filters import Block, Filter
from trueneg.mine._mining.mine import Negatives
from trueneg.mine._mining.positives import Positives
from trueneg.mine._star_adore.search import Search, Similarity

__all__ = ["NegativeSampler", "StarBatch", "StarSampler", "Staleness", "staleness_of"]

Rows = NDArray[np.int64]
_TRIES = 20  # rounds in which random documents that answer the query are drawn anew


@dataclass(frozen=True)
class Staleness:
    """How far lists of negatives have fallen behind the encoder, over queries.

    Attributes
    ----------
    mean_rank : Estimate
        Mean rank, under the encoder of now, of documents that were the first `topk` of the encoder of then: (topk + 1)
        / 2 where nothing moved.
    kept : Estimate
        Share of them that are still among the first `topk`.
    topk : int
    """

    mean_rank: Estimate
    kept: Estimate
    topk: int

    @property
    def fresh(self) -> float:
        """The mean rank of a list that is not stale."""
        return (self.topk + 1) / 2

    def __str__(self) -> str:
        return f"mean rank {self.mean_rank} (fresh {self.fresh:g}), {self.kept} still in the top {self.topk}"


class NegativeSampler:
    """The first documents of each query under an encoder, renewed when told, with known positives marked.

    Parameters
    ----------
    documents : ndarray of shape (n_documents, d), or Tensor
        Embeddings; may be a ``numpy.memmap``.
    positives : Cells, Positives, or rows
        As in :func:`trueneg.mine.hard_negatives`; where rows are given, `n_queries` too.
    topk : int, default=200
        Length of a list; fewer documents than that give shorter lists.
    similarity : {"inner", "cosine"}, default="inner"
    filters : Filter, optional
        Against false negatives: what a filter removes is no negative, see :func:`trueneg.mine.hard_negatives`. Dynamic
        lists are where a good retriever's false negatives are: up to 43 % of the first five were measured.
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` of an approximate index.
    memory : int or str, default="512MB"
    n_queries : int, optional

    Attributes
    ----------
    lists : int32 array of shape (n_queries, topk), or None before the first `refresh`
        Rows of documents, the best first, positives among them; -1 where there is no more, or a filter removed it.
    """

    def __init__(
        self,
        documents: Any,
        positives: Any,
        *,
        topk: int = 200,
        similarity: Similarity = "inner",
        filters: Filter | None = None,
        index: Any = None,
        memory: int | str = "512MB",
        n_queries: int | None = None,
    ) -> None:
        if isinstance(topk, bool) or not isinstance(topk, (int, np.integer)) or topk < 1:
            msg = f"topk={topk!r} must be a whole number, at least 1"
            raise InputError(msg)
        self.search = Search(documents, similarity=similarity, memory=memory, index=index)
        self.positives = positives_of(positives, n_queries, self.search.n)
        self.topk, self.filters = int(topk), filters
        self.removed: dict[str, int] = {}
        self.lists: NDArray[np.int32] | None = None

    @property
    def n_queries(self) -> int:
        """How many queries there are."""
        return len(self.positives.start) - 1

    def find(self, query: Rows, embeddings: NDArray[np.float32]) -> Rows:
        """Return the lists of some queries under their embeddings of now, (b, topk); `lists` stays as it is."""
        found = self.search(embeddings, self.topk)
        if self.filters is None:
            return found
        positive = self.relevant(query, found)
        alive = (found >= 0) & ~positive
        source = _Now(self.search, query, embeddings)
        score = source.block(found)
        block = Block(query, found, score, alive, self.positives, source)
        for part in self.filters.parts:
            left = Block(query, found, score, block.alive, self.positives, source)
            keep = block.alive & part(left)
            self.removed[part.name] = self.removed.get(part.name, 0) + int((block.alive & ~keep).sum())
            block = Block(query, found, score, keep, self.positives, source)
        return np.where(block.alive | positive, found, -1)

    def refresh(
        self,
        query_embeddings: Any,
        *,
        query: Any = None,
        report: int = 128,
        random_state: int = 0,
    ) -> Staleness | None:
        """Renew the lists, and tell how stale they had become.

        Parameters
        ----------
        query_embeddings : array or Tensor of shape (b, d)
            Of all queries, or of those that `query` names.
        query : int array of shape (b,), optional
            Whose lists to renew; the first time all of them are.
        report : int, default=128
            Queries, drawn by `random_state`, on which staleness is measured; 0: not at all.
        random_state : int, default=0

        Returns
        -------
        Staleness or None
            None where there was no list before, or none was to be measured.
        """
        value = as_numpy(query_embeddings)
        who = np.arange(self.n_queries) if query is None else np.asarray(query, dtype=np.int64)
        if value.ndim != 2 or len(value) != len(who) or (self.lists is None and len(who) != self.n_queries):
            msg = f"{value.shape} embeddings for {len(who):,} of {self.n_queries:,} queries: give one row a query"
            raise InputError(msg)
        told = None
        if self.lists is None:
            self.lists = np.full((self.n_queries, self.topk), -1, dtype=np.int32)
        elif report:
            some = np.random.default_rng(random_state).permutation(len(who))[:report]
            told = self.staleness(who[some], value[some])
        for start in range(0, len(who), 1024):
            part = slice(start, start + 1024)
            self.lists[who[part]] = self.find(who[part], value[part])
        return told

    def staleness(self, query: Rows, embeddings: NDArray[np.float32]) -> Staleness:
        """Measure how far the lists of some queries have fallen behind, by the ranks of all that they hold."""
        if self.lists is None:
            raise InputError("there are no lists yet: call refresh first")
        return staleness_of(self.search, self.lists[query].astype(np.int64), embeddings)

    def relevant(self, query: Rows, document: Rows) -> NDArray[np.bool_]:
        """Tell which documents of lists (b, k) are known to answer their query."""
        return self.positives.known(query[:, None], document) & (document >= 0)

    def draw(self, query: Any, n: int, *, random_state: Any) -> Rows:
        """Draw negatives from the lists without replacement, (b, n); -1 where a list has no more."""
        if self.lists is None:
            raise InputError("there are no lists yet: call refresh first")
        who = np.asarray(query, dtype=np.int64)
        found = self.lists[who].astype(np.int64)
        return draw_from(np.where(self.relevant(who, found), -1, found), n, np.random.default_rng(random_state))


@dataclass(frozen=True, eq=False)
class StarBatch:
    """Rows of a batch.

    Attributes
    ----------
    query, positive : (b,) int64
    hard : (b, h) int64
        Hard negatives, then random ones; -1 where a query has no more.
    """

    query: Rows
    positive: Rows
    hard: Rows

    @property
    def rows(self) -> tuple[Rows, Rows, Rows]:
        """What :class:`InBatchPairwiseLoss` takes as ``rows``."""
        return self.query, self.positive, self.hard


class StarSampler:
    """Batches of queries, a positive of each, and static hard negatives drawn anew each time, mixed with random ones.

    The draw of a batch depends on seed, epoch and place alone, so that nothing must be replayed to go on: keep
    ``state_dict()`` beside the model. Iterating gives what is left of the present epoch, and moves on to the next.

    Parameters
    ----------
    mined : Negatives, or int array of shape (n_queries, k)
        Hard negatives of each query, -1 for none: of :func:`trueneg.mine.hard_negatives`, or of a sampler's lists.
    positives : Cells, Positives, or rows
    n_documents : int
    batch_size : int, default=256
        As in the paper. The last batch of an epoch may be smaller, and is left out where it has one query.
    hard : int, default=1
        Hard negatives a query; all of the batch serve every query in :class:`InBatchPairwiseLoss`.
    random : int, default=0
        Documents drawn from the whole collection beside them, never a known positive. Other queries' positives are
        random negatives already.
    random_state : int, default=0

    Raises
    ------
    InputError
        On lists that do not fit the queries.
    """

    def __init__(
        self,
        mined: Negatives | Any,
        positives: Any,
        n_documents: int,
        *,
        batch_size: int = 256,
        hard: int = 1,
        random: int = 0,
        random_state: int = 0,
    ) -> None:
        if batch_size < 2 or hard < 0 or random < 0 or hard + random < 1:
            msg = f"batch_size={batch_size}, hard={hard}, random={random}: give 2 or more, and one negative or more"
            raise InputError(msg)
        lists = _lists_of(mined)
        self.positives = positives_of(positives, len(lists), n_documents)
        known = self.positives.known(np.arange(len(lists))[:, None], lists) & (lists >= 0)
        if lists.max(initial=-1) >= n_documents:
            msg = f"the lists name document {int(lists.max())}, and there are {n_documents:,}: rows count from 0"
            raise InputError(msg)
        self.lists = np.where(known, -1, lists)
        self.n_documents, self.batch_size, self.hard, self.random = n_documents, batch_size, hard, random
        self.random_state, self.epoch, self.batch = random_state, 0, 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        n = len(self.lists)
        return n // self.batch_size + (n % self.batch_size > 1)

    def __iter__(self) -> Iterator[StarBatch]:
        order = np.random.default_rng([self.random_state, self.epoch]).permutation(len(self.lists))
        while self.batch < len(self):
            place, self.batch = self.batch, self.batch + 1
            yield self._drawn(order[place * self.batch_size : (place + 1) * self.batch_size], place)
        self.epoch, self.batch = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Return where it is: epoch, and batches handed out."""
        return {"epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.epoch, self.batch = int(state["epoch"]), int(state["batch"])

    def update(self, lists: Any) -> None:
        """Take other lists, such as a sampler's after a refresh."""
        new = _lists_of(lists)
        if len(new) != len(self.lists):
            msg = f"{len(new):,} lists for {len(self.lists):,} queries: give one a query"
            raise InputError(msg)
        known = self.positives.known(np.arange(len(new))[:, None], new) & (new >= 0)
        self.lists = np.where(known, -1, new)

    def _drawn(self, query: Rows, place: int) -> StarBatch:
        rng = np.random.default_rng([self.random_state, self.epoch, place])
        count, start = self.positives.count[query], self.positives.start[query]
        positive = self.positives.document[start + rng.integers(0, count)]
        parts = [draw_from(self.lists[query], self.hard, rng)] if self.hard else []
        if self.random:
            parts.append(self._strangers(query, rng))
        return StarBatch(query, positive, np.concatenate(parts, axis=1))

    def _strangers(self, query: Rows, rng: np.random.Generator) -> Rows:
        out = rng.integers(0, self.n_documents, (len(query), self.random))
        for _ in range(_TRIES):
            known = self.positives.known(query[:, None], out)
            if not known.any():
                return out
            out[known] = rng.integers(0, self.n_documents, int(known.sum()))
        return np.where(self.positives.known(query[:, None], out), -1, out)


class _Now:
    """The embeddings of some queries as a source, for filters that score pairs by the queries' own rows."""

    name = "dense"

    def __init__(self, search: Search, query: Rows, embeddings: NDArray[np.float32]) -> None:
        self._search, self._embeddings = search, embeddings
        self._order = np.argsort(query, kind="stable")
        self._query = query[self._order]
        self.n_queries, self.n_documents = int(query.max(initial=-1)) + 1, search.n

    def block(self, document: Rows) -> NDArray[np.float32]:
        """Score lists of shape (b, k), -inf for -1."""
        who = np.repeat(self._query[np.argsort(self._order)], document.shape[1])
        score = self.score(who, np.maximum(document, 0).ravel()).reshape(document.shape)
        return np.where(document >= 0, score, np.float32(-np.inf))

    def score(self, query: Rows, document: Rows) -> NDArray[np.float32]:
        """Score pairs."""
        place = self._order[np.searchsorted(self._query, query)]
        return self._search.pairs(self._embeddings, place, document)

    def search(self, query: Rows, k: int) -> Any:
        """Refuse: candidates are there already."""
        raise InputError("a filter must not search again: it scores the candidates that it is handed")


def staleness_of(search: Search, lists: Rows, embeddings: NDArray[np.float32]) -> Staleness:
    """Measure how far lists (b, k) have fallen behind the embeddings (b, d) of their queries."""
    rank = search.ranks(embeddings, lists)
    there = rank > 0
    some = there.any(axis=1)
    count = np.maximum(there.sum(axis=1), 1)[some]
    width = min(lists.shape[1], search.n)
    kept = ((rank <= width) & there).sum(axis=1)[some] / count
    return Staleness(_estimate(rank.sum(axis=1)[some] / count), _estimate(kept), width)


def positives_of(given: Any, n_queries: int | None, n_documents: int) -> Positives:
    """Read positives, the number of queries from themselves where nobody gives it."""
    n = n_queries
    if n is None:
        n = len(given.start) - 1 if isinstance(given, Positives) else len(getattr(given, "row_ids", given))
    found = Positives.of(given, n, n_documents)
    if found.n_documents != n_documents or len(found.start) - 1 != n:
        msg = f"positives are of {len(found.start) - 1:,} queries and {found.n_documents:,} documents: read them again"
        raise InputError(msg)
    return found


def draw_from(lists: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Draw n of each list (b, k) without replacement, -1 where there is no more."""
    order = np.argsort(np.where(lists >= 0, rng.random(lists.shape), 2.0), axis=1)[:, :n]
    out = np.take_along_axis(lists, order, axis=1)
    return np.pad(out, ((0, 0), (0, n - out.shape[1])), constant_values=-1)


def as_numpy(values: Any) -> NDArray[np.float32]:
    """Return embeddings as float32, without their gradients."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, dtype=np.float32)


def _lists_of(mined: Any) -> Rows:
    """Return one list a query, -1 behind its end."""
    if isinstance(mined, Negatives):
        count = np.bincount(mined.query, minlength=len(mined.query_ids))
        out = np.full((len(count), max(int(count.max(initial=0)), 1)), -1, dtype=np.int64)
        place = np.arange(len(mined.query)) - np.searchsorted(mined.query, mined.query)
        out[mined.query, place] = mined.document
        return out
    out = np.asarray(mined)
    if out.ndim != 2 or out.dtype.kind not in "iu":
        msg = f"mined lists have shape {out.shape} of {out.dtype}: give Negatives, or rows of shape (n_queries, k)"
        raise InputError(msg)
    return out.astype(np.int64)


def _estimate(values: NDArray[np.float64]) -> Estimate:
    if len(values) < 2:
        value = float(values[0]) if len(values) else float("nan")
        return Estimate(value, float("-inf"), float("inf"), 0.95, "one query", len(values))
    return bootstrap(lambda v: float(np.mean(v)), values, n_boot=500, random_state=0)
