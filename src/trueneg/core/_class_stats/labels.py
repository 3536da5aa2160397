"""Sets of labels of any one type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._intervals.inputs import array_of
from trueneg.core.errors import InputError

__all__ = ["labels_of", "merge_labels", "unique_labels"]


def labels_of(y: Any) -> NDArray[Any]:
    """Return labels as an array; tuples stay labels, and texts make no texts of the numbers beside them."""
    if isinstance(y, list | tuple) and any(isinstance(v, tuple) for v in y):
        return np.fromiter(y, dtype=object, count=len(y))
    labels = np.asarray(array_of(y))
    if isinstance(y, list | tuple) and labels.dtype.kind in "US" and not all(isinstance(v, str | bytes) for v in y):
        raise InputError("y mixes texts and other labels: 1 and '1' would become one class; use one type of label.")
    return labels


def unique_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted labels, or refuse those that are missing or cannot be sorted."""
    try:
        found = np.unique(labels)
    except TypeError:
        raise InputError(
            "y mixes labels that cannot be sorted, such as texts, numbers and None: use one type."
        ) from None
    if found.dtype.kind in "fcmM":
        gone = bool((found != found).any())
    else:
        gone = found.dtype.kind == "O" and any(isinstance(v, float) and v != v for v in found.tolist())  # noqa: PLR0124
    if gone:
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
        Where numbers and texts are mixed, or whole numbers are too large for a type that holds both sets: 1 and "1", or
        2^53 and 2^53 + 1 as floats, would silently become one class.
    """
    if not len(known):
        return fresh
    if not len(fresh):
        return known
    kinds = {"n" if a.dtype.kind in "biuf" else a.dtype.kind for a in (known, fresh)}
    try:
        if len(kinds) > 1 and "O" not in kinds:
            raise TypeError
        both = np.union1d(known, fresh)
        if both.dtype.kind == "f" and any(_beyond_floats(a) for a in (known, fresh)):
            raise TypeError
        return both
    except TypeError:
        msg = f"labels of type {fresh.dtype} cannot join classes of type {known.dtype}: use one type of label."
        raise InputError(msg) from None


def _beyond_floats(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "iu" and max(int(labels.max()), -int(labels.min())) > 2**53
