"""Rows unlike anything else in the table: perhaps of no class.

Three scores, none of which has learned from the row itself or its group: the similarity to the class that
a row is most like, by the nearest fifth of the class's rows; the distance to the nearest class, in units of
the spread within classes (Mahalanobis, out of fold); and the similarity to the nearest other row. A row is
told where one of them lies far outside the usual range (at most 5 % of the rows by each): a broken input,
another source, or a class that the labels do not know. A classifier still gives them a confident answer.
Rows are ordered by how far outside they are. The finding says which thresholds keep 99 % of the labelled
rows, and how many of the rows without a label each of them refuses.

Without two classes of 50 rows only the nearest row is used. Foreign rows that came together are each other's
nearest rows, and the spread is learned from them as well; but they are no fifth of a class. Measured, by
AUROC: 100 drawings of Omniglot under random labels among 4,000 photographs of CIFAR-10 (EfficientNet-Lite0
at 64 pixels) .92 by the class, .01 by the nearest row and .04 by the distance; rows of a held-out class, 2 %
of the rows under random labels, .85 (digits) and .86 (pendigits) by the class, .64 by the nearest row. Few
lie beyond the usual range: 14 rows were told of the 100 drawings, all of them drawings; 27 of 200 without a
label, all drawings. Of those 200 the thresholds refuse .64 by the class, .41 by the nearest row, none by the
distance. Which one is best depends on the data: rows of a held-out class without labels are refused best by
the nearest row, .39 (digits) and .72 (pendigits), by the class .07 and .03. Of 6,000 flows of NSL-KDD beside
900 without a label, 300 of these attacks of new types, 367 rows were told and .50 [.45, .55] of them are such
attacks, of the first 50 .74; where 120 new attacks had random labels, .07 [.05, .10] of 314: attacks that
look like users are not told.

Remedy: look at them; let the model abstain on such inputs, by `trueneg fit mahalanobis`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.checks._familiar import reach_of, scores_of
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN401", "Rows unlike anything else"
KEEP = 0.99
_FAR = 3.0  # interquartile ranges beyond the quartile
_MOST = 0.05  # of the rows by one score: where half of a table are near copies, all others would lie beyond that


def run(context: Context) -> Finding:
    """Flag rows whose familiarity lies far below the usual range."""
    if context.neighbors is None or context.data is None:
        return Finding(CODE, TITLE, "skipped", "needs neighbours, which --quick leaves out")
    asked, even = context.asked
    embedding = context.data.embedding
    similar, reach = np.full((2, len(embedding)), np.nan)
    similar[asked] = _similarity(embedding, asked, context.neighbors[asked, 0])
    like, familiar = reach_of(context, asked), scores_of(context)
    if like is not None:
        reach[asked] = like
    # The root of the distance: squares have a tail of their own.
    away = None if familiar is None else -np.sqrt(np.maximum(-2 * familiar, 0.0))
    bar = 0.0
    beyond = np.full(len(embedding), -np.inf)
    for scores in (reach if like is not None else None, away, similar):
        if scores is not None:
            bar, far_by = _beyond(scores, scores if even is None or scores is away else scores[even])
            beyond = np.fmax(beyond, far_by)
    far = beyond > 0
    told, command = "", None
    if familiar is not None:
        known = {"class similarity": None if like is None else reach, "nearest similarity": similar}
        known |= {"distance score": familiar}
        words, apt = _threshold(context, {name: v for name, v in known.items() if v is not None})
        told, command = "; " + words, _command(context) if apt else None
    drawn = far if even is None else far[even]
    rows = np.flatnonzero(far)
    if not rows.size:
        return Finding(CODE, TITLE, "passed", "every row has another one within the usual distance" + told)
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{rows.size:,} rows are far from all others (nearest similarity below {bar:.2f})"
        + (" or from all classes" if familiar is not None else "")
        + f"; {len(asked):,} rows were looked at{told}",
        severity="low",
        estimate=wilson(int(drawn.sum()), len(drawn)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="look at them; let the model abstain where nothing similar was in training",
        command=command,
        rows=rows[np.argsort(-beyond[rows], kind="stable")].tolist(),
    )


def _beyond(scores: np.ndarray, usual: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the end of the usual range, and how far below it scores lie (n,), in interquartile ranges."""
    least, low, high = np.nanquantile(usual, [_MOST, 0.25, 0.75])
    bar = float(min(low - _FAR * (high - low), least))
    return bar, (bar - scores) / max(float(high - low), 1e-12)


def _threshold(context: Context, scores: dict[str, np.ndarray]) -> tuple[str, bool]:
    """Say which thresholds keep the labelled rows and how many others each refuses, and if the distance is as good."""
    from trueneg.reject import find_threshold

    kept, refused, below = [], [], {}
    rest = 0
    for name, values in scores.items():
        known = ~np.isnan(values)
        labelled = known & (context.codes >= 0)
        if not labelled.any():
            continue
        found = find_threshold(values[labelled], target_tpr=KEEP)
        kept.append(f"{name} {float(found):.4g} (keeps {found.tpr})")
        others = values[known & (context.codes < 0)]
        rest = max(rest, len(others))
        if len(others):
            below[name] = int((others < float(found)).sum())
            refused.append(f"{wilson(below[name], len(others))} by the {name}")
    words = f"thresholds that keep {100 * KEEP:.0f} % of the labelled rows: {' or '.join(kept)}"
    words += f"; of the {rest:,} rows without a label they refuse {', '.join(refused)}" if refused else ""
    return words, not below or below.get("distance score", 0) >= max(below.values())


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
