"""How many attempts to allow, how sure that is, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.judge._resampling.table import AttemptTable, resampled


@dataclass(frozen=True)
class Optimum:
    """The number of attempts of the largest utility.

    Attributes
    ----------
    k : int
        ``K*``; 0 is to abstain always: no number of attempts is worth its wrong answers.
    k_low, k_high : int
        Interval of ``K*`` over tasks.
    utility : Estimate
        At ``K*``.
    flat_low, flat_high : int
        All ``K`` around ``K*`` that lose no more than ``tolerance`` of utility.
    tolerance : float
        What counts as no loss.
    at_most : int
        The most attempts that the recorded ones tell about; ``K*`` there may be larger in truth.
    cost_fp, cost_attempt : float
        What was asked.
    """

    k: int
    k_low: int
    k_high: int
    utility: Estimate
    flat_low: int
    flat_high: int
    tolerance: float
    at_most: int
    cost_fp: float
    cost_attempt: float

    def __str__(self) -> str:
        """Say it in one paragraph: the number, its interval, and how flat the utility is."""
        if self.k == 0:
            head = f"abstain (K* = 0): at {self.cost_fp:g} for a wrong answer no number of attempts is worth it"
        else:
            head = f"K* = {self.k} attempts, utility {self.utility} a task"
        if self.k == self.at_most:
            head += f" (the most that {self.at_most} recorded attempts can tell; more may be better still)"
        sure = f"K* between {self.k_low} and {self.k_high} ({100 * self.utility.level:g} %, over tasks)"
        flat = f"any K from {self.flat_low} to {self.flat_high} loses at most {self.tolerance:g}"
        if self.flat_low == self.flat_high:
            flat = f"no other K comes within {self.tolerance:g}"
        return f"{head}; {sure}; {flat}."


def optimal_k(
    table: AttemptTable,
    cost_fp: float,
    *,
    cost_attempt: float = 0.0,
    tolerance: float = 0.01,
    max_k: int | None = None,
    level: float = 0.9,
    n_boot: int = 2000,
    random_state: Any = 0,
) -> Optimum:
    """Find the number of attempts of the largest utility, its interval, and the stretch where it hardly matters.

    Parameters
    ----------
    table : AttemptTable
        Recorded attempts.
    cost_fp : float
        Cost of a wrong answer, where a correct one brings 1 and none 0.
    cost_attempt : float, default=0
        Cost of one attempt.
    tolerance : float, default=0.01
        Loss of utility that counts as none.
    max_k : int, optional
        Attempts that can be afforded; by default as many as every task has.
    level : float, default=0.9
        Of the interval of ``K*``, a bootstrap of tasks.
    n_boot : int, default=2000
        Resamples.
    random_state : int or Generator, default=0
        Seed.

    Returns
    -------
    Optimum
        A bare ``K*`` would promise what the tasks at hand do not know: read ``k_low``, ``k_high`` and the flat stretch.
    """
    if cost_fp < 0 or cost_attempt < 0 or not np.isfinite([cost_fp, cost_attempt]).all():
        msg = f"cost_fp={cost_fp:g} and cost_attempt={cost_attempt:g}: costs are 0 or more, a correct answer brings 1."
        raise InputError(msg)
    most = table.max_k if max_k is None else min(max_k, table.max_k)
    got, right, made = (part[:, : most + 1] for part in table._parts())
    value = right - cost_fp * (got - right) - cost_attempt * made
    utility = value.mean(axis=0)
    best = int(utility.argmax())  # ties: the fewest attempts
    draws = resampled(len(value), n_boot, random_state) @ value
    tail = [(1 - level) / 2, (1 + level) / 2]
    k_low, k_high = np.quantile(draws.argmax(axis=1), tail, method="closest_observation")
    low, high = np.quantile(draws[:, best], tail)
    near = np.flatnonzero(utility < utility[best] - tolerance)
    below, above = near[near < best], near[near > best]
    top = float(utility[best])
    return Optimum(
        best,
        min(int(k_low), best),
        max(int(k_high), best),
        Estimate(top, min(float(low), top), max(float(high), top), level, "bootstrap of tasks", len(value)),
        int(below.max()) + 1 if len(below) else 0,
        int(above.min()) - 1 if len(above) else most,
        tolerance,
        most,
        cost_fp,
        cost_attempt,
    )
