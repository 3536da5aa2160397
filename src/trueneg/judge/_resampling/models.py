"""Several models side by side: single attempts against the ceiling, and whether a weak one reaches a strong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.judge._resampling.table import AttemptTable, resampled


@dataclass(frozen=True)
class Reach:
    """Whether a weak model, resampled, reaches one attempt of a strong one.

    Attributes
    ----------
    k : int or None
        Fewest attempts at which it does; None where none of the recorded ones do.
    gap : Estimate
        Weak at its best number of attempts less strong at one, paired by task.
    best_k : int
        Attempts of that.
    weak_ceiling : Estimate
        Accuracy that the weak one never passes.
    strong : float
        Accuracy of the strong one at one attempt.
    false_share : float
        Wrong among the weak one's answers at ``best_k``.
    n_tasks : int
        Tasks that both were tried on.
    """

    k: int | None
    gap: Estimate
    best_k: int
    weak_ceiling: Estimate
    strong: float
    false_share: float
    n_tasks: int

    def __str__(self) -> str:
        """Say it in one sentence."""
        if self.k is not None:
            return f"reaches {self.strong:.3f} with {self.k} attempts; {self.false_share:.1%} of its answers are wrong"
        return (
            f"never reaches {self.strong:.3f} (its best is {self.gap} away, at {self.best_k} attempts); "
            f"{self.false_share:.1%} of its answers are wrong there"
        )


def reaches(weak: AttemptTable, strong: AttemptTable, *, level: float = 0.95, random_state: Any = 0) -> Reach:
    """Compare a weak model that may try often with one attempt of a strong one, on the tasks that both were given.

    Parameters
    ----------
    weak, strong : AttemptTable
        With task ids of one kind.
    level : float, default=0.95
        Of the interval of the gap, a paired bootstrap of tasks.
    random_state : int or Generator, default=0
        Seed.
    """
    both, at_weak, at_strong = np.intersect1d(weak.tasks, strong.tasks, return_indices=True)
    if not len(both):
        raise InputError("the two tables share no task: use the same task ids in both.")
    right = weak._parts()[1][at_weak]
    once = strong._parts(1)[1][at_strong, 0]
    curve = right.mean(axis=0)
    best = int(curve.argmax())
    there = np.flatnonzero(curve >= once.mean())
    gap = right[:, best] - once
    drawn = (resampled(len(both), 2000, random_state) @ gap[:, None])[:, 0]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    value = float(gap.mean())
    return Reach(
        int(there[0]) if len(there) else None,
        Estimate(value, min(float(low), value), max(float(high), value), level, "paired bootstrap of tasks", len(both)),
        best,
        weak.ceiling(level=level, random_state=random_state),
        float(once.mean()),
        weak.fp_share_at(best, level=level).value if best else float("nan"),
        len(both),
    )


def side_by_side(tables: Mapping[str, AttemptTable], *, level: float = 0.95) -> dict[str, dict[str, Estimate]]:
    """Single-attempt accuracy, share of false ones among its answers, and ceiling of each model, weakest first.

    Returns
    -------
    dict of model to dict
        ``accuracy`` at one attempt, ``false_share`` at one attempt, ``ceiling``.
    """
    found = {
        name: {
            "accuracy": t.accuracy_at(1, level=level),
            "false_share": t.fp_share_at(1, level=level),
            "ceiling": t.ceiling(level=level),
        }
        for name, t in tables.items()
    }
    return dict(sorted(found.items(), key=lambda pair: pair[1]["accuracy"].value))


def slope(accuracy: Any, ceiling: Any) -> tuple[float, float]:
    """Least-squares slope of the ceiling over single-attempt accuracy, and the share of variance it explains (R2)."""
    x, y = np.asarray(accuracy, dtype=np.float64), np.asarray(ceiling, dtype=np.float64)
    if x.shape != y.shape or len(x) < 3 or x.std() == 0:
        raise InputError("a slope needs three models or more, of different accuracy: give one pair each.")
    r = float(np.corrcoef(x, y)[0, 1])
    return r * float(y.std() / x.std()), r * r
