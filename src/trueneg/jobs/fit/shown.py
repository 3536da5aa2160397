"""What the page of a fitted model shows beside its figures: its threshold, each class, and scores on either side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.intervals import wilson
from trueneg.jobs.fit.kinds.base import Answer, Kind

__all__ = ["measured_of", "nothing_measured", "threshold_of"]

_MOST = 500  # classes of the table


def threshold_of(kind: Kind) -> dict[str, Any] | None:
    """Return the threshold of a rejecter with its rates, as JSON can hold it."""
    stored: dict[str, Any] | None = kind.model.threshold_.to_dict() if kind.rejects else None  # type: ignore[attr-defined]
    return stored


def nothing_measured() -> dict[str, Any]:
    """Return the parts of a page without rows held out, or whose threshold or classes are others since."""
    return {"by_class": None, "drawings": []}


def measured_of(kind: Kind, classes: list[str], answers: list[Answer], codes: NDArray[np.int64]) -> dict[str, Any]:
    """Return the table of classes and the drawing of the scores.

    Parameters
    ----------
    kind : Kind
        Fitted, and calibrated where it rejects.
    classes : list of str
        Class numbers stand for these.
    answers : list of Answer
        What is said of rows that were not learned from.
    codes : ndarray of shape (n,)
        True class numbers of the first answer's rows, -1 for rows of no class; all rows of the others are of none.

    Returns
    -------
    dict
        ``by_class``: columns and rows of a table, an estimate a cell; ``drawings``: figures as a report holds them.
    """
    said = np.concatenate([answer.labels for answer in answers])
    score = np.concatenate([answer.score for answer in answers])
    codes = np.append(codes, np.full(len(said) - len(codes), -1))
    names = np.array([*classes, None], dtype=object)[codes]
    if kind.familiar is not None:
        known, rejected = names == kind.familiar, said != kind.familiar
    else:
        known = codes >= 0
        rejected = said == answers[0].unknown if kind.rejects else np.zeros(len(said), dtype=bool)
    drawings = [_drawn(kind, score, known)] if kind.rejects else []
    return {"by_class": _by_class(kind, classes, codes, said == names, rejected), "drawings": drawings}


def _by_class(
    kind: Kind, classes: list[str], codes: NDArray[np.int64], right: NDArray[np.bool_], rejected: NDArray[np.bool_]
) -> dict[str, Any]:
    counts = np.bincount(codes + 1, minlength=len(classes) + 1)
    shares: dict[str, NDArray[np.bool_]] = {"rejected": rejected} if kind.rejects else {}
    if kind.familiar is None:
        shares["right"] = right
    if kind.rejects and kind.familiar is None:
        shares["wrong class"] = ~right & ~rejected
    hits = {what: np.bincount(codes + 1, weights=hit, minlength=len(counts)) for what, hit in shares.items()}
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]][:_MOST]

    def rows() -> Iterator[list[Any]]:
        for k in sorted(order, key=lambda k: (k == 0, k)):
            # Of no class no answer is right but to reject.
            cells = [
                None if what == "right" and not k else wilson(int(hit[k]), int(counts[k])).to_dict()
                for what, hit in hits.items()
            ]
            yield ["none of the classes" if not k else classes[k - 1], int(counts[k]), *cells]

    return {"columns": ["class", "rows held out", *shares], "rows": list(rows()), "of": int((counts > 0).sum())}


def _drawn(kind: Kind, score: NDArray[np.float64], known: NDArray[np.bool_]) -> dict[str, Any]:
    from trueneg.report.figures import histogram, mirrored

    threshold = float(kind.model.threshold_)  # type: ignore[attr-defined]
    score, known = score[np.isfinite(score)], known[np.isfinite(score)]
    seen, cut = _within(score, known, threshold)
    one, other = ("known classes", "no class") if kind.familiar is None else (kind.familiar, "all others")
    options: dict[str, Any] = {"id": "scores", "title": "Scores of rows held out", "value": "score"}
    if math.isfinite(threshold):
        options |= {"rule": threshold, "rule_label": "threshold"}
    left = f" {cut:,} rows are further to the left than is drawn, and counted in the first bar." if cut else ""
    caption = f"Higher is more familiar; rows left of the threshold are rejected.{left}"
    if known.all() or not known.any():
        who = one if known.all() else other
        return histogram(seen.tolist(), caption=f"{len(seen):,} rows of {who}. {caption}", **options)
    both = f"{int(known.sum()):,} rows of {one} upwards, {int((~known).sum()):,} of {other} downwards. {caption}"
    return mirrored(seen[known].tolist(), seen[~known].tolist(), names=(one, other), caption=both, **options)


def _within(score: NDArray[np.float64], known: NDArray[np.bool_], threshold: float) -> tuple[NDArray[np.float64], int]:
    """Return scores, those far to the left brought to the edge, and how many: they would press the others together."""
    own = score[known] if known.any() else score
    low, high = float(np.quantile(own, 0.01)), float(score.max())
    low = min(low, threshold) if math.isfinite(threshold) else low
    edge = max(float(score.min()), low - 2 * (high - low))
    return np.maximum(score, edge), int((score < edge).sum())
