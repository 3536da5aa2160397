"""Recorded attempts as counts a task, and the exact curves of "take the first that is accepted"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.core.verdicts import pass_at_k

Floats = NDArray[np.float64]
_N_BOOT = 2000
_BLOCKS = 1000


@dataclass(frozen=True, eq=False)
class Curve:
    """What ``K`` attempts bring, for ``K`` from 0; every array is (K + 1,), ``*_low`` and ``*_high`` its interval.

    Attributes
    ----------
    k : int64
        Attempts allowed.
    accepted, accuracy, false_share, utility : float64
        Share of tasks with an accepted answer; with a correct one; wrong among the accepted (NaN at 0); utility a task.
    attempts : float64
        Attempts made a task, on average.
    low, high : dict of str to float64
        Ends of the intervals over tasks, by name.
    """

    k: NDArray[np.int64]
    accepted: Floats
    accuracy: Floats
    false_share: Floats
    utility: Floats
    attempts: Floats
    low: dict[str, Floats]
    high: dict[str, Floats]


class AttemptTable:
    """Counts of recorded attempts a task, and what drawing ``K`` of them in random order gives, without drawing any.

    Of ``n`` attempts at a task ``b`` are accepted and ``t`` of those are correct. Without replacement, when the first
    accepted one comes does not depend on which it is, so that ``A(K) = 1 - C(n - b, K) / C(n, K)`` of the tasks get an
    answer and ``A(K) t / b`` a correct one.

    Parameters
    ----------
    n : int or array-like of shape (tasks,)
        Attempts.
    accepted : array-like of shape (tasks,)
        Accepted by the verifier; a timeout, an error and silence are not.
    true_accepted : array-like of shape (tasks,)
        Accepted and correct; an expected number where only a probability is known.
    correct : array-like of shape (tasks,), optional
        Correct, accepted or not; needed for the verifier's soundness and completeness and for :meth:`oracle_at`.
    tasks : array-like of shape (tasks,), optional
        Their ids; numbers by default.

    Raises
    ------
    InputError
        Counts that do not fit one another.

    References
    ----------
    Stroebl, Kapoor and Narayanan, "The limits of inference scaling through resampling" (2411.17501).
    """

    def __init__(
        self,
        n: ArrayLike,
        accepted: ArrayLike,
        true_accepted: ArrayLike,
        correct: ArrayLike | None = None,
        *,
        tasks: ArrayLike | None = None,
    ) -> None:
        self.accepted = np.atleast_1d(np.asarray(accepted)).astype(np.int64)
        self.n = np.array(np.broadcast_to(np.asarray(n), self.accepted.shape), dtype=np.int64)
        self.true_accepted = np.atleast_1d(np.asarray(true_accepted)).astype(np.float64)  # expected counts are no whole
        self.correct = None if correct is None else np.atleast_1d(np.asarray(correct)).astype(np.float64)
        self.tasks = np.arange(len(self.n)) if tasks is None else np.asarray(tasks)
        self._check()

    def _check(self) -> None:
        if not len(self.n):
            raise InputError("there is no task: give at least one.")
        for name in ("true_accepted", "correct", "tasks"):
            a = getattr(self, name)
            if a is not None and len(a) != len(self.n):
                msg = f"{name} has {len(a)} tasks and accepted {len(self.n)}: give one entry each."
                raise InputError(msg)
        bad = (self.accepted < 0) | (self.accepted > self.n) | (self.n < 1)
        bad |= (self.true_accepted < 0) | (self.true_accepted > self.accepted)
        if self.correct is not None:
            bad |= (self.correct < self.true_accepted) | (self.correct > self.n - self.accepted + self.true_accepted)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            msg = (
                f"task {self.tasks[i]!s}: {self.true_accepted[i]:g} correct of {self.accepted[i]} accepted "
                f"of {self.n[i]}; 0 <= true_accepted <= accepted <= n must hold, and the correct ones must fit."
            )
            raise InputError(msg)

    @classmethod
    def of(cls, problem: ArrayLike, accepted: ArrayLike, correct: ArrayLike) -> AttemptTable:
        """Count attempts given one a row.

        Parameters
        ----------
        problem : array-like of shape (attempts,)
            The task of each attempt.
        accepted : array-like of shape (attempts,)
            1 accepted, 0 rejected, -1 nothing said (not accepted).
        correct : array-like of shape (attempts,)
            1 correct, 0 wrong. -1 (unknown) is refused among the accepted; elsewhere it leaves ``correct`` unknown.
        """
        ids, code = np.unique(np.asarray(problem), return_inverse=True)
        code = code.reshape(-1)
        yes, truth = np.asarray(accepted) == 1, np.asarray(correct)
        if not len(code) == len(yes) == len(truth):
            msg = f"problem, accepted and correct have {len(code)}, {len(yes)} and {len(truth)} entries, one each."
            raise InputError(msg)
        unknown = int((yes & (truth < 0)).sum())
        if unknown:
            msg = (
                f"{unknown} accepted attempts have no truth: judge them, or correct the share of false ones first "
                "(trueneg.core.verdicts.corrected_rate)."
            )
            raise InputError(msg)
        made = np.bincount(code, minlength=len(ids))
        passed = np.bincount(code, weights=yes, minlength=len(ids))
        right = np.bincount(code, weights=yes & (truth == 1), minlength=len(ids))
        all_right = None if (truth < 0).any() else np.bincount(code, weights=truth == 1, minlength=len(ids))
        return cls(made, passed, right, all_right, tasks=ids)

    @property
    def max_k(self) -> int:
        """The smallest number of attempts that every task has."""
        return int(self.n.min())

    def at_least(self, n: int) -> AttemptTable:
        """Return the tasks with ``n`` attempts or more."""
        keep = self.n >= n
        right = None if self.correct is None else self.correct[keep]
        return AttemptTable(self.n[keep], self.accepted[keep], self.true_accepted[keep], right, tasks=self.tasks[keep])

    @cached_property
    def _none_yet(self) -> Floats:
        """Chance that no one of the first ``K`` attempts is accepted, (tasks, max_k + 1); exact."""
        j = np.arange(self.max_k, dtype=np.float64)
        left = (self.n - self.accepted)[:, None] - j
        steps = np.maximum(left, 0.0) / (self.n[:, None] - j)
        return np.concatenate([np.ones((len(self.n), 1)), np.cumprod(steps, axis=1)], axis=1)

    @cached_property
    def _purity(self) -> Floats:
        """Correct among the accepted of each task; 0 where nothing is (it then weighs nothing)."""
        return self.true_accepted / np.maximum(self.accepted, 1)

    def _parts(self, k: Any = None) -> tuple[Floats, Floats, Floats]:
        """Accepted, correct and attempts, each (tasks, K)."""
        none = self._none_yet if k is None else self._none_yet[:, self._within(k)]
        got = 1 - none
        made = np.cumsum(np.concatenate([np.zeros((len(self.n), 1)), self._none_yet[:, :-1]], axis=1), axis=1)
        return got, got * self._purity[:, None], made if k is None else made[:, self._within(k)]

    def _within(self, k: Any) -> NDArray[np.int64]:
        k = np.atleast_1d(np.asarray(k, dtype=np.int64))
        if k.min() < 0 or k.max() > self.max_k:
            msg = f"K={int(k.max())}: the tasks have {self.max_k} attempts at least; use K from 0 to {self.max_k}."
            raise InputError(msg)
        return k

    def accuracy_at(self, k: int, *, level: float = 0.95, random_state: Any = 0) -> Estimate:
        """Share of tasks answered correctly within ``k`` attempts."""
        right = self._parts(k)[1][:, 0]
        return self._boot(right, np.ones(len(right)), level, random_state, f"{k} attempts, bootstrap of tasks")

    def oracle_at(self, k: int, *, level: float = 0.95) -> Estimate:
        """Share of tasks that a verifier without errors would answer: pass@k of the truth."""
        if self.correct is None:
            raise InputError("correct was not given: how many attempts are correct, accepted or not?")
        return pass_at_k(self.n, self.correct, k, level=level).estimates[0]

    def fp_share_at(self, k: int, *, level: float = 0.95, random_state: Any = 0) -> Estimate:
        """Share of wrong answers among those given within ``k`` attempts."""
        got, right, _ = self._parts(k)
        return self._boot(
            (got - right)[:, 0], got[:, 0], level, random_state, "wrong among answers, bootstrap of tasks"
        )

    def utility_at(
        self, k: int, cost_fp: float, *, cost_attempt: float = 0.0, level: float = 0.95, random_state: Any = 0
    ) -> Estimate:
        """Utility a task: 1 for a correct answer, ``-cost_fp`` for a wrong one, 0 for none, less the attempts' cost."""
        got, right, made = self._parts(k)
        value = (right - cost_fp * (got - right) - cost_attempt * made)[:, 0]
        return self._boot(value, np.ones(len(value)), level, random_state, f"{k} attempts, bootstrap of tasks")

    def ceiling(self, *, level: float = 0.95, random_state: Any = 0) -> Estimate:
        """Accuracy that no number of attempts passes: mean of correct among accepted, over tasks with an accepted one.

        Tasks without one would bring anything from 0 to 1: :meth:`ceiling_range`.
        """
        some = (self.accepted > 0).astype(np.float64)
        if not some.any():
            raise InputError("no attempt at any task is accepted: there is no ceiling to speak of.")
        return self._boot(self._purity * some, some, level, random_state, "tasks with an accepted attempt")

    def ceiling_range(self) -> tuple[float, float]:
        """The ceiling if tasks without an accepted attempt are all lost, and if they are all won."""
        lost = float(self._purity.mean())
        return lost, lost + float((self.accepted == 0).mean())

    def false_by_attempt(self) -> dict[tuple[int, int], float]:
        """Share of wrong ones among answers found at attempts 1, 2-3, 4-7, ...: later answers are worse."""
        out: dict[tuple[int, int], float] = {}
        first = self._none_yet[:, :-1] - self._none_yet[:, 1:]
        low = 1
        while low <= self.max_k:
            high = min(2 * low - 1, self.max_k)
            here = first[:, low - 1 : high].sum(axis=1)
            if here.sum() > 0:
                out[low, high] = float((here * (1 - self._purity)).sum() / here.sum())
            low *= 2
        return out

    def curve(
        self,
        cost_fp: float = 1.0,
        *,
        cost_attempt: float = 0.0,
        level: float = 0.95,
        n_boot: int = _N_BOOT,
        random_state: Any = 0,
    ) -> Curve:
        """Return all curves from 0 to ``max_k`` attempts, exact, with intervals over tasks."""
        got, right, made = self._parts()
        value = right - cost_fp * (got - right) - cost_attempt * made
        low, high = {}, {}
        tail = [(1 - level) / 2, (1 + level) / 2]
        weights = resampled(len(self.n), n_boot, random_state)
        draws = {name: weights @ v for name, v in (("accepted", got), ("accuracy", right), ("utility", value))}
        wrong = draws["accepted"] - draws["accuracy"]
        draws["false_share"] = np.where(draws["accepted"] > 0, wrong / np.maximum(draws["accepted"], 1e-12), np.nan)
        for name, d in draws.items():
            ends = np.quantile(d[:, 1:], tail, axis=0)
            low[name], high[name] = (np.concatenate([[0.0 if name != "false_share" else np.nan], e]) for e in ends)
        g, r = got.mean(axis=0), right.mean(axis=0)
        share = np.where(g > 0, (g - r) / np.maximum(g, 1e-12), np.nan)
        return Curve(np.arange(self.max_k + 1), g, r, share, value.mean(axis=0), made.mean(axis=0), low, high)

    def to_frame(self, cost_fp: float = 1.0, *, cost_attempt: float = 0.0) -> dict[str, NDArray[Any]]:
        """Return the curves as columns, for a frame of any kind."""
        c = self.curve(cost_fp, cost_attempt=cost_attempt)
        out: dict[str, NDArray[Any]] = {"k": c.k}
        for name in ("accepted", "accuracy", "false_share", "utility"):
            out |= {name: getattr(c, name), f"{name}_low": c.low[name], f"{name}_high": c.high[name]}
        return {**out, "attempts": c.attempts}

    def rates(self) -> tuple[Estimate, Estimate]:
        """Soundness, P(reject | wrong), and completeness, P(accept | correct), over all attempts, by task."""
        if self.correct is None:
            raise InputError("correct was not given: how many attempts are correct, accepted or not?")
        wrong = (self.n - self.correct).astype(np.float64)
        caught = wrong - (self.accepted - self.true_accepted)
        return (
            self._boot(caught, wrong, 0.95, 0, "P(reject | wrong), bootstrap of tasks"),
            self._boot(self.true_accepted.astype(float), self.correct.astype(float), 0.95, 0, "P(accept | correct)"),
        )

    def _boot(self, top: Floats, bottom: Floats, level: float, random_state: Any, words: str) -> Estimate:
        """Ratio of two sums over tasks with its bootstrap interval."""
        if bottom.sum() <= 0:
            return Estimate(float("nan"), 0.0, 1.0, level, f"{words}: no such attempt", len(top))
        drawn = resampled(len(top), _N_BOOT, random_state) @ np.column_stack([top, bottom])
        drawn = drawn[drawn[:, 1] > 0]
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - level) / 2, (1 + level) / 2])
        value = float(top.sum() / bottom.sum())
        return Estimate(value, min(float(low), value), max(float(high), value), level, words, len(top))


class resampled:  # noqa: N801 - stands for a matrix
    """Bootstrap weights of tasks (n_boot, tasks), each row of mean 1 / tasks, that columns are multiplied by.

    More than 1,000 tasks are put into 1,000 random blocks, which are resampled in their place: the variance of a mean
    stays, and so does the time.
    """

    def __init__(self, n_tasks: int, n_boot: int, random_state: Any) -> None:
        rng = np.random.default_rng(random_state)
        self.n = n_tasks
        self.order = rng.permutation(n_tasks) if n_tasks > _BLOCKS else None
        self.start = np.linspace(0, n_tasks, _BLOCKS, endpoint=False).astype(np.int64)
        units = min(n_tasks, _BLOCKS)
        if isinstance(random_state, int):
            self.weights = _weights(units, n_boot, random_state)
        else:
            self.weights = rng.multinomial(units, np.full(units, 1 / units), n_boot).astype(np.float64)

    def __matmul__(self, columns: Floats) -> Floats:
        """Return the weighted means of ``columns`` (tasks, c): (n_boot, c)."""
        if self.order is not None:
            columns = np.add.reduceat(columns[self.order], self.start, axis=0)
        out: Floats = self.weights @ columns / self.n
        return out


@lru_cache(maxsize=4)
def _weights(units: int, n_boot: int, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), n_boot)
    return drawn.astype(np.float64)
