"""Rows to train and to test on, drawn once for both learners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["ordered", "split", "take"]

_TRIES = 100


def split(
    codes: NDArray[np.int64], group: NDArray[Any] | None, test_size: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw training and test rows, whole groups at a time, until every class has a training row.

    As in the paper, a draw that loses a class is drawn again; after 100 of them the classes are too rare.
    """
    unit = np.arange(len(codes)) if group is None else np.unique(group, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    n_test = min(max(1, round(test_size * n_units)), n_units - 1)
    n_classes = int(codes.max()) + 1
    for _ in range(_TRIES):
        chosen = np.zeros(n_units, bool)
        chosen[rng.permutation(n_units)[:n_test]] = True
        train, test = np.flatnonzero(~chosen[unit]), np.flatnonzero(chosen[unit])
        if len(np.unique(codes[train])) == n_classes:
            return train, test
    raise InputError(
        f"{_TRIES} splits in a row left a class without training rows: lower test_size, or leave out classes with few "
        "rows or groups."
    )


def ordered(
    codes: NDArray[np.int64], train: NDArray[np.int64], rng: np.random.Generator, *, per_class: bool
) -> NDArray[np.int64]:
    """Return the training rows in random order, each class's first row at the front."""
    order = rng.permutation(train)
    if per_class:
        return order
    first = np.unique(codes[order], return_index=True)[1]
    rest = np.ones(len(order), bool)
    rest[first] = False
    return np.concatenate([order[first], order[rest]])


def take(codes: NDArray[np.int64], order: NDArray[np.int64], m: int, *, per_class: bool) -> NDArray[np.int64]:
    """Return the first m rows of the order, or the first m of each class."""
    n_classes = int(codes.max()) + 1
    if not per_class:
        if not n_classes <= m <= len(order):
            msg = f"train size {m}: a split has {len(order)} training rows and {n_classes} classes; choose between."
            raise InputError(msg)
        return order[:m]
    by_class = order[np.argsort(codes[order], kind="stable")]
    count = np.bincount(codes[by_class], minlength=n_classes)
    if count.min() < m:
        msg = f"{m} shots: a class has only {count.min()} training rows in a split; choose fewer shots."
        raise InputError(msg)
    place = np.arange(len(by_class)) - np.repeat(np.cumsum(count) - count, count)
    return by_class[place < m]
