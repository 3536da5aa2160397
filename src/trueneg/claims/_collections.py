"""What the claims about retrieval share: two collections, their vectors, labels that a pool hides, and nDCG@10."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import ClaimNotRun
from trueneg.data import registry
from trueneg.data.retrieval import Collection, read_cranfield, read_vaswani

_READ = {"vaswani": read_vaswani, "cranfield": read_cranfield}
_GAIN = 1 / np.log2(np.arange(2, 12))
Floats = NDArray[np.float64]


def read(name: str) -> Collection:
    """Read a collection whose judgments are nearly complete."""
    return _READ[name](registry.folder(name))


def minilm(data: Collection, *, full: bool) -> tuple[Any, Any]:
    """Return MiniLM's vectors of queries and documents from the cache; make them only in the long form."""
    from trueneg.encoders.cache import vector_cache
    from trueneg.encoders.text import text_encoder

    encoder = text_encoder("minilm", folder=vector_cache())
    there = all((encoder.folder / f"{encoder.key(texts)}.npy").exists() for texts in (data.queries, data.documents))
    if not there and not full:
        msg = (
            "MiniLM's vectors of the collection are not in the cache: run the claim once with --full "
            "(five minutes on one core); from then on it takes seconds"
        )
        raise ClaimNotRun(msg)
    return encoder.encode(data.queries), encoder.encode(data.documents)


def latent(data: Collection, d: int) -> tuple[Any, Any]:
    """Return latent dimensions of tf-idf, of queries and documents: a weak encoder, ready in seconds."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2)
    counts = words.fit_transform(data.documents)
    reduce = TruncatedSVD(d, n_iter=3, random_state=0)
    documents = reduce.fit_transform(counts)
    return reduce.transform(words.transform(data.queries)), documents


def unit(rows: Any) -> NDArray[np.float32]:
    """Return the rows at length 1."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def hidden(query: NDArray[np.int64], n: int, share: float, rng: np.random.Generator, rank: ArrayLike | None) -> Any:
    """Draw which relevant pairs keep their label, shape (n_pairs,): a share of them, one a query at least.

    Parameters
    ----------
    query : (n_pairs,) int64
        Of 0 to n - 1, each there.
    n : int
    share : float
    rng : Generator
    rank : (n_pairs,) int or None
        Ranks from 1 in the list that was judged: the further down, the fewer (a soft pool). None draws at random.
    """
    chance = np.full(len(query), share)
    if rank is not None:
        low, high = -10.0, 20.0
        for _ in range(40):
            middle = (low + high) / 2
            chance = 1 / (1 + np.exp(-(middle - 1.2 * np.log1p(rank))))
            low, high = (middle, high) if chance.mean() < share else (low, middle)
    keep = rng.random(len(query)) < chance
    order = np.lexsort((rng.random(len(query)), query))
    keep[order[np.searchsorted(query[order], np.arange(n))]] = True
    return keep


def ndcg(score: Any, relevant: NDArray[np.bool_]) -> Floats:
    """Return nDCG@10 of each row; every row has a relevant document."""
    first = np.argpartition(-score, 10, axis=1)[:, :10]
    order = np.argsort(-np.take_along_axis(score, first, axis=1), axis=1, kind="stable")
    hit = np.take_along_axis(relevant, np.take_along_axis(first, order, axis=1), axis=1)
    best = np.cumsum(_GAIN)[np.minimum(relevant.sum(axis=1), 10) - 1]
    out: Floats = hit @ _GAIN / best
    return out
