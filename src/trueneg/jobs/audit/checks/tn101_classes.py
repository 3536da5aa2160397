"""How many rows each class has, and what the smallest one allows to be said.

Imbalance is not an error. It becomes one when a class has too few rows to learn from or to judge:
below 5 rows no probability of a wrong label is worth reading, and an interval around its recall
spans most of the range from 0 to 1.

Remedy: collect rows of that class, or merge it into another; choose the metric by cost (TN302),
since accuracy says nothing about a rare class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding
from trueneg.report.figures import bar

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN101", "Classes and imbalance"
TOO_FEW = 5


def run(context: Context) -> Finding:
    """Count the classes; a finding where one is too small, advice where one is rare."""
    counts = np.bincount(context.codes[context.codes >= 0], minlength=len(context.classes))
    smallest = int(np.argmin(counts))
    n = int(counts.sum())
    share = wilson(int(counts[smallest]), n)
    small = [context.names[k] for k in np.flatnonzero(counts < TOO_FEW)]
    name = context.names[smallest]
    message = f"the smallest of {len(counts)} classes, {name!r}, has {counts[smallest]:,} of {n:,} rows"
    details = {"counts": dict(zip(context.names, counts.tolist(), strict=True))}
    figures = [
        bar(
            context.names,
            counts.tolist(),
            title="Rows of each class",
            id="classes",
            caption="As labelled; unjudged rows are not counted.",
            label="class",
            value="rows",
        )
    ]
    if small:
        return Finding(
            CODE,
            TITLE,
            "finding",
            f"{message}; fewer than {TOO_FEW} rows: {', '.join(small[:10])}",
            severity="medium",
            estimate=share,
            unit="share of rows",
            affected=int(counts[counts < TOO_FEW].sum()),
            remedy="collect rows of these classes or merge them; nothing can be told about their labels",
            rows=np.flatnonzero(np.isin(context.codes, np.flatnonzero(counts < TOO_FEW))).tolist(),
            details=details,
        )
    rare = share.value < 0.1
    return Finding(
        CODE,
        TITLE,
        "advice" if rare else "passed",
        message,
        severity="low" if rare else "none",
        estimate=share,
        unit="share of rows",
        remedy="do not judge models by accuracy here; read TN302 for the threshold" if rare else "",
        details=details,
        figures=figures,
    )
