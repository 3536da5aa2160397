"""The model-based probability that a cell's given state is wrong."""

from __future__ import annotations

import numpy as np

from trueneg.jobs.audit._multilabel.score import newton, sigmoid

CANNOT_TELL = 3.0
PSEUDO_COUNTS = 10.0


def cell_probability(
    score: np.ndarray, given: np.ndarray, other: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Return the probability that a cell of one given state is really of the other.

    Parameters
    ----------
    score : array of shape (n, K)
        Log odds of the other state.
    given, other : bool arrays of shape (n, K)
        Cells of the suspected state, and cells of the other one (believed).
    usable : bool array of shape (n, K)
        Cells that may be suspects; the others get 0.

    Returns
    -------
    probability : float32 array of shape (n, K)
        Strictly increasing in the score; 0 outside ``given & usable``.
    reliable : bool
        False where the two readings of the model differ so much that only a review can tell.
    """
    asked = given & usable
    probability = np.zeros(score.shape, np.float32)
    if not asked.any() or not other.any():
        return probability, False
    miss = _missed(score, given, other)
    low, high = float(score[asked].min()), float(score[asked].max())
    bins = 4096
    width = max(high - low, 1e-6) / bins
    sums = np.zeros((4, bins))
    for c in range(score.shape[1]):
        z = score[asked[:, c], c].astype(np.float64)
        q = sigmoid(z)
        at = np.minimum(((z - low) / width).astype(np.int64), bins - 1)
        # The model read as P(given | x): what it would say had no label been missed.
        true = np.minimum(q / (1 - miss[c]), 0.999)
        v = true * miss[c] / (true * miss[c] + 1 - true)
        u = q * miss[c] / (q * miss[c] + 1 - q)
        for i, values in enumerate((None, z, v, u)):
            sums[i] += np.bincount(at, values, minlength=bins)
    count, z, v, u = sums[:, sums[0] > 0]
    reliable = bool(v.sum() <= CANNOT_TELL * max(u.sum(), 1e-12))
    target = (v if reliable else u) / count
    x = np.column_stack([z / count, np.ones(len(count))])
    start = np.array([1.0, np.log(max(target @ count, 1e-9) / count.sum())])
    alpha, beta = newton(x, target, start, weight=count, steps=30)
    probability[asked] = sigmoid(max(alpha, 1e-6) * score[asked] + beta)
    return probability, reliable


def _missed(score: np.ndarray, given: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share (K,) of the cells truly of the other state that were given as this one, by a confident joint count."""
    k = score.shape[1]
    moved, believed = np.zeros(k), np.maximum(other.sum(axis=0), 1).astype(np.float64)
    for c in range(k):
        q = sigmoid(score[given[:, c], c].astype(np.float64))
        kept = other[:, c]
        if not q.size or not kept.any():
            continue
        threshold = sigmoid(score[kept, c].astype(np.float64)).mean()
        stay = float((1 - q).mean())
        over = q >= threshold
        staying = (1 - q >= stay) & ~(over & (q >= 0.5))
        over &= ~staying
        counted = max(int(staying.sum()), 1) + int(over.sum())
        moved[c] = over.sum() * q.size / counted
    # A small class alone says little about its own share: shrunk towards that of all classes together.
    pooled = moved.sum() / max(moved.sum() + believed.sum(), 1.0)
    miss = (moved + PSEUDO_COUNTS * pooled) / (moved + believed + PSEUDO_COUNTS)
    return np.clip(miss, 0.0, 0.95)
