"""The prune rules of section 3.2: how many rows, and which."""

from __future__ import annotations

import numpy as np

from trueneg.clean._confident_learning import passes

# A prediction this close to the given label agrees with it.
AGREE = 1e-6


def prune_counts(joint: np.ndarray, frac_noise: float) -> np.ndarray:
    """Return how many rows of each given label to prune towards each class, ``[given, true]``.

    Every class keeps one row: what its diagonal lacks is taken evenly from its other entries.
    """
    kept = np.maximum(np.diagonal(joint), 1)
    filled = np.maximum(np.count_nonzero(joint, axis=1) - 1.0, 1.0)
    wanted = np.maximum(joint - ((kept - np.diagonal(joint)) / filled)[:, None], 0.0)
    np.fill_diagonal(wanted, kept)
    reduced = wanted * frac_noise
    np.fill_diagonal(reduced, kept)
    np.fill_diagonal(reduced, kept + (wanted - reduced).sum(axis=1))
    return reduced.astype(np.int64)


def prune_by_rate(
    proba: np.ndarray, own: np.ndarray, doubted: np.ndarray, given: int, counts: np.ndarray, mask: np.ndarray
) -> None:
    """Mark, for one given label, the largest margins towards each other class.

    Rows whose likeliest class is the given one are unmarked in the end, and their margins are
    below every positive one: the doubted rows alone decide unless a count exceeds them.
    """
    columns = np.flatnonzero(counts > 0)
    columns = columns[columns != given]
    if len(columns) == 0 or len(doubted) == 0:
        return
    kernels = passes.numba_kernels() if proba.dtype.itemsize >= 4 else None
    prune = _prune_numpy if kernels is None else kernels.prune
    for rows, floor in ((doubted, AGREE), (own, -np.inf)):
        margins = np.empty(len(rows) if kernels is not None else 0, dtype=proba.dtype)
        short = np.zeros(len(columns), dtype=bool)
        prune(proba, rows, given, columns, counts[columns], floor, margins, margins.copy(), mask, short)
        columns = columns[short]
        if len(columns) == 0 or mask[doubted].all():
            return


def _prune_numpy(proba, rows, given, columns, counts, floor, margins, scratch, mask, short):  # noqa: ANN001, ANN202
    """Do what :func:`_prune_loop` does where numba is missing."""
    own = proba[rows, given]
    for c, column in enumerate(columns):
        margin = proba[rows, column] - own
        above = np.flatnonzero(margin > floor)
        short[c] = len(above) < counts[c]
        mask[rows[above[largest(margin[above], int(counts[c]))]]] = True


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the ``count`` largest values; ties by position."""
    if count >= len(values):
        return np.arange(len(values))
    if count <= 0:
        return np.arange(0)
    edge = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > edge)
    return np.concatenate([above, np.flatnonzero(values == edge)[: count - len(above)]])
