"""The Bayesian bootstrap over items, with half an observation of each kind added, so that it does not collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trueneg.core._verdicts.bounded import Floats

if TYPE_CHECKING:
    from trueneg.core._verdicts.calibration import Calibration

# Beyond this many items of the verdicts to correct, the shares of their states are drawn from the normal limit.
_MANY = 5000
_CHUNK = 4_000_000


def draws_of(
    method: str,
    target: tuple[NDArray[np.int64], NDArray[np.int64]],
    calibration: Calibration,
    predictions: tuple[tuple[Floats, Floats], float] | None,
    n_boot: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw the corrected rate ``n_boot`` times; ``target`` holds states and items, ``predictions`` those of PPI.

    Each item gets a weight from Gamma(1), each of the six kinds (gold by verdict) one from Gamma(1/2) more: of
    verdicts that stand alone this is Jeffreys' posterior of every share.
    """
    gold, state = calibration.gold.astype(np.int64), np.where(calibration.verdict < 0, 2, calibration.verdict)
    kind = gold * 3 + state
    if predictions is not None:
        (f, all_f), weight = predictions
        return _powered(target[1], calibration, f, all_f, weight, n_boot, rng)
    counts = _counts(kind, calibration.cluster)
    cells = _weighted(counts, n_boot, rng) + rng.gamma(0.5, size=(n_boot, 6))
    q = _shares(target[0], target[1], n_boot, rng)
    wrong, right = cells[:, :3], cells[:, 3:]
    if method == "post_stratified":
        return np.clip((q * right / (wrong + right)).sum(axis=1), 0.0, 1.0)
    tpr, fpr = right[:, 1] / right.sum(axis=1), wrong[:, 1] / wrong.sum(axis=1)
    gap = np.where(tpr > fpr, tpr - fpr, np.nan)
    rate = np.clip((q[:, 1] - fpr) / gap, 0.0, 1.0)
    # Worlds in which the verifier is no better than chance say nothing of the rate: anything in [0, 1].
    return np.where(np.isnan(rate), rng.random(n_boot), rate)


def _counts(kind: NDArray[np.int64], cluster: NDArray[np.int64], n_kinds: int = 6) -> Floats:
    n = int(cluster.max()) + 1
    return np.bincount(cluster * n_kinds + kind, minlength=n * n_kinds).reshape(n, n_kinds).astype(np.float64)


def _weighted(counts: Floats, n_boot: int, rng: np.random.Generator) -> Floats:
    """Sum the counts of the items (g, k) under Gamma(1) weights, in pieces; (n_boot, k)."""
    if (counts.sum(axis=1) <= 1).all():  # one verdict an item: the sum of the weights of a kind is Gamma(count)
        total = counts.sum(axis=0)
        return np.where(total > 0, rng.gamma(np.maximum(total, 1e-300), size=(n_boot, counts.shape[1])), 0.0)
    step = max(1, _CHUNK // len(counts))
    parts = [rng.standard_exponential((min(step, n_boot - b), len(counts))) @ counts for b in range(0, n_boot, step)]
    return np.concatenate(parts)


def _shares(state: NDArray[np.int64], cluster: NDArray[np.int64], n_boot: int, rng: np.random.Generator) -> Floats:
    counts = _counts(state, cluster, 3)
    if len(counts) <= _MANY:
        drawn = _weighted(counts, n_boot, rng)
    else:
        mean = counts.sum(axis=0) / len(state)
        apart = counts - counts.sum(axis=1, keepdims=True) * mean
        drawn = np.maximum(rng.multivariate_normal(mean, apart.T @ apart / len(state) ** 2, n_boot), 0.0)
    out: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return out


def _powered(
    cluster: NDArray[np.int64],
    calibration: Calibration,
    f: Floats,
    all_f: Floats,
    weight: float,
    n_boot: int,
    rng: np.random.Generator,
) -> Floats:
    residual = calibration.gold - weight * f
    n = np.bincount(calibration.cluster).astype(np.float64)
    sums = np.bincount(calibration.cluster, weights=residual)
    drawn = _heavy(np.column_stack([sums, n]), n_boot, rng)
    unseen = rng.gamma(0.5, size=(n_boot, 2))  # half a missed one and half a false one
    rect = (drawn[:, 0] + unseen[:, 0] - unseen[:, 1]) / (drawn[:, 1] + unseen.sum(axis=1))
    size = np.bincount(cluster).astype(np.float64)
    apart = np.bincount(cluster, weights=all_f - all_f.mean())
    error = float(np.sqrt((apart**2).sum())) / float(size.sum())
    mean = all_f.mean() + error * rng.standard_normal(n_boot)
    return np.clip(weight * mean + rect, 0.0, 1.0)


def _heavy(columns: Floats, n_boot: int, rng: np.random.Generator) -> Floats:
    step = max(1, _CHUNK // len(columns))
    parts = [rng.standard_exponential((min(step, n_boot - b), len(columns))) @ columns for b in range(0, n_boot, step)]
    return np.concatenate(parts)
