"""Negatives that are confusable and still true.

The model takes them for positives, the rows around them do not: their label is believed
(probability of being wrong below 0.2), so they are hard, not false. They are the negatives worth
training on; dropping them with the false ones would cost precision.

Remedy: keep them, and give them weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN205", "Hard negatives"
TAKEN_FOR_POSITIVE = 0.5
BELIEVED = 0.2


def run(context: Context) -> Finding:
    """Among the negatives that the model calls something else, those whose label is believed."""
    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if context.negative is None:
        return Finding(CODE, TITLE, "not applicable", "no negative class: name it with --positive or --negative")
    if context.neighbors is None:
        return Finding(
            CODE, TITLE, "skipped", "hard and false negatives are told apart by neighbours, which were not used"
        )
    found = context.suspicion("TN201")
    negative = context.codes == context.negative
    positive = 1 - context.probability[:, context.negative].astype(float)
    wrong = found.over_rows()
    confusable = negative & (positive >= TAKEN_FOR_POSITIVE)
    rows = np.flatnonzero(confusable & (wrong < BELIEVED))
    if not rows.size:
        return Finding(CODE, TITLE, "passed", f"of {int(confusable.sum()):,} confusable negatives none is believed")
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{rows.size:,} negatives are taken for another class and are probably true ({found.words}); "
        f"{int((confusable & (wrong >= 0.5)).sum()):,} confusable ones are probably false",
        severity="low",
        estimate=wilson(int(rows.size), int(negative.sum())),
        unit="share of the negatives",
        affected=int(rows.size),
        remedy="keep them and give them weight; drop only the false ones (TN201)",
        rows=rows[np.argsort(-positive[rows], kind="stable")].tolist(),
    )
