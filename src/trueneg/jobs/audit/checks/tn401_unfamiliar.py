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
        return Finding(CODE, TITLE, "skipped", "needs neighbours, which --quick leaves out")
    asked, even = context.asked
    embedding = context.data.embedding
    similar = np.full(len(embedding), np.nan)
    similar[asked] = _similarity(embedding, asked, context.neighbors[asked, 0])
    usual = similar if even is None else similar[even]
    low, high = np.quantile(usual, [0.25, 0.75])
    bar = low - 3 * (high - low)
    far = np.flatnonzero(similar < bar)
    drawn = int((usual < bar).sum())
    if not far.size:
        return Finding(CODE, TITLE, "passed", "every row has another one within the usual distance")
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{far.size:,} rows are far from all others (nearest similarity below {bar:.2f}); "
        f"{len(asked):,} rows were looked at",
        severity="low",
        estimate=wilson(drawn, len(usual)),
        unit="share of rows",
        affected=int(far.size),
        remedy="look at them; let the model abstain where nothing similar was in training",
        rows=far[np.argsort(similar[far], kind="stable")].tolist(),
    )


def _similarity(embedding: np.ndarray, rows: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Cosine (m,) of each row and its nearest other row; 0 where there is none."""
    one, other = embedding[rows], embedding[np.maximum(nearest, 0)]
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(nearest >= 0, np.einsum("ij,ij->i", one, other) / np.maximum(size, 1e-12), 0.0)
