"""Rows unlike anything else in the table: perhaps of no class.

Two scores, neither of which has learned from the row itself or its group: the distance to the nearest
class, in units of the spread within classes (Mahalanobis, out of fold), and the similarity to the nearest
other rows. A row is told where either lies far outside the usual range: a broken input, another source, or
a class that the labels do not know. A classifier still gives them a confident answer. Rows are ordered by
both together. The finding says which thresholds keep 99 % of the labelled rows, and how many of the rows
without a label each of them refuses.

Without two classes of 50 rows only the similarity is used. Measured: rows of a held-out class, 2 % of the
rows under random labels, rank with AUROC .81 (digits) and .83 (pendigits), by the nearest row alone .64:
they are each other's nearest rows. Without labels they are not, and the similarity is the better threshold:
it refuses .39 (digits), .72 (pendigits) and .08 (satimage) of them, the distance .03, .04 and .20.

Remedy: look at them; let the model abstain on such inputs, by `trueneg fit mahalanobis`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.checks._familiar import scores_of
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN401", "Rows unlike anything else"
KEEP = 0.99
_FAR = 3.0  # interquartile ranges beyond the quartile


def run(context: Context) -> Finding:
    """Flag rows whose familiarity lies far below the usual range."""
    if context.neighbors is None or context.data is None:
        return Finding(CODE, TITLE, "skipped", "needs neighbours, which --quick leaves out")
    asked, even = context.asked
    embedding = context.data.embedding
    similar = np.full(len(embedding), np.nan)
    similar[asked] = _similarity(embedding, asked, context.neighbors[asked, 0])
    usual = similar if even is None else similar[even]
    bar = _bar(usual)
    far, drawn = similar < bar, usual < bar
    order = similar
    familiar = scores_of(context)
    told, command = "", None
    if familiar is not None:
        reach = np.full(len(embedding), np.nan)
        reach[asked] = _similarity(embedding, asked, _last(context.neighbors[asked]))
        distance = _log_rank(familiar)
        order = np.where(np.isnan(reach), 2 * distance, _log_rank(reach) + distance)
        near = -np.sqrt(np.maximum(-2 * familiar, 0.0))
        low = _bar(near)
        far = (near < low) | far
        drawn = far if even is None else far[even]
        words, apt = _threshold(context, similar, familiar)
        told, command = "; " + words, _command(context) if apt else None
    rows = np.flatnonzero(far)
    if not rows.size:
        return Finding(CODE, TITLE, "passed", "every row has another one within the usual distance" + told)
    known = np.where(np.isnan(order), np.inf, order)
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{rows.size:,} rows are far from all others (nearest similarity below {bar:.2f})"
        + (" or from all classes" if familiar is not None else "")
        + f"; {len(asked):,} rows were looked at{told}",
        severity="low",
        estimate=wilson(int(drawn.sum()), len(usual)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="look at them; let the model abstain where nothing similar was in training",
        command=command,
        rows=rows[np.argsort(known[rows], kind="stable")].tolist(),
    )


def _bar(usual: np.ndarray) -> float:
    low, high = np.nanquantile(usual, [0.25, 0.75])
    return float(low - _FAR * (high - low))


def _log_rank(scores: np.ndarray) -> np.ndarray:
    """Return the logarithm of the share of rows that are as unfamiliar, (n,); NaN stays."""
    known = np.sort(scores[~np.isnan(scores)])
    share = np.searchsorted(known, scores, side="right") / max(1, len(known))
    return np.where(np.isnan(scores), np.nan, np.log(np.maximum(share, 1 / max(1, len(known)))))


def _last(neighbors: np.ndarray) -> np.ndarray:
    """Return the farthest of the nearest rows that there are, (m,): one twin does not make a row familiar."""
    count = (neighbors >= 0).sum(axis=1)
    return np.where(count > 0, neighbors[np.arange(len(neighbors)), np.maximum(count - 1, 0)], -1)


def _threshold(context: Context, similar: np.ndarray, familiar: np.ndarray) -> tuple[str, bool]:
    """Say which thresholds keep the labelled rows and how many others each refuses, and if the distance is as good."""
    from trueneg.reject import find_threshold

    kept, refused, below = [], [], []
    rest = 0
    for name, scores in (("nearest similarity", similar), ("distance score", familiar)):
        known = ~np.isnan(scores)
        labelled = known & (context.codes >= 0)
        if not labelled.any():
            continue
        found = find_threshold(scores[labelled], target_tpr=KEEP)
        kept.append(f"{name} {float(found):.4g} (keeps {found.tpr})")
        others = scores[known & (context.codes < 0)]
        rest = max(rest, len(others))
        if len(others):
            below.append(int((others < float(found)).sum()))
            refused.append(f"{wilson(below[-1], len(others))} by the {name}")
    words = f"thresholds that keep {100 * KEEP:.0f} % of the labelled rows: {' or '.join(kept)}"
    words += f"; of the {rest:,} rows without a label they refuse {', '.join(refused)}" if refused else ""
    return words, not below or below[-1] >= max(below)


def _command(context: Context) -> str | None:
    if not context.path or context.roles.label is None:
        return None
    words = ["trueneg", "fit", "mahalanobis", context.path, "--label", context.roles.label, "--keep", str(KEEP)]
    return " ".join(shlex.quote(word) for word in [*words, "--out", "model"])


def _similarity(embedding: np.ndarray, rows: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Cosine (m,) of each row and its nearest other row; 0 where there is none."""
    one, other = embedding[rows], embedding[np.maximum(nearest, 0)]
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(nearest >= 0, np.einsum("ij,ij->i", one, other) / np.maximum(size, 1e-12), 0.0)
