"""Figures of ranked lists, whole runs at once: an array of grades in rank order, no loop over queries.

The order is that of ``trec_eval``: score (as float32) falling, ties by document id falling, so that a figure is the one
that everybody else reports. What is unjudged may count as not relevant, be taken out before ranks are counted
(condensed lists), or be taken out of the first k only.

References
----------
Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques"; Sakai (2007), "Alternatives to
Bpref" (condensed lists).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

__all__ = ["Measure", "Ranked", "parse_measure", "rank"]

Unjudged = Literal["negative", "condensed", "judged-only"]
UNJUDGED = ("negative", "condensed", "judged-only")
_NAMES = {"ndcg": "nDCG", "mrr": "MRR", "rr": "MRR", "r": "R", "recall": "R", "map": "MAP", "ap": "MAP", "p": "P"}
_NAMES |= {"precision": "P", "judged": "Judged"}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A measure and its depth: ``nDCG``, ``MRR``, ``R``, ``MAP``, ``P`` or ``Judged``; depth 0 is the whole list."""

    name: str
    depth: int

    def __str__(self) -> str:
        return f"{self.name}@{self.depth}" if self.depth else self.name


def parse_measure(text: str) -> Measure:
    """Read ``nDCG@10``, ``recall@100``, ``MAP`` and the like, whatever the case.

    Raises
    ------
    InputError
        Naming the measures that there are.
    """
    found = re.fullmatch(r"\s*([A-Za-z]+)(?:@(\d+))?\s*", text)
    name = _NAMES.get(found[1].lower()) if found else None
    depth = int(found[2]) if found and found[2] else 0
    if name is None or (found and found[2] and depth < 1) or (name in ("R", "P", "Judged") and not depth):
        msg = f"{text!r} is no measure: give nDCG@10, MRR@10, R@100, P@10, MAP@100, Judged@10, MAP or MRR"
        raise InputError(msg)
    return Measure(name, depth)


@dataclass(frozen=True, eq=False)
class Ranked:
    """A run in rank order beside its judgments.

    Attributes
    ----------
    grade : (n_queries, depth) float64
        Grade of the document at each rank, NaN where it is unjudged or the list has ended.
    listed : (n_queries, depth) bool
        Where the list has not ended.
    ideal : (n_queries, most) float64
        The positive grades of each query, falling, 0 behind them.
    relevant : (n_queries,) int64
        Documents of grade `positive_from` and more.
    positive_from : float
    """

    grade: Floats
    listed: NDArray[np.bool_]
    ideal: Floats
    relevant: NDArray[np.int64]
    positive_from: float

    def values(self, measure: Measure, *, unjudged: Unjudged = "negative") -> Floats:
        """Return the measure of every query, shape (n_queries,), 0 where it has no relevant document."""
        if unjudged not in UNJUDGED:
            msg = f"unjudged={unjudged!r}: choose one of {', '.join(UNJUDGED)}"
            raise InputError(msg)
        depth = measure.depth or self.grade.shape[1]
        grade, listed = self.grade, self.listed
        if measure.name == "Judged":
            return (~np.isnan(grade[:, :depth])).sum(axis=1) / np.maximum(listed[:, :depth].sum(axis=1), 1)
        if unjudged == "judged-only":
            grade, listed = grade[:, :depth], listed[:, :depth]
        if unjudged != "negative":
            grade = _condensed(grade)
        grade = np.nan_to_num(grade[:, :depth], nan=0.0)
        hit = grade >= self.positive_from
        if not grade.shape[1]:
            return np.zeros(len(grade))
        return _MEASURES[measure.name](self, grade, hit, measure.depth)

    def _ndcg(self, grade: Floats, hit: NDArray[np.bool_], depth: int) -> Floats:
        del hit
        ideal = self.ideal[:, :depth] if depth else self.ideal
        best = (ideal * _discount(ideal.shape[1])).sum(axis=1)
        got = (np.maximum(grade, 0) * _discount(grade.shape[1])).sum(axis=1)
        return np.divide(got, best, out=np.zeros_like(got), where=best > 0)

    def _mrr(self, grade: Floats, hit: NDArray[np.bool_], depth: int) -> Floats:
        del grade, depth
        return np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0)

    def _recall(self, grade: Floats, hit: NDArray[np.bool_], depth: int) -> Floats:
        del grade, depth
        return hit.sum(axis=1) / np.maximum(self.relevant, 1)

    def _precision(self, grade: Floats, hit: NDArray[np.bool_], depth: int) -> Floats:
        del grade
        return hit.sum(axis=1) / depth

    def _map(self, grade: Floats, hit: NDArray[np.bool_], depth: int) -> Floats:
        del depth
        precision = hit.cumsum(axis=1) / np.arange(1, grade.shape[1] + 1)
        return (precision * hit).sum(axis=1) / np.maximum(self.relevant, 1)


_MEASURES: dict[str, Any] = {
    "nDCG": Ranked._ndcg,
    "MRR": Ranked._mrr,
    "R": Ranked._recall,
    "P": Ranked._precision,
    "MAP": Ranked._map,
}


def _discount(n: int) -> Floats:
    return 1.0 / np.log2(np.arange(2, n + 2))


def _condensed(grade: Floats) -> Floats:
    """Move the judged documents of each list up, in their order."""
    order = np.argsort(np.isnan(grade), axis=1, kind="stable")
    return np.take_along_axis(grade, order, axis=1)


def rank(
    query: ArrayLike,
    document: ArrayLike,
    score: ArrayLike,
    judged_query: ArrayLike,
    judged_document: ArrayLike,
    grade: ArrayLike,
    *,
    n_queries: int,
    tie: ArrayLike | None = None,
    positive_from: float = 1.0,
) -> Ranked:
    """Put a run into rank order and look its judgments up.

    Parameters
    ----------
    query, document : (n,) int
        Codes: queries from 0, documents of any range. A query of -1 (not judged at all) is left out.
    score : (n,) float
        Larger is better.
    judged_query, judged_document, grade : (m,)
        The judgments, in the same codes.
    n_queries : int
        All judged queries, those without a list among them.
    tie : (n,) int, optional
        Order of equal scores, larger first; by default the document's code.
    positive_from : float, default=1
        Grades from here on are relevant.

    Returns
    -------
    Ranked
    """
    q, d = np.asarray(query, dtype=np.int64), np.asarray(document, dtype=np.int64)
    last = d if tie is None else np.asarray(tie, dtype=np.int64)
    order = np.lexsort((-last, -np.asarray(score).astype(np.float32), q))
    order = order[q[order] >= 0]
    q, d = q[order], d[order]
    jq, jd = np.asarray(judged_query, dtype=np.int64), np.asarray(judged_document, dtype=np.int64)
    value = np.asarray(grade, dtype=np.float64)
    width = int(max(d.max(initial=0), jd.max(initial=0))) + 1
    keys = jq * width + jd
    by_key = np.argsort(keys, kind="stable")
    wanted = q * width + d
    at = np.searchsorted(keys[by_key], wanted)
    at_safe = np.minimum(at, max(len(keys) - 1, 0))
    found = keys[by_key][at_safe] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
    place = np.arange(len(q)) - np.searchsorted(q, q)
    grades = np.full((n_queries, int(place.max(initial=-1)) + 1), np.nan)
    listed = np.zeros(grades.shape, dtype=bool)
    listed[q, place] = True
    grades[q[found], place[found]] = value[by_key][at_safe[found]]
    up = np.lexsort((-value, jq))
    up = up[value[up] > 0]
    row = jq[up]
    spot = np.arange(len(row)) - np.searchsorted(row, row)
    ideal = np.zeros((n_queries, int(spot.max(initial=-1)) + 1))
    ideal[row, spot] = value[up]
    relevant = np.bincount(jq[value >= positive_from], minlength=n_queries).astype(np.int64)
    return Ranked(grades, listed, ideal, relevant, positive_from)
