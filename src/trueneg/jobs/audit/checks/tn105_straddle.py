"""Equal rows, or rows of one group, that stand on both sides of a given split.

A model is then tested on rows that it learnt by heart, and its figures are too good.

Remedy: move each such set to one side, and keep groups together when the split is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN105", "Rows on both sides of the split"


def run(context: Context) -> Finding:
    """Find content and groups that occur under more than one value of the split column."""
    if context.roles.split is None:
        return Finding(CODE, TITLE, "not applicable", "no split column: name it with --split")
    values = context.arrow[context.roles.split].cast("string").fill_null("").combine_chunks()
    side = np.asarray(values.dictionary_encode().indices)
    torn = {}
    if context.data is not None:
        torn["equal rows"] = _torn(context.data.duplicate_of, side)
    if context.groups is not None:
        torn["groups"] = _torn(context.groups, side)
    both = np.any(list(torn.values()), axis=0) if torn else np.zeros(len(side), bool)
    rows = np.flatnonzero(both)
    if not rows.size:
        return Finding(CODE, TITLE, "passed", f"no content and no group crosses the split {context.roles.split!r}")
    words = ", ".join(f"{int(mask.sum()):,} rows by {name}" for name, mask in torn.items() if mask.any())
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{rows.size:,} rows stand on more than one side of the split ({words})",
        severity="high" if rows.size > 0.01 * len(side) else "medium",
        estimate=wilson(int(rows.size), len(side)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="move each set to one side; draw the split by group",
        rows=rows.tolist(),
    )


def _torn(member: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return (n,) whether the row's set occurs on more than one side."""
    member = np.unique(member, return_inverse=True)[1]
    low = np.full(member.max() + 1, np.iinfo(np.int64).max)
    high = np.full(member.max() + 1, -1)
    np.minimum.at(low, member, side)
    np.maximum.at(high, member, side)
    return (low != high)[member]
