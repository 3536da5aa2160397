"""The pictures of a comparison: forest plots, cost curves, time and memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.compare.advice import told
from trueneg.jobs.compare.differences import judged
from trueneg.jobs.compare.metrics import LOWER_IS_BETTER, called
from trueneg.report.figures import bar, forest, line

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.jobs.compare.differences import Row
    from trueneg.jobs.compare.engine import Runner

MAX_CURVES = 5


def make_figures(runner: Runner, rows: list[Row], on_trusted: bool) -> list[dict[str, Any]]:
    """Draw all pictures, each as a report's ``figures`` holds it."""
    metric = runner.metric
    shown = [(r, told(r, metric, on_trusted=on_trusted)) for r in rows[1:]]
    pairs = [(r, d.estimate) for r, d in shown if d is not None]
    figures = []
    lower = " Left of the line is better." if metric in LOWER_IS_BETTER else " Right of the line is better."
    if pairs:
        figures.append(
            _forest("forest", f"{called(metric)}: remedy minus nothing", f"Paired, 95 % intervals.{lower}", pairs)
        )
    losses = [(r, r.difference["log_loss"].estimate) for r in rows[1:] if "log_loss" in r.difference]
    if losses:
        words = "Paired, 95 % intervals. Left of the line is better."
        figures.append(_forest("forest-log-loss", "log loss: remedy minus nothing", words, losses))
    if runner.task.binary:
        figures += _cost_curves(runner, rows, on_trusted)
    done = [r for r in rows if math.isfinite(r.seconds)]
    names = [r.name for r in done]
    figures.append(
        bar(names, [r.seconds for r in done], title="Seconds a fold", id="seconds", label="remedy", value="seconds")
    )
    known = [r for r in done if math.isfinite(r.peak)]
    if known:
        figures.append(
            bar(
                [r.name for r in known],
                [r.peak / 2**20 for r in known],
                title="Peak memory",
                id="memory",
                caption="Beyond the data, in the first fold.",
                label="remedy",
                value="MiB",
            )
        )
    return figures


def _forest(id_: str, title: str, caption: str, pairs: list[tuple[Row, Estimate]]) -> dict[str, Any]:
    return forest(
        [r.name for r, _ in pairs],
        [e.value for _, e in pairs],
        [e.low for _, e in pairs],
        [e.high for _, e in pairs],
        title=title,
        id=id_,
        caption=caption,
        label="remedy",
        value="difference",
        rule=0.0,
        rule_label="nothing",
        top=40,
    )


def _cost_curves(runner: Runner, rows: list[Row], on_trusted: bool) -> list[dict[str, Any]]:
    """The lowest cost at every ratio, out of fold, of *nothing*, class weights and the remedies that gain most."""
    from trueneg.core.costs import cost_curve

    metric, task = runner.metric, runner.task

    def gain(row: Row) -> float:
        found = told(row, metric, on_trusted=on_trusted)
        return -math.inf if found is None else found.gain(metric).value

    # The tuned threshold has the curve of nothing: the same ranking.
    first = [r for r in rows if r.name in ("nothing", "class-weights")]
    others = [r for r in judged(rows) if r not in first and r.name != "tuned-threshold"]
    others.sort(key=gain, reverse=True)
    curves: dict[str, Any] = {}
    x: list[float] = []
    for row in [*first, *others]:
        found = [runner.results.get((row.name, 0, f)) for f in range(len(runner.splits[0]))]
        if any(r is None for r in found) or len(curves) == MAX_CURVES:
            continue
        score = np.concatenate([r.predicted.score for r in found])  # type: ignore[union-attr]
        truth = np.concatenate([task.codes[test] for _, test in runner.splits[0]]) == task.positive
        curve = cost_curve(truth.astype(int), score)
        curves[row.name] = curve.envelope.tolist()
        x, trivial = curve.probability_cost.tolist(), curve.trivial.tolist()
    if not curves:
        return []
    drawn = line(
        x,
        {**curves, "no model": trivial},
        title="Cost at every cost ratio",
        id="cost-curves",
        caption="Each at its best threshold for the ratio, out of fold, first repeat. Lower is better; "
        "tuned-threshold lies on nothing.",
        x_label="weight of a false negative",
        y_label="normalised cost",
    )
    drawn["spec"]["config"]["legend"] |= {"columns": 2, "columnPadding": 24}  # in one row six names leave the picture
    return [drawn]
