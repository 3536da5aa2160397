"""Documents that are copies of each other, one labelled and the other not.

Where two documents hold the same text and one is relevant, the other is too. A retriever that puts the unlabelled copy
first is punished, and a miner takes it for a hard negative. Copies of one text that are judged differently are listed
as well. Exact copies (but for case and white space) are looked for among all documents, near copies (nine tenths of
the words in common; Broder, 1997, "On the resemblance and containment of documents") among those that are judged or
stand at a top.

Remedy: give both the same judgment: ``trueneg repair --action reannotate --finding TN504`` writes the judgments with
it.
"""

from __future__ import annotations

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import Proposal, RetrievalContext

CODE, TITLE = "TN504", "Copies of a document, one labelled and the other not"
DATA = ("retrieval",)
MOST = 10_000


def run(context: RetrievalContext) -> Finding:
    """Find pairs whose document is a copy of a labelled positive of the same query."""
    found, queries = proposals(context), context.positive[0]
    rows, group, near = context.copies
    how = "equal or nearly equal" if near else "equal"
    copies = len(rows) - len(np.unique(group))
    if not found:
        told = f"{copies:,} documents are {how} to another one" if copies else f"no two documents are {how}"
        return Finding(CODE, TITLE, "passed", f"{told}, and none of them is a positive whose copy is not")
    clash = sum(one.given != "unjudged" for one in found)
    touched = len({one.query for one in found})
    asked = len(np.unique(queries))
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{len(found):,} documents are {how} to a labelled positive of the same query and are not labelled so"
        + (f"; {clash:,} of them are judged not relevant" if clash else ""),
        severity="medium" if touched > 0.05 * asked else "low",
        estimate=wilson(touched, asked),
        unit="of the queries with a positive",
        affected=len(found),
        remedy="give copies the same judgment, or keep one of them in the corpus",
        details={
            "copies among the documents looked at": copies,
            "first pairs": [
                context.name(one.query, one.document) | {"given": one.given, "why": one.reason} for one in found[:12]
            ],
        },
    )


def proposals(context: RetrievalContext) -> list[Proposal]:
    """Return the unlabelled copies of labelled positives, with the grade of the positive."""
    data = context.data
    rows, group, _ = context.copies
    of = np.full(len(data.documents), -1, dtype=np.int64)
    of[rows] = group
    query, document = context.positive
    order = np.argsort(group, kind="stable")
    start = np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 2))
    size = np.diff(start)
    has = of[document] >= 0
    query, document = query[has], document[has]
    many = size[of[document]] > 1
    out: dict[tuple[int, int], Proposal] = {}
    for q, d in zip(query[many].tolist(), document[many].tolist(), strict=True):
        members = rows[order[start[of[d]] : start[of[d] + 1]]]
        grades = context.grades(np.full(len(members), q), members)
        best = float(np.nanmax(grades))
        for other, grade in zip(members.tolist(), grades.tolist(), strict=True):
            if not grade >= context.positive_from and len(out) < MOST:
                given = "unjudged" if np.isnan(grade) else f"{grade:g}"
                why = f"the same text as {data.document_ids[d]}, which is labelled {best:g}"
                out[q, other] = Proposal(CODE, q, other, given, best, why)
    return list(out.values())
