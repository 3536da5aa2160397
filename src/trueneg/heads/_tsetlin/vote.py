"""Which clauses are true, and the votes: by an inverted index, by bits, and by sparse products without numba."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.rows import Rows

__all__ = ["Index", "clause_outputs", "votes"]

_NEVER = np.int32(1 << 30)  # more than any clause can count down
_ROWS = 4096  # of a task


class Index:
    """Clauses by the features they read.

    A clause's counter starts at how many features it needs. A row's features are walked; each counts down the clauses
    that need it and lifts those that exclude it out of reach. A clause is true where its counter ends at zero. The
    features that a row lacks are never looked at.

    Parameters
    ----------
    machine : Machine
        Its clauses of all banks, one after another.
    empty : bool, default=False
        Whether a clause without literals is true.
    """

    def __init__(self, machine: Machine, *, empty: bool = False) -> None:
        shape = machine.shape
        clause, literal = machine.literals()
        size = (shape.features, len(machine.include) * machine.include.shape[1])
        absent = literal >= shape.features
        self.needs = _ones(literal[~absent], clause[~absent], size)
        self.excludes = _ones(literal[absent] - shape.features, clause[absent], size)
        self.start = np.bincount(clause[~absent], minlength=size[1]).astype(np.int32)
        if not empty:
            self.start[np.bincount(clause, minlength=size[1]) == 0] = _NEVER

    def postings(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Return for each feature where its clauses start, the clauses, and what each counter gains."""
        change = (self.excludes * _NEVER - self.needs).tocsr()
        return change.indptr.astype(np.int64), change.indices.astype(np.int32), change.data.astype(np.int32)


def _ones(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(row), np.int32), (row, column)), shape=shape)


def _kernels() -> Any:
    try:
        from trueneg.heads._tsetlin import scan
    except ImportError:  # numba is not installed
        return None
    return scan


def votes(machine: Machine, rows: Rows, *, n_jobs: int = 1, empty: bool = False) -> NDArray[np.int64]:
    """Return the votes of every row for every class, (n, n_classes), not clipped.

    Parameters
    ----------
    machine : Machine
        Fitted.
    rows : Rows
        Of its shape.
    n_jobs : int, default=1
        Threads over blocks of rows.
    empty : bool, default=False
        Whether a clause without literals votes; it does so only while learning.
    """
    signed = machine.signed()
    kernels = _kernels()
    if kernels is None:
        out = clause_outputs(machine, rows, n_jobs=n_jobs, empty=empty)
        return np.asarray(_as_banks(out, machine) @ signed.T if machine.pool else _per_bank(out, signed))
    found = np.empty((rows.n, len(signed)), dtype=np.int64)
    run = _runner(machine, rows, kernels, empty)

    def task(start: int) -> None:
        stop = min(start + _ROWS, rows.n)
        run(start, stop, signed, found)

    _over(task, rows.n, n_jobs)
    return found


def clause_outputs(machine: Machine, rows: Rows, *, n_jobs: int = 1, empty: bool = False) -> NDArray[np.bool_]:
    """Return which clauses are true, (n, n_banks * n_clauses)."""
    kernels = _kernels()
    if kernels is None:
        return _by_products(machine, rows, empty)
    found = np.empty((rows.n, machine.include.shape[0] * machine.include.shape[1]), dtype=bool)
    run = _runner(machine, rows, kernels, empty)

    def task(start: int) -> None:
        run(start, min(start + _ROWS, rows.n), None, found)

    _over(task, rows.n, n_jobs)
    return found


def _runner(machine: Machine, rows: Rows, kernels: Any, empty: bool) -> Any:
    """Return ``run(start, stop, signed or None, out)`` for the kind of rows."""
    weights = machine.signed() if machine.pool else machine.signed().reshape(1, -1)
    banks = 1 if machine.pool else len(machine.weight)
    if rows.sparse:
        index = Index(machine, empty=empty)
        postings = index.postings()

        def by_index(start: int, stop: int, signed: Any, out: Any) -> None:
            if signed is None:
                kernels.outputs_by_index(rows, index.start, postings, (start, stop), out)
            else:
                kernels.votes_by_index(rows, index.start, postings, (start, stop), weights, banks, out)

        return by_index
    include = machine.include.reshape(-1, machine.shape.words)
    alive = np.full(len(include), True) if empty else include.any(axis=1)
    valid = machine.shape.mask()

    def by_bits(start: int, stop: int, signed: Any, out: Any) -> None:
        if signed is None:
            kernels.outputs_by_bits(rows, include, alive, valid, (start, stop), out)
        else:
            kernels.votes_by_bits(rows, include, alive, valid, (start, stop), weights, banks, out)

    return by_bits


def _over(task: Any, n: int, n_jobs: int) -> None:
    starts = range(0, n, _ROWS)
    if n_jobs <= 1 or len(starts) <= 1:
        for start in starts:
            task(start)
        return
    with ThreadPoolExecutor(min(n_jobs, len(starts))) as crew:
        list(crew.map(task, starts))


def _as_banks(out: NDArray[np.bool_], machine: Machine) -> NDArray[np.int64]:
    return out.reshape(len(out), -1).astype(np.int64)


def _per_bank(out: NDArray[np.bool_], signed: NDArray[np.int64]) -> NDArray[np.int64]:
    banks = out.reshape(len(out), *signed.shape)
    return np.einsum("nck,ck->nc", banks, signed)


def _by_products(machine: Machine, rows: Rows, empty: bool) -> NDArray[np.bool_]:
    """Do what the index does with two sparse products."""
    index = Index(machine, empty=empty)
    out = np.empty((rows.n, len(index.start)), dtype=bool)
    step = max(1, (1 << 24) // max(1, out.shape[1]))
    for start in range(0, rows.n, step):
        X = _matrix(rows, start, min(start + step, rows.n), machine.shape.features)
        missing = index.start - np.asarray((X @ index.needs).todense())
        wrong = np.asarray((X @ index.excludes).todense())
        out[start : start + step] = (missing == 0) & (wrong == 0)
    return out


def _matrix(rows: Rows, start: int, stop: int, features: int) -> sp.csr_matrix:
    if not rows.sparse:
        bits = np.unpackbits(rows.packed[start:stop].view(np.uint8), axis=1, bitorder="little")[:, :features]
        return sp.csr_matrix(bits, dtype=np.int32)
    indptr = rows.indptr[start : stop + 1]
    indices = rows.indices[indptr[0] : indptr[-1]]
    return sp.csr_matrix((np.ones(len(indices), np.int32), indices, indptr - indptr[0]), shape=(stop - start, features))
