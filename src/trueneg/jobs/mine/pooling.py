"""The rule of a model of the pool: what it was not shown and looks relevant is taken for a false negative.

Only on request. Relevance is read from the retriever of the candidates, selection from an independent one that stands
for the system whose lists were judged; where it does not, or where the two cannot be told apart, the corrector refuses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueneg.clean import PoolingBiasCorrector
from trueneg.core.errors import InputError
from trueneg.mine import FalseNegativeProbability, Positives
from trueneg.mine.mining import Source

__all__ = ["pooling_rule"]

Rows = NDArray[np.int64]
_MAXIMUM = 0.5


def pooling_rule(source: Source, second: Source | None, positives: Positives, depth: int) -> FalseNegativeProbability:
    """Fit the corrector on the lists of all queries, and return the filter that asks it.

    Parameters
    ----------
    source : Source
        Of the candidates; its score and rank tell relevance.
    second : Source or None
        Stands for the system whose lists were judged; its score and rank, within each list, tell selection.
    positives : Positives
        What was labelled, and what was judged not relevant.
    depth : int
        Length of the lists.

    Raises
    ------
    InputError
        Without a second retriever, and where the corrector's guards refuse.
    """
    if second is None:
        raise InputError(
            "--rule pooling-bias needs a retriever beside that of the candidates, to stand for the one whose lists "
            "were judged: take candidates from embeddings or a run, with pip install 'trueneg[retrieval]'"
        )
    score, document = source.search(np.arange(source.n_queries), min(depth, source.n_documents))
    there = document >= 0
    query, place = np.nonzero(there)
    rows = document[there]
    other = np.full(score.shape, -np.inf)
    other[there] = second.score(query, rows)
    relevance = np.stack([_standard(score, there)[there], np.log1p(place)], axis=1)
    selection = np.stack([_standard(other, there)[there], np.log1p(_ranks(other)[there])], axis=1)
    label = np.where(positives.known(query, rows), 1, np.where(positives.judged(query, rows), 0, -1))
    try:
        model = PoolingBiasCorrector(loss="em").fit(query, rows, relevance, selection, label)
    except InputError as error:
        msg = f"--rule pooling-bias: {error}"
        raise InputError(msg) from error
    keys = query * source.n_documents + rows
    order = np.argsort(keys, kind="stable")
    keys, chance = keys[order], model.false_negative_proba_[order]

    def probability(query: Rows, document: Rows) -> NDArray[np.float64]:
        at = np.minimum(np.searchsorted(keys, query * source.n_documents + document), len(keys) - 1)
        out: NDArray[np.float64] = chance[at]
        return out

    return FalseNegativeProbability(probability, maximum=_MAXIMUM)


def _standard(score: NDArray, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return z-scores within each list."""
    n = np.maximum(there.sum(axis=1, keepdims=True), 1)
    value = np.where(there, score, 0.0).astype(np.float64)
    value -= value.sum(axis=1, keepdims=True) / n
    square = np.where(there, value, 0.0) ** 2
    out: NDArray[np.float64] = value / np.sqrt(square.sum(axis=1, keepdims=True) / n + 1e-18)
    return out


def _ranks(score: NDArray) -> Rows:
    """Return the rank of each entry of a list, from 0; ties in the order of the list."""
    order = np.argsort(-score, axis=1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.broadcast_to(np.arange(score.shape[1]), score.shape), axis=1)
    return out
