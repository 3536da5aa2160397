"""The comparison as one dict: raw figures, tables as they are read, and pictures."""

from __future__ import annotations

import datetime
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.jobs.compare import advice
from trueneg.jobs.compare.differences import LEVEL, Difference, Row
from trueneg.jobs.compare.metrics import LOWER_IS_BETTER
from trueneg.jobs.compare.on_folds import noise_rates
from trueneg.jobs.compare.pictures import make_figures
from trueneg.jobs.compare.summary import decides_on_trusted
from trueneg.jobs.compare.tables import make_tables

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.jobs.compare.engine import Runner
    from trueneg.jobs.compare.plan import Plan


def make_report(
    runner: Runner,
    rows: list[Row],
    plan: Plan,
    *,
    said: list[str],
    shared: list[str],
    head: str,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Build the report of schema ``trueneg/compare/1``."""
    task, metric = runner.task, runner.metric
    on_trusted = decides_on_trusted(rows, metric)
    counts = np.bincount(task.codes, minlength=len(task.classes))
    tips = [{"title": "Resampling", "text": advice.resampling(rows, task, metric)}]
    left = advice.abstaining(rows)
    if left:
        tips.append({"title": "Leaving rows to a person", "text": left})
    if head:
        tips.append({"title": "Naive Bayes or logistic regression", "text": head})
    tips.append({"title": "Label errors", "text": _capital(noise_rates(runner)[1]) + "."})
    folder = task.folder
    source = os.path.relpath(task.path, folder) if folder is not None and Path(task.path).is_file() else None
    return {
        "schema": "trueneg/compare/1",
        "title": f"Remedies compared on {Path(task.path).name}",
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": trueneg.__version__,
        "input": {
            "path": task.path,
            "source": source,
            "data": task.data,
            "rows": len(task),
            "classes": [{"name": n, "count": int(c)} for n, c in zip(task.classes, counts, strict=True)],
            "trusted": int(task.trusted.sum()),
            "saw": [*task.saw, f"learnt from: {task.features.words}"],
        },
        "options": options,
        "setup": {
            "metric": metric,
            "better": "lower" if metric in LOWER_IS_BETTER else "higher",
            "verdict from": "trusted rows" if on_trusted else "test folds",
            "model": {"linear": "logistic regression", "boosting": "histogram gradient boosting"}[runner.kind],
            "folds": plan.folds,
            "repeats": plan.repeats,
            "level": LEVEL,
            "said": said,
            "shared": shared,
        },
        "summary": advice.conclusion(rows, task, metric),
        "advice": tips,
        "remedies": [_raw(row) for row in rows],
        "tables": make_tables(rows, metric, on_trusted, task.binary),
        "figures": make_figures(runner, rows, on_trusted),
        "next": advice.next_command(rows, task, metric),
    }


def _raw(row: Row) -> dict[str, Any]:
    def pair(value: dict[str, Estimate], difference: dict[str, Difference]) -> dict[str, Any]:
        return {
            name: {
                "value": e.to_dict(),
                "difference": difference[name].estimate.to_dict() if name in difference else None,
                "p": _finite(difference[name].p) if name in difference else None,
                "n needed": difference[name].needed if name in difference else None,
            }
            for name, e in value.items()
        }

    corrected = None
    if row.corrected is not None:
        found = row.corrected_difference
        corrected = {
            "value": row.corrected.to_dict(),
            "difference": None if found is None else found.estimate.to_dict(),
        }
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason,
        "verdict": row.verdict,
        "p adjusted": _finite(row.p_adjusted),
        "folds": row.folds,
        "rows": _finite(row.rows),
        "seconds": _finite(row.seconds),
        "peak bytes": _finite(row.peak),
        "note": row.note,
        "apply": row.apply,
        "metrics": pair(row.value, row.difference),
        "trusted": pair(row.trusted, row.trusted_difference),
        "matched": pair(row.matched, row.matched_difference),
        "abstaining": pair(
            {str(share): e for share, e in row.abstaining.items()},
            {str(share): d for share, d in row.abstaining_difference.items()},
        ),
        "corrected": corrected,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
