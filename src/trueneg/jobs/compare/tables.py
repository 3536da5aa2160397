"""The tables of a comparison, as they are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trueneg.jobs.compare.advice import told
from trueneg.jobs.compare.differences import judged, rows_needed
from trueneg.jobs.compare.metrics import LOWER_IS_BETTER, called
from trueneg.jobs.compare.on_folds import ALARMS
from trueneg.report.words import estimate as written

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.jobs.compare.differences import Difference, Row


def make_tables(rows: list[Row], metric: str, on_trusted: bool, binary: bool) -> list[dict[str, Any]]:
    """Write all tables, the verdicts first."""
    rows = [row for row in rows if row.status != "not run"]
    tables = [_verdicts(judged(rows), metric, on_trusted)]
    tables.append(_probabilities(rows))
    tables.append(_abstaining(rows))
    if binary:
        tables.append(_matched(rows))
    others = [m for m in rows[0].value if m not in ("log_loss", "brier", "ece", metric)]
    tables.append(
        _table("others", "Other figures of the test folds", "Mean over the folds, 95 % intervals.", rows, others)
    )
    if rows[0].corrected is not None:
        tables.append(_corrected(rows, metric))
    tables.append(_means(rows))
    return tables


def _verdicts(rows: list[Row], metric: str, on_trusted: bool) -> dict[str, Any]:
    name = called(metric)
    columns = ["remedy", "verdict", f"{name}, test folds", "difference"]
    if on_trusted:
        columns += [f"{name}, trusted", "difference, trusted"]
    columns.append("n needed")
    lines = []
    for row in rows:
        cells = [row.title, row.verdict, _said(row.value.get(metric)), _change(row.difference.get(metric))]
        if on_trusted:
            cells += [_said(row.trusted.get(metric)), _change(row.trusted_difference.get(metric))]
        found = told(row, metric, on_trusted=on_trusted)
        open_one = row.verdict == "not told apart" and found is not None and found.needed is not None
        cells.append(rows_needed(found) if open_one and found is not None else "")
        lines.append(cells)
    where = "trusted rows" if on_trusted else "test folds"
    lower = " Lower is better." if metric in LOWER_IS_BETTER else ""
    caption = (
        f"The verdict is on the {where}, against nothing, at 5 % for all remedies together (Holm); each difference has "
        f"its own 95 % interval. n needed: rows that would tell a difference of that size beside all the others.{lower}"
    )
    return {"id": "verdicts", "title": f"Remedies by {name}", "caption": caption, "columns": columns, "rows": lines}


def _probabilities(rows: list[Row]) -> dict[str, Any]:
    names = ("log_loss", "brier", "ece")
    columns = ["remedy", *(w for n in names for w in (called(n), f"{called(n)}, difference"))]
    lines = [
        [r.title, *(c for n in names for c in (_said(r.value.get(n)), _change(r.difference.get(n))))]
        for r in rows
        if r.value
    ]
    caption = (
        "Lower is better. Resampling and weights change the prior, "
        "so that the probabilities are no longer those of the data."
    )
    return {
        "id": "probabilities",
        "title": "What it does to the probabilities",
        "caption": caption,
        "columns": columns,
        "rows": lines,
    }


def _abstaining(rows: list[Row]) -> dict[str, Any]:
    shares = sorted({share for row in rows for share in row.abstaining}, reverse=True)
    columns = ["remedy"]
    for i, share in enumerate(shares):
        columns += [f"errors, {100 * share:.0f} % answered", "difference" + " " * i]
    lines = [
        [r.title, *(c for s in shares for c in (_said(r.abstaining.get(s)), _change(r.abstaining_difference.get(s))))]
        for r in rows
        if r.abstaining
    ]
    caption = (
        "Share of errors among the rows answered, where the least certain ones go to a person: by the probability of "
        "the likeliest class, or by what a rejecter says, whose answers are those of nothing. Differences are to "
        "nothing at the same share answered. How: OpenSetClassifier(model, threshold='tpr90') answers 90 % of the rows "
        "of known classes; what it refuses has its own label."
    )
    return {
        "id": "abstaining",
        "title": "If the least certain rows are left to a person",
        "caption": caption,
        "columns": columns,
        "rows": lines,
    }


def _matched(rows: list[Row]) -> dict[str, Any]:
    names = {
        "recall": "recall at equal false-positive rate",
        "precision": "precision at equal alarms",
        "fpr": "false-positive rate at equal recall",
        "budget": f"recall at {100 * ALARMS:g} % false positives",
    }
    columns = ["remedy"]
    for i, said in enumerate(names.values()):
        columns += [said, "difference" + " " * i]
    lines = [
        [r.title, *(c for n in names for c in (_said(r.matched.get(n)), _change(r.matched_difference.get(n))))]
        for r in rows
        if r.matched
    ]
    caption = (
        "All at the false-positive rate, the number of alarms, or the recall that the tuned threshold has in the fold, "
        "and at a budget of false positives: what is left is the ranking. The tuned threshold ranks as nothing does."
    )
    return {
        "id": "matched",
        "title": "At the same operating point",
        "caption": caption,
        "columns": columns,
        "rows": lines,
    }


def _corrected(rows: list[Row], metric: str) -> dict[str, Any]:
    columns = ["remedy", f"{called(metric)}, as labelled", f"{called(metric)}, corrected", "difference, corrected"]
    lines = [
        [r.title, _said(r.value.get(metric)), _said(r.corrected), _change(r.corrected_difference)]
        for r in rows
        if r.corrected is not None
    ]
    caption = "Against the truth, were labels wrong at the rates given whatever the model says; rows not verified."
    return {
        "id": "corrected",
        "title": "Corrected for label errors",
        "caption": caption,
        "columns": columns,
        "rows": lines,
    }


def _table(id_: str, title: str, caption: str, rows: list[Row], names: list[str]) -> dict[str, Any]:
    lines = [[r.title, *(_said(r.value.get(n)) for n in names)] for r in rows if r.value]
    return {"id": id_, "title": title, "caption": caption, "columns": ["remedy", *map(called, names)], "rows": lines}


def _means(rows: list[Row]) -> dict[str, Any]:
    columns = ["remedy", "seconds a fold", "peak memory", "rows trained on", "folds", "first fold", "how to do it"]
    lines = []
    for r in rows:
        peak = f"{r.peak / 2**20:,.1f} MiB" if math.isfinite(r.peak) else ""
        seconds = f"{r.seconds:.2f}" if math.isfinite(r.seconds) else ""
        trained = f"{r.rows:,.0f}" if math.isfinite(r.rows) else ""
        lines.append([r.title, seconds, peak, trained, str(r.folds), r.reason or r.note, r.apply])
    caption = (
        "Seconds to train and to predict one fold on one thread, preprocessing and out-of-fold probabilities included; "
        "memory is the most held at once beyond the data, in the first fold."
    )
    return {
        "id": "means",
        "title": "Time, memory, and how to do it",
        "caption": caption,
        "columns": columns,
        "rows": lines,
    }


def _said(value: Estimate | None) -> str:
    return "" if value is None else written(value.to_dict())


def _change(found: Difference | None) -> str:
    if found is None:
        return ""
    text = written(found.estimate.to_dict())
    return text if found.estimate.value < 0 or found.estimate.high == 0 else f"+{text}"
