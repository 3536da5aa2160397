"""How many of the accepted solutions are false positives, where, and what that does to training on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.core.verdicts import Calibration


@dataclass(frozen=True)
class FalsePositives:
    """False positives among accepted attempts.

    Attributes
    ----------
    share : Estimate
        Wrong among the accepted whose truth is known.
    accepted, known, wrong : int
        Accepted attempts; those with truth; wrong ones among them.
    naive, corrected : Estimate
        Share of problems (attempts, where no problem is given) with an accepted answer; with a truly correct one.
    groups : dict of str to dict of str to Estimate
        The share by model, data set, difficulty, decoding, or whatever was given.
    errors : dict of str to int
        Kinds of error of the wrong ones, where given; most frequent first.
    first_wrong : dict of int to int
        How many go wrong first at each step, where given.
    examples : tuple of int
        Rows of wrong ones to look at, from as many problems as there are.
    """

    share: Estimate
    accepted: int
    known: int
    wrong: int
    naive: Estimate
    corrected: Estimate
    groups: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    first_wrong: dict[int, int] = field(default_factory=dict)
    examples: tuple[int, ...] = ()

    def lines(self) -> list[str]:
        """Say it in plain words."""
        out = [
            f"{self.wrong:,} of {self.known:,} accepted attempts with known truth are false positives: {self.share}",
            f"solved as the verifier counts: {self.naive}; in truth: {self.corrected}",
        ]
        for name, parts in self.groups.items():
            worst = sorted(parts, key=lambda g: -parts[g].value)[:3]
            out.append(f"by {name}: " + "; ".join(f"{g} {parts[g]}" for g in worst))
        return out


def false_positive_report(
    accepted: ArrayLike,
    truth: ArrayLike,
    *,
    problem: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    errors: Sequence[str | None] | None = None,
    first_wrong: Sequence[int | None] | None = None,
    level: float = 0.95,
    n_examples: int = 10,
) -> FalsePositives:
    """Count false positives: accepted by the verifier, wrong in truth.

    Parameters
    ----------
    accepted : array-like of shape (n,)
        1, 0, -1.
    truth : array-like of shape (n,)
        1 valid, 0 wrong, -1 not known. Intervals take the known among the accepted for a random part of them.
    problem : array-like of shape (n,), optional
        Problems, which the intervals then count.
    groups : mapping of str to array-like of shape (n,), optional
        ``{"model": ..., "difficulty": ...}``.
    errors, first_wrong : sequence of shape (n,), optional
        Kind of error and index of the first wrong step, None where there is none.
    level : float, default=0.95
        Of the intervals.
    n_examples : int, default=10
        Examples named.
    """
    yes, right = np.asarray(accepted) == 1, np.asarray(truth)
    if yes.shape != right.shape:
        msg = f"accepted has {len(yes)} entries and truth {len(right)}: give one each."
        raise InputError(msg)
    known = yes & (right >= 0)
    if not known.any():
        msg = f"none of {int(yes.sum())} accepted attempts has a known truth: judge some by hand first."
        raise InputError(msg)
    item = np.arange(len(yes)) if problem is None else np.asarray(problem)
    share = _share(known, right, item, level)
    found: dict[str, dict[str, Estimate]] = {}
    for name, values in (groups or {}).items():
        value = np.asarray(values).astype(str)
        found[name] = {g: _share(known & (value == g), right, item, level) for g in np.unique(value[known]).tolist()}
    wrong = np.flatnonzero(known & (right == 0))
    naive, corrected = _solved(yes, right, item, share, level)
    return FalsePositives(
        share,
        int(yes.sum()),
        int(known.sum()),
        len(wrong),
        naive,
        corrected,
        found,
        _counted([errors[i] for i in wrong.tolist()]) if errors is not None else {},
        _counted([first_wrong[i] for i in wrong.tolist()], by_key=True) if first_wrong is not None else {},
        tuple(_spread(wrong, item)[:n_examples]),
    )


@dataclass(frozen=True)
class Kept:
    """What training on accepted attempts takes in.

    Attributes
    ----------
    kept : int
        Attempts that would be kept.
    false_share : Estimate
        Wrong ones among them.
    false_number : Estimate
        Their number.
    """

    kept: int
    false_share: Estimate
    false_number: Estimate

    def __str__(self) -> str:
        """Say it in one sentence."""
        low, high = self.false_number.low, self.false_number.high
        return (
            f"{self.kept:,} accepted attempts would be kept for training, {self.false_share} of them wrong "
            f"(between {low:,.0f} and {high:,.0f})"
        )


def kept_for_training(
    accepted: ArrayLike,
    truth: ArrayLike,
    *,
    problem: ArrayLike | None = None,
    per_problem: int | None = None,
    level: float = 0.95,
) -> Kept:
    """Tell the share of false ones in a training set of accepted attempts, as self-improvement makes it.

    Parameters
    ----------
    accepted, truth, problem, level
        As in :func:`false_positive_report`.
    per_problem : int, optional
        Keep at most so many accepted attempts of a problem, the first ones; by default all. Few a problem weigh hard
        problems, where false positives sit, as much as easy ones.
    """
    yes, right = np.asarray(accepted) == 1, np.asarray(truth)
    item = np.arange(len(yes)) if problem is None else np.asarray(problem)
    rows = np.flatnonzero(yes)
    if per_problem is not None:
        _, code = np.unique(item[rows], return_inverse=True)
        order = np.argsort(code, kind="stable")
        start = np.r_[True, np.diff(code.reshape(-1)[order]) > 0]
        place = np.arange(len(order)) - np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
        rows = np.sort(rows[order[place < per_problem]])
    keep = np.zeros(len(yes), dtype=bool)
    keep[rows] = True
    known = keep & (right >= 0)
    if not known.any():
        raise InputError("none of the attempts that would be kept has a known truth: judge some by hand first.")
    share = _share(known, right, item, level)
    n = len(rows)
    number = Estimate(share.value * n, share.low * n, share.high * n, level, share.method, share.n)
    return Kept(n, share, number)


def trend(k: ArrayLike, n: ArrayLike, at: ArrayLike | None = None) -> tuple[float, float]:
    """Cochran-Armitage test of a rising share.

    Parameters
    ----------
    k, n : array-like of shape (groups,)
        Hits and trials of each group.
    at : array-like of shape (groups,), optional
        Where the groups stand, 0, 1, 2, ... by default.

    Returns
    -------
    z, p : float
        The statistic, and the one-sided chance of it or a larger one without a trend.
    """
    k_, n_ = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    x = np.arange(len(k_), dtype=np.float64) if at is None else np.asarray(at, dtype=np.float64)
    if not len(k_) == len(n_) == len(x) or len(k_) < 2 or (n_ <= 0).any():
        raise InputError("a trend needs k, n and at of two groups or more, each with a trial.")
    p = float(k_.sum() / n_.sum())
    spread = p * (1 - p) * float((n_ * x * x).sum() - (n_ * x).sum() ** 2 / n_.sum())
    if spread <= 0:
        return 0.0, 0.5
    z = float((x * (k_ - n_ * p)).sum()) / math.sqrt(spread)
    return z, 1 - NormalDist().cdf(z)


def _share(mask: np.ndarray, right: np.ndarray, item: np.ndarray, level: float) -> Estimate:
    n = int(mask.sum())
    if not n:
        return Estimate(float("nan"), 0.0, 1.0, level, "no accepted attempt with truth", 0)
    gold = (right[mask] == 1).astype(np.int8)
    return Calibration.of(gold, np.ones(n, dtype=np.int8), item=item[mask]).wrong_among_accepted(level=level)


def _solved(
    yes: np.ndarray, right: np.ndarray, item: np.ndarray, share: Estimate, level: float
) -> tuple[Estimate, Estimate]:
    from trueneg.core.intervals import jeffreys

    _, code = np.unique(item, return_inverse=True)
    code = code.reshape(-1)
    n = int(code.max()) + 1
    any_yes = np.bincount(code, weights=yes, minlength=n) > 0
    naive = jeffreys(float(any_yes.sum()), n, level=level)
    if (yes & (right < 0)).any():  # truth of a part: the share of the false ones among all answers
        low, high = naive.low * (1 - share.high), naive.high * (1 - share.low)
        value = naive.value * (1 - share.value)
        return naive, Estimate(value, low, high, level, "accepted share less the false ones", n)
    good = np.bincount(code, weights=yes & (right == 1), minlength=n) > 0
    return naive, jeffreys(float(good.sum()), n, level=level)


def _counted(values: list[Any], *, by_key: bool = False) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for v in values:
        if v is not None:
            counts[v] = counts.get(v, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: pair[0] if by_key else -pair[1]))


def _spread(rows: np.ndarray, item: np.ndarray) -> list[int]:
    """Rows, one of each problem first, then the second ones."""
    _, code = np.unique(item[rows], return_inverse=True)
    seen: dict[int, int] = {}
    keyed = []
    for row, c in zip(rows.tolist(), code.reshape(-1).tolist(), strict=True):
        seen[c] = seen.get(c, 0) + 1
        keyed.append((seen[c], row))
    return [row for _, row in sorted(keyed)]
