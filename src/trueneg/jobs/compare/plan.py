"""Folds, and how many of them and of the rows fit a budget."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.compare.fold import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trueneg.jobs.compare.task import Task

    Split = tuple[NDArray[np.int64], NDArray[np.int64]]

PILOT_ROWS = 4_000
FEWEST_ROWS = 1_000
_GROWTH = 1.3  # seconds grow as rows to this power: boosting and linear models below it, neighbours above
_USE = 0.85  # of the budget; the rest is for what was not foreseen
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_budget(budget: str | float | None) -> float | None:
    """Return seconds of ``"90s"``, ``"10m"``, ``"1h30m"`` or a number of seconds; None stays None.

    Raises
    ------
    InputError
        For anything else.
    """
    if budget is None:
        return None
    text = str(budget).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[smh])+", text):
        seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([smh])", text))
    else:
        raise InputError(f"budget {budget!r} is no time; write it as 90s, 10m or 1h30m")
    if not 0 < seconds < math.inf:
        raise InputError(f"budget {budget!r} must be above zero")
    return seconds


@dataclass
class Plan:
    """What will be run.

    Attributes
    ----------
    rows : int
        Rows used, all or a part drawn by groups.
    folds, repeats : int
    left_out : dict of str to str
        Remedies that are not run, with the reason.
    said : list of str
        What was decided, in words.
    """

    rows: int
    folds: int
    repeats: int
    left_out: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return dict(vars(self))


def settle_folds(task: Task, folds: int, repeats: int) -> tuple[int, list[str]]:
    """Lower the folds to what the rarer class allows, and say so.

    Raises
    ------
    InputError
        Where a class of two stands in one group only, or there are fewer than two folds or one repeat.
    """
    if folds < 2 or repeats < 1:
        raise InputError(f"--folds {folds} --repeats {repeats}: give 2 folds or more and 1 repeat or more")
    pairs = np.unique(np.column_stack([task.codes, task.groups]), axis=0)
    in_groups = np.bincount(pairs[:, 0], minlength=len(task.classes))
    said = []
    if len(task.classes) == 2:
        rare = int(in_groups.argmin())
        if in_groups[rare] < 2:
            raise InputError(
                f"class {task.classes[rare]!r} stands in {in_groups[rare]} group of rows only, so it cannot be trained "
                f"on and tested on at once ({task.grouped_by}); label more rows of it"
            )
        if in_groups[rare] < folds:
            said.append(
                f"folds lowered from {folds} to {in_groups[rare]}: {task.classes[rare]} has no more groups of rows"
            )
            folds = int(in_groups[rare])
    else:
        folds = min(folds, int(in_groups.max()))
        few = [task.classes[c] for c in np.flatnonzero(in_groups < folds)]
        if folds < 2:
            raise InputError("every class stands in one group of rows only; label more rows, or take another --group")
        if few:
            more = f" and {len(few) - 8} more" if len(few) > 8 else ""
            said.append(f"too rare to be in every fold: {', '.join(few[:8])}{more}")
    return folds, said


def folds_of(task: Task, folds: int, repeat: int, seed: int) -> list[Split]:
    """Return the folds of one repeat: stratified, groups whole, both of two classes on either side.

    Raises
    ------
    InputError
        Where twenty draws give none such.
    """
    for draw in range(20):
        state = int(np.random.SeedSequence([seed, repeat, draw]).generate_state(1)[0] >> 1)
        made = split(task.codes, task.groups, folds, state)
        if all(_usable(task, train, test) for train, test in made):
            return made
    raise InputError(
        f"{folds} folds leave one class out of a fold ({task.grouped_by}); give fewer --folds, or label more rows"
    )


def _usable(task: Task, train: NDArray[np.int64], test: NDArray[np.int64]) -> bool:
    if len(task.classes) == 2:
        return len(np.unique(task.codes[test])) == 2 and len(np.unique(task.codes[train])) == 2
    return len(test) > 0 and len(np.unique(task.codes[train])) > 1


def drawn(task: Task, rows: int, seed: int) -> NDArray[np.int64]:
    """Return about so many positions, ascending: whole groups, evenly over the classes that they begin with."""
    if rows >= len(task):
        return np.arange(len(task))
    first = task.codes[np.unique(task.groups, return_index=True)[1]]
    order = np.lexsort((np.random.default_rng(seed).random(len(first)), first))
    # Every so-many-th group along the order of classes.
    n = max(1, round(len(order) * rows / len(task)))
    kept = order[((np.arange(n) + 0.5) * len(order) / n).astype(np.int64)]
    return np.flatnonzero(np.isin(task.groups, kept))


def fit_plan(
    plan: Plan,
    seconds: Mapping[str, float],
    at_rows: int,
    left: float,
    workers: int,
    always: Sequence[str],
    *,
    rows_fixed: bool = False,
) -> Plan:
    """Fit repeats, then rows, then remedies to the seconds that are left.

    Parameters
    ----------
    plan : Plan
        As wished.
    seconds : mapping of str to float
        Of one fold of each remedy, measured at ``at_rows`` rows.
    at_rows : int
    left : float
        Seconds left of the budget.
    workers : int
        Folds run at once.
    always : sequence of str
        Remedies that are never left out.
    rows_fixed : bool, default=False
        The rows stay as they are: the first of the folds is done.
    """
    left *= _USE

    def cost(rows: int, repeats: int, without: Sequence[str] = ()) -> float:
        one = sum(s for name, s in seconds.items() if name not in without)
        return one * (rows / at_rows) ** _GROWTH * (plan.folds * repeats - int(rows_fixed)) / workers

    out = Plan(plan.rows, plan.folds, plan.repeats, dict(plan.left_out), list(plan.said))
    while out.repeats > 1 and cost(out.rows, out.repeats) > left:
        out.repeats -= 1
    if out.repeats < plan.repeats:
        out.said.append(f"{out.repeats} of {plan.repeats} repeats, which is what the budget allows")
    if not rows_fixed and cost(out.rows, out.repeats) > left and out.rows > FEWEST_ROWS:
        out.rows = max(FEWEST_ROWS, int(out.rows * (left / cost(out.rows, out.repeats)) ** (1 / _GROWTH)))
        out.said.append(
            f"a sample of about {out.rows:,} of {plan.rows:,} rows, whole groups: the budget allows no more"
        )
    slow = sorted((s, name) for name, s in seconds.items() if name not in always)
    gone: list[str] = []
    while slow and cost(out.rows, out.repeats, gone) > left:
        gone.append(slow.pop()[1])
    for name in gone:
        out.left_out[name] = (
            f"left out for the budget: about {seconds[name] * (out.rows / at_rows) ** _GROWTH:.0f} s a fold"
        )
    return out
