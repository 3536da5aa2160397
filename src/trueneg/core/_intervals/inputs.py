"""Columns of numbers, weights and binary labels, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError


def array_of(x: Any) -> Any:
    """Return a tensor as an array, whatever its device, gradients and type; anything else as it is."""
    if not hasattr(x, "detach"):
        return x
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()


def vector_of(x: ArrayLike, name: str, *, dtype: Any = np.float64, finite: bool = True) -> NDArray[Any]:
    """One number an entry, shape (n,), n above 0; ``dtype=None`` keeps the type (float32 stays float32).

    Numbers must be finite, or, with ``finite=False``, not NaN.
    """
    try:
        a = np.asarray(array_of(x), dtype=dtype)
    except (TypeError, ValueError):
        msg = f"{name} must hold numbers."
        raise InputError(msg) from None
    if a.dtype.kind not in "biuf":
        msg = f"{name} must hold numbers, not {a.dtype}."
        raise InputError(msg)
    if a.ndim != 1:
        msg = f"{name} has shape {a.shape}; it must have one dimension, one entry a row."
        raise InputError(msg)
    if a.size == 0:
        msg = f"{name} is empty: give at least one entry."
        raise InputError(msg)
    if a.dtype.kind == "f" and (wrong := ~np.isfinite(a) if finite else np.isnan(a)).any():
        i = int(np.flatnonzero(wrong)[0])
        msg = f"{name}[{i}] is {a[i]}: drop or repair rows with missing or infinite values first."
        raise InputError(msg)
    return a


def binary_of(y: ArrayLike, name: str) -> NDArray[np.int64]:
    a = vector_of(y, name, dtype=None)
    if not ((a == 0) | (a == 1)).all():
        hint = " -1 means unjudged: drop those rows, or review them." if (a == -1).any() else ""
        msg = f"{name} must hold 0 (negative) and 1 (positive) only.{hint}"
        raise InputError(msg)
    return a.astype(np.int64)


def weights_of(sample_weight: ArrayLike, n: int) -> NDArray[np.float64]:
    w = vector_of(sample_weight, "sample_weight")
    if len(w) != n or (w < 0).any() or w.sum() <= 0:
        msg = f"sample_weight needs one weight of 0 or more for each of the {n} rows, and a sum above 0."
        raise InputError(msg)
    return w
