"""Where classes do not learn apart, compiled: one pool of clauses for all of them, or negatives drawn by their votes.

Both run row by row. A pool's clause has a signed weight for each class; it learns as a clause for the class where
the weight is not negative and as one against it elsewhere, and a true clause's weight moves towards the target.
Focused sampling draws the negative class in proportion to (T + clipped votes), before the row is learned from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.heads._tsetlin.lanes import compiled
from trueneg.heads._tsetlin.learn import (
    NO_BUDGET,
    Place,
    evaluate,
    fill,
    hashed,
    learn_clause,
    size,
    type_one,
    type_two,
)

__all__ = ["train_focused", "train_pool"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


@compiled(forceinline=True)
def _clip(votes: int, threshold: int) -> int:
    return min(max(votes, -threshold), threshold)


@compiled(forceinline=True)
def _coin(key: Any, at: int) -> float:
    return np.float64(hashed(key + _GAMMA * np.uint64(at + 1)) >> np.uint64(11)) * 2.0**-53


@compiled()
def _rival(votes: Any, own: int, threshold: int, coin: float) -> int:
    """Draw a class other than ``own`` in proportion to threshold + clipped votes; the first with any where none has."""
    total = 0.0
    for c in range(votes.shape[0]):
        if c != own:
            total += threshold + _clip(votes[c], threshold)
    left = coin * total
    last = -1
    for c in range(votes.shape[0]):
        if c == own:
            continue
        share = threshold + _clip(votes[c], threshold)
        if last < 0 or share > 0:
            last = c
        if left < share:
            return c
        left -= share
    return last


@compiled(forceinline=True)
def _pool_event(place: Any, weight: Any, output: Any, event: Any, key: Any, rule: Any) -> float:
    """Let the pool learn from one row as target or negative of one class; return the update probability."""
    base, target, on = event
    votes = 0
    for j in range(output.shape[0]):
        output[j] = on[j] and evaluate(place, j)
        if output[j]:
            votes += weight[base + j]
    votes = _clip(votes, rule.threshold)
    chance = (rule.threshold - votes if target else rule.threshold + votes) / (2.0 * rule.threshold)
    automata = hashed(key ^ _GAMMA)
    for j in range(output.shape[0]):
        if not on[j] or _coin(key, j) >= chance:
            continue
        own = hashed(automata + _GAMMA * np.uint64(j + 1))
        wanted = (weight[base + j] >= 0) == target
        if output[j] and (wanted or rule.second):
            weight[base + j] += 1 if target else -1
        if wanted:
            type_one(place, j, output[j] and (rule.budget >= NO_BUDGET or size(place, j) <= rule.budget), own, rule)
        elif output[j] and rule.second:
            type_two(place, j)
    return chance


@compiled()
def train_pool(bank: Any, rows: Any, plan: Any, streams: Any, focused: bool, rule: Any) -> float:
    """Run one pass of a pool; ``plan`` in order, negatives drawn anew where focused. Return the sum of chances."""
    weight, on, output = bank.weight, bank.literal_on, np.zeros(bank.clause_on.shape[0], dtype=np.bool_)
    literals = np.zeros(on.shape[0], dtype=np.uint64)
    place = Place(
        bank.include.ctypes.data,
        bank.lower.ctypes.data,
        on.ctypes.data,
        literals.ctypes.data,
        on.shape[0],
        bank.planes,
    )
    n, n_classes, chances = output.shape[0], streams.shape[0] - 1, 0.0
    votes, drawn = np.zeros(n_classes, dtype=np.int64), 0
    for event in range(plan.row.shape[0]):
        row, label, target = plan.row[event], plan.label[event], plan.target[event]
        fill(rows, row, on, literals)
        if focused and target:
            votes[:] = 0
            for j in range(n):
                if bank.clause_on[j] and evaluate(place, j):
                    for c in range(n_classes):
                        votes[c] += weight[c * n + j]
            drawn = _rival(votes, label, rule.threshold, _coin(streams[n_classes], row))
        if focused and not target:
            label = drawn
        key = hashed(streams[label] + _GAMMA * np.uint64(row + 1))
        chances += _pool_event(place, weight, output, (label * n, target, bank.clause_on), key, rule)
    return chances


@compiled()
def train_focused(bank: Any, rows: Any, plan: Any, streams: Any, rule: Any) -> float:
    """Run one pass of all class banks, row by row, each negative drawn by the votes. Return the sum of chances."""
    weight, on, n_classes = bank.weight, bank.literal_on, streams.shape[0] - 1
    n = bank.clause_on.shape[0] // n_classes
    output, literals = np.zeros(n_classes * n, dtype=np.bool_), np.zeros(on.shape[0], dtype=np.uint64)
    place = Place(
        bank.include.ctypes.data,
        bank.lower.ctypes.data,
        on.ctypes.data,
        literals.ctypes.data,
        on.shape[0],
        bank.planes,
    )
    votes, chances, drawn = np.zeros(n_classes, dtype=np.int64), 0.0, 0
    for event in range(plan.row.shape[0]):
        row, label, target = plan.row[event], plan.label[event], plan.target[event]
        if target:
            fill(rows, row, on, literals)
            votes[:] = 0
            for j in range(n_classes * n):
                output[j] = bank.clause_on[j] and evaluate(place, j)
                if output[j]:
                    votes[j // n] += weight[j] if (j % n) % 2 == 0 else -weight[j]
            drawn = _rival(votes, label, rule.threshold, _coin(streams[n_classes], row))
        else:
            label = drawn
        clipped = _clip(votes[label], rule.threshold)
        chance = (rule.threshold - clipped if target else rule.threshold + clipped) / (2.0 * rule.threshold)
        chances += chance
        key = hashed(streams[label] + _GAMMA * np.uint64(row + 1))
        automata = hashed(key ^ _GAMMA)
        for j in range(n):
            own = label * n + j
            if _coin(key, j) < chance and bank.clause_on[own]:
                seed = hashed(automata + _GAMMA * np.uint64(j + 1))
                learn_clause(place, weight, own, (output[own], (j % 2 == 0) == target), seed, rule)
    return chances
