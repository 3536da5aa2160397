"""What an error costs, and the threshold that follows.

With costs, the cheapest threshold on these rows and the one a calibrated probability would ask
for. Without them no threshold is best: the curve is shown, the cost ratio at which the model
breaks even with calling everything negative, and what a threshold of 0.5 implies (that both errors
cost the same).

Remedy: give ``--cost-fn`` and ``--cost-fp``, in any unit; their ratio alone matters for the
threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN302", "Costs and the threshold"


def run(context: Context) -> Finding:
    """Draw the cost curve, and place the user's costs on it where they are given."""
    from trueneg.core.costs import break_even_ratio

    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if context.positive is None:
        return Finding(CODE, TITLE, "not applicable", "needs two classes and --positive")
    judged = np.flatnonzero(context.codes >= 0)
    y = (context.codes[judged] == context.positive).astype(int)
    scores = np.clip(context.probability[judged, context.positive].astype(float), 0, 1)
    figures = [_curve(y, scores), _coverage(y, scores)]
    costs = _given(context, judged)
    if costs is not None:
        return _with_costs(y, scores, costs, figures)
    even = break_even_ratio(y, (scores >= 0.5).astype(int))
    ratio = "at no ratio" if np.isnan(even.ratio) else f"above {even.ratio:.2g}"
    return Finding(
        CODE,
        TITLE,
        "advice",
        "no cost was given, so no threshold is best; 0.5 implies that a false negative costs as much as a false "
        f"positive, and the model there is cheaper than calling everything negative {ratio} (ratio of the two costs)",
        severity="low",
        remedy="give --cost-fn and --cost-fp; only their ratio matters for the threshold",
        details={"break-even ratio": None if np.isnan(even.ratio) else round(even.ratio, 4)},
        figures=figures,
    )


def _given(context: Context, judged: np.ndarray) -> Any:
    from trueneg.core.costs import CostMatrix, RowCosts

    fn, fp = context.roles.cost_fn, context.roles.cost_fp
    if fn is None or fp is None:
        return None
    if isinstance(fn, str) or isinstance(fp, str):
        return RowCosts(*(_column(context, c)[judged] for c in (fn, fp)))
    return CostMatrix(fn=float(fn), fp=float(fp))


def _column(context: Context, cost: float | str) -> np.ndarray:
    if isinstance(cost, str):
        return context.arrow[cost].cast("float64").to_numpy()
    return np.full(len(context.codes), float(cost))


def _with_costs(y: np.ndarray, scores: np.ndarray, costs: Any, figures: list[dict[str, Any]]) -> Finding:
    from trueneg.core.costs import cost_per_row, threshold_by_cost
    from trueneg.core.intervals import bootstrap

    best = threshold_by_cost(y, scores, costs)
    now = cost_per_row(y, (scores >= 0.5).astype(int), costs)
    then = cost_per_row(y, (scores >= best.threshold).astype(int), costs)
    saved = bootstrap(np.mean, (now - then)[:50_000], n_boot=500, random_state=0)
    gain = float((now - then).sum())
    return Finding(
        CODE,
        TITLE,
        "finding" if saved.low > 0 else "passed",
        f"a threshold of {best.threshold:.3g} in place of 0.5 saves {saved} a row on these rows "
        "(chosen and measured on the same rows, so a little optimistic)",
        severity="medium" if saved.low > 0 else "none",
        estimate=saved,
        unit="cost a row",
        affected=len(y),
        cost=gain if saved.low > 0 else None,
        remedy=f"call positive from {best.threshold:.3g} upwards, after checking it on held-out rows",
        details={
            "cost a row at 0.5": float(now.mean()),
            "cost a row at the cheapest": best.cost,
            "calling everything negative": best.all_negative_cost,
            "calling everything positive": best.all_positive_cost,
        },
        figures=figures,
    )


def _curve(y: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    from trueneg.core.costs import cost_curve
    from trueneg.report.figures import line

    curve = cost_curve(y, scores)
    return line(
        curve.probability_cost.tolist(),
        {"this model": curve.envelope.tolist(), "no model": curve.trivial.tolist()},
        title="Cost at every cost ratio",
        id="cost-curve",
        caption="At its best threshold. The model is of use only where its line lies below the one of using no model.",
        x_label="weight of a false negative",
        y_label="normalised cost",
    )


def _coverage(y: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    from trueneg.core.costs import risk_coverage
    from trueneg.report.figures import line

    wrong = ((scores >= 0.5).astype(int) != y).astype(float)
    trace = risk_coverage(wrong, np.abs(scores - 0.5))
    return line(
        np.asarray(trace.coverage).tolist(),
        np.asarray(trace.risk).tolist(),
        title="Errors left when the model may abstain",
        id="risk-coverage",
        caption="The share of wrong answers among those it gives, when it answers only where it is surest.",
        x_label="share of rows answered",
        y_label="share wrong",
    )
