"""A column that gives the label away.

A column which alone separates the classes almost perfectly was usually written after the label
(a status, a code, a copy). A model that reads it looks excellent and fails in use, and no false
negative can be found with its help.

Remedy: leave the column out, unless it is known at prediction time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN104", "A column that leaks the label"
LEAK = 0.995
MAX_ROWS = 50_000


def run(context: Context) -> Finding:
    """Score every numeric column alone by the AUROC of each class against the rest."""
    names = list(context.roles.numeric)
    if context.data is None or not names or len(context.classes) > 50:
        return Finding(CODE, TITLE, "not applicable", "no numeric column, or more than 50 classes")
    judged = np.flatnonzero(context.codes >= 0)
    if len(judged) > MAX_ROWS:
        judged = np.sort(np.random.default_rng(context.seed).choice(judged, MAX_ROWS, replace=False))
    y = context.codes[judged]
    leaking = {}
    for name in names:
        values = context.arrow[name].cast("float64", safe=False).to_numpy()[judged]
        best = _separation(np.nan_to_num(values, nan=-np.inf), y, len(context.classes))
        if best >= LEAK:
            leaking[name] = round(best, 4)
    if not leaking:
        return Finding(CODE, TITLE, "passed", f"none of {len(names)} numeric columns separates a class alone")
    worst = max(leaking, key=lambda name: leaking[name])
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{len(leaking)} column(s) separate the classes alone: {', '.join(sorted(leaking))}"
        f" (AUROC of {worst!r}: {leaking[worst]})",
        severity="high",
        affected=len(context.codes),
        remedy="leave them out with --features, unless they are known when a prediction is made",
        details={"auroc": leaking},
    )


def _separation(values: np.ndarray, y: np.ndarray, n_classes: int) -> float:
    """Return the smallest one-against-rest AUROC over the classes, direction-free."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    counts = np.bincount(y, minlength=n_classes).astype(float)
    sums = np.bincount(y, weights=ranks, minlength=n_classes)
    inside = (counts > 0) & (counts < len(y))
    auc = (sums - counts * (counts + 1) / 2)[inside] / (counts * (len(y) - counts))[inside]
    return float(np.maximum(auc, 1 - auc).min()) if auc.size else 0.0
