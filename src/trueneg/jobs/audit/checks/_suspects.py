"""What the three suspect checks share: one direction of error, read from the ranking and, where there are any, answers.

A number of wrong labels is an order of magnitude until somebody looks: labels and probabilities alone do not identify
it. Trusted rows mend the probabilities, a reviewed random sample gives the number its interval.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.reviewed import Reviewed
    from trueneg.jobs.audit.suspicion import Suspicion


def directed(context: Context, code: str, title: str, words: str) -> Finding:
    """Turn the ranking of one declared direction into a finding."""
    if context.probability is None:
        return Finding(code, title, "skipped", "--quick asks no model; leave it out, or give --proba")
    found = context.suspicion(code)
    if not found.row.size:
        return Finding(code, title, "passed", "every label that could be wrong in this direction is trusted")
    if found.review is not None:
        return _reviewed(context, found, title, words)
    about, pool = float(found.probability.sum()), found.row.size
    details = {"probability": _basis(found), "expected number": round(about, 1), **_details(context, found)}
    if about < 1 and not found.named:
        return Finding(code, title, "passed", f"no {words} stands out among {pool:,} rows", details=details)
    number = f"about {_round(about)} of {pool:,} rows are probably {words} ({_why_no_interval(found)})"
    if not found.told:
        # The two readings of the probabilities differ more than threefold: the model has no skill here.
        number = (
            f"how many of {pool:,} rows are {words} cannot be told before some are reviewed (the model has no skill)"
        )
    return Finding(
        code,
        title,
        "finding",
        f"{number}; {found.named:,} {'has' if found.named == 1 else 'have'} a probability of at least one half",
        severity="high" if about > 0.01 * pool else "medium",
        affected=max(found.named, round(about)),
        cost=_cost(found),
        remedy="review a sample of 60: that gives the number an interval; then drop, relabel or down-weight the wrong "
        "ones. Until then the command only marks them",
        rows=found.row[found.listed()].tolist(),
        details=details,
        figures=[_falling(found, words)],
    )


def _reviewed(context: Context, found: Suspicion, title: str, words: str) -> Finding:
    review = found.review
    assert review is not None  # noqa: S101 - for the type checker; the caller has looked
    return reviewed_finding(
        review,
        title,
        words,
        unit="rows",
        rows=found.row[found.listed()].tolist(),
        cost=_cost(found),
        more=_details(context, found),
        figures=[_falling(found, words)],
    )


def reviewed_finding(
    review: Reviewed,
    title: str,
    words: str,
    *,
    unit: str,
    rows: list[int],
    cost: float | None,
    more: dict[str, Any],
    figures: list[dict[str, Any]],
) -> Finding:
    """Say what the answers show: the number in all and the precision of the suspects, each with its interval.

    Parameters
    ----------
    review : Reviewed
    title, words : str
        Of the check, and of the errors it looks for.
    unit : str
        What was judged: ``rows``, or ``cells`` of a multi-label table.
    rows : list of int
        Rows of the suspects, in order.
    cost, more, figures
        As the finding carries them; ``more`` goes to the end of its details.
    """
    result, pool = review.result, len(review.answered.ranking.row)
    total, precision = _whole(result.total), review.precision
    message = (
        f"{_span(total)} of {pool:,} {unit} are {words} ({100 * total.level:g} % interval; {review.n_answered:,} "
        f"answers, {review.n_wrong:,} of them wrong); the listed suspects have a precision of {precision}"
    )
    if not result.supported:
        message += "; the answers do not support the ranking, so the number rests on the sample alone"
    severity = "high" if total.low > 0.01 * pool else "medium" if total.low >= 1 else "low"
    details = {
        "probability": f"recalibrated by {review.n_answered:,} answers, each counted for the {unit} that it stands for "
        f"(inverse chance to be drawn); {unit} judged wrong have 1, {unit} judged right 0",
        "precision of the suspects": precision.to_dict(),
        "number in all": result.total.to_dict(),
        "by the sample alone": result.model_free.to_dict(),
        "by the recalibrated model": result.model.to_dict(),
        "in words": result.explanation().split("\n"),
        "answers by stratum": [dict(stratum) for stratum in result.strata],
        **review.agreement_words(),
        **more,
    }
    none = result.total.high < 1
    return Finding(
        review.answered.code,
        title,
        "passed" if none else "finding",
        message,
        severity="none" if none else severity,
        estimate=total,
        unit=f"{words}, number in all",
        affected=max(round(total.value), review.n_wrong),
        cost=cost,
        remedy="drop, relabel or down-weight the wrong ones; another round of 'trueneg review' narrows the number",
        rows=rows,
        details=details,
        figures=figures,
    )


def _basis(found: Suspicion) -> str:
    if found.basis == "trusted":
        return (
            f"{found.words}: right where these are a random part of the table. They say which labels are right, not "
            "how often annotators err, so no interval is given"
        )
    return "model-based: no trusted or reviewed row stands behind it, so no interval is given"


def _why_no_interval(found: Suspicion) -> str:
    if found.basis == "trusted":
        return f"{found.words}; no interval: only reviewed rows say how often labels are wrong"
    return "an order of magnitude, model-based; only reviewed rows would give it an interval"


def _details(context: Context, found: Suspicion) -> dict[str, Any]:
    return {
        "rows judged": int(found.row.size),
        "model": context.model,
        "neighbours used": context.neighbors is not None,
        "order of the suspects": "cost of leaving the label as it is" if found.cost is not None else "probability",
    }


def _falling(found: Suspicion, words: str) -> dict[str, Any]:
    from trueneg.report.figures import line

    shown = np.sort(found.probability)[::-1][: max(50, 3 * found.named)]
    name = found.words[0].upper() + found.words[1:]
    return line(
        list(range(1, len(shown) + 1)),
        shown.astype(float).tolist(),
        title=f"How fast the suspicion falls: {words}",
        id=f"{found.code.lower()}-falling",
        caption=f"Probability that the given label is wrong, most suspicious row first. {name}.",
        x_label="rank of the row",
        y_label="probability",
    )


def _cost(found: Suspicion) -> float | None:
    return None if found.cost is None else float(found.cost @ found.probability)


def _span(e: Any) -> str:
    """Write a number of rows with its interval: whole rows, since nobody counts tenths."""
    return f"{e.value:,.0f} [{e.low:,.0f}, {e.high:,.0f}]"


def _whole(e: Estimate) -> Estimate:
    """Round a number of rows to whole ones, its interval outwards."""
    return replace(e, value=float(round(e.value)), low=float(np.floor(e.low)), high=float(np.ceil(e.high)))


def _round(value: float) -> str:
    """Two significant digits: more would promise what is not known."""
    if value < 10:
        return f"{value:.0f}"
    digits = len(str(int(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,.0f}"
