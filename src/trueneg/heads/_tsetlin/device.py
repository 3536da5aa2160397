"""The same machine in torch, on any device: every class learns from its next event at once.

Class banks are independent programs, so step t takes the t-th event of each class: clauses, updates and chance of all
classes are one tensor operation. The numbers drawn are those of :mod:`trueneg.heads._tsetlin.chance`, made on the
device, and so is every state: the result is bit for bit that of the compiled loops. It needs no numba; on a processor
it is far slower than they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.heads._tsetlin.chance import GAMMA, key_of
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.plan import by_class, epoch_plan
from trueneg.heads._tsetlin.rows import Rows
from trueneg.heads._tsetlin.train import Pass, Settings, dropped

__all__ = ["run_pass", "torch_on", "votes"]

_ROWS = 1024


def torch_on(device: str) -> Any:
    """Return torch where it is installed and has the device."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch is needed for device=, and is not installed: pip install torch") from error
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        msg = f"device={device!r} cannot be used here ({str(error).splitlines()[0]}): choose another, or None."
        raise InputError(msg) from error
    return torch


def _signed(value: int) -> int:
    """Return the 64-bit pattern of a number as torch holds it."""
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value


def _shifted(z: Any, places: int) -> Any:
    """Shift right and fill with zeros; torch has signed words alone."""
    return (z >> places) & ((1 << (64 - places)) - 1)


def _mix(z: Any) -> Any:
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


class _Chance:
    """The numbers of one pass."""

    def __init__(self, torch: Any, device: str, shape: Any, rate: tuple[int, int], clauses: int) -> None:
        self.torch, self.rate = torch, rate
        gamma = _signed(GAMMA)
        self.steps = torch.arange(1, clauses + 1, device=device) * gamma
        places = torch.as_tensor(shape.places(), device=device)
        self.word, self.bit = places // 64, places % 64
        self.counters = torch.arange(1, shape.words + 1, device=device) * gamma
        self.gamma = gamma

    def coins(self, event: Any) -> Any:
        """Return numbers of [0, 1) for each clause, (events, clauses)."""
        return _shifted(_mix(event[:, None] + self.steps), 11).double() * 2.0**-53

    def masks(self, event: Any) -> Any:
        """Return which literal's chance of 1 / s came true, (events, clauses, literals)."""
        numerator, digits = self.rate
        keys = _mix(_mix(event ^ self.gamma)[:, None] + self.steps)
        if numerator >> digits:
            return self.torch.ones((*keys.shape, len(self.word)), dtype=self.torch.bool, device=keys.device)
        z = _mix(keys[:, :, None] + self.counters)
        mask = z.clone()
        for digit in range(1, digits):
            z = z ^ (z << 13)
            z = z ^ _shifted(z, 7)
            z = z ^ (z << 17)
            mask = mask | z if (numerator >> digit) & 1 else mask & z
        return ((mask[:, :, self.word] >> self.bit) & 1).bool()


def run_pass(
    machine: Machine,
    rows: Rows,
    codes: NDArray[Any],
    settings: Settings,
    *,
    chance: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> Pass:
    """Do what :func:`trueneg.heads._tsetlin.train.run_pass` does for class banks with uniform negatives."""
    torch = torch_on(device)
    n_classes, n_clauses = machine.weight.shape
    shape, seed, epoch = machine.shape, settings.seed, machine.passes
    plan = epoch_plan(codes, n_classes, seed=seed, epoch=epoch, chance=chance)
    clause_on = dropped(seed, epoch, 0, n_classes * n_clauses, settings.clause_drop).reshape(n_classes, -1)
    literal_on = torch.as_tensor(dropped(seed, epoch, 1, shape.literals, settings.literal_drop), device=device)
    state = torch.as_tensor(machine.states(), device=device)
    weight = torch.as_tensor(machine.weight.astype(np.int64), device=device)
    draws = _Chance(torch, device, shape, settings.rate, n_clauses)
    data = torch.as_tensor(_dense(rows, shape.features), device=device)
    streams = torch.as_tensor([_signed(key_of(seed, epoch, c)) for c in range(n_classes)], device=device)
    lists = by_class(plan, n_classes)
    live = torch.as_tensor(clause_on, device=device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    for step in range(max(len(own) for own, _ in lists)):
        active = [c for c in range(n_classes) if step < len(lists[c][0])]
        at = torch.as_tensor(active, device=device)
        row = torch.as_tensor([int(lists[c][0][step]) for c in active], device=device)
        target = torch.as_tensor([bool(lists[c][1][step]) for c in active], device=device)
        event = _mix(streams[at] + (row + 1) * draws.gamma)
        literals = data[row]
        literals = torch.cat([literals, ~literals], dim=1) if shape.negation else literals
        bank, seen = (state[at], weight[at], live[at]), (literals | ~literal_on, literal_on, target)
        found = _learn(torch, bank, seen, event, (draws, settings, machine.bits))
        state[at], weight[at] = found[0], found[1]
        total += found[2]
    _store(machine, state.cpu().numpy(), weight.cpu().numpy())
    machine.passes += 1
    return Pass(len(plan.row), float(total) / max(1, len(plan.row)), float(machine.sizes().mean()))


def _learn(
    torch: Any,
    bank: tuple[Any, Any, Any],
    seen: tuple[Any, Any, Any],
    event: Any,
    how: tuple[_Chance, Settings, int],
) -> tuple[Any, Any, Any]:
    """Return the states and weights of some classes after one event each, and the sum of update probabilities."""
    (state, weight, live), (literals, on, target), (draws, o, bits) = bank, seen, how
    include = state >= 1 << (bits - 1)
    true = ~(include & ~literals[:, None, :]).any(dim=2)
    against = torch.arange(state.shape[1], device=state.device) % 2 == 1
    votes = (torch.where(against, -weight, weight) * (true & live)).sum(dim=1).clamp(-o.threshold, o.threshold)
    chance = torch.where(target, o.threshold - votes, o.threshold + votes).double() / (2.0 * o.threshold)
    fed = live & (draws.coins(event) < chance[:, None])
    wanted = against[None, :] != target[:, None]
    first, second = fed & wanted, fed & ~wanted & true
    if not o.second:
        second = torch.zeros_like(second)
    if o.weighted:
        weight = torch.where(first & true, (weight + 1).clamp(max=2**31 - 1), weight)
        weight = torch.where(second, (weight - 1).clamp(min=1), weight)
    if o.budget is not None:
        true = true & (include.sum(dim=2) <= o.budget)
    mask, held = draws.masks(event), literals[:, None, :]
    taken = true[:, :, None] & held
    up = first[:, :, None] & (taken if o.boost else taken & ~mask)
    down = first[:, :, None] & mask & ~taken
    up = (up | (second[:, :, None] & ~held)) & on
    state = (state + up.int() - (down & on).int()).clamp(0, (1 << bits) - 1)
    return state, weight, chance.sum()


def _store(machine: Machine, state: NDArray[Any], weight: NDArray[Any]) -> None:
    """Write states back into a machine's bit planes."""
    shape = machine.shape

    def words(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
        whole = np.zeros((*bits.shape[:-1], 64 * shape.words), dtype=bool)
        whole[..., shape.places()] = bits
        return np.packbits(whole, axis=-1, bitorder="little").view(np.uint64)

    machine.include[:] = words((state >> (machine.bits - 1) & 1).astype(bool))
    for plane in range(machine.bits - 1):
        lower = words((state >> plane & 1).astype(bool))
        machine.lower[:, :, :, plane, :] = lower.reshape(*lower.shape[:2], -1, 8)
    machine.weight[:] = weight


def _dense(rows: Rows, features: int, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
    """Return rows as flags, (n, features)."""
    stop = rows.n if stop is None else stop
    if not rows.sparse:
        bits = np.unpackbits(rows.packed[start:stop].view(np.uint8), axis=1, bitorder="little")
        return bits[:, :features].astype(bool)
    found = np.zeros((stop - start, features), dtype=bool)
    lengths = np.diff(rows.indptr[start : stop + 1])
    own = rows.indices[rows.indptr[start] : rows.indptr[stop]]
    found[np.repeat(np.arange(stop - start), lengths), own] = True
    return found


def votes(machine: Machine, rows: Rows, *, device: str, empty: bool = False) -> NDArray[np.int64]:
    """Return votes as :func:`trueneg.heads._tsetlin.vote.votes` does, by matrix products on the device."""
    torch = torch_on(device)
    include = torch.as_tensor(machine.included().reshape(-1, machine.shape.literals), device=device)
    alive = include.any(dim=1) | empty
    need = include.float().T.contiguous()
    signed = torch.as_tensor(machine.signed(), device=device)
    found = np.empty((rows.n, len(signed)), dtype=np.int64)
    for start in range(0, rows.n, _ROWS):
        stop = min(start + _ROWS, rows.n)
        X = torch.as_tensor(_dense(rows, machine.shape.features, start, stop), device=device)
        literals = torch.cat([X, ~X], dim=1) if machine.shape.negation else X
        # Sums of at most 2**24 ones are exact in float32; another precision must not be used for them.
        true = ((~literals).float() @ need == 0) & alive
        if machine.pool:
            own = (true[:, None, :] * signed[None]).sum(dim=2)
        else:
            own = (true.reshape(len(X), *signed.shape) * signed[None]).sum(dim=2)
        found[start:stop] = own.cpu().numpy()
    return found
