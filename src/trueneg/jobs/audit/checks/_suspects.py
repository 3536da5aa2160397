"""What the three suspect checks share: one direction of error, read from the ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

NAMED = 0.5


def directed(context: Context, code: str, title: str, suspect: int | None, words: str) -> Finding:
    """Turn the ranking of one declared direction into a finding."""
    if context.probability is None:
        return Finding(code, title, "skipped", "--quick asks no model; leave it out, or give --proba")
    ranker = context.ranker(suspect)
    probability = np.nan_to_num(ranker.probability_)
    judged = context.codes >= 0
    if suspect is not None:
        judged &= context.codes == suspect
    probability = np.where(judged, probability, 0.0)
    about = float(probability.sum())
    order = np.argsort(-probability, kind="stable")
    named = int((probability >= NAMED).sum())
    pool = int(judged.sum())
    details = {
        "probability": "model-based: no trusted or reviewed row stands behind it, so no interval is given",
        "expected number": round(about, 1),
        "rows judged": pool,
        "model": context.model,
        "neighbours used": context.neighbors is not None,
    }
    if about < 1 and not named:
        return Finding(code, title, "passed", f"no {words} stands out among {pool:,} rows", details=details)
    cost = _cost(context, code, probability)
    number = f"about {_round(about)} of {pool:,} rows are probably {words} (an order of magnitude, model-based; "
    number += "only reviewed rows would give it an interval)"
    if ranker.total_ is None:
        # The two readings of the probabilities differ more than threefold: the model has no skill here.
        number = (
            f"how many of {pool:,} rows are {words} cannot be told before some are reviewed (the model has no skill)"
        )
    return Finding(
        code,
        title,
        "finding",
        f"{number}; {named:,} have a probability of at least one half",
        severity="high" if about > 0.01 * pool else "medium",
        affected=max(named, round(about)),
        cost=cost,
        remedy="look at the first rows of suspects.csv, then drop, relabel or down-weight those that are wrong",
        rows=order[: min(pool, max(100, 2 * named))].tolist(),
        details=details,
        figures=[_falling(probability[order[: max(50, 3 * named)]], code, words)],
    )


def _falling(probability: np.ndarray, code: str, words: str) -> dict[str, Any]:
    from trueneg.report.figures import line

    return line(
        list(range(1, len(probability) + 1)),
        probability.astype(float).tolist(),
        title=f"How fast the suspicion falls: {words}",
        id=f"{code.lower()}-falling",
        caption="Model-based probability that the given label is wrong, most suspicious row first.",
        x_label="rank of the row",
        y_label="probability",
    )


def _cost(context: Context, code: str, probability: np.ndarray) -> float | None:
    column = {"TN201": context.roles.cost_fn, "TN202": context.roles.cost_fp}.get(code)
    if column is None:
        return None
    if isinstance(column, str) and column in context.arrow.column_names:
        unit = context.arrow[column].cast("float64").to_numpy()
    else:
        unit = np.full(len(probability), float(column))
    return float(np.nansum(unit * probability))


def _round(value: float) -> str:
    """Two significant digits: more would promise what is not known."""
    if value < 10:
        return f"{value:.0f}"
    digits = len(str(int(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,.0f}"
