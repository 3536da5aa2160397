"""From the results of every fold to figures with intervals, and to what can be told from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from trueneg.jobs.compare.differences import LEVEL, Row
from trueneg.jobs.compare.on_folds import OnFolds
from trueneg.jobs.compare.on_trusted import OnTrusted

if TYPE_CHECKING:
    from trueneg.jobs.compare.engine import Runner


def summarise(runner: Runner, left_out: dict[str, str], say: Callable[[str], None]) -> list[Row]:
    """Return a row for each remedy, *nothing* first."""
    rows = []
    for remedy in runner.remedies:
        cells = {(r, f): x for (name, r, f), x in sorted(runner.results.items(), key=_place) if name == remedy.name}
        failed = {(r, f): why for (name, r, f), why in runner.failures.items() if name == remedy.name}
        row = Row(remedy.name, remedy.title, remedy.kind, apply=remedy.apply, folds=len(cells))
        if remedy.name in left_out:
            row.status, row.reason = "left out", left_out[remedy.name]
        elif failed:
            repeat, fold = min(failed)
            row.status = "failed" if not cells else "partly failed"
            row.reason = (
                f"failed on {len(failed)} of {len(failed) + len(cells)} folds; repeat {repeat + 1}, "
                f"fold {fold + 1}: {failed[min(failed)]}"
            )
        if cells:
            some = list(cells.values())
            row.rows = float(np.mean([x.rows for x in some]))
            row.seconds = float(np.mean([x.seconds for x in some]))
            row.peak = next((x.peak for x in some if math.isfinite(x.peak)), math.nan)
            row.note = cells[min(cells)].note
        rows.append(row)
    say("intervals")
    OnFolds(runner, rows).fill()
    OnTrusted(runner, rows).fill()
    judge(rows, runner.metric, on_trusted=decides_on_trusted(rows, runner.metric))
    return rows


def _place(item: tuple[tuple[str, int, int], object]) -> tuple[str, int, int]:
    return item[0]


def decides_on_trusted(rows: list[Row], metric: str) -> bool:
    """Whether the verdict rests on the trusted rows."""
    return metric in rows[0].trusted


def judge(rows: list[Row], metric: str, *, on_trusted: bool) -> None:
    """Say of each remedy whether it is better or worse than *nothing*, all together at 5 % (Holm)."""
    told = {}
    for row in rows[1:]:
        found = (row.trusted_difference if on_trusted else row.difference).get(metric)
        if found is not None:
            told[row.name] = found
    rows[0].verdict = "reference"
    order = sorted(told, key=lambda name: told[name].p)
    worst = 0.0
    adjusted = {}
    for rank, name in enumerate(order):
        worst = max(worst, min(1.0, told[name].p * (len(order) - rank)))
        adjusted[name] = worst
    for row in rows[1:]:
        if row.kind == "rejecter" and row.abstaining:
            row.verdict = "see abstaining"
            continue
        if row.name not in told:
            row.verdict = row.status if row.status != "done" else "too few folds"
            continue
        row.p_adjusted = adjusted[row.name]
        gain = told[row.name].gain(metric)
        if gain.low == gain.high == 0:
            row.verdict = "the same"
        elif row.p_adjusted < 1 - LEVEL:
            row.verdict = "better" if gain.value > 0 else "worse"
        else:
            row.verdict = "not told apart"
