"""Who learns from what in one pass: rows in random order and, drawn first, the negative class of each.

A uniform negative does not depend on any vote. So all of them are drawn before a pass begins, and each class bank gets
its own list of events, in the order of the rows: an independent sequential program, for any number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plan", "by_class", "epoch_plan", "row_chance"]

_BLOCK = 1 << 20  # cells drawn at a time for rows of several labels


class Plan(NamedTuple):
    """Events of one pass, in order."""

    row: NDArray[np.int64]
    label: NDArray[np.int64]  # class whose clauses learn
    target: NDArray[np.bool_]  # as a row of the class, or as a negative one


def row_chance(weight: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the probability with which each row enters a pass: its weight over the largest; None where all are 1."""
    chance = weight / weight.max()
    return None if (chance == 1.0).all() else chance


def epoch_plan(
    codes: NDArray[Any],
    n_classes: int,
    *,
    seed: int,
    epoch: int,
    chance: NDArray[np.float64] | None = None,
) -> Plan:
    """Draw the events of one pass.

    Parameters
    ----------
    codes : ndarray of shape (n,) or (n, n_classes)
        Class of each row; or, boolean, which labels it has.
    n_classes : int
        Classes. With one alone there is no negative event.
    seed, epoch : int
        Of the draw: the same two give the same plan.
    chance : ndarray of shape (n,) or None
        Probability that a row takes part.

    Returns
    -------
    Plan
        For a row of one class: its class as target, then one other class, each as likely. For a row of several
        labels: each of them as target, then as many of the labels that it lacks, at least one.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(codes))
    if chance is not None:
        order = order[rng.random(len(codes))[order] < chance[order]]
    if codes.ndim == 2:
        return _several(codes, order, rng)
    own = codes[order]
    if n_classes == 1:
        return Plan(order, own, np.ones(len(order), dtype=bool))
    other = (own + rng.integers(1, n_classes, len(order))) % n_classes
    pairs = np.stack([own, other], axis=1).ravel()
    return Plan(np.repeat(order, 2), pairs, np.tile([True, False], len(order)))


def _several(has: NDArray[np.bool_], order: NDArray[np.int64], rng: np.random.Generator) -> Plan:
    """Draw the events of rows that have any number of labels."""
    parts = []
    step = max(1, _BLOCK // has.shape[1])
    for start in range(0, len(order), step):
        rows = order[start : start + step]
        positive = has[rows]
        # The labels a row lacks, in random order behind those it has.
        rank = np.where(positive, -1.0, rng.random(positive.shape)).argsort(axis=1, kind="stable")
        count = positive.sum(axis=1)
        place = np.arange(has.shape[1])
        keep = place < (count + np.maximum(count, 1))[:, None]
        row, column = np.nonzero(keep)
        parts.append((rows[row], rank[row, column], column < count[row]))
    if not parts:
        return Plan(order, order, order.astype(bool))
    return Plan(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def by_class(plan: Plan, n_classes: int) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Return rows and targets for each class, in the plan's order."""
    order = np.argsort(plan.label, kind="stable")
    ends = np.cumsum(np.bincount(plan.label, minlength=n_classes))[:-1]
    rows, targets = plan.row[order], plan.target[order]
    return list(zip(np.split(rows, ends), np.split(targets, ends), strict=True))
