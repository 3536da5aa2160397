"""Clause outputs and votes, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.heads._tsetlin.lanes import andnot, any_, compiled, load
from trueneg.heads._tsetlin.learn import fill

__all__ = ["outputs_by_bits", "outputs_by_index", "votes_by_bits", "votes_by_index"]


@compiled(forceinline=True)
def _count(rows: Any, row: int, start: Any, postings: Any, counter: Any) -> None:
    """Leave zero in the counter of each true clause."""
    indptr, clauses, change = postings
    counter[:] = start
    for at in range(rows.indptr[row], rows.indptr[row + 1]):
        feature = rows.indices[at]
        for p in range(indptr[feature], indptr[feature + 1]):
            # Two lifts must not run over: what is out of reach stays where it is.
            clause = clauses[p]
            if counter[clause] < 1073741824:
                counter[clause] += change[p]


@compiled()
def votes_by_index(rows: Any, start: Any, postings: Any, span: Any, weights: Any, banks: int, out: Any) -> None:
    """Write votes of the rows of a span; weights (1, banks * clauses), or (classes, clauses) of a pool."""
    counter = np.empty_like(start)
    n = start.shape[0] // banks
    for row in range(span[0], span[1]):
        _count(rows, row, start, postings, counter)
        for c in range(out.shape[1]):
            total = 0
            if weights.shape[0] == 1 and banks == out.shape[1]:
                for j in range(c * n, (c + 1) * n):
                    total += weights[0, j] if counter[j] == 0 else 0
            else:
                for j in range(n):
                    total += weights[c, j] if counter[j] == 0 else 0
            out[row, c] = total


@compiled()
def outputs_by_index(rows: Any, start: Any, postings: Any, span: Any, out: Any) -> None:
    """Write which clauses are true for the rows of a span."""
    counter = np.empty_like(start)
    for row in range(span[0], span[1]):
        _count(rows, row, start, postings, counter)
        for j in range(start.shape[0]):
            out[row, j] = counter[j] == 0


@compiled(forceinline=True)
def _true(include: int, literals: int, words: int, clause: int) -> bool:
    for at in range(0, words, 8):  # noqa: SIM110 - a generator is not compiled
        if any_(andnot(load(include, clause * words + at), load(literals, at))):
            return False
    return True


@compiled()
def votes_by_bits(
    rows: Any, include: Any, alive: Any, valid: Any, span: Any, weights: Any, banks: int, out: Any
) -> None:
    """Write votes of the rows of a span; weights as for the index."""
    literals = np.zeros(valid.shape[0], dtype=np.uint64)
    n, words = include.shape[0] // banks, valid.shape[0]
    clauses, bits = include.ctypes.data, literals.ctypes.data
    shared = weights.shape[0] > 1 or banks != out.shape[1]
    for row in range(span[0], span[1]):
        fill(rows, row, valid, literals)
        out[row, :] = 0
        for j in range(include.shape[0]):
            if not alive[j] or not _true(clauses, bits, words, j):
                continue
            if shared:
                for c in range(out.shape[1]):
                    out[row, c] += weights[c, j]
            else:
                out[row, j // n] += weights[0, j]


@compiled()
def outputs_by_bits(rows: Any, include: Any, alive: Any, valid: Any, span: Any, out: Any) -> None:
    """Write which clauses are true for the rows of a span."""
    literals = np.zeros(valid.shape[0], dtype=np.uint64)
    clauses, bits, words = include.ctypes.data, literals.ctypes.data, valid.shape[0]
    for row in range(span[0], span[1]):
        fill(rows, row, valid, literals)
        for j in range(include.shape[0]):
            out[row, j] = alive[j] and _true(clauses, bits, words, j)
