"""Whether the second opinion is independent: of the candidates, and of what was judged."""

from __future__ import annotations

import numpy as np

from trueneg.jobs.audit.checks.tn503_pooling import DEEP, alone
from trueneg.mine import Bm25, Positives
from trueneg.mine.mining import Source

__all__ = ["used_up"]

_QUERIES = 500  # asked at most: enough for the interval, and seconds at a million documents


def used_up(positives: Positives, candidates: Source, second: Source | None, *, random_state: int = 0) -> str:
    """Say that BM25's opinion is used up, where the labels look as if they came from its list.

    Parameters
    ----------
    positives : Positives
        What is labelled.
    candidates : Source
        Its lists are compared with BM25's.
    second : Source or None
        Who gives the second opinion.
    random_state : int
        Of the queries that are asked, where there are more than 500.

    Returns
    -------
    str
        A warning, or nothing: where another retriever gives the opinion, or there is no sign of a pool. See TN503 for
        what it can and cannot see.
    """
    if not isinstance(second, Bm25) or candidates.n_documents < DEEP:
        return ""
    n = candidates.n_queries
    query = np.sort(np.random.default_rng(random_state).permutation(n)[:_QUERIES])
    lists = [source.search(query, DEEP) for source in (second, candidates)]
    if lists[1][1].shape[1] < DEEP:  # what lies deeper was not searched
        return ""
    place, document = positives.pairs(query)
    ranks = []
    for (score, rows), least in zip(lists, (0.0, -np.inf), strict=True):  # BM25 has found nothing at a score of 0
        hit = (rows[place] == document[:, None]) & (score[place] > least)
        ranks.append(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, DEEP + 1))
    found = alone(place, ranks[0], ranks[1], random_state=random_state)
    if found is None or not found.pooled:
        return ""
    return (
        f"warning: the labels look as if BM25 had chosen them (of {found.n:,} positives that it or {candidates.name} "
        f"lists alone it lists {found.share}, growing with depth: TN503), and its second opinion is then worth little; "
        "better take candidates from BM25 (--from bm25) and the opinion of --embeddings, or --rule none, and review"
    )
