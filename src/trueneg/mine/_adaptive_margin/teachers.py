"""Several teachers, one score: each is brought to one scale within every list, and the scales are added.

A teacher here is anything that scores pairs: embeddings, BM25, a cross-encoder, a run that somebody else made. Scores
of two of them cannot be added as they are, for each has its own scale, which differs from query to query too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.mine._mining.sources import Source

__all__ = ["FusedLists", "TeacherFusion", "normalized"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Scorer = Callable[[Rows, Rows], Any]
Normalize = Literal["z", "minmax", "rank"]
Missing = Literal["least", "neutral"]
_CELLS = 50_000  # cells of lists at a time, so that what is made of them stays in the cache


@dataclass(frozen=True, eq=False)
class FusedLists:
    """Lists as the teachers see them.

    Attributes
    ----------
    query : (n,) int64
    document : (n, k) int64
        -1 where a list has ended.
    score : (n, k) float32
        Fused, larger for what is more relevant; -inf where there is no document.
    teachers : dict of str to (n, k) float32
        Each teacher's normalised scores, 0 where there is no document.
    missing : dict of str to int
        Documents that a teacher had no score for.
    silent : (n,) bool
        Lists of which no teacher told two documents apart: their soft labels are equal ones and teach nothing.
    """

    query: Rows
    document: Rows
    score: NDArray[np.float32]
    teachers: dict[str, NDArray[np.float32]]
    missing: dict[str, int]
    silent: NDArray[np.bool_]

    def soft_labels(self, temperature: float = 1.0) -> NDArray[np.float32]:
        """Return the distribution over each list, ``softmax(score / temperature)``, shape (n, k); rows of 0 for none.

        Parameters
        ----------
        temperature : float, default=1.0
            Fused z-scores spread by about 1. Smaller is nearer to one-hot.
        """
        if not 0 < temperature < np.inf:
            msg = f"temperature={temperature!r}: give a number above 0"
            raise InputError(msg)
        best = np.where(np.isfinite(self.score), self.score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        rise = np.exp((self.score.astype(np.float64) - np.where(np.isfinite(best), best, 0)) / temperature)
        total = rise.sum(axis=1, keepdims=True)
        return np.divide(rise, total, out=np.zeros_like(rise), where=total > 0).astype(np.float32)


class TeacherFusion:
    """Fuse teachers over given lists.

    Parameters
    ----------
    teachers : mapping of str to Source or callable
        ``scorer(query rows, document rows) -> scores``; a source is asked by its ``score``. NaN and -inf mean that the
        teacher has no score for a pair, as a run has none beyond its lists.
    normalize : {"z", "minmax", "rank"}, default="z"
        Within each list: less the mean, over the standard deviation; onto 0 to 1; or ``1 / (constant + rank)``, ties
        sharing the mean of their ranks. A teacher that finds all documents of a list alike says nothing of it.
    weights : mapping of str to float, optional
        How much each teacher counts; 1 by default. The fused score is the weighted mean.
    missing : {"least", "neutral"}, default="least"
        What a missing score counts as: the teacher's lowest of the list (with "rank": 0, as in reciprocal rank fusion),
        for a run that had its say on all documents and left this one out; or the teacher's mean of the list, for one
        that was not asked.
    constant : int, default=60
        Of "rank".

    Notes
    -----
    The fused score belongs to its list: the same pair scores otherwise in another list. To *search* by several
    retrievers, which needs no list, use :class:`trueneg.mine.Fusion`.

    References
    ----------
    "LG-ANNA-Embedding technical report" (2025): BM25, dense candidates and a reranker as the teacher of soft labels.
    Cormack, Clarke and Büttcher (2009): reciprocal ranks.
    """

    def __init__(
        self,
        teachers: Mapping[str, Scorer | Source],
        *,
        normalize: Normalize = "z",
        weights: Mapping[str, float] | None = None,
        missing: Missing = "least",
        constant: int = 60,
    ) -> None:
        if not teachers:
            raise InputError("no teacher is given: name one or more, such as {'bm25': Bm25(...), 'dense': Dense(...)}")
        if normalize not in ("z", "minmax", "rank"):
            msg = f"normalize={normalize!r}: choose 'z', 'minmax' or 'rank'"
            raise InputError(msg)
        if missing not in ("least", "neutral"):
            msg = f"missing={missing!r}: choose 'least' or 'neutral'"
            raise InputError(msg)
        if constant < 0:
            msg = f"constant={constant!r}: give 0 or more"
            raise InputError(msg)
        given: Mapping[str, Any] = teachers
        self.scorers: dict[str, Scorer] = {name: getattr(one, "score", one) for name, one in given.items()}
        self.weights = _weights(self.scorers, weights)
        self.normalize, self.missing, self.constant = normalize, missing, constant

    def score(self, query: ArrayLike, document: ArrayLike) -> FusedLists:
        """Score lists of documents, some at a time.

        Parameters
        ----------
        query : array-like of shape (n,)
            Rows of the queries.
        document : array-like of shape (n, k)
            Rows of the documents of each list, -1 where it has ended.

        Raises
        ------
        InputError
            Shapes that do not fit, +inf, a teacher that gives something else than one number a pair.
        """
        q, d = np.asarray(query, dtype=np.int64), np.asarray(document, dtype=np.int64)
        if d.ndim != 2 or q.shape != d.shape[:1]:
            msg = f"queries have shape {q.shape}, documents {d.shape}: give one row of documents a query"
            raise InputError(msg)
        fused = np.full(d.shape, -np.inf, dtype=np.float32)
        parts = {name: np.zeros(d.shape, dtype=np.float32) for name in self.scorers}
        gone, silent = dict.fromkeys(self.scorers, 0), np.ones(len(q), dtype=bool)
        whole = sum(self.weights.values())
        step = max(1, _CELLS // max(d.shape[1], 1))
        for start in range(0, len(q), step):
            at = slice(start, start + step)
            there = d[at] >= 0
            total = np.zeros(there.shape)
            for name, scorer in self.scorers.items():
                raw = _asked(name, scorer, q[at], d[at], there)
                value, told = normalized(raw, there, how=self.normalize, missing=self.missing, constant=self.constant)
                gone[name] += int((there & np.isnan(raw)).sum())
                silent[at] &= ~told | (self.weights[name] == 0)
                parts[name][at] = value
                total += self.weights[name] / whole * value
            fused[at] = np.where(there, total, -np.inf)
        return FusedLists(q, d, fused, parts, gone, silent)


def normalized(
    score: Floats, there: NDArray[np.bool_], *, how: str = "z", missing: str = "least", constant: int = 60
) -> tuple[Floats, NDArray[np.bool_]]:
    """Bring the scores of each list to one scale.

    Parameters
    ----------
    score : (n, k)
        NaN where there is none.
    there : bool (n, k)
        Where there is a document.
    how, missing, constant : see :class:`TeacherFusion`

    Returns
    -------
    (n, k) float64, (n,) bool
        0 where there is no document; and whether the list tells two of its documents apart.
    """
    given = there & ~np.isnan(score)
    n = given.sum(axis=1, keepdims=True)
    value = np.where(given, score, 0.0)
    low = np.where(given, score, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(given, score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    if how == "rank":
        out = np.where(given, 1.0 / (constant + _ranks(np.where(given, score, -np.inf))), 0.0)
        lowest: Any = 0.0
        middle = out.sum(axis=1, keepdims=True) / np.maximum(n, 1)
    elif how == "minmax":
        width = np.where(n > 0, high - low, 0.0)
        out = np.divide(value - np.where(n > 0, low, 0.0), width, out=np.full(score.shape, 0.5), where=width > 0)
        lowest = np.where(width > 0, 0.0, np.where(n > 0, 0.5, 0.0))
        middle = np.where(given, out, 0.0).sum(axis=1, keepdims=True) / np.maximum(n, 1)
    else:
        mean = value.sum(axis=1, keepdims=True) / np.maximum(n, 1)
        gap = np.where(given, score - mean, 0.0)
        size = np.sqrt((gap * gap).sum(axis=1, keepdims=True) / np.maximum(n, 1))
        size = np.where(high > low, size, 0.0)  # rounding must not make a spread of equal scores
        out = np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)
        lowest = np.where(given, out, np.inf).min(axis=1, keepdims=True, initial=0.0)
        middle = 0.0
    out = np.where(given, out, np.where(there, lowest if missing == "least" else middle, 0.0))
    apart = (n > 0) & (high > low)
    if missing == "least":  # a list that is held in part tells what it holds from what it does not
        apart |= (n > 0) & (n < there.sum(axis=1, keepdims=True)) & (how == "rank")
    return out, apart[:, 0]


def _ranks(score: Floats) -> Floats:
    """Rank from 1, the largest first; ties share the mean of their ranks."""
    order = np.argsort(-score, axis=1, kind="stable")
    ordered = np.take_along_axis(score, order, axis=1)
    first = np.ones(score.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.broadcast_to(np.arange(1, score.shape[1] + 1), score.shape)
    begin = np.maximum.accumulate(np.where(first, place, 0), axis=1)
    last = np.ones(score.shape, dtype=bool)
    last[:, :-1] = first[:, 1:]
    after = np.where(last, place, score.shape[1] + 1)
    end = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    out = np.empty(score.shape)
    np.put_along_axis(out, order, (begin + end) / 2, axis=1)
    return out


def _asked(name: str, scorer: Scorer, query: Rows, document: Rows, there: NDArray[np.bool_]) -> Floats:
    """Ask a teacher about the documents that there are; NaN for what it does not score."""
    row, column = np.nonzero(there)
    out = np.full(there.shape, np.nan)
    if not len(row):
        return out
    value = np.asarray(scorer(query[row], document[row, column]), dtype=np.float64)
    if value.shape != row.shape:
        msg = f"the teacher {name!r} gave shape {value.shape} for {len(row):,} pairs: one number a pair is needed"
        raise InputError(msg)
    if np.isposinf(value).any():
        first = int(np.isposinf(value).argmax())
        msg = (
            f"the teacher {name!r} gave +inf for query {query[row[first]]} and document "
            f"{document[row[first], column[first]]}: give a finite score, NaN where it has none"
        )
        raise InputError(msg)
    out[row, column] = np.where(np.isneginf(value), np.nan, value)
    return out


def _weights(scorers: Mapping[str, Scorer], given: Mapping[str, float] | None) -> dict[str, float]:
    found = {name: float((given or {}).get(name, 1.0)) for name in scorers}
    unknown = sorted(set(given or {}) - set(scorers))
    if unknown:
        msg = f"weights name {unknown[0]!r}, which is no teacher: the teachers are {', '.join(scorers)}"
        raise InputError(msg)
    if any(not 0 <= value < np.inf for value in found.values()) or not sum(found.values()) > 0:
        msg = f"weights={found}: give finite ones of 0 or more, one of them above 0"
        raise InputError(msg)
    return found
