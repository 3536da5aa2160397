"""Rows unlike anything else in the table.

Their nearest row is farther than nearly all others have theirs: broken inputs, another source,
or a class that the labels do not know. A classifier still gives them a confident answer.

Remedy: look at them; let the model abstain on such inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN401", "Rows unlike anything else"


def run(context: Context) -> Finding:
    """Flag rows whose similarity to the nearest other row lies far below the usual range."""
    if context.neighbors is None or context.data is None:
        return Finding(CODE, TITLE, "skipped", "needs neighbours, which --quick and very large tables leave out")
    rows = context.data.embedding
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    nearest = context.neighbors[:, 0]
    similar = np.where(nearest >= 0, np.einsum("ij,ij->i", unit, unit[np.maximum(nearest, 0)]), 0.0)
    low, high = np.quantile(similar, [0.25, 0.75])
    far = np.flatnonzero(similar < low - 3 * (high - low))
    if not far.size:
        return Finding(CODE, TITLE, "passed", "every row has another one within the usual distance")
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{far.size:,} rows are far from all others (nearest similarity below {low - 3 * (high - low):.2f})",
        severity="low",
        estimate=wilson(int(far.size), len(similar)),
        unit="share of rows",
        affected=int(far.size),
        remedy="look at them; let the model abstain where nothing similar was in training",
        rows=far[np.argsort(similar[far], kind="stable")].tolist(),
    )
