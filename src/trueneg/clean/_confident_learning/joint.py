"""Thresholds and the confident joint: equations 1 to 3 of the paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.clean._confident_learning import passes
from trueneg.clean._inputs import blocks, check_probabilities, encode_labels, refuse_row, tolerance

# A mean is rounded differently by each summation order: a probability equal to it still counts.
THRESHOLD_SLACK = 1e-6
_THRESHOLD_FLOOR = 2e-6
# No probability reaches it: the threshold of a class without rows.
_UNREACHABLE = 2.0


def row_means(proba: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check every row and return self-confidence (n,) and its sum a class (K,)."""
    n, n_classes = proba.shape
    dtype = np.float32 if proba.dtype.itemsize < 8 else np.float64
    quality = np.full(n, np.nan, dtype=dtype)
    sums = np.zeros(n_classes)
    kernels = passes.numba_kernels() if proba.dtype.itemsize >= 4 else None
    if kernels is not None:
        bad = kernels.means(proba, codes, quality, sums, tolerance(proba.dtype))
        if bad >= 0:
            refuse_row(int(bad), proba)
        return quality, sums
    for part in blocks(n, n_classes):
        block = np.asarray(proba[part], dtype=dtype)
        fine = np.abs(block.sum(axis=1, dtype=np.float64) - 1.0) <= tolerance(proba.dtype)
        fine &= block.min(axis=1) >= 0
        if not fine.all():
            refuse_row(part.start + int(np.argmin(fine)), proba)
        known = np.flatnonzero(codes[part] >= 0)
        given = codes[part][known]
        quality[part.start + known] = block[known, given]
        sums += np.bincount(given, weights=block[known, given], minlength=n_classes)
    return quality, sums


def count_joint(proba: np.ndarray, codes: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joint counts (K, K), the confident class (n,) or -1, the likeliest other class (n,)."""
    n, n_classes = proba.shape
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    guess, other = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    kernels = passes.numba_kernels() if proba.dtype.itemsize >= 4 else None
    if kernels is not None:
        kernels.joint(proba, codes, limits, joint, guess, other)
        return joint, guess, other
    dtype = np.float32 if proba.dtype.itemsize < 8 else np.float64
    flat = joint.ravel()
    for part in blocks(n, n_classes):
        block = np.array(proba[part], dtype=dtype)
        confident = block >= limits
        best = np.where(confident, block, -1.0).argmax(axis=1)
        guess[part] = np.where(confident.any(axis=1), best, -1)
        given = codes[part]
        known = np.flatnonzero(given >= 0)
        block[known, given[known]] = -1.0
        other[part] = block.argmax(axis=1)
        both = known[guess[part][known] >= 0]
        flat += np.bincount(given[both].astype(np.int64) * n_classes + guess[part][both], minlength=len(flat))
    return joint, guess, other


def class_thresholds(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean self-confidence of each class; a class without rows is out of reach."""
    means = sums / np.maximum(counts, 1)
    return np.where(counts > 0, np.maximum(means, _THRESHOLD_FLOOR), _UNREACHABLE)


def _round_rows(values: np.ndarray) -> np.ndarray:
    """Round to whole numbers, keeping each row's total, by the largest remainders."""
    whole = np.round(values)
    gap = np.round(np.round(values.sum(axis=1)) - whole.sum(axis=1)).astype(np.int64)
    for row in np.flatnonzero(gap):
        order = np.argsort(values[row] - whole[row])
        chosen = order[::-1][: gap[row]] if gap[row] > 0 else order[: -gap[row]]
        whole[row, chosen] += np.sign(gap[row])
    return whole.astype(np.int64)


def calibrated(joint: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Scale the joint so that each row adds up to the rows given that label, in whole numbers."""
    scaled = joint.astype(np.float64)
    np.fill_diagonal(scaled, np.maximum(np.diagonal(scaled), 1))
    # Halves are common here and the last bit decides how they round: scale column-wise and add up
    # in that memory order, as the reference implementation does, so that both round alike.
    scaled = (np.ascontiguousarray(scaled.T) / scaled.sum(axis=1) * counts).T
    return _round_rows(scaled / scaled.sum() * counts.sum())


def confident_joint(y: Any, pred_proba: Any, *, classes: Any = None, calibrate: bool = True) -> np.ndarray:
    """Count the rows given one label and confidently of another.

    Parameters
    ----------
    y : array-like of shape (n,)
        Given labels; -1, None and NaN are left out.
    pred_proba : array-like of shape (n, K)
        Out-of-fold probabilities.
    classes : array-like of shape (K,), default=None
        The label of each column; see :func:`encode_labels`.
    calibrate : bool, default=True
        Scale the rows to the number of rows given each label. False: the bare counts.

    Returns
    -------
    ndarray of shape (K, K), int64
        ``[given, confident]``.
    """
    proba = check_probabilities(pred_proba, len(y))
    codes, _ = encode_labels(y, proba.shape[1], classes=classes)
    counts = np.bincount(codes[codes >= 0], minlength=proba.shape[1])
    _, sums = row_means(proba, codes)
    joint, _, _ = count_joint(proba, codes, class_thresholds(sums, counts) - THRESHOLD_SLACK)
    return calibrated(joint, counts) if calibrate else joint
