"""Which of N attempts is returned: pass@N, the first accepted, votes, rewards, rewards of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, jeffreys
from trueneg.core.verdicts import answer_classes

Floats = NDArray[np.float64]
RULES = ("pass", "first_accepted", "majority", "best_of_n", "weighted_majority")
AGGREGATES = ("min", "mean", "last", "prod")


def aggregate_steps(step_rewards: Sequence[ArrayLike], how: Literal["min", "mean", "last", "prod"] = "min") -> Floats:
    """Make one reward of the rewards of an attempt's steps.

    Parameters
    ----------
    step_rewards : sequence of (steps,) arrays
        One a attempt; an attempt without steps gets ``-inf``, so that no rule prefers it.
    how : {"min", "mean", "last", "prod"}, default="min"
        ``min``: a chain is as good as its worst step; ``last`` is usual in tree search.

    Returns
    -------
    (n,) float64
    """
    if how not in AGGREGATES:
        msg = f"how={how!r}: choose from {', '.join(AGGREGATES)}."
        raise InputError(msg)
    parts = [np.asarray(r, dtype=np.float64).reshape(-1) for r in step_rewards]
    length = np.array([len(p) for p in parts], dtype=np.int64)
    out = np.full(len(parts), -np.inf)
    some = np.flatnonzero(length)
    if not len(some):
        return out
    flat = np.concatenate([parts[i] for i in some.tolist()])
    start = np.cumsum(length[some]) - length[some]
    if how == "mean":
        out[some] = np.add.reduceat(flat, start) / length[some]
    elif how == "last":
        out[some] = flat[start + length[some] - 1]
    else:
        out[some] = (np.minimum if how == "min" else np.multiply).reduceat(flat, start)
    return out


def select(
    problem: ArrayLike,
    rule: Literal["pass", "first_accepted", "majority", "best_of_n", "weighted_majority"],
    *,
    answers: Sequence[Any] | None = None,
    accepted: ArrayLike | None = None,
    rewards: ArrayLike | None = None,
    equal: Literal["auto", "text", "math"] | Callable[[Any, Any], bool] = "auto",
    classes: ArrayLike | None = None,
    rescale: bool = True,
) -> NDArray[np.int64]:
    """Choose one attempt of every problem.

    Parameters
    ----------
    problem : array-like of shape (n,)
        The problem of each attempt.
    rule : str
        ``pass`` and ``first_accepted``: the first that the verifier accepts (pass@N counts a problem as solved where
        there is one); ``majority``: the first of the most frequent answer; ``best_of_n``: the largest reward;
        ``weighted_majority``: the first of the answer with the largest sum of rewards. Ties go to the first seen.
    answers : sequence of shape (n,), optional
        Extracted answers, None where there is none; votes count equal ones, not equal strings.
    accepted : array-like of shape (n,), optional
        1, 0, -1.
    rewards : array-like of shape (n,), optional
        One a attempt; of step rewards see :func:`aggregate_steps`. An attempt without a reward (NaN) is never chosen
        by it.
    equal : str or callable, default="auto"
        As in :func:`trueneg.core.verdicts.answer_classes`.
    classes : array-like of shape (n,), optional
        Answer classes, in place of ``answers``.
    rescale : bool, default=True
        Bring the rewards of a problem to [0, 1] before they are summed (all equal ones stay as they are): sums of
        unbounded, or negative, rewards would count votes backwards.

    Returns
    -------
    (problems,) int64
        Row of the attempt chosen for each problem, in sorted order of the problems; -1 where the rule chooses none.
    """
    code = _codes(np.asarray(problem))
    n = len(code)
    if rule in ("pass", "first_accepted"):
        score = np.where(_column(accepted, "accepted", rule, n) == 1, 1.0, -np.inf)
    elif rule == "best_of_n":
        score = _rewards(rewards, rule, n)
    elif rule in ("majority", "weighted_majority"):
        group = _classes(code, answers, classes, equal, n)
        weight = np.ones(n) if rule == "majority" else _weights(code, _rewards(rewards, rule, n), rescale)
        voting = group >= 0
        width = int(group.max(initial=0)) + 1
        place = np.where(voting, code * width + group, 0)
        if n and width * (int(code.max()) + 1) > 8 * n:  # far more cells than attempts: number those there are
            place = np.unique(place, return_inverse=True)[1].reshape(-1)
        score = np.where(voting, np.bincount(place, weights=weight * voting)[place] if n else weight, -np.inf)
    else:
        msg = f"rule={rule!r}: choose from {', '.join(RULES)}."
        raise InputError(msg)
    return _first_best(code, score)


def _codes(problem: NDArray[Any]) -> NDArray[np.int64]:
    """Number the problems in sorted order, without sorting where they are whole numbers in a narrow range."""
    if problem.dtype.kind in "iu" and problem.size:
        low, high = int(problem.min()), int(problem.max())
        if high - low <= 4 * problem.size:
            there = np.zeros(high - low + 1, dtype=np.int64)
            there[problem - low] = 1
            out: NDArray[np.int64] = (np.cumsum(there) - 1)[problem - low]
            return out
    return np.unique(problem, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _first_best(code: NDArray[np.int64], score: Floats) -> NDArray[np.int64]:
    """Row of the largest score of each problem, the first of equals; -1 where all are -inf."""
    n = len(code)
    if not n:
        return np.zeros(0, dtype=np.int64)
    sorted_already = bool((code[1:] >= code[:-1]).all())
    narrow = code.astype(np.uint16) if int(code.max()) < 1 << 16 else code  # sorted by digits, several times as fast
    order = np.arange(n) if sorted_already else np.argsort(narrow, kind="stable")
    size = np.bincount(code)
    start = np.cumsum(size) - size
    ranked = score if sorted_already else score[order]
    top = np.maximum.reduceat(ranked, start)
    rows = np.minimum.reduceat(np.where(ranked == np.repeat(top, size), order, n), start)
    out: NDArray[np.int64] = np.where(np.isneginf(top), -1, rows).astype(np.int64)
    return out


def _column(values: Any, name: str, rule: str, n: int) -> NDArray[Any]:
    if values is None or len(values) != n:
        msg = f"rule={rule!r} needs {name}, one entry for each of {n} attempts."
        raise InputError(msg)
    return np.asarray(values)


def _rewards(rewards: Any, rule: str, n: int) -> Floats:
    r = _column(rewards, "rewards", rule, n).astype(np.float64)
    return np.where(np.isnan(r), -np.inf, r)


def _weights(code: NDArray[np.int64], reward: Floats, rescale: bool) -> Floats:
    """Rewards of a vote; those that are missing (-inf) weigh nothing."""
    known = np.isfinite(reward)
    safe = np.where(known, reward, 0.0)
    if not rescale:
        return safe
    low, high = np.full(code.max() + 1, np.inf), np.full(code.max() + 1, -np.inf)
    np.minimum.at(low, code[known], safe[known])
    np.maximum.at(high, code[known], safe[known])
    width = (high - low)[code]
    spread = known & (width > 0)
    return np.where(spread, (safe - np.where(spread, low[code], 0.0)) / np.where(spread, width, 1.0), safe)


def _classes(code: NDArray[np.int64], answers: Any, classes: Any, equal: Any, n: int) -> NDArray[np.int64]:
    if classes is not None:
        return np.asarray(_column(classes, "classes", "majority", n), dtype=np.int64)
    values = list(answers) if answers is not None else None
    if values is None or len(values) != n:
        msg = f"a vote needs answers, one for each of {n} attempts (None where none was extracted)."
        raise InputError(msg)
    out = np.full(n, -1, dtype=np.int64)
    order = np.argsort(code, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
        out[rows] = answer_classes([values[i] for i in rows.tolist()], equal=equal)
    return out


@dataclass(frozen=True)
class RuleResult:
    """What one selection rule gives over all problems.

    Attributes
    ----------
    rule : str
        Its name.
    naive : Estimate
        Share of problems whose chosen attempt the verifier accepts.
    true : Estimate
        Share of problems whose chosen attempt is accepted and truly correct.
    false_share : Estimate
        Wrong ones among the chosen attempts that are accepted.
    """

    rule: str
    naive: Estimate
    true: Estimate
    false_share: Estimate


def compare_rules(
    problem: ArrayLike,
    *,
    accepted: ArrayLike,
    truth: ArrayLike,
    answers: Sequence[Any] | None = None,
    rewards: ArrayLike | None = None,
    equal: Any = "auto",
    level: float = 0.95,
) -> list[RuleResult]:
    """Put all selection rules that the columns allow side by side: as the verifier counts, and as it is.

    Parameters
    ----------
    problem, accepted, answers, rewards, equal
        As in :func:`select`.
    truth : array-like of shape (n,)
        1 correct, 0 wrong; -1 (unknown) is refused for attempts that are accepted.
    level : float, default=0.95
        Of the intervals over problems.

    Returns
    -------
    list of RuleResult
    """
    yes, right = np.asarray(accepted) == 1, np.asarray(truth)
    if (yes & (right < 0)).any():
        msg = f"{int((yes & (right < 0)).sum())} accepted attempts have no truth: judge them, or leave them out."
        raise InputError(msg)
    _, code = np.unique(np.asarray(problem), return_inverse=True)
    code = code.reshape(-1)
    classes = None if answers is None else _classes(code, answers, None, equal, len(code))
    rules = ["first_accepted"]
    rules += [] if answers is None else ["majority"]
    rules += [] if rewards is None else ["best_of_n"]
    rules += [] if answers is None or rewards is None else ["weighted_majority"]
    found = []
    for rule in rules:
        rows = select(code, rule, accepted=accepted, rewards=rewards, classes=classes)  # type: ignore[arg-type]
        chosen = rows >= 0
        ok = (chosen & yes[rows]).astype(np.float64)
        good = ok * (right[rows] == 1)
        n, k = len(ok), float(ok.sum())
        naive, true = (jeffreys(float(v.sum()), n, level=level) for v in (ok, good))
        nothing = Estimate(float("nan"), 0.0, 1.0, level, "nothing accepted", 0)
        share = jeffreys(float((ok - good).sum()), k, level=level) if k else nothing
        found.append(RuleResult("pass@N" if rule == "first_accepted" else rule, naive, true, share))
    return found


def rules_by_n(
    problem: ArrayLike,
    *,
    accepted: ArrayLike,
    truth: ArrayLike,
    answers: Sequence[Any] | None = None,
    rewards: ArrayLike | None = None,
    equal: Any = "auto",
    sizes: Sequence[int] | None = None,
    repeats: int = 20,
    random_state: int | np.random.Generator = 0,
) -> dict[str, dict[int, tuple[float, float]]]:
    """Tell what every rule gives with N attempts a problem, for several N: as the verifier counts, and in truth.

    Parameters
    ----------
    problem, accepted, truth, answers, rewards, equal
        As in :func:`compare_rules`; problems with fewer than the largest N attempts are left out.
    sizes : sequence of int, optional
        The N; by default 1, 4, 16, ... and the number of attempts that nine in ten problems have.
    repeats : int, default=20
        Random orders of the attempts that are averaged over.
    random_state : int or Generator, default=0
        Seed of the orders.

    Returns
    -------
    dict of rule to dict of N to (counted, true)
        Shares of problems.
    """
    code = _codes(np.asarray(problem))
    n_attempts = np.bincount(code)
    most = max(1, int(np.quantile(n_attempts, 0.1, method="lower")))
    wanted = sorted({n for n in (sizes or [*(4**i for i in range(8)), most]) if n <= most})
    if not wanted:
        msg = f"sizes={list(sizes or [])}: nine in ten problems have {most} attempts; use N from 1 to {most}."
        raise InputError(msg)
    rows = np.flatnonzero(n_attempts[code] >= wanted[-1])
    code = _codes(code[rows])
    yes, right = np.asarray(accepted)[rows] == 1, np.asarray(truth)[rows] == 1
    classes = None if answers is None else _classes(code, [answers[i] for i in rows.tolist()], None, equal, len(rows))
    reward = None if rewards is None else np.asarray(rewards, dtype=np.float64)[rows]
    rules = ["first_accepted", *(["majority"] if classes is not None else [])]
    rules += [] if reward is None else ["best_of_n", *(["weighted_majority"] if classes is not None else [])]
    out = {("pass@N" if r == "first_accepted" else r): dict.fromkeys(wanted, (0.0, 0.0)) for r in rules}
    rng = np.random.default_rng(random_state)
    for _ in range(repeats):
        order = np.lexsort((rng.random(len(code)), code))
        size = np.bincount(code)
        place = np.arange(len(code)) - np.repeat(np.cumsum(size) - size, size)
        for n in wanted:
            part = order[place < n]
            for rule, name in zip(rules, out, strict=True):
                chosen = select(
                    code[part],
                    rule,  # type: ignore[arg-type]
                    accepted=yes[part],
                    rewards=None if reward is None else reward[part],
                    classes=None if classes is None else classes[part],
                )
                ok = (chosen >= 0) & yes[part[chosen]]
                counted, true = out[name][n]
                good = float((ok & right[part[chosen]]).mean())
                out[name][n] = (counted + float(ok.mean()) / repeats, true + good / repeats)
    return out
