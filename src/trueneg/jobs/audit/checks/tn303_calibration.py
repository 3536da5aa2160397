"""Whether a probability of 0.8 means right in 8 cases of 10, judged against the labels as they are.

With trusted rows (``--trusted``) it is judged against their labels as well, which tell what the probability
is worth for the truth; there the probabilities of the suspects are recalibrated by them, and the error that
is left is shown, measured on rows that the recalibration did not see.

Remedy: calibrate on held-out rows before a threshold or a cost is read off the probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN303", "Calibration of the probabilities"
BINS = 10
TOLERATED = 0.05


def run(context: Context) -> Finding:
    """Compare the largest probability of each row with how often it is the given label."""
    from trueneg.core.intervals import bootstrap

    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    judged = np.flatnonzero(context.codes >= 0)
    p = context.probability[judged]
    sure = p.max(axis=1).astype(float)
    right = (p.argmax(axis=1) == context.codes[judged]).astype(float)
    rng = np.random.default_rng(context.seed)
    some = judged.size if judged.size <= 20_000 else 20_000
    pick = rng.choice(judged.size, some, replace=False)
    estimate = bootstrap(_ece, sure[pick], right[pick], n_boot=context.n_boot(200), random_state=context.seed)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(counts)
    rows = [
        [
            round(float(sure[bins == b].mean()), 4),
            round(float(right[bins == b].mean()), 4),
            int(counts[b]),
        ]
        for b in used
    ]
    bad = estimate.low > TOLERATED
    words, more = _trusted(context)
    return Finding(
        CODE,
        TITLE,
        "advice" if bad else "passed",
        f"on average a probability is off by {estimate} against the labels as they are ({context.model}){words}",
        severity="low" if bad else "none",
        estimate=estimate,
        unit="expected calibration error",
        remedy="calibrate on held-out rows before reading a threshold off them" if bad else "",
        details={"bins (mean probability, share right, rows)": rows, **more},
        figures=[_reliability(rows)] if len(rows) > 1 else [],
    )


def _trusted(context: Context) -> tuple[str, dict[str, Any]]:
    """Judge the probabilities by the trusted labels, before and after recalibration; nothing without trusted rows."""
    from trueneg.core.intervals import bootstrap
    from trueneg.jobs.audit.trust import reliability, why_not

    reason = why_not(context)
    if reason is not None:
        return f"; {reason}", {}
    found = reliability(context)
    if found is None or context.trusted is None:
        return "", {}
    known = np.flatnonzero(context.trusted & (context.codes >= 0))
    groups = None if context.groups is None else context.groups[known]
    if groups is not None and len(np.unique(groups)) < 2:
        groups = None
    options: dict[str, Any] = {"n_boot": context.n_boot(200), "random_state": context.seed, "groups": groups}
    before = bootstrap(_ece, found.sure, found.right.astype(float), **options)
    after = bootstrap(_ece, found.sure_after, found.right_after.astype(float), **options)
    n = len(found.right)
    words = f"; against {n:,} trusted labels by {before}, and by {after} once recalibrated by the other trusted rows"
    return words, {"against trusted labels": before.to_dict(), "recalibrated, against trusted labels": after.to_dict()}


def _reliability(rows: list[list[float]]) -> dict[str, Any]:
    from trueneg.report.figures import line

    said = [row[0] for row in rows]
    return line(
        said,
        {"share right": [row[1] for row in rows], "as it should be": said},
        title="What a probability is worth",
        id="reliability",
        caption="Rows grouped by the largest probability; judged against the labels as they are.",
        x_label="probability said",
        y_label="share right",
    )


def _ece(sure: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(sure))
