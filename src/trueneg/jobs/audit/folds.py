"""Which rows a model learns from: folds that keep groups whole, draws that keep the rare classes."""

from __future__ import annotations

import warnings

import numpy as np

CHOOSE_ON = 20_000


def possible_folds(y: np.ndarray, together: np.ndarray, most: int) -> int:
    """Return how many folds there can be: as many as groups, and as rows of the largest class.

    A rarer class is then in some of them only. Fewer folds would not help it, and would cost every other class rows to
    learn from: one class of one row would halve the table for all.
    """
    return max(2, min(most, int(np.bincount(y).max()), len(np.unique(together))))


def grouped_folds(y: np.ndarray, together: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stratified folds that keep rows of one group together; by hashing where the groups are many."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    names, group = np.unique(together, return_inverse=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it need not be in every fold
        if len(names) == len(y):
            return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y))
        if len(names) <= 5_000:
            return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y, y, group))
    # scikit-learn's splitter loops over the groups in Python: minutes at a million of them.
    # Dealing the groups out in order of their first label keeps every class in every fold.
    first = y[np.unique(group, return_index=True)[1]]
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), first))
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % folds
    return [(np.flatnonzero(fold[group] != f), np.flatnonzero(fold[group] == f)) for f in range(folds)]


def drawn(codes: np.ndarray, labelled: np.ndarray, rng: np.random.Generator, size: int = CHOOSE_ON) -> np.ndarray:
    """At most about `size` rows: the rare classes first, since at 1 % an even draw leaves too few to learn from."""
    if len(labelled) <= size:
        return labelled
    shuffled = rng.permutation(labelled)
    of_class = np.argsort(codes[shuffled], kind="stable")
    counts = np.bincount(codes[labelled])
    rank = np.empty(len(labelled), np.int64)
    rank[of_class] = np.arange(len(labelled)) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = size // (2 * np.count_nonzero(counts))
    first = np.flatnonzero(rank < quota)
    rest = np.flatnonzero(rank >= quota)[: size - len(first)]
    return np.sort(shuffled[np.concatenate([first, rest])])
