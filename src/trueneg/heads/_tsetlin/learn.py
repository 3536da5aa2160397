"""The learning rule, compiled: one class bank as a sequential program over its events.

A bank's automata lie in bit planes. Plane B - 1, the highest bit of a state, says "include" and has an array of its
own, so that evaluating a clause reads one bit an automaton; the others follow block by block of 512 automata. A
state moves by a ripple of carries (up) and borrows (down) through its planes, 512 automata at a time; automata that
stand at either end are left out before, so that nothing can overflow.

Literals are the features' bits, then their complements, each half filled up to whole blocks. A bit that stands for
no literal, or for one that is dropped in this pass, counts as satisfied and never moves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trueneg.heads._tsetlin.lanes import (
    and_,
    andnot,
    any_,
    compiled,
    load,
    or_,
    popcount,
    scatter,
    spread,
    store,
    xor,
    xorshift,
)

__all__ = ["Bank", "Events", "Rule", "evaluate", "fill", "hashed", "train_bank", "type_one", "type_two"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
NO_BUDGET = 2**62  # more literals than there can be: they need not be counted


class Rule(NamedTuple):
    """What the updates depend on, the same for all banks."""

    threshold: int
    numerator: int  # of 1 / s = numerator / 2**digits
    digits: int
    boost: bool
    weighted: bool
    budget: int  # literals a clause may include before it sheds them
    second: bool  # whether there is Type II feedback


class Bank(NamedTuple):
    """The clauses of one class, flat; the arrays are written."""

    include: Any  # uint64, clauses x words
    lower: Any  # uint64, clauses x blocks x planes x 8
    weight: Any  # int32, clauses
    clause_on: Any  # bool, clauses: not dropped in this pass
    literal_on: Any  # uint64, words: not dropped, and no padding
    planes: Any  # a tuple of one entry a plane below the include plane: its length is known to the compiler


class Place(NamedTuple):
    """Where the blocks lie: addresses, which no reference count slows down."""

    include: int
    lower: int
    on: int
    literals: int
    words: int
    planes: Any


class Events(NamedTuple):
    """What a bank learns from in one pass, in order."""

    row: Any  # int64
    target: Any  # bool


@compiled(forceinline=True)
def hashed(z: Any) -> Any:
    """Scramble a word (the finaliser of SplitMix64)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled(forceinline=True)
def fill(rows: Any, row: int, on: Any, literals: Any) -> None:
    """Write the literals of one row; those that are off count as satisfied."""
    half = rows.packed.shape[1]
    if rows.sparse:
        for w in range(half):
            literals[w] = np.uint64(0)
        for at in range(rows.indptr[row], rows.indptr[row + 1]):
            feature = rows.indices[at]
            literals[feature >> 6] |= np.uint64(1) << np.uint64(feature & 63)
    else:
        for w in range(half):
            literals[w] = rows.packed[row, w]
    for w in range(half, literals.shape[0]):
        literals[w] = ~literals[w - half] | ~on[w]
    for w in range(half):
        literals[w] |= ~on[w]


@compiled(forceinline=True)
def evaluate(place: Any, clause: int) -> bool:
    """Say whether every included literal is satisfied; a clause without any is true."""
    base = clause * place.words
    for at in range(0, place.words, 8):
        if any_(andnot(load(place.include, base + at), load(place.literals, at))):
            return False
    return True


@compiled(forceinline=True)
def size(place: Any, clause: int) -> int:
    """Count the literals that a clause includes."""
    found = 0
    for at in range(0, place.words, 8):
        found += popcount(load(place.include, clause * place.words + at))
    return found


@compiled(forceinline=True)
def draw(key: Any, block: int, numerator: int, digits: int) -> Any:
    """Return 512 bits, each one with probability numerator / 2**digits."""
    if numerator >> digits:
        return spread(~np.uint64(0))
    z = scatter(key, np.uint64(block))
    mask = z
    for digit in range(1, digits):
        z = xorshift(z)
        mask = or_(mask, z) if (numerator >> digit) & 1 else and_(mask, z)
    return mask


@compiled(forceinline=True)
def move(place: Any, at: int, up: Any, down: Any) -> None:
    """Move automata of the block at a word one step up or down; none of them may stand at that end."""
    low = at * len(place.planes)
    for plane in range(len(place.planes)):
        old = load(place.lower, low + 8 * plane)
        carry, borrow = and_(old, up), andnot(down, old)
        store(place.lower, low + 8 * plane, xor(old, or_(up, down)))
        up, down = carry, borrow
    store(place.include, at, xor(load(place.include, at), or_(up, down)))


@compiled(forceinline=True)
def type_one(place: Any, clause: int, true: bool, key: Any, rule: Any) -> None:
    """Type I: a true clause takes up satisfied literals and lets go of others; a false one lets go of all.

    No block is skipped, and no ripple ends early: a branch that the processor guesses wrong costs more than a block.
    """
    for at in range(0, place.words, 8):
        here = clause * place.words + at
        low = here * len(place.planes)
        every = load(place.include, here)
        some = every
        for plane in range(len(place.planes)):
            bits = load(place.lower, low + 8 * plane)
            every, some = and_(every, bits), or_(some, bits)
        on = load(place.on, at)
        down = and_(some, on)
        up = andnot(down, down)
        if true:
            satisfied = and_(load(place.literals, at), on)
            up, down = andnot(satisfied, every), andnot(down, satisfied)
        mask = draw(key, at // 8, rule.numerator, rule.digits)
        down = and_(down, mask)
        if not rule.boost:
            up = andnot(up, mask)
        move(place, here, up, down)


@compiled(forceinline=True)
def type_two(place: Any, clause: int) -> None:
    """Type II: a true clause moves every literal that is not satisfied towards being included."""
    for at in range(0, place.words, 8):
        missing = andnot(spread(~np.uint64(0)), load(place.literals, at))
        if any_(missing):
            move(place, clause * place.words + at, missing, andnot(missing, missing))


@compiled(forceinline=True)
def learn_clause(place: Any, weight: Any, clause: int, kind: Any, key: Any, rule: Any) -> None:
    """Give one clause its feedback; ``kind``: whether it is true, and whether it should be."""
    true, wanted = kind
    if wanted:
        if true and rule.weighted and weight[clause] < 2147483647:
            weight[clause] += 1
        within = true and (rule.budget >= NO_BUDGET or size(place, clause) <= rule.budget)
        type_one(place, clause, within, key, rule)
    elif true and rule.second:
        if rule.weighted and weight[clause] > 1:
            weight[clause] -= 1
        type_two(place, clause)


@compiled()
def train_bank(bank: Any, rows: Any, events: Any, stream: Any, rule: Any) -> Any:
    """Run one pass of one class bank; return its sum of update probabilities and of true clauses."""
    weight, clause_on, on = bank.weight, bank.clause_on, bank.literal_on
    literals, output = np.zeros(on.shape[0], dtype=np.uint64), np.zeros(weight.shape[0], dtype=np.bool_)
    place = Place(
        bank.include.ctypes.data,
        bank.lower.ctypes.data,
        on.ctypes.data,
        literals.ctypes.data,
        on.shape[0],
        bank.planes,
    )
    coins = np.empty(weight.shape[0], dtype=np.uint64)
    chances, trues = 0.0, 0
    for event in range(events.row.shape[0]):
        row, target = events.row[event], events.target[event]
        fill(rows, row, on, literals)
        votes = 0
        for j in range(weight.shape[0]):
            output[j] = clause_on[j] and evaluate(place, j)
            if output[j]:
                votes += weight[j] if j % 2 == 0 else -weight[j]
                trues += 1
        votes = min(max(votes, -rule.threshold), rule.threshold)
        chance = (rule.threshold - votes if target else rule.threshold + votes) / (2.0 * rule.threshold)
        chances += chance
        key = hashed(stream + _GAMMA * np.uint64(row + 1))
        automata = hashed(key ^ _GAMMA)
        for j in range(weight.shape[0]):  # by itself, so that it runs in lanes
            coins[j] = hashed(key + _GAMMA * np.uint64(j + 1)) >> np.uint64(11)
        limit = chance * 2.0**53
        for j in range(weight.shape[0]):
            if np.float64(coins[j]) < limit and clause_on[j]:
                own = hashed(automata + _GAMMA * np.uint64(j + 1))
                learn_clause(place, weight, j, (output[j], (j % 2 == 0) == target), own, rule)
    return chances, trues
