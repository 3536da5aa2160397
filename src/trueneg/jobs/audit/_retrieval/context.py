"""What every check of a collection looks at: texts, judgments, the tops of two retrievers, the pairs in doubt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit._retrieval.lists import Lists, lists_of, ranks_in
from trueneg.jobs.audit.folder import Ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.data.retrieval import Splits
    from trueneg.jobs.audit.reviewed import Reviewed
    from trueneg.jobs.audit.stages import Stages

TOP = 10
MOST_QUERIES, MOST_QUICK, MOST_THOROUGH = 1_000, 200, 10_000
UNJUDGED, NEGATIVE, POSITIVE = 0, 1, 2
CLASSES = ("unjudged", "not relevant", "relevant")
SHORT = 160


@dataclass(frozen=True, eq=False)
class Doubt:
    """Pairs among the first ten of a retriever that no judgment calls relevant, by query and document.

    Attributes
    ----------
    query, document : (n,) int64
        Rows of the queries and documents.
    given : (n,) int64
        0 unjudged, 1 judged not relevant.
    rank : (n, retrievers) int64
        From 1; 101 where the retriever does not list the document.
    agreed : (n,) bool
        Whether both retrievers have it among their first ten.
    order : (n,) int64
        Places, most suspicious first: those on which both agree, unjudged ones first, by the sum of reciprocal ranks.
    """

    query: np.ndarray
    document: np.ndarray
    given: np.ndarray
    rank: np.ndarray
    agreed: np.ndarray
    order: np.ndarray

    @property
    def listed(self) -> int:
        """Pairs that are named as suspects."""
        return int(self.agreed.sum())

    @property
    def weight(self) -> np.ndarray:
        """Place in the order as a number that falls from 1 and sums to the pairs listed; no probability (n,).

        A review takes its strata from it: the pairs listed, three times as many, and the rest.
        """
        place = np.empty(len(self.order))
        place[self.order] = np.arange(len(self.order))
        return np.asarray(np.exp(-(place + 0.5) / max(self.listed, 1)))


@dataclass
class RetrievalContext:
    """A collection.

    Attributes
    ----------
    data : Splits
        Texts and judgments.
    others : Splits
        The same with the judgments of every split, where ``data`` holds those of one.
    positive_from : float
    encoder, embeddings
        The second retriever.
    review : Reviewed or None
        Answers to TN502.
    """

    data: Splits
    others: Splits
    positive_from: float
    encoder: str | None
    embeddings: tuple[str, str] | None
    quick: bool
    thorough: bool
    seed: int
    progress: Callable[[str], None]
    stages: Stages
    review: Reviewed | None = None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted keys (query x documents + document) of the judged pairs and the highest grade of each."""
        data = self.data
        keys = data.query * len(data.documents) + data.document
        order = np.lexsort((-data.grade, keys))
        first = np.ones(len(order), dtype=bool)
        first[1:] = keys[order][1:] != keys[order][:-1]
        return keys[order][first], data.grade[order][first]

    def grades(self, query: np.ndarray, document: np.ndarray) -> np.ndarray:
        """Return the grades of pairs, NaN where unjudged."""
        keys, grade = self.judged
        wanted = query * len(self.data.documents) + document
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        return np.where(keys[at] == wanted, grade[at], np.nan) if len(keys) else np.full(wanted.shape, np.nan)

    @cached_property
    def positive(self) -> tuple[np.ndarray, np.ndarray]:
        """Queries and documents of the positive pairs."""
        keys, grade = self.judged
        return tuple(np.divmod(keys[grade >= self.positive_from], len(self.data.documents)))  # type: ignore[return-value]

    @cached_property
    def asked(self) -> np.ndarray:
        """Rows of the queries that the retrievers are asked: those with a judgment, or a random part of them."""
        known = np.unique(self.data.query)
        most = MOST_QUICK if self.quick else MOST_THOROUGH if self.thorough else MOST_QUERIES
        if len(known) <= most:
            return known
        self.notes.append(
            f"the retrievers were asked {most:,} random queries of {len(known):,}; figures on tops are of these"
            + ("" if self.thorough else " (--thorough asks 10,000)")
        )
        return np.sort(np.random.default_rng([self.seed, 5]).choice(known, most, replace=False))

    @cached_property
    def lists(self) -> list[Lists]:
        """The first 100 documents of BM25 (where installed) and of the second retriever (unless ``--quick``)."""
        texts = self.data.queries, self.data.documents
        found, notes = lists_of(
            texts,
            self.asked,
            encoder=self.encoder,
            embeddings=self.embeddings,
            quick=self.quick,
            seed=self.seed,
            stages=self.stages,
            progress=self.progress,
        )
        self.notes += notes
        return found

    def why_not(self, need: int) -> str | None:
        """Say why a check that needs so many retrievers cannot run."""
        if len(self.lists) >= need:
            return None
        if self.quick and need > 1:
            return "--quick asks one retriever, and a second opinion needs two; leave it out"
        if not any(one.name == "BM25" for one in self.lists):
            return next((note for note in self.notes if note.startswith("BM25 was not")), "BM25 was not asked")
        return "the documents hold too few words for a second retriever; name one with --encoder or --embeddings"

    @cached_property
    def doubt(self) -> Doubt:
        """Pairs among the first ten of either retriever that are unjudged or judged not relevant."""
        lists = [one.document for one in self.lists]
        return doubt_of(self.asked, lists, len(self.data.documents), self.grades, positive_from=self.positive_from)

    @cached_property
    def said(self) -> np.ndarray:
        """What a reviewer said of each doubted pair: 1 relevant, 0 not, -1 unsure, -2 nothing."""
        out = np.full(len(self.doubt.query), -2, dtype=np.int64)
        if self.review is not None:
            out[self.review.rows] = self.review.answers
        return out

    @cached_property
    def copies(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Documents looked at for copies, the group of each, and whether near copies were looked for among them.

        Exact copies are looked for among all documents, near ones among those that a judgment or a top names.
        """
        from trueneg.mine.mining import groups_of

        self.progress("looking for copies of documents")
        some = np.unique(np.concatenate([self.data.document, *(one.document[:, :TOP].ravel() for one in self.lists)]))
        some = some[some >= 0]
        if len(some) > 50_000:
            self.notes.append("near copies of documents were looked for among the judged ones alone")
            some = np.unique(self.data.document)
        near = not self.quick
        exact = _same(self.data.documents)
        twins = np.flatnonzero(np.bincount(exact)[exact] > 1)
        rows = np.unique(np.concatenate([some, twins]))
        group = groups_of([self.data.documents[i] for i in rows.tolist()], near=0.9 if near else 1)
        return rows, group, near

    @cached_property
    def query_groups(self) -> np.ndarray:
        """The group of queries of the same words (in any order where nearly all are shared), shape (queries,)."""
        from trueneg.mine.mining import groups_of

        self.progress("looking for queries that are asked twice")
        return np.asarray(groups_of(self.data.queries, near=1 if self.quick else 0.9))

    @property
    def ranking(self) -> Ranking:
        """Every doubted pair, for a review."""
        doubt = self.doubt
        n = len(doubt.query)
        proposed = np.full(n, POSITIVE, np.int64)
        return Ranking("TN502", np.arange(n), doubt.given, np.zeros(n, np.int8), doubt.weight, proposed)

    def name(self, query: int, document: int) -> dict[str, Any]:
        """Return ids and the beginnings of the texts of a pair."""
        data = self.data
        return {
            "query": str(data.query_ids[query]),
            "document": str(data.document_ids[document]),
            "asks": shortened(data.queries[query]),
            "text": shortened(data.documents[document]),
        }


def doubt_of(
    asked: np.ndarray,
    lists: list[np.ndarray],
    n_documents: int,
    grades: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    positive_from: float = 1.0,
) -> Doubt:
    """Collect and rank the pairs at the top that no judgment calls relevant.

    Parameters
    ----------
    asked : (m,) int64
        Rows of the queries.
    lists : list of (m, depth) int64
        Documents of each retriever, the best first; -1 where there is no more.
    n_documents : int
    grades : callable
        ``grades(query rows, document rows)``, NaN where unjudged.
    positive_from : float
    """
    found = [np.empty(0, np.int64)]
    for documents in lists:
        top = documents[:, :TOP]
        found.append((np.arange(len(top))[:, None] * n_documents + top)[top >= 0])
    place, document = np.divmod(np.unique(np.concatenate(found)), n_documents)
    grade = grades(asked[place], document)
    keep = ~(grade >= positive_from)
    place, document, grade = place[keep], document[keep], grade[keep]
    rank = np.stack([ranks_in(one, place, document) for one in lists] or [np.ones(len(place), np.int64)], axis=1)
    agreed = (rank <= TOP).all(axis=1) & (rank.shape[1] > 1)
    given = np.where(np.isnan(grade), UNJUDGED, NEGATIVE)
    depth = np.array([one.shape[1] for one in lists] or [0])
    gain = np.where(rank <= depth, 1.0 / (60 + rank), 0.0).sum(axis=1)
    return Doubt(asked[place], document, given, rank, agreed, np.lexsort((-gain, given, ~agreed)))


def shortened(text: str, limit: int = SHORT) -> str:
    """Cut a text that is shown."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."


def _same(texts: list[str]) -> np.ndarray:
    """Number texts by their words as they stand; digests are held, not second copies of the texts."""
    known: dict[bytes, int] = {}
    marks = (
        hashlib.blake2b(" ".join(text.casefold().split()).encode("utf-8", "replace"), digest_size=12).digest()
        for text in texts
    )
    return np.fromiter((known.setdefault(mark, len(known)) for mark in marks), dtype=np.int64, count=len(texts))
