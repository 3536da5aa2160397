"""The state of a machine: automata in bit planes, weights, and how many passes it has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.heads._tsetlin.chance import key_of, words_of
from trueneg.heads._tsetlin.rows import Shape, unpack_bits

__all__ = ["Machine"]

Words = NDArray[np.uint64]


@dataclass
class Machine:
    """Clauses and their weights.

    Parameters
    ----------
    shape : Shape
        How literals lie in words.
    bits : int
        Bits of an automaton's state; it includes its literal from ``2 ** (bits - 1)`` on.
    include : ndarray of uint64, shape (n_banks, n_clauses, words)
        The highest bit of every state.
    lower : ndarray of uint64, shape (n_banks, n_clauses, words / 8, bits - 1, 8)
        The other bits, lowest first, block by block.
    weight : ndarray of int32, shape (n_classes, n_clauses)
        Votes of a true clause. In a bank of its own a class counts clauses 0, 2, 4 ... for and 1, 3, 5 ... against
        itself, and weights are at least 1; in a shared pool the sign is the weight's.
    pool : bool
        Whether all classes share one bank.
    passes : int
        Passes over rows so far; the next one's random numbers follow from it.
    """

    shape: Shape
    bits: int
    include: Words
    lower: Words
    weight: NDArray[np.int32]
    pool: bool
    passes: int = 0

    @classmethod
    def new(cls, n_classes: int, n_clauses: int, shape: Shape, *, bits: int, pool: bool, seed: int) -> Machine:
        """Return a machine whose automata all stand one step below "include"."""
        banks = 1 if pool else n_classes
        blocks = shape.words // 8
        include = np.zeros((banks, n_clauses, shape.words), dtype=np.uint64)
        lower = np.zeros((banks, n_clauses, blocks, bits - 1, 8), dtype=np.uint64)
        lower[:] = shape.mask().reshape(blocks, 1, 8)
        weight = _first_weights(0, n_classes, n_clauses, seed) if pool else np.ones((n_classes, n_clauses), np.int32)
        return cls(shape, bits, include, lower, weight, pool)

    def insert(self, at: NDArray[np.int64], n_classes: int, seed: int) -> Machine:
        """Return a machine for more classes: those there were move to ``at``, the others are new."""
        n_clauses = self.weight.shape[1]
        fresh = Machine.new(n_classes, n_clauses, self.shape, bits=self.bits, pool=self.pool, seed=seed)
        fresh.weight[at] = self.weight
        if self.pool:
            return replace(fresh, include=self.include, lower=self.lower, passes=self.passes)
        fresh.include[at], fresh.lower[at] = self.include, self.lower
        return replace(fresh, passes=self.passes)

    def copy(self) -> Machine:
        """Return a machine that can learn on its own."""
        return replace(self, include=self.include.copy(), lower=self.lower.copy(), weight=self.weight.copy())

    def signed(self) -> NDArray[np.int64]:
        """Return the votes that a true clause brings to each class, (n_classes, n_clauses)."""
        weight = self.weight.astype(np.int64)
        if not self.pool:
            weight[:, 1::2] *= -1
        return weight

    def included(self) -> NDArray[np.bool_]:
        """Return which literals each clause includes, (n_banks, n_clauses, literals)."""
        return unpack_bits(self.include, self.shape)

    def literals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (clause, literal) of every included literal, clauses of all banks counted through, in order."""
        words = self.include.reshape(-1, self.shape.words)
        clause, word = np.nonzero(words)
        bits = np.unpackbits(words[clause, word].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        at, bit = np.nonzero(bits)
        place = 64 * word[at] + bit
        half = 64 * self.shape.half
        return clause[at], np.where(place >= half, place - half + self.shape.features, place)

    def sizes(self) -> NDArray[np.int64]:
        """Return how many literals each clause includes, (n_banks, n_clauses)."""
        return np.bitwise_count(self.include).sum(axis=-1, dtype=np.int64)

    def states(self) -> NDArray[np.int32]:
        """Return the state of every automaton, (n_banks, n_clauses, literals)."""
        total = self.included().astype(np.int32) << (self.bits - 1)
        for plane in range(self.bits - 1):
            words = self.lower[:, :, :, plane, :].reshape(self.include.shape)
            total += unpack_bits(words, self.shape).astype(np.int32) << plane
        return total

    def bank(self, at: int, clause_on: NDArray[np.bool_], literal_on: Words) -> Any:
        """Return a bank as the compiled loops take it; they write into this machine's arrays."""
        from trueneg.heads._tsetlin.learn import Bank

        weight = self.weight.reshape(-1) if self.pool else self.weight[at]
        planes = (0,) * (self.bits - 1)
        return Bank(self.include[at].reshape(-1), self.lower[at].reshape(-1), weight, clause_on, literal_on, planes)


def _first_weights(first: int, n_classes: int, n_clauses: int, seed: int) -> NDArray[np.int32]:
    """Return -1 or +1 for each class and clause of a pool; that of a class depends on its place alone."""
    rows = [words_of(key_of(seed, 1 << 40, first + c), n_clauses) >> np.uint64(63) for c in range(n_classes)]
    return (2 * np.array(rows, dtype=np.int32) - 1).reshape(n_classes, n_clauses)
