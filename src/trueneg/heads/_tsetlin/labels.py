"""Labels as the machine learns them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from trueneg.core.errors import InputError

__all__ = ["codes", "one_column"]


def one_column(y: NDArray[Any]) -> NDArray[Any]:
    """Return labels (n,), or an indicator (n, n_labels)."""
    if y.ndim == 1:
        return y
    if y.shape[1] == 1:
        return np.asarray(column_or_1d(y, warn=True))
    if type_of_target(y) != "multilabel-indicator":
        raise InputError("y with several columns must hold 0 and 1 alone: one column a label, 1 where the row has it.")
    return y


def codes(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return class numbers (n,) or labels as flags (n, n_labels), and the classes, sorted."""
    if y.ndim == 2:
        return y.astype(bool), np.arange(y.shape[1])
    classes, found = np.unique(y, return_inverse=True)
    return found.astype(np.int64), classes
