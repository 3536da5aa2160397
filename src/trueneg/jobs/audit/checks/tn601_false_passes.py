"""How many of the attempts that the verifier accepts are wrong.

A check of the final answer, a test suite or a judge lets pass what only looks right. This finding gives the share of
wrong ones among the accepted attempts, from the column ``truth`` and from a review, and names where they sit: by
model, data set, difficulty and decoding (columns of these names), by the first wrong step and the kind of error
(where ``steps`` or ``solution`` holds the derivation; sums and products of numbers are computed again). Columns
``error_type`` (or ``type``) and ``first_wrong`` (or ``mistake_index``, from 0), as people filled them, are counted
among the wrong ones. It also says what a training set of accepted attempts would take in.

Without any truth the share is unknown, and nothing in the verdicts can tell it: ``trueneg review`` draws the accepted
attempts that a person should check, at random with known chances, and the next audit uses the answers. Answer
*accept* where the acceptance is wrong, *reject* where it is right. Intervals count problems, not attempts.

What to do: use a stricter verifier, more tests, or fewer attempts (TN604); keep wrong ones out of training sets.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from trueneg.core.intervals import Estimate
from trueneg.data.readers import one_line
from trueneg.jobs.audit.attempts import AttemptsContext
from trueneg.jobs.audit.findings import Finding

CODE = "TN601"
TITLE = "False passes among accepted attempts"
DATA = ("attempts",)
_HIGH, _MEDIUM = 0.1, 0.02


def run(context: AttemptsContext) -> Finding:
    """Report the share of wrong ones among the accepted."""
    n = int((context.accepted == 1).sum())
    if not n:
        return Finding(CODE, TITLE, "not applicable", f"none of {len(context.accepted):,} attempts is accepted")
    share = context.false_share
    order = context.doubted[np.argsort(-context.suspicion, kind="stable")]
    if share is None:
        return Finding(
            CODE,
            TITLE,
            "advice",
            f"{n:,} attempts are accepted and the truth of none is known: how many are wrong cannot be told before a "
            "review",
            severity="medium",
            affected=n,
            remedy="judge a random sample: trueneg review draws it",
            rows=order.tolist(),
            details=_by_rules(context),
        )
    from trueneg.judge.reasoning import false_positive_report

    checked = context.checked
    report = false_positive_report(
        context.accepted,
        context.truth,
        problem=context.problem,
        groups=context.groups,
        errors=[None if c is None else c.error for c in checked],
        first_wrong=[None if c is None else c.first_wrong for c in checked],
    )
    about = share.value * n
    wrong = np.flatnonzero((context.accepted == 1) & (context.truth == 0))
    found = report.wrong > 0
    severity = "high" if share.value >= _HIGH else "medium" if share.value >= _MEDIUM else "low"
    return Finding(
        CODE,
        TITLE,
        "finding" if found else "passed",
        f"{share} of {n:,} accepted attempts are wrong"
        + ("" if found else ": none of those judged is, which bounds the share from above"),
        severity=severity if found else "none",
        estimate=share,
        unit="share of accepted attempts",
        affected=round(about),
        cost=None if context.cost_fp is None else about * context.cost_fp,
        remedy="use a stricter verifier or fewer attempts (TN604); keep wrong ones out of training sets"
        if found
        else "",
        rows=[*wrong.tolist(), *order.tolist()],
        details=_details(context, report, share),
        figures=_figures(context),
    )


def _details(context: AttemptsContext, report: Any, share: Estimate) -> dict[str, Any]:
    """Say what a training set would take in, and where the wrong ones sit."""
    n = int((context.accepted == 1).sum())
    about = share.value * n
    details: dict[str, Any] = {
        "accepted": n,
        "with known truth": report.known,
        "wrong among those": report.wrong,
        "problems solved, as the verifier counts": str(report.naive),
        "kept for training": f"{n:,} attempts, {about:,.0f} of them wrong "
        f"(between {share.low * n:,.0f} and {share.high * n:,.0f})",
        "one kept a problem": _one_each(context),
        "examples (rows)": list(report.examples),
        **_by_rules(context),
    }
    if context.complete:
        details["problems solved, in truth"] = str(report.corrected)
    # A review draws unevenly: shares by group are then of those judged, and no share of all.
    words = " (of those judged, drawn unevenly)" if context.review is not None else ""
    for name, parts in report.groups.items():
        details[f"by {name}{words}"] = {group: str(e) for group, e in sorted(parts.items(), key=lambda p: -p[1].value)}
    if report.errors:
        details["wrong ones by kind of error that rules find"] = report.errors
    if context.error_type is not None:
        details["wrong ones by type of error, as the file has it"] = _types(context)
    if context.first_wrong is not None:
        details["wrong ones by first wrong step, as the file has it"] = _steps(context)
    if report.first_wrong:
        details["wrong ones by first wrong step that rules find"] = {
            str(k + 1): v for k, v in report.first_wrong.items()
        }
    return details


def _steps(context: AttemptsContext) -> dict[str, int]:
    """Count wrong ones by their first wrong step, from 1, in the order of the steps."""
    given = np.full(0, np.nan) if context.first_wrong is None else context.first_wrong
    steps = given[(context.accepted == 1) & (context.truth == 0) & np.isfinite(given) & (given >= 0)]
    return {f"{int(step) + 1}": int(n) for step, n in zip(*np.unique(steps, return_counts=True), strict=True)}


def _types(context: AttemptsContext) -> dict[str, str]:
    """Share of each type among the wrong ones whose type is given; most frequent first."""
    from trueneg.core.intervals import wilson

    given: list[Any] = context.error_type or []
    wrong = np.flatnonzero((context.accepted == 1) & (context.truth == 0)).tolist()
    counts = Counter(one_line(given[i], 60) for i in wrong if given[i] not in (None, ""))
    return {name: f"{k:,}, {wilson(k, counts.total())}" for name, k in counts.most_common(20)}


def _by_rules(context: AttemptsContext) -> dict[str, Any]:
    looked = [c for c in context.checked if c is not None]
    if not looked:
        return {}
    flagged = sum(c.error == "arithmetic" for c in looked)
    return {"accepted with a step computed wrongly": f"{flagged:,} of {len(looked):,} whose steps were read"}


def _one_each(context: AttemptsContext) -> str:
    """What is taken in where the first accepted attempt of every problem is kept."""
    from trueneg.judge.reasoning import kept_for_training

    if not context.complete:
        return "needs the truth of all accepted attempts"
    return str(kept_for_training(context.accepted, context.truth, problem=context.problem, per_problem=1))


def _figures(context: AttemptsContext) -> list[dict[str, Any]]:
    """Wrong among the accepted, by how often the problem is solved at all."""
    from trueneg.report.figures import bar

    if not context.complete:
        return []
    n = np.bincount(context.problem)
    solved = np.bincount(context.problem, weights=context.accepted == 1) / n
    yes = context.accepted == 1
    labels, values = [], []
    for low, high in ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        here = yes & (solved > low)[context.problem] & (solved <= high)[context.problem]
        if here.any():
            labels.append(f"{100 * low:.0f} to {100 * high:.0f} %")
            values.append(float((context.truth[here] == 0).mean()))
    if len(labels) < 2:
        return []
    return [
        bar(
            labels,
            values,
            title="Wrong among accepted attempts, by how often their problem is accepted",
            id="tn601-rare",
            caption="Problems that are seldom accepted are where false passes sit.",
            label="share of the problem's attempts that are accepted",
            value="wrong among them",
        )
    ]
