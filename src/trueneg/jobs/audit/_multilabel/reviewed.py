"""What the answers of a review change: findings with an interval, cells that are settled, new probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.audit._multilabel.findings import NAMED, Judged, ScoredCells, _falling
from trueneg.jobs.audit._multilabel.tables import TITLES
from trueneg.jobs.audit.checks._suspects import reviewed_finding
from trueneg.jobs.audit.suspicion import LISTED

if TYPE_CHECKING:
    from trueneg.jobs.audit.reviewed import Reviewed

WORDS = {"TN201": "missing labels", "TN202": "labels that do not belong"}


def with_answers(judged: Judged, cells: ScoredCells, reviewed: dict[str, Reviewed], costs: dict[str, Any]) -> Judged:
    """Put the answers in.

    Parameters
    ----------
    judged : Judged
        The findings as the model has them.
    cells : ScoredCells
    reviewed : dict of str to Reviewed
    costs : dict of str to number, (n,) array or None
        What a wrong cell costs, by finding.

    Raises
    ------
    InputError
        Where the answers are on other cells than those doubted now.
    """
    findings, suspects, rankings = list(judged.findings), list(judged.suspects), dict(judged.rankings)
    for code, review in reviewed.items():
        ranking = rankings[code]
        drawn = review.answered.ranking
        same = all(np.array_equal(getattr(ranking, name), getattr(drawn, name)) for name in ("row", "candidate"))
        if not same:
            msg = (
                f"the answers on {code} were drawn from {len(drawn.row):,} cells and this audit doubts others "
                f"({len(ranking.row):,}; other trusted rows?); audit with the options of the review, or draw a new one"
            )
            raise InputError(msg)
        after = review.recalibrated
        order = np.argsort(-after, kind="stable")
        right = np.zeros(len(after), bool)
        right[review.answered.sample.rows[review.answers == 0]] = True
        order = order[~right[order]][: max(LISTED, 2 * int((after >= NAMED).sum()))]
        cell = ranking.row[order].astype(np.int64) * cells.codes.shape[1] + ranking.candidate[order]
        rows = ranking.row[order]
        cost = costs[code]
        found = reviewed_finding(
            review,
            TITLES[code],
            WORDS[code],
            unit="cells",
            rows=rows[np.sort(np.unique(rows, return_index=True)[1])].tolist(),
            cost=None
            if cost is None
            else float(np.sum(np.asarray(cost)[ranking.row] * after if np.ndim(cost) else cost * after)),
            more={"model": cells.model, "neighbours used": cells.neighbors is not None},
            figures=[_falling(after[order], code)] if order.size > 1 else [],
        )
        for figure in found.figures:
            figure["caption"] = "Probability that the given state of the cell is wrong, recalibrated by the answers."
        findings = [found if f.code == code else f for f in findings]
        suspects = [s for s in suspects if s[0] != code]
        if found.status == "finding":
            suspects.append((code, cell, after[order]))
        rankings[code] = replace(ranking, recalibrated=after)
    return Judged(findings, sorted(suspects, key=lambda s: s[0]), rankings)
