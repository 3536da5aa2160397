"""Which rule picks the answer: the first accepted, a vote, the best reward.

pass@N counts a problem as solved where any attempt is accepted, and so collects the false passes of all attempts; a
vote over equal answers (column ``answer``), the best reward (``reward``, or a list of step rewards, of which the
smallest counts) and the vote weighed by rewards pick one attempt. Each is told twice: as the verifier counts, and in
truth. Answers that are equal count as one, not as spelt: ``1/2`` and ``0.5`` vote together.

It needs the truth of the accepted attempts: of all of them, or of all of at least 20 problems, which are then
compared.

A figure shows the same for 1, 4, 16, ... attempts in random order, up to 200,000 rows: what pass@N counts and what is
right part as attempts are added.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.jobs.audit.attempts import AttemptsContext
from trueneg.jobs.audit.findings import Finding

CODE = "TN603"
TITLE = "Selection rules side by side"
DATA = ("attempts",)
_LEAST, _MANY = 20, 20_000


def run(context: AttemptsContext) -> Finding:
    """Compare the rules that the columns allow."""
    from trueneg.judge.reasoning import compare_rules

    yes, unknown = context.accepted == 1, (context.accepted == 1) & (context.truth < 0)
    if not yes.any():
        return Finding(CODE, TITLE, "not applicable", "no attempt is accepted")
    if context.answers is None and context.reward is None:
        return Finding(CODE, TITLE, "not applicable", "no column answer and no column reward: there is one rule only")
    open_ones = np.bincount(context.problem, weights=unknown, minlength=len(context.names)) > 0
    keep = ~open_ones[context.problem]
    told = np.bincount(context.problem, weights=yes & (context.truth >= 0), minlength=len(context.names)) > 0
    n_kept = int((~open_ones).sum())
    left = int((told & ~open_ones).sum())
    if open_ones.any() and left < _LEAST:
        return Finding(
            CODE,
            TITLE,
            "not applicable",
            f"the truth of all accepted attempts is known for {left} problems; {_LEAST} are needed to compare rules",
        )
    context.progress("selection rules")
    rows = np.flatnonzero(keep)
    columns: dict[str, Any] = {
        "accepted": context.accepted[rows],
        "truth": context.truth[rows],
        "answers": None if context.answers is None else [context.answers[i] for i in rows.tolist()],
        "rewards": None if context.reward is None else context.reward[rows],
        "equal": "text" if len(rows) > _MANY else "auto",
    }
    found = compare_rules(context.problem[rows], **columns)
    best = max(found, key=lambda r: r.true.value)
    first = found[0]
    lost = first.naive.value - first.true.value
    details = {
        r.rule: {
            "as the verifier counts": str(r.naive),
            "in truth": str(r.true),
            "wrong among picked": str(r.false_share),
        }
        for r in found
    }
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"best in truth: {best.rule}, {best.true} of {n_kept:,} problems; pass@N counts {first.naive} and is right on "
        f"{first.true}",
        severity="medium" if lost >= 0.05 else "low",
        estimate=best.true,
        unit="share of problems",
        affected=round(lost * n_kept),
        remedy=f"return the answer by {best.rule}, and report the true share" if lost >= 0.05 else "",
        details=details,
        figures=[_by_rule(found, n_kept), *_by_n(context, rows, columns)],
    )


def _by_rule(found: list[Any], n: int) -> dict[str, Any]:
    """Draw what each rule solves, as counted and in truth."""
    from trueneg.report.figures import bar

    return bar(
        [f"{r.rule}, {how}" for r in found for how in ("counted", "true")],
        [e.value for r in found for e in (r.naive, r.true)],
        title="Problems solved by each rule, as counted and in truth",
        id="tn603-rules",
        caption=f"{n:,} problems with known truth; pass@N is an upper bound that needs a verifier without errors.",
        highlight=[f"{r.rule}, true" for r in found],
        label="rule",
        value="share of problems",
    )


def _by_n(context: AttemptsContext, rows: np.ndarray, columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw what the rules give with more attempts; nothing where there is one attempt, or a million."""
    from trueneg.judge.reasoning import rules_by_n
    from trueneg.report.figures import line

    if len(rows) > 10 * _MANY:
        return []
    repeats = 20 if len(rows) <= _MANY else 3
    found = rules_by_n(context.problem[rows], **columns, repeats=repeats, random_state=context.seed)
    n = list(found["pass@N"])
    if len(n) < 2:
        return []
    series = {"pass@N, as counted": [v[0] for v in found["pass@N"].values()]}
    series |= {f"{name}, in truth": [v[1] for v in by.values()] for name, by in found.items()}
    return [
        line(
            n,
            series,
            title="Problems solved with more attempts, as counted and in truth",
            id="tn603-by-n",
            caption=f"Attempts in random order, {repeats} orders averaged; wrong answers lie between the upper two.",
            x_label="attempts a problem",
            y_label="share of problems",
        )
    ]
