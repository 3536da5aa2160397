"""Whether the labelled documents were found by BM25 and by nothing else.

Judgments often come from a pool: people judged what some retriever showed them. A document that it did not show is
then unlabelled however relevant it is, a retriever of another kind looks worse than it is, and that retriever's
opinion is used up: as second opinion against false negatives it has no news left (claim ``second-opinion``: no gain at
a deep pool).

Looked at are the labelled positives that only one of BM25 and a second retriever lists. Where labels were given
without regard to BM25, its share of them says how strong it is beside the other and stays the same however deep one
looks. Where BM25 made the pool, the share *grows* with depth: what lies deep in the other's list alone was never
judged. The finding needs both, a share above one half among the first 100 and a growth from the first 5 to the first
100, each with its interval over queries. After Zobel (1998, "How reliable are the results of large-scale information
retrieval experiments?"), who counted what each system alone finds. Measured with labels hidden on purpose (claim
``pooling-bias-seen``): pools of BM25 are seen, labels drawn at random are not taken for one.

It misses a pool where labels are few (3 to 5 of 10 draws seen with three labels a query, all with six), and cannot see
one where nearly all positives of a small collection are listed by both, a pool of both retrievers together, or of
neither. A pool made by the second retriever is told as a share and never as a finding: where that retriever is the
stronger one deep down, random labels look alike.

Remedy: choose negatives and second opinions by another retriever than BM25 (``trueneg mine --from bm25`` with given
embeddings as the second), and judge a sample of what the other alone lists (``trueneg review``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trueneg.core.intervals import Estimate
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import RetrievalContext

CODE, TITLE = "TN503", "Labels from a pool of BM25"
DATA = ("retrieval",)
SHALLOW, DEEP = 5, 100
LEAST, DRAWS = 20, 1000
_DEPTHS = (5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Alone:
    """Labelled positives that one of two retrievers lists alone.

    Attributes
    ----------
    share : Estimate
        Of those that either lists alone among its first 100, the share that the first does.
    growth : Estimate
        Log odds of that share, less those among the first 5.
    n : int
        Such positives among the first 100.
    pooled : bool
        Whether the first one's list was the pool: the share lies above one half and grows.
    """

    share: Estimate
    growth: Estimate
    n: int
    pooled: bool


def alone(query: np.ndarray, first: np.ndarray, second: np.ndarray, *, random_state: int = 0) -> Alone | None:
    """Compare what each of two retrievers lists alone, shallow and deep.

    Parameters
    ----------
    query : (n,) int array
        Query of each labelled positive; queries are what is resampled.
    first, second : (n,) int array
        Its ranks in the two lists, from 1; above 100 where it is not listed.
    random_state : int

    Returns
    -------
    Alone or None
        None where fewer than 20 positives are listed by one alone.
    """
    row = np.unique(query, return_inverse=True)[1]
    n = int(row.max(initial=-1)) + 1
    counts = [_counts(row, n, first, second, depth) for depth in (SHALLOW, DEEP)]
    if counts[1].sum() < LEAST or n < 2:
        return None
    draws = np.random.default_rng(random_state).multinomial(n, np.full(n, 1 / n), size=DRAWS)
    drawn = [draws @ one for one in counts]
    odds = [_odds(one) for one in drawn]
    whole = [_odds(one.sum(axis=0)[None])[0] for one in counts]
    share = drawn[1][:, 0] / np.maximum(drawn[1].sum(axis=1), 1)
    value = float(counts[1][:, 0].sum() / counts[1].sum())
    told = [
        _estimate(value, share, n),
        _estimate(float(whole[1] - whole[0]), odds[1] - odds[0], n),
    ]
    return Alone(told[0], told[1], int(counts[1].sum()), bool(told[0].low > 0.5 and told[1].low > 0))


def _counts(row: np.ndarray, n: int, first: np.ndarray, second: np.ndarray, depth: int) -> np.ndarray:
    """Positives of each query that the first, and the second, lists alone (n, 2)."""
    a, b = first <= depth, second <= depth
    return np.stack([np.bincount(row, weights=mask, minlength=n) for mask in (a & ~b, b & ~a)], axis=1)


def _odds(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.log((counts[:, 0] + 0.5) / (counts[:, 1] + 0.5)))


def _estimate(value: float, drawn: np.ndarray, n: int) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), 0.95, "percentile bootstrap of queries", n)


def run(context: RetrievalContext) -> Finding:
    """Compare the labelled positives that BM25 and the second retriever list alone."""
    why = context.why_not(2)
    if why is not None:
        return Finding(CODE, TITLE, "skipped" if context.quick else "not applicable", why)
    query, document = context.positive
    at = np.minimum(np.searchsorted(context.asked, query), len(context.asked) - 1)
    mine = context.asked[at] == query
    place, document = at[mine], document[mine]
    ranks = [one.ranks(place, document) for one in context.lists]
    name = context.lists[1].name
    found = alone(place, ranks[0], ranks[1], random_state=context.seed)
    outside = {
        one.name: f"{int((r > DEEP).sum()):,} of {len(r):,} labelled positives lie outside its first {DEEP}"
        for one, r in zip(context.lists, ranks, strict=True)
    }
    if found is None:
        return Finding(
            CODE,
            TITLE,
            "not applicable",
            f"fewer than {LEAST} labelled positives are listed by BM25 or by {name} alone: too few to tell",
            details={"outside the lists": outside},
        )
    details: dict[str, Any] = {
        "share that BM25 alone lists, among the first 100": str(found.share),
        "growth from the first 5 to the first 100 (log odds)": str(found.growth),
        "positives listed by one alone": found.n,
        "outside the lists": outside,
        "median rank of the labelled positives": _medians(context, ranks),
    }
    words = (
        f"of {found.n:,} labelled positives that BM25 or {name} lists alone among the first {DEEP}, BM25 lists "
        f"{found.share}"
    )
    if found.pooled:
        message = (
            f"{words}, and the share grows with depth (log odds {found.growth}): the labels come from BM25's list, and "
            "its opinion of what is unlabelled is used up"
        )
    elif found.share.low > 0.5:
        message = f"{words}, at every depth alike: that is its strength on these texts, not a pool"
    else:
        message = f"{words}: no sign of a pool of BM25"
    return Finding(
        CODE,
        TITLE,
        "finding" if found.pooled else "passed",
        message,
        severity="medium" if found.pooled else "none",
        estimate=found.share,
        unit="of the positives found alone are BM25's",
        affected=int((context.doubt.given == 0).sum()) if found.pooled else 0,
        remedy=(
            f"take second opinions from {name} or another encoder, not from BM25; judge a sample of what BM25 misses"
            if found.pooled
            else ""
        ),
        details=details,
        figures=[_figure(ranks, name)],
    )


def _medians(context: RetrievalContext, ranks: list[np.ndarray]) -> dict[str, str]:
    told = {}
    for one, rank in zip(context.lists, ranks, strict=True):
        middle = int(np.median(rank))
        told[one.name] = str(middle) if middle <= one.document.shape[1] else f"beyond {one.document.shape[1]}"
    return told


def _figure(ranks: list[np.ndarray], name: str) -> dict[str, Any]:
    from trueneg.report.figures import line

    shares = [[float((rank <= depth).mean()) for depth in _DEPTHS] for rank in ranks]
    return line(
        list(_DEPTHS),
        {"BM25": shares[0], name: shares[1]},
        title="Labelled positives among the first ranks",
        id="tn503-ranks",
        caption="Share of the labelled positives that each retriever has among so many first documents.",
        x_label="first ranks",
        y_label="share of labelled positives",
    )
