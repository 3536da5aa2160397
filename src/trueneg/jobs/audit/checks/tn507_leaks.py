"""Queries of the test split that are in the training split too.

A query that a model was trained on tells nothing of queries that it has not seen. The same query (by its id, or by
nine tenths of its words) in two splits is a leak; worse where its positive is the same too, which a model need only
remember. ``train`` is the side that should give way where it is there, else the split that comes first.

Remedy: take the leaked queries out of the training side: ``trueneg repair --action eliminate --finding TN507``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import Proposal, RetrievalContext, shortened

CODE, TITLE = "TN507", "Queries of the test split in the training split"
DATA = ("retrieval",)


def run(context: RetrievalContext) -> Finding:
    """Compare every two splits."""
    names = list(context.others.files)
    if len(names) < 2:
        return Finding(
            CODE, TITLE, "not applicable", "there is one split; qrels/train.tsv and qrels/test.tsv would be two"
        )
    data = context.others
    table: dict[str, Any] = {}
    leaked: set[tuple[int, int]] = set()
    both = 0
    for a, b in _pairs(names):
        shared = _shared(context, a, b)
        if len(shared):
            same = _same_positive(context, a, b)
            table[f"{names[b]} in {names[a]}"] = {
                "queries": len(shared),
                "of": len(np.unique(data.query[data.split == b])),
                "with the same positive": same,
            }
            leaked |= {(b, int(q)) for q in shared}
            both += same
    if not leaked:
        return Finding(CODE, TITLE, "passed", f"no query is in two of {', '.join(names)}")
    sides = sorted({b for b, _ in leaked})
    held = sum(len(np.unique(data.query[data.split == b])) for b in sides)
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{len(leaked):,} of {held:,} queries of {', '.join(names[b] for b in sides)} are in another split too, "
        f"{both:,} of them with the same positive",
        severity="high" if len(leaked) > 0.01 * held else "medium",
        estimate=wilson(len(leaked), held),
        unit="of the queries held out",
        affected=len(leaked),
        remedy="take these queries out of the training side; figures on them are of no use",
        details={
            "by two splits": table,
            "first queries": [f"{data.query_ids[q]}: {shortened(data.queries[q])}" for _, q in sorted(leaked)[:12]],
        },
    )


def _pairs(names: list[str]) -> list[tuple[int, int]]:
    """Number pairs of splits, the one to learn from first."""
    order = sorted(range(len(names)), key=lambda i: (names[i] != "train", i))
    return [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]


def _shared(context: RetrievalContext, a: int, b: int) -> np.ndarray:
    """Queries of split b whose words are those of a query of split a."""
    data, of = context.others, context.query_groups
    mine, theirs = (np.unique(data.query[data.split == s]) for s in (a, b))
    return np.asarray(theirs[np.isin(of[theirs], of[mine])])


def _same_positive(context: RetrievalContext, a: int, b: int) -> int:
    data, of = context.others, context.query_groups
    keys = of[data.query] * len(data.documents) + data.document
    good = data.grade >= context.positive_from
    known = np.unique(keys[good & (data.split == a)])
    hit = good & (data.split == b) & np.isin(keys, known)
    return len(np.unique(data.query[hit]))


def proposals(context: RetrievalContext) -> list[Proposal]:
    """Return the judgments of the training side whose query is in another split, to be taken out."""
    data, whole, out = context.data, context.others, []
    names, mine = list(whole.files), list(data.files)
    for a, b in _pairs(names):
        if names[a] not in mine:
            continue
        s = mine.index(names[a])
        bad = _shared(context, b, a)
        for i in np.flatnonzero((data.split == s) & np.isin(data.query, bad)).tolist():
            why = f"its query is in {names[b]} too"
            q, d = int(data.query[i]), int(data.document[i])
            out.append(Proposal(CODE, q, d, f"{data.grade[i]:g}", None, why, s))
    first = {(one.query, one.document, one.split): one for one in reversed(out)}
    return list(first.values())[::-1]
