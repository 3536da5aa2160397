"""Which class has the largest share of labels that are probably wrong, and which one the negatives hide most of.

Where a class of "none of these" is declared, each row of it that is probably another class is counted
for the class proposed: a class of 50 rows that hides 30 more among the negatives is worse off than one
of 5,000 that hides 100.

Remedy: review that class first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN204", "The class whose labels are least believable"
LEAST = 0.005
TOO_FEW = 5
LISTED = 20


def run(context: Context) -> Finding:
    """Compare the mean probability of a wrong label over the classes, and what each misses among the negatives."""
    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if len(context.classes) < 3:
        return Finding(CODE, TITLE, "not applicable", "two classes: TN201 and TN202 say it")
    found = context.suspicion("TN203")
    p = found.over_rows()
    judged = context.codes >= 0
    counts = np.bincount(context.codes[judged], minlength=len(context.classes))
    share = np.bincount(context.codes[judged], weights=p[judged], minlength=len(counts)) / np.maximum(counts, 1)
    share[counts < TOO_FEW] = 0.0
    worst = int(np.argmax(share))
    hidden, hides, told = _hidden(context, counts)
    if share[worst] < LEAST and (hidden is None or hides[hidden] < LEAST):
        return Finding(CODE, TITLE, "passed", "no class has more than 0.5 % of labels that are probably wrong")
    rows = np.flatnonzero(context.codes == worst)
    words = f"labels {context.names[worst]!r}: about {100 * share[worst]:.0f} % are probably wrong ({found.words})"
    details: dict[str, Any] = {"share wrong": _largest(context, share)}
    if hidden is not None:
        words += (
            f"; among the negatives, {context.names[hidden]!r} hides most for its size: about "
            f"{100 * hides[hidden]:.0f} % of its rows ({told})"
        )
        details["share hidden among the negatives"] = _largest(context, hides)
    return Finding(
        CODE,
        TITLE,
        "advice",
        words,
        severity="low",
        affected=round(float(share[worst] * counts[worst])),
        remedy="review this class first",
        rows=rows[np.argsort(-p[rows], kind="stable")].tolist(),
        details=details,
    )


def _hidden(context: Context, counts: np.ndarray) -> tuple[int | None, np.ndarray, str]:
    """Return the class that the negatives hide most of, the share (K,) of each class's rows there, and the basis."""
    if context.negative is None:
        return None, np.zeros(len(counts)), ""
    found = context.suspicion("TN201")
    known = found.proposed >= 0
    lost = np.bincount(found.proposed[known], weights=found.probability[known], minlength=len(counts))
    lost[context.negative] = 0.0
    share = np.where(counts >= TOO_FEW, lost / np.maximum(counts + lost, 1e-12), 0.0)
    worst = int(np.argmax(share))
    return (worst if share[worst] > 0 else None), share, found.words


def _largest(context: Context, share: np.ndarray) -> dict[str, float]:
    return {context.names[k]: round(float(share[k]), 4) for k in np.argsort(-share, kind="stable")[:LISTED]}
