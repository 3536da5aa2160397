"""Join the model, the neighbours and the size of the class in one score a cell."""

from __future__ import annotations

from typing import Any

import numpy as np

FIT_CELLS = 50_000
CHUNK_CELLS = 400_000


def score_cells(
    probability: np.ndarray, codes: np.ndarray, neighbors: np.ndarray | None, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log odds of "present" for every cell, from probabilities, neighbours and class sizes.

    Parameters
    ----------
    probability : array of shape (n, K)
        Out-of-fold probability of "present".
    codes : int array of shape (n, K)
        1 present, 0 absent, -1 unjudged.
    neighbors : int array of shape (n, k), or None
        Nearest rows, -1 for none; own row and own group must be left out.
    seed : int, default 0
        Seed of the at most 50,000 cells that the weights are fitted on.

    Returns
    -------
    score : float32 array of shape (n, K)
        Larger is more likely present; the rank of missing labels among absent cells.
    weights : float array of shape (3,)
        Of the odds, the neighbours' lift and the class size; 0 where a weight would have been negative.
    """
    n, k = codes.shape
    judged = np.maximum((codes >= 0).sum(axis=0), 1)
    share = np.clip((codes == 1).sum(axis=0) / judged, 1.0 / (judged + 1), judged / (judged + 1.0))
    # Drawn, not evenly spaced: a stride that is a multiple of K would see one class only.
    total = n * k
    cell = np.arange(total) if total <= FIT_CELLS else np.random.default_rng(seed).integers(0, total, FIT_CELLS)
    row, column = np.divmod(cell, k)
    known = codes[row, column] >= 0
    row, column = row[known], column[known]
    seen = _evidence(probability, codes, neighbors, share, row, column)
    weights = _fit(seen, codes[row, column].astype(np.float64), neighbors is not None)
    score = np.empty((n, k), np.float32)
    rows = np.arange(n)
    step = max(1, CHUNK_CELLS // max(n, 1))
    for start in range(0, k, step):
        columns = np.arange(start, min(start + step, k))
        for low in range(0, n, CHUNK_CELLS):
            part = rows[low : low + CHUNK_CELLS]
            r, c = np.repeat(part, columns.size), np.tile(columns, part.size)
            z = _evidence(probability, codes, neighbors, share, r, c) @ weights
            score[low : low + part.size, start : start + columns.size] = z.reshape(part.size, columns.size)
    return score, weights


def _evidence(
    probability: np.ndarray,
    codes: np.ndarray,
    neighbors: np.ndarray | None,
    share: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    """Return (m, 3): log odds of the model, log lift of the odds among the neighbours, log odds of the class."""
    p = probability[row, column].astype(np.float64)
    out = np.zeros((len(row), 3))
    out[:, 0] = np.log(np.maximum(p, 1e-6)) - np.log(np.maximum(1 - p, 1e-6))
    pi = share[column]
    out[:, 2] = np.log(pi) - np.log1p(-pi)
    if neighbors is not None:
        found = neighbors[row]
        label = np.where(found >= 0, codes[np.maximum(found, 0), column[:, None]], -1)
        present = (label == 1).sum(axis=1)
        votes = (label >= 0).sum(axis=1)
        lift = np.log((present + 0.5) / (votes * pi + 0.5))
        out[:, 1] = lift - np.log((votes - present + 0.5) / (votes * (1 - pi) + 0.5))
    return out


def _fit(seen: np.ndarray, y: np.ndarray, with_neighbors: bool) -> np.ndarray:
    """Weights (3,) by penalised likelihood of the given labels; a negative one is dropped and the rest refitted."""
    prior = np.array([1.0, 0.0, 0.0])
    active = np.array([True, with_neighbors, True])
    while True:
        weights = np.where(active, newton(seen * active, y, prior * active), 0.0)
        negative = (weights[:2] < 0) & active[:2]
        if not negative.any():
            return weights
        active[:2] &= ~negative


def newton(x: np.ndarray, y: np.ndarray, prior: np.ndarray, *, weight: Any = 1.0, steps: int = 12) -> np.ndarray:
    """Logistic coefficients with a unit Gaussian prior; halved steps, so that a far start cannot diverge."""

    def loss(b: np.ndarray) -> float:
        z = x @ b
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + 0.5 * ((b - prior) ** 2).sum())

    b = prior.astype(np.float64)
    now = loss(b)
    for _ in range(steps):
        q = sigmoid(x @ b)
        gradient = x.T @ (weight * (q - y)) + b - prior
        curvature = (x * (weight * q * (1 - q))[:, None]).T @ x + np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient)
        while (new := loss(b - step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2
        if new > now or np.abs(step).max() < 1e-9:
            break
        b, now = b - step, new
    return b


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))
