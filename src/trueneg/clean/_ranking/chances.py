"""From scores to probabilities: the joint of given and true labels, and a sigmoid fitted to what it says."""

from __future__ import annotations

import numpy as np

_EM_STEPS = 30


def shrunk_joint(raw: np.ndarray, counts: np.ndarray, suspect: np.ndarray) -> np.ndarray:
    """Return the joint of given (rows) and true labels, smoothed; trusted rows keep their diagonal.

    The off-diagonals of a row keep their sum and are spread as if 5 K more rows had followed
    the column totals, so that a cell nobody happened to fall in vetoes nothing.
    """
    n_classes = len(raw)
    joint = raw.astype(np.float64)
    np.fill_diagonal(joint, np.maximum(np.diagonal(joint), 1.0))
    joint *= (counts / joint.sum(axis=1))[:, None]
    np.fill_diagonal(joint, np.maximum(np.diagonal(joint), 1.0))
    diagonal = np.diagonal(joint).copy()
    prior = np.repeat(joint.sum(axis=0)[None, :], n_classes, axis=0)
    np.fill_diagonal(prior, 0.0)
    prior /= prior.sum(axis=1, keepdims=True)
    np.fill_diagonal(joint, 0.0)
    mass = joint.sum(axis=1, keepdims=True)
    pseudo = 5.0 * n_classes
    joint = (joint + pseudo * prior) * (mass / (mass + pseudo))
    joint[~suspect] = 0.0
    np.fill_diagonal(joint, np.where(suspect, diagonal, np.maximum(counts, 1)))
    return joint


def wrongness(q: np.ndarray, given: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Return ``1 - q_y T(y|y) / sum_j q_j T(y|j)`` for each row."""
    right = q[np.arange(len(q)), given] * transition[given, given]
    return 1.0 - right / np.maximum((q * transition[given]).sum(axis=1), 1e-300)


def deconvolved(q: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Read q as P(given | x) and return P(true | x) after 30 EM steps, (m, K)."""
    r = q.copy()
    for _ in range(_EM_STEPS):
        r *= (q / np.maximum(r @ transition.T, 1e-300)) @ transition
    return r


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def fit_sigmoid(score: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fit sigmoid(alpha s + beta) to soft targets by cross-entropy; its sum equals theirs."""
    total = float(weight @ target)
    size = float(weight.sum())
    share = min(max(total / size, 1e-9), 1.0 - 1e-9)
    center = float(weight @ score) / size
    x = score - center

    def loss(theta: np.ndarray) -> float:
        z = theta[0] * x + theta[1]
        return float(weight @ (np.logaddexp(0.0, z) - target * z))

    theta = np.array([0.0, np.log(share / (1.0 - share))])
    value = loss(theta)
    for _ in range(60):
        p = sigmoid(theta[0] * x + theta[1])
        error, curve = weight * (target - p), weight * p * (1.0 - p)
        gradient = np.array([error @ x, error.sum()])
        cross = float(curve @ x)
        hessian = np.array([[curve @ (x * x), cross], [cross, curve.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2) * (1.0 + np.trace(hessian)), gradient)
        while (new := loss(theta + step)) > value + 1e-12 * abs(value) and np.abs(step).max() > 1e-12:
            step *= 0.5
        theta, value = theta + step, new
        if np.abs(step).max() < 1e-10:
            break
    # A larger score must never mean a smaller probability, whatever the targets say.
    if theta[0] < 1e-3:
        theta = np.array([1e-3, np.log(share / (1.0 - share))])
    return float(theta[0]), float(theta[1] - theta[0] * center)
