"""How many of the first ten documents of a query nobody has judged.

A measure takes an unjudged document for one that is not relevant. Where a retriever's first ten are mostly unjudged,
its nDCG says how well it finds what *others* found before it, and a better retriever can look worse. The share of
unjudged documents among the first ten is told for BM25 and for a second retriever, with an interval over queries, and
three nDCG@10 beside it: as usual, with unjudged documents taken out of the first ten, and with them taken out before
ranks are counted (condensed lists; Sakai, 2007, "Alternatives to Bpref"). Where the three lie far apart, the judgments
decide the figure.

The second retriever is latent semantic analysis of these documents, ready in seconds. ``--encoder minilm`` or
``--embeddings QUERIES.npy DOCUMENTS.npy`` asks a better one.

Remedy: judge a random sample of these pairs (``trueneg review``), say how much of a top is judged beside every figure,
and compare systems by condensed lists where it is little.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.core.intervals import Estimate, bootstrap
from trueneg.core.ranked import Measure, Ranked, rank
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import TOP, Lists, RetrievalContext

CODE, TITLE = "TN501", "Unjudged documents at the top"
DATA = ("retrieval",)
_MEDIUM, _LOW = 0.3, 0.05
_WAYS = {"negative": "as usual", "judged-only": "judged ones of the first ten", "condensed": "condensed lists"}


def run(context: RetrievalContext) -> Finding:
    """Report the share of unjudged documents among the first ten, and what it does to nDCG@10."""
    why = context.why_not(1)
    if why is not None:
        return Finding(CODE, TITLE, "not applicable", why)
    shares: dict[str, Estimate] = {}
    table: dict[str, Any] = {}
    for one in context.lists:
        share, ranked = _share(context, one), _ranked(context, one)
        shares[one.name] = _mean(share)
        figures = {told: str(_mean(ranked.values(Measure("nDCG", TOP), unjudged=how))) for how, told in _WAYS.items()}  # type: ignore[arg-type]
        table[one.name] = {
            "unjudged of the first ten": str(shares[one.name]),
            **{f"nDCG@10, {k}": v for k, v in figures.items()},
        }
    name = max(shares, key=lambda key: shares[key].value)
    worst = shares[name]
    doubt = context.doubt
    free = int((doubt.given == 0).sum())
    found = worst.value > _LOW
    return Finding(
        CODE,
        TITLE,
        "finding" if found else "passed",
        f"a share of {worst} of {name}'s first ten documents is unjudged, and a measure takes them for not relevant"
        + (f"; {free:,} unjudged pairs lie among the first ten in all" if found else ""),
        severity=("medium" if worst.value > _MEDIUM else "low") if found else "none",
        estimate=worst,
        unit=f"of {name}'s first ten unjudged",
        affected=free,
        remedy="judge a random sample of them; until then tell nDCG@10 of condensed lists beside the usual one"
        if found
        else "",
        rows=doubt.order[(doubt.given == 0)[doubt.order]].tolist(),
        details={
            "by retriever": table,
            "queries with no judged document among the first ten": _blind(context),
            "queries asked": len(context.asked),
        },
        figures=[_figure(shares)] if found and len(shares) > 1 else [],
    )


def _share(context: RetrievalContext, one: Lists) -> np.ndarray:
    """Share of the first ten that is unjudged, by query (m,)."""
    top = one.document[:, :TOP]
    grade = context.grades(np.broadcast_to(context.asked[:, None], top.shape), np.maximum(top, 0))
    listed = top >= 0
    return np.asarray((listed & np.isnan(grade)).sum(axis=1) / np.maximum(listed.sum(axis=1), 1))


def _ranked(context: RetrievalContext, one: Lists) -> Ranked:
    place = np.repeat(np.arange(len(context.asked)), one.document.shape[1])
    document, score = one.document.ravel(), -np.tile(np.arange(one.document.shape[1], dtype=float), len(context.asked))
    listed = document >= 0
    keys, grade = context.judged
    query, judged = np.divmod(keys, len(context.data.documents))
    at = np.minimum(np.searchsorted(context.asked, query), len(context.asked) - 1)
    mine = context.asked[at] == query
    return rank(
        place[listed],
        document[listed],
        score[listed],
        at[mine],
        judged[mine],
        grade[mine],
        n_queries=len(context.asked),
        positive_from=context.positive_from,
    )


def _blind(context: RetrievalContext) -> dict[str, int]:
    return {one.name: int((_share(context, one) == 1).sum()) for one in context.lists}


def _mean(values: np.ndarray) -> Estimate:
    if len(values) < 2:
        return Estimate(float(values.mean()), 0.0, 1.0, 0.95, "one query: nothing is known of others", len(values))
    return bootstrap(np.mean, values, n_boot=500, random_state=0)


def _figure(shares: dict[str, Estimate]) -> dict[str, Any]:
    from trueneg.report.figures import forest

    ends = list(shares.values())
    return forest(
        list(shares),
        [e.value for e in ends],
        [e.low for e in ends],
        [e.high for e in ends],
        title="Unjudged documents among the first ten",
        id="tn501-unjudged",
        caption="Share of the first ten documents of a query that nobody has judged; interval over queries.",
        label="retriever",
        value="share unjudged",
    )
