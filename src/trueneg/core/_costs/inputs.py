"""Labels, decisions and probabilities, checked before they are priced."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.inputs import vector_of
from trueneg.core.errors import InputError

# A float32 softmax may exceed 1 by an ulp or two, and its row sums by a little more.
_PROBA_SLACK = 1e-6
_SUM_SLACK = 1e-3


def same_length(truth: NDArray[Any], other: NDArray[Any], name: str) -> None:
    if len(truth) != len(other):
        msg = f"{name} has {len(other)} rows where {len(truth)} are needed: give one a row."
        raise InputError(msg)


def class_codes(x: ArrayLike, k: int, name: str) -> NDArray[np.int64]:
    a = vector_of(x, name, dtype=None)
    codes = a.astype(np.int64)
    if (codes != a).any() or codes.min() < 0 or codes.max() >= k:
        hint = " -1 means unjudged: drop those rows first." if (a == -1).any() else ""
        msg = f"{name} must hold class codes 0 to {k - 1}, as the costs have {k} classes.{hint}"
        raise InputError(msg)
    return codes


def in_unit(p: NDArray[Any], name: str, hint: str = "") -> None:
    low, high = float(p.min()), float(p.max())
    if not (low >= -_PROBA_SLACK and high <= 1 + _PROBA_SLACK):
        msg = f"{name} must be probabilities in [0, 1]; they run from {low:g} to {high:g}.{hint}"
        raise InputError(msg)


def checked_proba(proba: ArrayLike, k: int) -> tuple[NDArray[Any], bool]:
    """Validate probabilities of k classes; the flag says whether they are of the positive class alone, shape (n,)."""
    p = np.asarray(proba)
    if p.ndim == 1 and k == 2:
        p = vector_of(p, "proba", dtype=None)
        in_unit(p, "proba")
        return p, True
    if p.ndim != 2 or p.shape[1] != k:
        shapes = "(n,) or (n, 2)" if k == 2 else f"(n, {k})"
        msg = f"proba has shape {p.shape}; these costs need {shapes}."
        raise InputError(msg)
    if p.size == 0:
        raise InputError("proba is empty: give at least one row.")
    if p.dtype.kind not in "biuf":
        msg = f"proba must hold numbers, not {p.dtype}."
        raise InputError(msg)
    if np.isnan(p.min()):
        raise InputError("proba holds missing values: drop or repair those rows first.")
    in_unit(p, "proba")
    off = np.abs(p.sum(axis=1, dtype=np.float64) - 1)
    if off.max() > _SUM_SLACK:
        i = int(np.argmax(off))
        msg = f"proba[{i}] sums to {p[i].sum():g}: each row must sum to 1."
        raise InputError(msg)
    return (p[:, 1], True) if k == 2 else (p, False)
