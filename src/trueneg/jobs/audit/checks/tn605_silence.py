"""Where the verifier said nothing: it abstained, ran out of time, failed, or could not be parsed.

Such attempts (``accepted`` is -1 or empty; the column ``outcome`` says why) are never counted as accepted, nor as
rejected. Many of them make every rate one of the others only: a time limit that hits long correct programs, or a
judge whose verdict is cut off, is a fault of the set-up and not of the attempts.
"""

from __future__ import annotations

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.attempts import AttemptsContext
from trueneg.jobs.audit.findings import Finding

CODE = "TN605"
TITLE = "Attempts on which the verifier said nothing"
DATA = ("attempts",)
_MUCH = 0.05


def run(context: AttemptsContext) -> Finding:
    """Count silence by its reason."""
    silent = context.accepted < 0
    n, k = len(silent), int(silent.sum())
    if not k:
        return Finding(CODE, TITLE, "passed", f"the verifier accepted or rejected all {n:,} attempts")
    why = ["no reason given"] * n if context.outcome is None else [str(o or "no reason given") for o in context.outcome]
    names, counts = np.unique([why[i] for i in np.flatnonzero(silent).tolist()], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    details = {"by outcome": {str(names[i]): int(counts[i]) for i in order.tolist()}}
    much = k > _MUCH * n
    return Finding(
        CODE,
        TITLE,
        "finding" if much else "advice",
        f"{k:,} of {n:,} attempts have no verdict; they count neither as accepted nor as rejected",
        severity="medium" if much else "low",
        estimate=wilson(k, n),
        unit="share of attempts",
        affected=k,
        remedy="look at the most frequent reason; raise a time limit or ask again before rates are compared",
        rows=np.flatnonzero(silent).tolist(),
        details=details,
    )
