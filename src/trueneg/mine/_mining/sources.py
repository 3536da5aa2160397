"""Where candidates come from: embeddings, BM25, a run, or several of these fused by rank.

A source holds its own queries and documents and answers two questions: the k best documents of some queries, and the
score of given pairs. The second makes any source the second opinion on another's candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.intervals import Estimate, bootstrap, wilson
from trueneg.core.neighbors import Index, parse_memory, top_k
from trueneg.engine import Engine, sharded_top_k

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
_PAIRS = 65_536  # pairs scored at a time
_STOP = "en"


class Source(Protocol):
    """What gives candidates."""

    name: str
    n_queries: int
    n_documents: int

    def search(self, query: Rows, k: int) -> tuple[Scores, Rows]:
        """Return scores (falling) and documents of shape (len(query), k), -inf and -1 where there is no more."""
        ...

    def score(self, query: Rows, document: Rows) -> Scores:
        """Return the scores of pairs."""
        ...


class Dense:
    """Nearest embeddings, exactly, or by an index whose hits are scored again.

    Parameters
    ----------
    queries, documents : arrays of shape (n_queries, d) and (n_documents, d)
        float16, float32 or float64; may be a ``numpy.memmap``.
    metric : {"cosine", "inner", "euclidean"}, default="cosine"
    memory : int or str, default="512MB"
        Bound on what the search holds beyond its input and result.
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` of an approximate index; tell its recall by :func:`ann_recall`.
    engine : Engine, optional
        Of :mod:`trueneg.engine`: searches shards of the documents on its workers, to the same result.
    """

    name = "dense"

    def __init__(
        self,
        queries: ArrayLike,
        documents: ArrayLike,
        *,
        metric: Literal["cosine", "inner", "euclidean"] = "cosine",
        memory: int | str = "512MB",
        index: Index | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.queries = queries if isinstance(queries, np.ndarray) else np.asarray(queries)
        self.documents = documents if isinstance(documents, np.ndarray) else np.asarray(documents)
        parse_memory(memory)
        if metric not in ("cosine", "inner", "euclidean"):
            msg = f"metric={metric!r} is unknown: choose 'cosine', 'inner' or 'euclidean'"
            raise InputError(msg)
        for name, array in (("queries", self.queries), ("documents", self.documents)):
            if array.ndim != 2:
                msg = f"{name} have shape {array.shape}: embeddings of shape (n, d) are needed"
                raise InputError(msg)
        if self.queries.shape[1] != self.documents.shape[1]:
            msg = (
                f"queries have {self.queries.shape[1]} columns and documents {self.documents.shape[1]}: both must come "
                "from the same encoder"
            )
            raise InputError(msg)
        if index is not None and engine is not None:
            msg = "an index is asked in this process: give either index= or engine="
            raise InputError(msg)
        self.metric, self.memory, self.index, self.engine = metric, memory, index, engine
        self.n_queries, self.n_documents = len(self.queries), len(self.documents)

    def search(self, query: Rows, k: int) -> tuple[Scores, Rows]:
        """Search with some of the queries; all of them are not copied."""
        all_of_them = len(query) == self.n_queries and bool((query == np.arange(self.n_queries)).all())
        asked = self.queries if all_of_them else self.queries[query]
        if asked is self.documents:  # the same array on both sides: each document is its own nearest, as it should be
            asked = asked.view()
        if self.engine is not None:
            how: dict[str, Any] = {"metric": self.metric, "memory": self.memory}
            return sharded_top_k(asked, self.documents, k, engine=self.engine, **how)
        return top_k(asked, self.documents, k, metric=self.metric, memory=self.memory, index=self.index)

    def score(self, query: Rows, document: Rows) -> Scores:
        """Score pairs row by row, in float64."""
        out = np.empty(len(query), dtype=np.float32)
        for start in range(0, len(query), _PAIRS):
            part = slice(start, start + _PAIRS)
            a = np.asarray(self.queries[query[part]], dtype=np.float64)
            b = np.asarray(self.documents[document[part]], dtype=np.float64)
            if self.metric == "euclidean":
                out[part] = -np.sqrt(((a - b) ** 2).sum(axis=1))
                continue
            value = np.einsum("ij,ij->i", a, b)
            if self.metric == "cosine":
                size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
                value = np.divide(value, size, out=np.zeros_like(value), where=size > 0)
            out[part] = value
        return out


class Bm25:
    """BM25 over texts, by bm25s' index (extra ``retrieval``).

    Parameters
    ----------
    queries, documents : sequences of str
    k1, b : float, default=1.5, 0.75
        Lucene's form, the defaults of bm25s.
    """

    name = "BM25"

    def __init__(self, queries: Sequence[str], documents: Sequence[str], *, k1: float = 1.5, b: float = 0.75) -> None:
        try:
            import bm25s
        except ImportError:
            missing_extra("bm25s", "retrieval")
        from scipy.sparse import csc_array, csr_array

        self.n_queries, self.n_documents = len(queries), len(documents)
        how: dict[str, Any] = {"stopwords": _STOP, "stemmer": _singulars, "show_progress": False}
        tokens = bm25s.tokenize(list(documents), **how)
        if not any(len(one) for one in tokens.ids):
            raise InputError("the documents hold no word beside stop words: BM25 has nothing to index; use embeddings")
        model = bm25s.BM25(k1=k1, b=b)
        model.index(tokens, show_progress=False)
        held, words = model.scores, model.vocab_dict
        shape = (self.n_documents, len(held["indptr"]) - 1)
        # bm25s numbers words as a set gives them, by another order in every process: sums would differ in the last bit.
        known = sorted(word for word, column in words.items() if column < shape[1])  # one beyond is bm25s' empty word
        order = np.array([words[word] for word in known], dtype=np.int64)
        words = {word: i for i, word in enumerate(known)}
        self._by_word = csc_array((held["data"], held["indices"], held["indptr"]), shape=shape)[:, order]
        self._by_document = self._by_word.tocsr()
        asked = bm25s.tokenize(list(queries), return_ids=False, **how)
        found = [[words[word] for word in one if word in words] for one in asked]
        sizes = np.array([len(one) for one in found], dtype=np.int64)
        columns = (
            np.concatenate([np.asarray(one, dtype=np.int64) for one in found]) if sizes.sum() else np.empty(0, int)
        )
        starts = np.concatenate([[0], np.cumsum(sizes)])
        self._asked = csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(queries), len(known)))
        self._asked.sum_duplicates()

    def search(self, query: Rows, k: int) -> tuple[Scores, Rows]:
        """Score all documents, some queries at a time; equal scores are in order of the document."""
        scores = np.full((len(query), k), -np.inf, dtype=np.float32)
        rows = np.full((len(query), k), -1, dtype=np.int64)
        step = max(1, 16_000_000 // max(self.n_documents, 1))
        take = min(k, self.n_documents)
        for start in range(0, len(query), step):
            part = (self._asked[query[start : start + step]] @ self._by_word.T).toarray()
            cut = np.partition(part, part.shape[1] - take, axis=1)[:, part.shape[1] - take]
            for i, line in enumerate(part):  # a line of the block is vectorised; ties at the cut make lines uneven
                over = np.flatnonzero(line > cut[i])
                even = np.flatnonzero(line == cut[i])[: take - len(over)]
                best = np.concatenate([over, even])
                best = best[np.lexsort((best, -line[best]))]
                scores[start + i, :take], rows[start + i, :take] = line[best], best
        return scores, rows

    def score(self, query: Rows, document: Rows) -> Scores:
        """Score pairs by the words that both hold."""
        out = np.empty(len(query), dtype=np.float32)
        for start in range(0, len(query), _PAIRS):
            part = slice(start, start + _PAIRS)
            shared = self._asked[query[part]].multiply(self._by_document[document[part]])
            out[part] = np.asarray(shared.sum(axis=1)).ravel()
        return out


def _singulars(words: Any) -> Any:
    """Strip the plural (Harman's S stemmer), of one word or of many."""
    if not isinstance(words, str):
        return [_singulars(word) for word in words]
    if len(words) > 4 and words.endswith("ies") and not words.endswith(("eies", "aies")):
        return words[:-3] + "y"
    if len(words) > 3 and words.endswith("es") and not words.endswith(("aes", "ees", "oes")):
        return words[:-1]
    if len(words) > 3 and words.endswith("s") and not words.endswith(("us", "ss")):
        return words[:-1]
    return words


class Listed:
    """A run that somebody else made: for each query its list, and nothing beyond.

    Parameters
    ----------
    query, document : (n,) int
        Rows of the queries and documents.
    score : (n,) float
        Larger is better; equal scores are in order of the document.
    n_queries, n_documents : int

    Notes
    -----
    A pair outside the list scores -inf. A rule relative to a positive that the list misses therefore keeps nothing.
    """

    name = "run"

    def __init__(
        self, query: ArrayLike, document: ArrayLike, score: ArrayLike, *, n_queries: int, n_documents: int
    ) -> None:
        q, d = np.asarray(query, dtype=np.int64), np.asarray(document, dtype=np.int64)
        s = np.asarray(score, dtype=np.float32)
        order = np.lexsort((d, -s, q))
        self._query, self._document, self._score = q[order], d[order], s[order]
        self._start = np.searchsorted(self._query, np.arange(n_queries + 1))
        keys = self._query * n_documents + self._document
        self._by_key = np.argsort(keys, kind="stable")
        self._keys = keys[self._by_key]
        self.n_queries, self.n_documents = n_queries, n_documents

    def search(self, query: Rows, k: int) -> tuple[Scores, Rows]:
        """Cut the lists at k."""
        at = self._start[query][:, None] + np.arange(k)
        there = at < self._start[query + 1][:, None]
        at = np.minimum(at, max(len(self._query) - 1, 0))
        if not len(self._query):
            return np.full(at.shape, -np.inf, np.float32), np.full(at.shape, -1)
        return np.where(there, self._score[at], np.float32(-np.inf)), np.where(there, self._document[at], -1)

    def score(self, query: Rows, document: Rows) -> Scores:
        """Look pairs up."""
        wanted = query * self.n_documents + document
        if not len(self._keys):
            return np.full(len(wanted), -np.inf, np.float32)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found = self._keys[at] == wanted
        return np.where(found, self._score[self._by_key[at]], np.float32(-np.inf)).astype(np.float32)


class Fusion:
    """Several sources fused by reciprocal rank: the sum over sources of ``1 / (constant + rank)``.

    Parameters
    ----------
    *sources : Source
        Two or more, over the same queries and documents.
    constant : int, default=60
        As in the paper.
    depth : int, default=1000
        Ranks beyond this add nothing.

    References
    ----------
    Cormack, Clarke and Büttcher (2009), "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods".
    """

    name = "fusion"

    def __init__(self, *sources: Source, constant: int = 60, depth: int = 1000) -> None:
        sizes = {(one.n_queries, one.n_documents) for one in sources}
        if len(sources) < 2 or len(sizes) > 1:
            raise InputError("a fusion needs two sources or more, over the same queries and documents")
        self.sources, self.constant, self.depth = sources, constant, depth
        self.n_queries, self.n_documents = sizes.pop()
        self._lists: tuple[bytes, list[tuple[Scores, Rows]]] = (b"", [])

    def search(self, query: Rows, k: int) -> tuple[Scores, Rows]:
        """Fuse the sources' lists; equal sums are in order of the document."""
        lists = self._search(query)
        width = lists[0][1].shape[1]
        gain = 1.0 / (self.constant + np.arange(1, width + 1))
        document = np.concatenate([rows for _, rows in lists], axis=1)
        value = np.where(document >= 0, np.tile(gain, len(lists)), 0.0)
        order = np.argsort(document, axis=1, kind="stable")
        document, value = np.take_along_axis(document, order, axis=1), np.take_along_axis(value, order, axis=1)
        first = np.ones(document.shape, dtype=bool)
        first[:, 1:] = document[:, 1:] != document[:, :-1]
        group = np.cumsum(first, axis=1) - 1
        total = np.zeros(document.shape)
        np.add.at(total, (np.arange(len(query))[:, None], group), value)
        held = np.take_along_axis(total, group, axis=1)
        held[~first | (document < 0)] = -np.inf
        # Sums are rounded to float32 so that the order in which sources were added breaks no tie.
        held32 = held.astype(np.float32)
        best = np.lexsort((document, -held32), axis=1)[:, :k]
        scores = np.take_along_axis(held32, best, axis=1)
        rows = np.where(np.isneginf(scores), -1, np.take_along_axis(document, best, axis=1))
        lack = k - rows.shape[1]
        if lack > 0:
            scores = np.pad(scores, ((0, 0), (0, lack)), constant_values=-np.inf)
            rows = np.pad(rows, ((0, 0), (0, lack)), constant_values=-1)
        return scores, rows

    def score(self, query: Rows, document: Rows) -> Scores:
        """Score pairs by their ranks in the sources' lists; a pair that no list holds scores 0."""
        who, place = np.unique(query, return_inverse=True)
        out = np.zeros(len(query))
        for _, rows in self._search(who):
            for start in range(0, len(query), _PAIRS):
                part = slice(start, start + _PAIRS)
                hit = rows[place[part]] == document[part, None]
                out[part] += np.where(hit.any(axis=1), 1.0 / (self.constant + hit.argmax(axis=1) + 1), 0.0)
        return out.astype(np.float32)

    def _search(self, query: Rows) -> list[tuple[Scores, Rows]]:
        """Search each source once for a block of queries, whose pairs are scored next."""
        key = query.tobytes()
        if self._lists[0] != key:
            depth = min(self.depth, self.n_documents)
            self._lists = (key, [source.search(query, depth) for source in self.sources])
        return self._lists[1]


def ann_recall(source: Dense, k: int = 100, *, n: int = 200, random_state: int = 0) -> Estimate:
    """Measure which share of the exact k best an approximate index finds, on random queries.

    Parameters
    ----------
    source : Dense
        With an `index`.
    k : int, default=100
    n : int, default=200
        Queries tried.
    random_state : int, default=0

    Returns
    -------
    Estimate
        Mean over queries, with a bootstrap interval; where every list is whole, with Wilson's for that share.
    """
    if source.index is None:
        return Estimate(1.0, 1.0, 1.0, 0.95, "exact search", n)
    rng = np.random.default_rng(random_state)
    query = np.sort(rng.permutation(source.n_queries)[:n])
    k = min(k, source.n_documents)
    found = source.search(query, k)[1]
    exact = Dense(source.queries, source.documents, metric=source.metric, memory=source.memory).search(query, k)[1]
    both = np.concatenate([exact, np.where(found < 0, -2, found)], axis=1)
    both.sort(axis=1)
    share = (both[:, 1:] == both[:, :-1]).sum(axis=1) / k
    if len(share) < 2:
        return Estimate(float(share[0]), 0.0, 1.0, 0.95, "one query", 1)
    if share.min() == 1.0:  # the mean recall is at least the share of queries whose list is whole
        return wilson(len(share), len(share))
    return bootstrap(np.mean, share, random_state=random_state)
