"""Which class has the largest share of labels that are probably wrong.

Remedy: review that class first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN204", "The class whose labels are least believable"


def run(context: Context) -> Finding:
    """Compare the mean probability of a wrong label over the classes."""
    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if len(context.classes) < 3:
        return Finding(CODE, TITLE, "not applicable", "two classes: TN201 and TN202 say it")
    p = np.nan_to_num(context.ranker(None).probability_)
    judged = context.codes >= 0
    counts = np.bincount(context.codes[judged], minlength=len(context.classes))
    share = np.bincount(context.codes[judged], weights=p[judged], minlength=len(counts)) / np.maximum(counts, 1)
    share[counts < 5] = 0.0
    worst = int(np.argmax(share))
    if share[worst] < 0.005:
        return Finding(CODE, TITLE, "passed", "no class has more than 0.5 % of labels that are probably wrong")
    rows = np.flatnonzero(context.codes == worst)
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"labels {context.names[worst]!r}: about {100 * share[worst]:.0f} % are probably wrong (model-based)",
        severity="low",
        affected=round(float(share[worst] * counts[worst])),
        remedy="review this class first",
        rows=rows[np.argsort(-p[rows], kind="stable")].tolist(),
        details={"share": {context.names[k]: round(float(share[k]), 4) for k in np.argsort(-share)[:20]}},
    )
