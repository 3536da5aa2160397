"""How many attempts are worth it, and when no answer is the better one.

Drawing attempts until one is accepted brings more correct answers and more wrong ones. With ``--cost-fp C`` a correct
answer brings 1, a wrong one costs C and none brings 0: the finding names the number of attempts K* of the largest
utility, its interval over problems, and the stretch of K that is as good. K* = 0 is to abstain: no number of attempts
is worth its wrong answers. Without a cost no K is called best; the curve, K* at several costs, and the cost from
which on abstaining is best are shown. The curves are exact for the recorded attempts, which are taken in random
order.

Where the truth of accepted attempts is known in part only (30 or more), each unknown one counts with its probability
of being correct, and the finding says that this is model-based. Problems with fewer attempts than nine in ten others
have are left out, and counted.

Where a column tells models apart, they stand side by side: correct at one attempt, wrong among those answers, and the
ceiling that no number of attempts passes; and whether the weakest, resampled, reaches one attempt of the strongest.
Data sets and other groups stand side by side too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.jobs.audit.attempts import AttemptsContext
from trueneg.jobs.audit.findings import Finding

CODE = "TN604"
TITLE = "How many attempts, and when to abstain"
DATA = ("attempts",)
_SIDES = 20  # groups of one kind that are put side by side
_COSTS = (0.5, 1.0, 2.0, 4.0, 8.0)


def run(context: AttemptsContext) -> Finding:
    """Draw the curves and find K*."""
    from trueneg.judge.resampling import AttemptTable, optimal_k

    right = context.expected_right
    if right is None:
        return _no_truth(context)
    n = np.bincount(context.problem)
    accepted = np.bincount(context.problem, weights=context.accepted == 1)
    # Sums of probabilities may pass the count by a rounding.
    good = np.minimum(np.bincount(context.problem, weights=right), accepted)
    least = int(np.quantile(n, 0.1, method="lower"))
    table = AttemptTable(n, accepted, good, tasks=context.names).at_least(least)
    if table.max_k < 2:
        return Finding(CODE, TITLE, "not applicable", "most problems have one attempt: there is no curve to draw")
    if not accepted.sum():
        return Finding(CODE, TITLE, "not applicable", "no attempt is accepted")
    context.progress("resampling curves")
    cost = 1.0 if context.cost_fp is None else context.cost_fp
    curve = table.curve(cost, random_state=context.seed)
    details = _details(context, table, curve) | {"problems left out, with fewer attempts": int((n < least).sum())}
    details |= _groups(context, right)
    figures = _figures(table, curve, cost, context.cost_fp is not None)
    if context.cost_fp is None:
        return _without_cost(table, curve, details, figures)
    best = optimal_k(table, cost, random_state=context.seed)
    too_many = best.k == 0 or best.flat_high < table.max_k
    return Finding(
        CODE,
        TITLE,
        "finding" if too_many else "passed",
        str(best),
        severity="high" if best.k == 0 else "medium" if too_many else "none",
        estimate=best.utility,
        unit="utility a problem",
        affected=len(table.n),
        cost=float(max(0.0, best.utility.value - curve.utility[-1]) * len(table.n)),
        remedy=("give no answer, or use a stricter verifier" if best.k == 0 else f"stop after {best.k} attempts")
        if too_many
        else "",
        details=details,
        figures=figures,
    )


def _details(context: AttemptsContext, table: Any, curve: Any) -> dict[str, Any]:
    """Say what attempts bring, and from which cost on none is best."""
    from trueneg.judge.resampling import optimal_k

    even, _ = _break_even(curve)
    details: dict[str, Any] = {
        "accuracy at 1 attempt": str(table.accuracy_at(1)),
        f"accuracy at {table.max_k} attempts": str(table.accuracy_at(table.max_k)),
        "ceiling, over problems with an accepted attempt": str(table.ceiling()),
        "wrong among answers at 1 attempt": str(table.fp_share_at(1)),
        f"wrong among answers at {table.max_k}": str(table.fp_share_at(table.max_k)),
        "wrong among answers, by the attempt that found them": {
            f"{low}" if low == high else f"{low} to {high}": round(v, 4)
            for (low, high), v in table.false_by_attempt().items()
        },
        "K* by cost of a wrong answer": {f"{c:g}": optimal_k(table, c, n_boot=2).k for c in _COSTS},
        "abstaining is best from a cost of": round(even, 3) if np.isfinite(even) else "any (no wrong answer was seen)",
        "problems": len(table.n),
    }
    if not context.complete:
        details["model-based"] = "attempts whose truth is not known count with their probability"
    if context.cost is not None and np.isfinite(context.cost).any():
        details["mean cost of an attempt, as recorded"] = round(float(np.nanmean(context.cost)), 6)
    return details


def _without_cost(table: Any, curve: Any, details: dict[str, Any], figures: list[dict[str, Any]]) -> Finding:
    """Name no best number of attempts: say what a wrong answer must cost for none to be best."""
    even, _ = _break_even(curve)
    grown = (table.fp_share_at(1), table.fp_share_at(table.max_k))
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"wrong among answers: {grown[0]} with 1 attempt, {grown[1]} with {table.max_k}; giving no answer is best "
        f"where a wrong one costs {even:.3g} or more of what a correct one brings"
        if np.isfinite(even)
        else f"no answer was wrong in up to {table.max_k} attempts",
        severity="low",
        estimate=grown[1],
        unit="share of answers",
        remedy="say what a wrong answer costs with --cost-fp: the number of attempts follows",
        details=details,
        figures=figures,
    )


def _groups(context: AttemptsContext, right: np.ndarray) -> dict[str, Any]:
    """Put models, data sets and other groups side by side; say whether the weakest model reaches the strongest."""
    from trueneg.judge.resampling import reaches, side_by_side

    out: dict[str, Any] = {}
    for name, values in context.groups.items():
        parts = np.unique(values)
        tables = {g: t for g in parts[:_SIDES].tolist() if (t := _part(context, right, values == g)) is not None}
        if len(tables) < 2:
            continue
        sides = side_by_side(tables)
        out[f"by {name}, one attempt"] = {
            g: {
                "correct": str(e["accuracy"]),
                "wrong among answers": str(e["false_share"]),
                "ceiling": str(e["ceiling"]),
            }
            for g, e in sides.items()
        }
        silent = [g for g in parts[:_SIDES].tolist() if g not in tables]
        if silent:
            out[f"by {name}, no attempt accepted"] = silent
        if len(parts) > _SIDES:
            out[f"by {name}, left out"] = len(parts) - _SIDES
        weak, strong = next(iter(sides)), list(sides)[-1]
        if name.lower() == "model" and np.intersect1d(tables[weak].tasks, tables[strong].tasks).size:
            out[f"whether {weak}, resampled, reaches one attempt of {strong}"] = str(
                reaches(tables[weak], tables[strong])
            )
    return out


def _part(context: AttemptsContext, right: np.ndarray, rows: np.ndarray) -> Any:
    """Count the attempts of some rows, problem by problem; None where none is accepted."""
    from trueneg.judge.resampling import AttemptTable

    ids, code = np.unique(context.problem[rows], return_inverse=True)
    accepted = np.bincount(code, weights=context.accepted[rows] == 1)
    if not accepted.any():
        return None
    n, good = np.bincount(code), np.minimum(np.bincount(code, weights=right[rows]), accepted)
    table = AttemptTable(n, accepted, good, tasks=context.names[ids])
    table = table.at_least(int(np.quantile(n, 0.1, method="lower")))
    return table if table.accepted.any() else None


def _no_truth(context: AttemptsContext) -> Finding:
    """Say that truth is missing; where a cost was given, so that K* was asked for, among what stands open."""
    yes = context.accepted == 1
    known, n = int((yes & (context.truth >= 0)).sum()), int(yes.sum())
    asked = "" if context.cost_fp is None else "--cost-fp asks for the best number of attempts, which needs truth: "
    return Finding(
        CODE,
        TITLE,
        "advice" if asked else "not applicable",
        f"{asked}{known:,} of {n:,} accepted attempts have a known truth, and 30 are needed; judge some first "
        "(trueneg review)",
        severity="medium" if asked else "none",
    )


def _break_even(curve: Any) -> tuple[float, int]:
    """Cost of a wrong answer at which the best number of attempts is worth nothing, and that number."""
    wrong = curve.accepted - curve.accuracy
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(wrong[1:] > 0, curve.accuracy[1:] / wrong[1:], np.where(curve.accuracy[1:] > 0, np.inf, 0.0))
    at = int(ratio.argmax()) + 1
    return float(ratio[at - 1]), at


def _figures(table: Any, curve: Any, cost: float, told: bool) -> list[dict[str, Any]]:
    from trueneg.report.figures import line

    k = curve.k.tolist()
    words = f"utility at cost {cost:g}" + ("" if told else " (an example; say --cost-fp)")
    return [
        line(
            k,
            {"answered": curve.accepted.tolist(), "answered correctly": curve.accuracy.tolist()},
            title="Answers, and correct ones, by attempts allowed",
            id="tn604-answers",
            caption=f"Exact, over {len(table.n):,} problems; the gap between the two is wrong answers.",
            x_label="attempts allowed",
            y_label="share of problems",
        ),
        line(
            k,
            curve.utility.tolist(),
            low=curve.low["utility"].tolist(),
            high=curve.high["utility"].tolist(),
            title="Utility a problem by attempts allowed",
            id="tn604-utility",
            caption=f"{words[0].upper()}{words[1:]}, 95 % interval over problems; 0 is to give no answer.",
            x_label="attempts allowed",
            y_label="utility",
            rule=float(curve.utility.argmax()),
            rule_label="largest",
        ),
    ]
