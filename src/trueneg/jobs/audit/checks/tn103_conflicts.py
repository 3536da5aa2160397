"""Rows of equal content that carry different labels.

At least one label of each such set is wrong, or the columns do not hold what decides the label.
No model can get both right, and in a split they put the same row on both sides.

Remedy: decide each set once, and keep equal rows in one fold (this audit does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN103", "Equal rows with different labels"


def run(context: Context) -> Finding:
    """Find sets of equal rows whose labels clash; unjudged rows clash with nothing."""
    if context.data is None:
        return Finding(CODE, TITLE, "not applicable", "no features, text or embedding to compare rows by")
    judged = np.flatnonzero(context.codes >= 0)
    content = np.unique(context.data.duplicate_of[judged], return_inverse=True)[1]
    label = context.codes[judged]
    low = np.full(content.max() + 1, np.iinfo(np.int64).max)
    high = np.full(content.max() + 1, -1)
    np.minimum.at(low, content, label)
    np.maximum.at(high, content, label)
    clash = (low != high)[content]
    rows = judged[clash]
    copies = int(len(judged) - (content.max() + 1))
    if not rows.size:
        return Finding(CODE, TITLE, "passed", f"{copies:,} rows repeat another one, none with another label")
    sets = int((low != high).sum())
    order = np.argsort(content[clash], kind="stable")
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{rows.size:,} rows stand in {sets:,} sets of equal content and different labels",
        severity="high" if rows.size > 0.01 * len(judged) else "medium",
        estimate=wilson(int(rows.size), len(judged)),
        unit="share of labelled rows",
        affected=int(rows.size),
        remedy="decide every set once; where both labels are right, a column that tells them apart is missing",
        rows=rows[order].tolist(),
        details={"sets": sets, "repeated rows": copies},
    )
