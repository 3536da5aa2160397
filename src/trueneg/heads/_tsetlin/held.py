"""Rows set aside while learning, and what a pass reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin.rows import Rows

__all__ = ["Progress", "accuracy", "aside", "subset", "tell"]

Progress = Callable[[str, int, int], None]


def tell(progress: Progress | None, stats: dict[str, float], done: int, total: int) -> None:
    """Report a pass."""
    if progress is not None:
        held = f", validation {stats['validation']:.3f}" if "validation" in stats else ""
        progress(f"update probability {stats['update_probability']:.3f}{held}", done, total)


def aside(codes: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """Draw the rows set aside, the same share of each class; one row of each class stays at least."""
    rng = np.random.default_rng([seed, 1 << 20])
    kinds = codes if codes.ndim == 1 else np.zeros(len(codes), dtype=np.int64)
    aside = np.zeros(len(codes), dtype=bool)
    for c in np.unique(kinds):
        own = rng.permutation(np.flatnonzero(kinds == c))
        aside[own[: min(len(own) - 1, round(share * len(own)))]] = True
    if not aside.any():
        raise InputError("too few rows to set some aside: raise validation_fraction, or turn early_stopping off.")
    return aside


def subset(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """Return some of the rows, in order."""
    if not rows.sparse:
        return rows._replace(packed=rows.packed[keep])
    lengths = np.diff(rows.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64)
    return rows._replace(indptr=indptr, indices=rows.indices[np.repeat(keep, lengths)])


def accuracy(found: NDArray[np.int64], codes: NDArray[Any]) -> float:
    """Return the share of rows, or of single labels, decided right."""
    right = (found > 0) == codes if codes.ndim == 2 else found.argmax(axis=1) == codes
    return float(right.mean())
