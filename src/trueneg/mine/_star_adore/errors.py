"""What random and hard negatives each keep down: errors of pairs over the whole collection, and those at the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueneg.mine._mining.positives import Positives
from trueneg.mine._star_adore.search import Search

__all__ = ["PairErrors", "pair_errors"]

_WORST = 0.01


@dataclass(frozen=True)
class PairErrors:
    """Errors of pairs (relevant, not relevant), means over queries.

    Attributes
    ----------
    total : float
        Documents that are not relevant and rank above a relevant one, summed over a query's relevant ones: what
        training on random negatives keeps down. A few hopeless queries own most of it.
    top : float
        The same with each relevant document's errors cut at `topk`: what training on hard negatives keeps down.
    worst : float
        Share of all errors that the worst 1 % of the queries own (one query at least); NaN where there is no error.
    mrr : float
        MRR@10.
    topk : int
    """

    total: float
    top: float
    worst: float
    mrr: float
    topk: int

    def __str__(self) -> str:
        return (
            f"MRR@10 {self.mrr:.3f}, {self.total:.1f} errors a query ({self.top:.1f} with each positive's cut at "
            f"{self.topk}; the worst 1 % of the queries own {self.worst:.0%})"
        )


def pair_errors(
    search: Search, positives: Positives, query: NDArray[np.int64], embeddings: NDArray[np.float32], topk: int
) -> PairErrors:
    """Count the errors of some queries, by the exact rank of each of their positives.

    Parameters
    ----------
    search : Search
        Of the documents.
    positives : Positives
    query : int array of shape (b,)
    embeddings : array of shape (b, d)
        Of these queries.
    topk : int
    """
    place, document = positives.pairs(query)
    column = np.arange(len(place)) - np.searchsorted(place, place)
    ids = np.full((len(query), int(column.max()) + 1), -1, dtype=np.int64)
    ids[place, column] = document
    rank = search.ranks(embeddings, ids)
    rank = np.sort(np.where(rank > 0, rank, np.iinfo(np.int64).max), axis=1)
    there = rank < np.iinfo(np.int64).max
    above = np.where(there, rank - 1 - np.arange(rank.shape[1]), 0)
    each = above.sum(axis=1)
    worst = np.sort(each)[::-1][: max(1, round(_WORST * len(each)))]
    return PairErrors(
        float(each.mean()),
        float(np.minimum(above, topk).sum(axis=1).mean()),
        float(worst.sum() / each.sum()) if each.sum() else float("nan"),
        float(np.where(rank[:, 0] <= 10, 1.0 / rank[:, 0], 0.0).mean()),
        topk,
    )
