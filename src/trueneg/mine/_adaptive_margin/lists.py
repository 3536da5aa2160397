"""Positives and mined negatives of each query as one list, for a loss that looks at lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.mine._mining.mine import Negatives
from trueneg.mine._mining.positives import Positives

__all__ = ["TrainingLists", "training_lists"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingLists:
    """Lists to train on, the positives first.

    Attributes
    ----------
    query : (n,) int64
        Rows of the queries, rising; one that has no negative has no list.
    document : (n, k) int64
        -1 where a list has ended.
    label : (n, k) int8
        1 positive, 0 negative, -1 where a list has ended.
    """

    query: Rows
    document: Rows
    label: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.query)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where there is a document, shape (n, k)."""
        return self.document >= 0

    def hard_labels(self) -> NDArray[np.float32]:
        """Return the distribution that gives all to the positives, equal shares to several, shape (n, k)."""
        hit = self.label == 1
        return (hit / hit.sum(axis=1, keepdims=True)).astype(np.float32)


def training_lists(positives: Any, mined: Negatives, *, max_positives: int | None = None) -> TrainingLists:
    """Join known positives and mined negatives, query by query.

    Parameters
    ----------
    positives : Cells, Positives, or rows
        Those that the negatives were mined with.
    mined : Negatives
        Of :func:`trueneg.mine.hard_negatives`.
    max_positives : int, optional
        Most positives of a list, the first by row; all by default.

    Returns
    -------
    TrainingLists
    """
    if max_positives is not None and max_positives < 1:
        msg = f"max_positives={max_positives!r}: give 1 or more"
        raise InputError(msg)
    known = Positives.of(positives, len(mined.query_ids), len(mined.document_ids))
    query, count = np.unique(mined.query, return_counts=True)
    place, document = known.pairs(query)
    within = np.arange(len(place)) - np.searchsorted(place, np.arange(len(query)))[place]
    if max_positives is not None:
        keep = within < max_positives
        place, document, within = place[keep], document[keep], within[keep]
    held = np.bincount(place, minlength=len(query))
    width = int((held + count).max(initial=0))
    rows, label = np.full((len(query), width), -1), np.full((len(query), width), -1, dtype=np.int8)
    rows[place, within], label[place, within] = document, 1
    who = np.repeat(np.arange(len(query)), count)
    at = held[who] + np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    rows[who, at], label[who, at] = mined.document, 0
    return TrainingLists(query, rows.astype(np.int64), label)
