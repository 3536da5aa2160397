"""Documents that are probably relevant and are not labelled so.

Whatever is not labelled is taken for not relevant: in training as a negative, in evaluation as an error. The first ten
documents of two independent retrievers are looked at; where *both* rank a document there that no judgment calls
relevant, it is a suspect. Measured with hidden labels, an independent second retriever is the one rule that halves the
false negatives at equal hardness, and margins around a labelled positive are no better than chance (claim
``second-opinion``). Pairs that somebody has judged not relevant come last in the list.

How many of them are relevant **cannot be told from the labels**: every estimate that was tried missed the truth (claim
``fn-review``), so the word is *unknown*. ``trueneg review`` draws pairs at random, more of those at the top; answer
*accept* where the document is relevant, *reject* where it is not. The next audit then gives the share of the suspects
that are relevant, the number among all first tens, and the precision of each retriever's first ten as it then is, each
with its interval. The order of the list is an order and no probability.

Remedy after a review: ``trueneg repair --action reannotate`` writes the judgments again with the accepted pairs in
them. Before it, do not train on the suspects as negatives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trueneg.core.intervals import Estimate
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import TOP, RetrievalContext
from trueneg.jobs.audit.reviewed import Reviewed

CODE, TITLE = "TN502", "Relevant documents that are not labelled"
DATA = ("retrieval",)
_HIGH, _MEDIUM = 0.1, 0.02


def run(context: RetrievalContext) -> Finding:
    """List the suspects; with a review tell how many are relevant."""
    why = context.why_not(2)
    if why is not None:
        return Finding(CODE, TITLE, "skipped" if context.quick else "not applicable", why)
    doubt = context.doubt
    n, m = len(doubt.query), doubt.listed
    names = " and ".join(one.name for one in context.lists)
    if not n:
        return Finding(CODE, TITLE, "passed", f"every document among the first ten of {names} is labelled relevant")
    known = int((doubt.given[doubt.agreed] == 1).sum())
    details: dict[str, Any] = {
        "pairs among the first ten that are not labelled relevant": n,
        "both retrievers agree on": m,
        "of these judged not relevant": known,
        "retrievers": names,
        "first pairs": [_pair(context, i) for i in doubt.order[: min(m, 12)].tolist()],
    }
    if context.review is not None:
        return _reviewed(context, context.review, details)
    if not m:
        return Finding(
            CODE, TITLE, "passed", f"{names} agree on no document that is not labelled relevant", details=details
        )
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{names} agree on {m:,} documents among their first ten that are not labelled relevant"
        + (f" ({known:,} of them judged not relevant)" if known else "")
        + "; how many are relevant is unknown before a review: the labels alone cannot tell",
        severity="medium",
        affected=m,
        remedy="judge a random sample; do not train on these as negatives until then",
        rows=doubt.order[:m].tolist(),
        details=details,
    )


def _reviewed(context: RetrievalContext, review: Reviewed, details: dict[str, Any]) -> Finding:
    """Tell precision and total, from the sample alone: the order of the list is no probability."""
    doubt = context.doubt
    n = len(doubt.query)
    result = review.answered.result(suspects=doubt.agreed)
    total, precision = result.model_free, result.precision
    share = Estimate(total.value / n, total.low / n, total.high / n, total.level, total.method, total.n)
    open_ = context.said == -2
    left = doubt.order[(doubt.agreed & open_)[doubt.order]]
    rows = [*np.flatnonzero(context.said == 1).tolist(), *left.tolist()]
    details |= {
        "share of the pairs that both agree on which is relevant": str(precision),
        "relevant among all of these pairs": str(replace(total, method="")),
        "precision of the first ten": _corrected(context, review),
        "judged": f"{review.n_answered:,}, {review.n_wrong:,} of them relevant",
        **review.agreement_words(),
    }
    found = total.low >= 1
    return Finding(
        CODE,
        TITLE,
        "finding" if found else "passed",
        f"about {total.value:,.0f} of {n:,} pairs among the first {TOP} that are not labelled relevant are so, between "
        f"{total.low:,.0f} and {total.high:,.0f}; of those on which both retrievers agree, {precision}",
        severity=("high" if share.value >= _HIGH else "medium" if share.value >= _MEDIUM else "low")
        if found
        else "none",
        estimate=share,
        unit="of the unlabelled first tens relevant",
        affected=round(total.value),
        remedy="write the accepted pairs into the judgments; keep the suspects out of the negatives of a training set",
        rows=rows,
        details=details,
    )


def _corrected(context: RetrievalContext, review: Reviewed) -> dict[str, Any]:
    """Share of the first ten that is relevant, as labelled and by the answers, for each retriever.

    The first ten hold the labelled ones, which are known, and doubted pairs, of which the sample tells a share.
    """
    doubt, out = context.doubt, {}
    for k, one in enumerate(context.lists):
        top = one.document[:, :TOP]
        size = int((top >= 0).sum())
        mine = doubt.rank[:, k] <= TOP
        share = review.answered.result(suspects=mine).precision
        known, left = (size - int(mine.sum())) / size, int(mine.sum()) / size
        ends = (known + left * share.value, known + left * share.low, known + left * share.high)
        told = "no pair of its first ten was judged" if share.n == 0 else str(Estimate(*ends, share.level, "", share.n))
        out[one.name] = {"as labelled": f"{known:.3f}", "by the answers": told}
    return out


def _pair(context: RetrievalContext, i: int) -> dict[str, Any]:
    doubt = context.doubt
    ranks = {f"rank of {one.name}": int(doubt.rank[i, k]) for k, one in enumerate(context.lists)}
    return context.name(int(doubt.query[i]), int(doubt.document[i])) | ranks
