"""What fit is given, checked and brought into one form."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from trueneg.core.errors import InputError


def mask(trusted: Any, n: int) -> np.ndarray:
    """Turn ``trusted`` (None, boolean mask, or row numbers) into a boolean mask of length n."""
    if trusted is None:
        return np.zeros(n, dtype=bool)
    given = np.asarray(trusted)
    if given.dtype == bool:
        if given.shape != (n,):
            msg = f"trusted is a mask of shape {given.shape}; y has {n} rows: give one value a row"
            raise InputError(msg)
        return given.copy()
    out = np.zeros(n, dtype=bool)
    if given.size == 0:
        return out
    if given.ndim != 1 or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= n:
        msg = f"trusted must be a boolean mask of {n} rows or row numbers in 0..{n - 1}"
        raise InputError(msg)
    out[given] = True
    return out


def same_length(y: Any, **given: Any) -> np.ndarray:
    """Return y as an array, refusing what does not describe the same rows."""
    if y is None:
        msg = "NeighborNegativeCleaner requires y to be passed, but the target y is None"
        raise InputError(msg)
    y = np.asarray(y)
    if y.ndim != 1 or len(y) == 0:
        msg = f"y has shape {y.shape}: give one label a row, at least one row"
        raise InputError(msg)
    n = len(y)
    for name, value in given.items():
        length = n if value is None else value.shape[0] if hasattr(value, "shape") else len(value)
        if length != n:
            msg = f"{name} has {length} rows, y has {n}: they must describe the same rows"
            raise InputError(msg)
    return y


def negative_code(classes: np.ndarray, negative_label: Any) -> int:
    """Find the negative class among the sorted classes; None takes a usual name if just one occurs."""
    if negative_label is None:
        usual = {0, "0", "no_relation", "NA"}
        found = [i for i, c in enumerate(classes.tolist()) if c in usual]
    else:
        found = np.flatnonzero(classes == negative_label).tolist()
    if len(found) != 1:
        shown = ", ".join(map(str, classes[:8]))
        msg = f"negative_label={negative_label!r} does not name one class of y ({shown}): pass negative_label="
        raise InputError(msg)
    return int(found[0])


def probabilities(pred_proba: Any, n_classes: int) -> np.ndarray:
    """Refuse what cannot be the probabilities of these classes."""
    proba = np.asarray(pred_proba)
    if proba.dtype.kind != "f" or not np.isfinite(proba).all():
        msg = f"pred_proba must hold finite floats; it is {proba.dtype} or has NaN: predict those rows again"
        raise InputError(msg)
    if proba.ndim != 2 or proba.shape[1] != n_classes:
        msg = f"pred_proba has shape {proba.shape}: one column for each of the {n_classes} classes, sorted"
        raise InputError(msg)
    return proba


def coordinates(X: Any, embeddings: Any, *, seed: int, indexed: bool) -> np.ndarray:  # noqa: N803
    """Dense coordinates for the neighbour search; float32 is kept as it is."""
    points = X if embeddings is None else embeddings
    if points is None:
        msg = "no coordinates to find neighbours in: pass X or embeddings="
        raise InputError(msg)
    if sparse.issparse(points):
        if indexed:
            msg = "index= was built on dense coordinates, but X is sparse: pass the embeddings= that it was built on"
            raise InputError(msg)
        size = min(100, min(points.shape) - 1)
        points = TruncatedSVD(max(size, 1), n_iter=3, random_state=seed).fit_transform(points)
    points = np.asarray(points)
    if points.dtype.kind == "O" and points.ndim == 2:
        with suppress(ValueError):  # Texts: the message below says what to do.
            points = points.astype(np.float32)
    if points.ndim != 2 or points.dtype.kind not in "fiub":
        msg = f"coordinates have shape {points.shape} and type {points.dtype}: pass embeddings= as numbers (n, d)"
        raise InputError(msg)
    if points.dtype != np.float32:
        points = points.astype(np.float32)
    if not np.isfinite(points).all():
        msg = "embeddings hold NaN or infinite values: drop or impute those rows first"
        raise InputError(msg)
    return points
