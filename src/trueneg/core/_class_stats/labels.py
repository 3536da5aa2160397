"""Sets of labels of any one type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["merge_labels", "unique_labels"]


def unique_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted labels, or refuse those that are missing or cannot be sorted."""
    try:
        found = np.unique(labels)
    except TypeError:
        raise InputError(
            "y mixes labels that cannot be sorted, such as texts, numbers and None: use one type."
        ) from None
    if found.dtype.kind == "f" and np.isnan(found).any():
        raise InputError("y holds missing labels (NaN): leave those rows out, or give them a class of their own.")
    return np.asarray(found)


def merge_labels(known: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted union of two sets of labels.

    Parameters
    ----------
    known, fresh : ndarray of shape (K,)
        Sorted labels; an empty one has no type.

    Returns
    -------
    ndarray
        Sorted, each once.

    Raises
    ------
    InputError
        Where numbers and texts are mixed: 1 and "1" would silently become one class.
    """
    if not len(known):
        return fresh
    if not len(fresh):
        return known
    kinds = {"n" if a.dtype.kind in "biuf" else a.dtype.kind for a in (known, fresh)}
    try:
        if len(kinds) > 1 and "O" not in kinds:
            raise TypeError
        return np.union1d(known, fresh)
    except TypeError:
        msg = f"labels of type {fresh.dtype} cannot join classes of type {known.dtype}: use one type of label."
        raise InputError(msg) from None
