"""Rows without a judgment.

A row without a label is unjudged, never a negative. Treating it as one plants a false negative
for every positive among them.

Remedy: leave them out of training, or label the ones the model is least sure of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN102", "Rows without a label"


def run(context: Context) -> Finding:
    """Count the unjudged rows."""
    rows = np.flatnonzero(context.codes < 0)
    if not rows.size:
        return Finding(CODE, TITLE, "passed", f"all {len(context.codes):,} rows carry a label")
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{rows.size:,} of {len(context.codes):,} rows carry no label; they were read as unjudged, never as negative",
        severity="low",
        estimate=wilson(int(rows.size), len(context.codes)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="leave them out of training and of every metric, or have them labelled",
        rows=rows.tolist(),
    )
