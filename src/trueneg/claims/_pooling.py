"""The retrieval experiment behind the claims on pooling bias: one linear ranker, several samplers, hidden labels.

Positives and negatives of a list both come from the sampler's first 100, so that a positive is not easier to tell by a
*low* score; rankers are judged by nDCG@10 over the full judgments, on queries that they did not learn from.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._collections import hidden, minilm, ndcg, read
from trueneg.clean import PoolingBiasCorrector
from trueneg.clean._pooling_bias.lists import Lists, fit_linear
from trueneg.data.retrieval import Collection
from trueneg.mine import Bm25, Positives

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
How = Literal["pool", "random"]
Arm = tuple[str, str, str]  # sampler, form of the loss, what is done to the labels or features

SAMPLERS = ("lsa64", "tfidf", "bm25", "minilm")
_DEPTH, _POOLED, _FOLDS, _L2 = 100, 200, 5, 1e-3


class Design:
    """A collection with nearly complete judgments, scored by five retrievers.

    Attributes
    ----------
    relevant : (n, N) bool
    score, rank : dict of str to (n, N)
        By retriever.
    features : (n, N, 6)
        What the ranker reads: z-scores a query of the five scores, over the documents that are reranked, and MiniLM's
        cosine.
    selection : (n, N, 2)
        What the selection model reads: log rank and z-score of BM25, whose lists were judged.
    reranked : (n, N) bool
        The first 200 of MiniLM, BM25 and LSA-64.
    """

    def __init__(self, name: str, *, full: bool) -> None:
        data = read(name)
        every = Positives.of(data.qrels, len(data.queries), len(data.documents))
        use = np.flatnonzero(every.count >= 3)
        self.n, self.size = len(use), len(data.documents)
        self.relevant = np.zeros((self.n, self.size), dtype=bool)
        for row, q in enumerate(use.tolist()):
            self.relevant[row, every.document[every.start[q] : every.start[q + 1]]] = True
        self.score = _scores(data, use, minilm(data, full=full))
        self.rank = {name: _ranks(value) for name, value in self.score.items()}
        self.reranked = np.any([self.rank[k] <= _POOLED for k in ("minilm", "bm25", "lsa64")], axis=0)
        standard = {name: self._standard(value) for name, value in self.score.items()}
        order = ("minilm", "lsa256", "lsa64", "bm25", "tfidf")
        self.features = np.stack([*(standard[k] for k in order), self.score["minilm"]], axis=-1)
        self.selection = np.stack([np.log1p(self.rank["bm25"]), standard["bm25"]], axis=-1)

    def _standard(self, score: Floats) -> Floats:
        count = self.reranked.sum(axis=1, keepdims=True)
        mean = np.where(self.reranked, score, 0).sum(axis=1, keepdims=True) / count
        square = np.where(self.reranked, (score - mean) ** 2, 0).sum(axis=1, keepdims=True) / count
        out: Floats = (score - mean) / np.sqrt(square + 1e-18)
        return out

    def labels(self, share: float, how: How, rng: np.random.Generator) -> Mask:
        """Keep a share of the relevant pairs: at random, or as a soft pool of BM25's ranks; one a query at least."""
        query, document = np.nonzero(self.relevant)
        rank = self.rank["bm25"][query, document] if how == "pool" else None
        keep = hidden(query, self.n, share, rng, rank)
        out = np.zeros_like(self.relevant)
        out[query[keep], document[keep]] = True
        return out

    def ndcg(self, score: Floats, rows: NDArray[np.int64] | None = None) -> Floats:
        """Return nDCG@10 of each query over the documents that are reranked."""
        at = np.arange(self.n) if rows is None else rows
        return ndcg(np.where(self.reranked[at], score, -np.inf), self.relevant[at])

    def run(self, labels: Mask, arms: list[Arm], seed: int, *, depth: int = _DEPTH) -> dict[Arm, Floats]:
        """Train each arm on four fifths of the queries, in turns, and return nDCG@10 of every query."""
        rng = np.random.default_rng([seed, 1])
        order = rng.permutation(self.n)
        out = {arm: np.zeros(self.n) for arm in arms}
        for fold in range(_FOLDS):
            test = order[fold::_FOLDS]
            train = np.setdiff1d(order, test)
            for arm in arms:
                weights = self._train(labels, train, arm, depth, np.random.default_rng([seed, fold]))
                out[arm][test] = self.ndcg(self.features[test] @ weights, test)
        return out

    def _train(self, labels: Mask, train: Any, arm: Arm, depth: int, rng: np.random.Generator) -> Floats:
        """Return the weights of the linear ranker of an arm."""
        sampler, form, change = arm
        positive = (self.relevant if change in ("full", "anywhere, full") else labels)[train]
        listed = self._listed(sampler, train, positive, change, depth, rng)
        query, document = np.nonzero(listed)
        x, z = self.features[train[query], document], self.selection[train[query], document]
        if change == "permuted":
            z = z[np.lexsort((rng.random(len(query)), query))]
        y = positive[query, document]
        if form in ("softmax", "pairs"):
            return _plain(query, y, x, pairwise=form == "pairs")
        how = {"sum": {"loss": "listwise", "clip": 1.0}, "cet": {"loss": "listwise"}, "cet pairs": {}}[form]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a likelihood that does not settle: not used here
            model = PoolingBiasCorrector(**how, shared="allow", unpooled="allow", l2=_L2)  # type: ignore[arg-type]
            model.fit(query, document, x, z, np.where(y, 1, -1))
        return model.score_coef_

    def _listed(self, sampler: str, train: Any, positive: Mask, change: str, depth: int, rng: Any) -> Mask:
        """Return which documents the list of each training query holds."""
        if sampler == "random":
            chance = np.argsort(np.argsort(rng.random((len(train), self.size)), axis=1), axis=1)
            return positive & self.reranked[train] | (chance < depth)
        listed = self.rank[sampler][train] <= depth
        if change.startswith("anywhere"):
            return listed | positive
        if change == "oracle":
            return listed & (positive | ~self.relevant[train])
        if change == "percent":
            score = self.score[sampler][train]
            best = np.where(positive, score, np.inf).min(axis=1, keepdims=True)
            return listed & (positive | (score <= best - 0.05 * np.abs(best)))
        return listed


def _plain(query: Any, positive: Mask, x: Floats, *, pairwise: bool) -> Floats:
    """Fit the plain losses: softmax, every query once however many positives it has; or pairs, unweighted."""
    lists = Lists.of(query, positive)
    own = x[lists.pair]
    scale = own.std(axis=0)
    one = lists.positive.astype(np.float64)
    weight = 1 - one if pairwise else one / lists.sums(one)[lists.query]
    start = np.zeros(x.shape[1])
    return fit_linear(lists, (own - own.mean(axis=0)) / scale, weight, start, pairwise=pairwise, l2=_L2) / scale


def _scores(data: Collection, use: Any, vectors: tuple[Any, Any]) -> dict[str, Floats]:
    """Score every pair by MiniLM, BM25, tf-idf and two truncations of its latent dimensions."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [data.queries[q] for q in use.tolist()]
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2)
    documents = words.fit_transform(data.documents)
    queries = words.transform(texts)
    reduce = TruncatedSVD(256, n_iter=4, random_state=0)
    near, far = reduce.fit_transform(documents), reduce.transform(queries)
    n, size = len(texts), len(data.documents)
    bm25 = Bm25(texts, data.documents).score(np.repeat(np.arange(n), size), np.tile(np.arange(size), n))
    return {
        "minilm": _cosine(np.asarray(vectors[0])[use], vectors[1]),
        "bm25": bm25.reshape(n, size).astype(np.float64),
        "tfidf": (queries @ documents.T).toarray(),
        "lsa256": _cosine(far, near),
        "lsa64": _cosine(far[:, :64], near[:, :64]),
    }


def _cosine(a: Any, b: Any) -> Floats:
    a, b = (np.asarray(v, dtype=np.float64) for v in (a, b))
    out: Floats = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (
        b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
    ).T
    return out


def _ranks(score: Floats) -> NDArray[np.int64]:
    order = np.argsort(-score, axis=1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.broadcast_to(np.arange(1, score.shape[1] + 1), score.shape), axis=1)
    return out


@lru_cache(maxsize=2)
def design(name: str, *, full: bool) -> Design:
    """Return a collection, read and scored once."""
    return Design(name, full=full)
