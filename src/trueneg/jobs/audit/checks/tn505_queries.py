"""Queries that are asked twice and have other answers the second time.

Two queries of the same words want the same documents. Where their labelled positives differ, each has what the other
lacks, and the figure of both is too low. Such pairs are suspects: a positive of the one is proposed for the other.
Queries count as the same where nine tenths of their words are common (``--quick``: all, in their order); the order of
words does not count, so look at the pairs: "dog bites man" and "man bites dog" are one here.

Remedy: merge such queries, or give both the same judgments: ``trueneg repair --action reannotate --finding TN505``.
"""

from __future__ import annotations

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.retrieval import Proposal, RetrievalContext, shortened

CODE, TITLE = "TN505", "The same query with other positives"
DATA = ("retrieval",)
MOST = 10_000


def run(context: RetrievalContext) -> Finding:
    """Find groups of equal queries whose positives differ."""
    groups, data = differing(context), context.data
    judged = len(np.unique(data.query))
    if not groups:
        return Finding(CODE, TITLE, "passed", f"none of {judged:,} judged queries is asked twice with other positives")
    touched = sum(len(group) for group in groups)
    found = proposals(context)
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{touched:,} of {judged:,} judged queries share their words with another one and have other positives; "
        f"{len(found):,} pairs are labelled at the one and not at the other",
        severity="medium" if touched > 0.05 * judged else "low",
        estimate=wilson(touched, judged),
        unit="of the judged queries",
        affected=len(found),
        remedy="merge these queries, or give them the same judgments",
        details={
            "first queries": [
                [f"{data.query_ids[q]}: {shortened(data.queries[q])}" for q in group] for group in groups[:12]
            ]
        },
    )


def differing(context: RetrievalContext) -> list[list[int]]:
    """Return groups of judged queries of the same words, where their positives are not the same."""
    of = context.query_groups
    judged = np.unique(context.data.query)
    members: dict[int, list[int]] = {}
    for q, group in zip(judged.tolist(), of[judged].tolist(), strict=True):
        members.setdefault(group, []).append(q)
    several = [group for group in members.values() if len(group) > 1]
    known = _positives(context, {q for group in several for q in group})
    return [group for group in several if len({frozenset(known[q]) for q in group}) > 1]


def _positives(context: RetrievalContext, wanted: set[int]) -> dict[int, set[int]]:
    out: dict[int, set[int]] = {q: set() for q in wanted}
    for q, d in zip(*(side.tolist() for side in context.positive), strict=True):
        if q in out:
            out[q].add(d)
    return out


def proposals(context: RetrievalContext) -> list[Proposal]:
    """Return what one query of a group has labelled and another has not."""
    data, out = context.data, []
    groups = differing(context)
    known = _positives(context, {q for group in groups for q in group})
    for group in groups:
        for q in group:
            for other in group:
                missing = np.array(sorted(known[other] - known[q]), dtype=np.int64)
                grades = context.grades(np.full(len(missing), q), missing)
                theirs = context.grades(np.full(len(missing), other), missing)
                why = f"labelled for {data.query_ids[other]}, which asks the same"
                for d, grade, new in zip(missing.tolist(), grades.tolist(), theirs.tolist(), strict=True):
                    given = "unjudged" if np.isnan(grade) else f"{grade:g}"
                    out.append(Proposal(CODE, q, d, given, new, why))
    first = {(one.query, one.document): one for one in reversed(out)}
    return list(first.values())[::-1][:MOST]
