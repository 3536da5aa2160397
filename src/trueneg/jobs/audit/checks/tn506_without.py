"""Queries that have judgments and no positive.

Recall, nDCG and MRR of such a query are 0 whatever a retriever does, and no training pair can be made of it. Most
tools drop it silently, so that two of them report means over different queries. Queries that no judgment names are
told as well.

Remedy: find a positive, or leave these queries out of the judgments: ``trueneg repair --action eliminate --finding
TN506``; or lower ``--positive-from`` where grades below it answer the query.
"""

from __future__ import annotations

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import Proposal, RetrievalContext

CODE, TITLE = "TN506", "Queries without a positive"
DATA = ("retrieval",)


def run(context: RetrievalContext) -> Finding:
    """Report judged queries without a positive, split by split."""
    found, data = without(context), context.data
    judged = len(np.unique(data.query))
    unnamed = len(data.queries) - len(np.unique(context.others.query))
    more = f"; {unnamed:,} queries are named by no judgment" if unnamed else ""
    n = len({q for _, q in found})
    if not n:
        return Finding(CODE, TITLE, "passed", f"all of {judged:,} judged queries have a positive{more}")
    names = list(data.files)
    by = {name: sum(names[s] == name for s, _ in found) for name in names}
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{n:,} of {judged:,} judged queries have no positive (grade {context.positive_from:g} or more){more}",
        severity="medium" if n > 0.05 * judged else "low",
        estimate=wilson(n, judged),
        unit="of the judged queries",
        affected=n,
        remedy="find a positive, leave them out, or lower --positive-from where lower grades answer the query",
        details={"by split": by, "first queries": [str(data.query_ids[q]) for _, q in found[:20]]},
    )


def without(context: RetrievalContext) -> list[tuple[int, int]]:
    """Return split and query where a split judges a query and calls nothing relevant."""
    data = context.data
    keys = data.split * len(data.queries) + data.query
    every = np.unique(keys)
    some = np.unique(keys[data.grade >= context.positive_from])
    split, query = np.divmod(np.setdiff1d(every, some), len(data.queries))
    return list(zip(split.tolist(), query.tolist(), strict=True))


def proposals(context: RetrievalContext) -> list[Proposal]:
    """Return the judgments of these queries, to be taken out."""
    data, out = context.data, []
    keys = data.split * len(data.queries) + data.query
    bad = np.array([s * len(data.queries) + q for s, q in without(context)], dtype=np.int64)
    for i in np.flatnonzero(np.isin(keys, bad)).tolist():
        why = f"its query has no positive in {list(data.files)[data.split[i]]}"
        q, d = int(data.query[i]), int(data.document[i])
        out.append(Proposal(CODE, q, d, f"{data.grade[i]:g}", None, why, int(data.split[i])))
    return out
