"""One pass over the rows: what is dropped, who learns from what, and the threads that run the banks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import missing_extra
from trueneg.heads._tsetlin.chance import key_of, words_of
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.plan import Plan, by_class, epoch_plan
from trueneg.heads._tsetlin.rows import Rows

__all__ = ["Pass", "Settings", "require_numba", "run_pass"]


class Settings(NamedTuple):
    """What a pass needs to know besides the machine and the rows."""

    threshold: int
    rate: tuple[int, int]  # 1 / s as numerator and binary digits
    boost: bool
    weighted: bool
    budget: int | None
    clause_drop: float
    literal_drop: float
    focused: bool
    seed: int
    n_jobs: int
    second: bool = True  # Type II feedback


class Pass(NamedTuple):
    """What one pass looked like."""

    events: int
    update_probability: float  # mean over events
    literals: float  # mean over clauses, after the pass


def require_numba() -> None:
    """Refuse to learn where numba is not installed."""
    try:
        import numba  # noqa: F401
    except ImportError:
        missing_extra("numba", "fast")


def dropped(seed: int, epoch: int, what: int, n: int, share: float) -> NDArray[np.bool_]:
    """Return which of n clauses (what = 0) or literals (what = 1) stay on in a pass."""
    if share <= 0.0:
        return np.ones(n, dtype=bool)
    draws = (words_of(key_of(seed, (1 << 41) + what, epoch), n) >> np.uint64(11)).astype(np.float64)
    return np.asarray(draws * 2.0**-53 >= share)


def run_pass(
    machine: Machine,
    rows: Rows,
    codes: NDArray[Any],
    settings: Settings,
    *,
    chance: NDArray[np.float64] | None = None,
) -> Pass:
    """Let a machine learn from every row once; its arrays are written, its count of passes goes up by one."""
    n_classes, n_clauses = machine.weight.shape
    plan = epoch_plan(codes, n_classes, seed=settings.seed, epoch=machine.passes, chance=chance)
    banks = len(machine.include)
    clause_on = dropped(settings.seed, machine.passes, 0, banks * n_clauses, settings.clause_drop)
    literal_on = machine.shape.mask(
        dropped(settings.seed, machine.passes, 1, machine.shape.literals, settings.literal_drop)
    )
    streams = np.array([key_of(settings.seed, machine.passes, c) for c in range(n_classes + 1)], dtype=np.uint64)
    if machine.pool or settings.focused:
        total = _together(machine, rows, plan, settings, (clause_on, literal_on, streams))
    else:
        total = _apart(machine, rows, plan, settings, (clause_on.reshape(banks, -1), literal_on, streams))
    machine.passes += 1
    return Pass(len(plan.row), total / max(1, len(plan.row)), float(machine.sizes().mean()))


def _rule(settings: Settings) -> Any:
    from trueneg.heads._tsetlin.learn import NO_BUDGET, Rule

    budget = NO_BUDGET if settings.budget is None else settings.budget
    weighted, boost, second = bool(settings.weighted), bool(settings.boost), bool(settings.second)
    return Rule(int(settings.threshold), *settings.rate, boost, weighted, int(budget), second)


def _apart(machine: Machine, rows: Rows, plan: Plan, settings: Settings, on: tuple[Any, Any, Any]) -> float:
    """Run the class banks, each on its own list of events, in as many threads as asked."""
    from trueneg.heads._tsetlin.learn import Events, train_bank

    clause_on, literal_on, streams = on
    rule = _rule(settings)
    lists = by_class(plan, len(machine.weight))

    def run(c: int) -> float:
        bank = machine.bank(c, clause_on[c], literal_on)
        return float(train_bank(bank, rows, Events(*lists[c]), streams[c], rule)[0])

    # The longest first, so that no thread is left alone with one at the end; no bank reads what another writes.
    order = sorted(range(len(lists)), key=lambda c: -len(lists[c][0]))
    threads = min(settings.n_jobs, len(order))
    if threads <= 1:
        found = {c: run(c) for c in order}
    else:
        with ThreadPoolExecutor(threads) as crew:
            found = dict(zip(order, crew.map(run, order), strict=True))
    return sum(found[c] for c in range(len(lists)))  # in one order, since sums of floats depend on it


def _together(machine: Machine, rows: Rows, plan: Plan, settings: Settings, on: tuple[Any, Any, Any]) -> float:
    """Run a pool, or banks whose negatives follow the votes, row by row."""
    from trueneg.heads._tsetlin.learn import Bank
    from trueneg.heads._tsetlin.pool import train_focused, train_pool

    clause_on, literal_on, streams = on
    if machine.pool:
        bank = machine.bank(0, clause_on, literal_on)
        return float(train_pool(bank, rows, plan, streams, settings.focused, _rule(settings)))
    planes = (0,) * (machine.bits - 1)
    whole = (machine.include.reshape(-1), machine.lower.reshape(-1), machine.weight.reshape(-1))
    bank = Bank(*whole, clause_on, literal_on, planes)
    return float(train_focused(bank, rows, plan, streams, _rule(settings)))
