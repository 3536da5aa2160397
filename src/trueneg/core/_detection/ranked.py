"""Rows sorted by score once, so that every figure and every resample of it is one pass over weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.estimate import normal_quantile
from trueneg.core._intervals.inputs import array_of, vector_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson

__all__ = [
    "Ranked",
    "area",
    "average_precision",
    "fewer",
    "on_logit_scale",
    "resampled",
    "resampled_all",
    "truth_of",
    "widened",
]


def area(height: NDArray[np.float64], width: NDArray[np.float64]) -> float:
    """Return the area under a line through points of rising ``width``, by trapezoids."""
    return float(np.diff(width) @ (height[1:] + height[:-1])) / 2


def average_precision(kept: NDArray[np.float64], passed: NDArray[np.float64], weight: tuple[float, float]) -> float:
    """Return the mean precision over the positives: the shares kept of them and of the others, and what each weigh."""
    hit, miss = kept[1:] * weight[0], passed[1:] * weight[1]
    return float(np.diff(kept) @ (hit / np.maximum(hit + miss, np.finfo(float).tiny)))


def truth_of(known: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows are known, checked; both kinds must be there."""
    truth = np.asarray(array_of(known))
    if truth.ndim != 1 or truth.dtype.kind not in "biuf" or not ((truth == 0) | (truth == 1)).all():
        raise InputError("known must hold one 0 or 1 a row: 1 for a row of a known class, 0 for an unknown one.")
    truth = truth.astype(bool)
    if truth.all() or not truth.any():
        which = "unknown" if truth.all() else "known"
        msg = f"there is no {which} row among {len(truth):,}: this figure compares known rows with unknown ones."
        raise InputError(msg)
    return truth


@dataclass(frozen=True)
class Ranked:
    """Rows from the most familiar to the least; tied rows enter together.

    Attributes
    ----------
    known : ndarray of bool of shape (n,)
        In the order of the rows as they were given.
    order : ndarray of shape (n,)
        Rows from the highest score down.
    ends : ndarray of shape (n_distinct,)
        Place in ``order`` of the last row of each distinct score.
    thresholds : ndarray of shape (n_distinct,)
        The distinct scores, falling.
    """

    known: NDArray[np.bool_]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    @classmethod
    def of(cls, known: ArrayLike, scores: ArrayLike) -> Ranked:
        """Sort once; an infinite score is above or below all others."""
        truth = truth_of(known)
        s = vector_of(scores, "scores", finite=False)
        if len(s) != len(truth):
            msg = f"known has {len(truth)} rows and scores {len(s)}: give one score a row."
            raise InputError(msg)
        order = np.argsort(-s, kind="stable")
        s = s[order]
        ends = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
        return cls(truth, order, ends, s[ends])

    def shares(self, weight: NDArray[np.float64] | None = None, among: NDArray[np.bool_] | None = None) -> Any:
        """Return the shares of known and of unknown rows at or above each threshold, (n_distinct + 1,) each, from 0.

        Parameters
        ----------
        weight : ndarray of shape (n,) or None, default=None
            Of each row, in the order given.
        among : ndarray of bool of shape (n,) or None, default=None
            Count only these known rows; the share stays one of all known rows.
        """
        w = np.ones(len(self.order)) if weight is None else weight[self.order]
        hit = w * self._ranked_known
        cut: Any = slice(None) if len(self.ends) == len(self.order) else self.ends
        kept, passed = np.cumsum(hit), np.cumsum(w - hit)
        total, other = float(kept[-1]), float(passed[-1])
        if total <= 0 or other <= 0:
            return None
        if among is not None:
            kept = np.cumsum(hit * among[self.order])
        return np.append(0.0, kept[cut]) / total, np.append(0.0, passed[cut]) / other

    @cached_property
    def _ranked_known(self) -> NDArray[np.bool_]:
        return self.known[self.order]


def resampled(
    stat: Callable[[NDArray[np.float64] | None], float], known: NDArray[np.bool_], **options: Any
) -> Estimate:
    """Bootstrap a figure, ``stat(weights or None) -> float``; options as :func:`resampled_all`."""
    return resampled_all(lambda weight: (stat(weight),), known, **options)[0]


def resampled_all(
    stats: Callable[[NDArray[np.float64] | None], Any],
    known: NDArray[np.bool_],
    *,
    groups: ArrayLike | None,
    n_boot: int,
    level: float,
    random_state: int | np.random.Generator | None,
    few: int | None = None,
    curved: Sequence[int] = (),
) -> list[Estimate]:
    """Bootstrap figures of the same weights: known and unknown rows drawn apart, or whole groups.

    What rows like these did not show is in no resample of them: where all resamples agree, as where two kinds of rows
    lie wholly apart, the interval is Wilson's instead.

    Parameters
    ----------
    stats : callable
        ``stats(weights or None)``, the figures; NaN where a resample of groups lacks one kind.
    few : int or None, default=None
        Independent rows, or groups, behind Wilson's interval; None: of the smaller kind. 0: the figures are no shares,
        and stay as they are.
    curved : sequence of int, default=()
        Figures that get an interval from their spread over the resamples, on the logit scale: near 1 the quantiles of
        an area hold the truth far too seldom.
    """
    normal_quantile(level)
    if not isinstance(n_boot, int | np.integer) or n_boot < 2:
        msg = f"n_boot={n_boot!r}: at least 2 resamples are needed, 1000 for a 95 % interval."
        raise InputError(msg)
    rng, n = np.random.default_rng(random_state), len(known)
    codes = None if groups is None else _codes_of(groups, n)
    parts = [np.flatnonzero(known), np.flatnonzero(~known)]
    few = fewer(known, codes) if few is None else few
    values = np.asarray(stats(None), dtype=np.float64)
    draws = np.empty((n_boot, len(values)))
    for b in range(n_boot):
        if codes is None:
            weight = np.zeros(n)
            for part in parts:
                weight[part] = np.bincount(rng.integers(0, len(part), len(part)), minlength=len(part))
        else:
            k = int(codes.max()) + 1
            weight = np.bincount(rng.integers(0, k, k), minlength=k)[codes].astype(np.float64)
        draws[b] = stats(weight)
    lost = int(np.isnan(draws).any(axis=1).sum())
    if lost * 2 > n_boot:
        msg = f"{lost} of {n_boot} resamples of groups lack known or unknown rows: give more groups of each."
        raise InputError(msg)
    tail = (1 - level) / 2
    same = np.nanmax(draws, axis=0) - np.nanmin(draws, axis=0) < 1e-12
    lows, highs = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    for j in curved:
        if 0 < values[j] < 1:
            lows[j], highs[j] = on_logit_scale(values[j], float(np.nanstd(draws[:, j])), level)
    words = "bootstrap of groups" if codes is not None else "stratified bootstrap"
    if lost:
        words += f", undefined on {lost} of {n_boot} resamples"
    units = n if codes is None else int(codes.max()) + 1
    curves = [", logit scale" if j in curved else "" for j in range(len(values))]
    found = [
        Estimate(float(v), float(min(low, v)), float(max(high, v)), level, words + more, units)
        for v, low, high, more in zip(values, lows, highs, curves, strict=True)
    ]
    return [widened(e, few) if agree and few else e for e, agree in zip(found, same, strict=True)]


def _codes_of(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the number of the group of each row, two groups or more."""
    g = np.asarray(groups)
    if g.shape != (n,):
        msg = f"groups has shape {g.shape}: give one group a row, shape ({n},)."
        raise InputError(msg)
    try:
        names, codes = np.unique(g, return_inverse=True)
    except TypeError:
        raise InputError("groups mixes types, or lacks some: give each row a group, of one type.") from None
    if g.dtype.kind == "f" and np.isnan(g).any():
        raise InputError("groups holds NaN: give each row a group, one of its own where it belongs to none.")
    if len(names) < 2:
        raise InputError("there is one group only: resampling groups needs two or more; leave groups out for rows.")
    return np.asarray(codes.reshape(-1), dtype=np.int64)


def fewer(known: NDArray[np.bool_], groups: Any = None) -> int:
    """Return how many rows, or groups, the smaller kind has."""
    if groups is None:
        return min(int(known.sum()), int((~known).sum()))
    of = np.asarray(groups)
    return min(len(np.unique(of[kind])) for kind in (known, ~known))


def on_logit_scale(value: float, error: float, level: float) -> tuple[float, float]:
    """Return the ends of the interval of a figure between 0 and 1 of this standard error."""
    middle = math.log(value / (1 - value))
    half = normal_quantile(level) * error / (value * (1 - value))
    low, high = (1 / (1 + math.exp(min(-x, 700.0))) for x in (middle - half, middle + half))
    return low, high


def widened(found: Estimate, few: int) -> Estimate:
    """Return a share with an interval that is nowhere narrower than Wilson's of ``few`` rows."""
    own = wilson(min(max(found.value, 0.0), 1.0) * few, few, level=found.level)
    if found.low <= own.low and own.high <= found.high:
        return found
    words = f"{found.method}, Wilson of {few:,} at the least"
    return Estimate(found.value, min(found.low, own.low), max(found.high, own.high), found.level, words, found.n)
