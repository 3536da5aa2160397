"""The weights of the evidence, fitted on the labels that were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from trueneg.clean._inputs import blocks
from trueneg.clean._ranking.evidence import evenly, softmax

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trueneg.clean._ranking.evidence import Evidence

_NEWTON_STEPS = 5
_PIECES_BYTES = 12 << 20
# Rows, their log probabilities, and their neighbour lifts if there are neighbours.
_Piece: TypeAlias = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]


def _derivatives(
    evidence: Evidence, pieces: Iterable[_Piece], weights: np.ndarray, prior: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, gradient (3,) and Hessian (3, 3) of the penalised log likelihood."""
    away = weights - prior
    value, gradient, hessian = -0.5 * float(away @ away), -away, -np.eye(3)
    share = evidence.log_share
    for own, log_p, lift in pieces:
        given = evidence.codes[own]
        parts = [log_p.astype(np.float64), None if lift is None else lift.astype(np.float64)]
        z = weights[0] * parts[0] + weights[2] * share
        if parts[1] is not None:
            z += weights[1] * parts[1]
        top = z.max(axis=1, keepdims=True)
        value += float((z[np.arange(len(own)), given] - top[:, 0] - np.log(np.exp(z - top).sum(axis=1))).sum())
        q = softmax(z)
        features = [f for f in (parts[0], parts[1], np.broadcast_to(share, q.shape)) if f is not None]
        used = [0, 2] if parts[1] is None else [0, 1, 2]
        weighted = [q * f for f in features]
        means = np.stack([w.sum(axis=1) for w in weighted])
        for s, (i, f) in enumerate(zip(used, features, strict=True)):
            gradient[i] += float((f[np.arange(len(own)), given] - means[s]).sum())
            for t, j in enumerate(used):
                second = np.einsum("ij,ij->", weighted[s], features[t])
                hessian[i, j] -= float(second - means[s] @ means[t])
    return value, gradient, hessian


class _Pieces:
    """Some rows with their evidence, piece by piece: kept where that is little, else made again each time."""

    def __init__(self, evidence: Evidence, rows: np.ndarray) -> None:
        self.evidence, self.rows = evidence, rows
        small = 2 * 4 * len(rows) * evidence.n_classes <= _PIECES_BYTES
        self.kept = list(self._made()) if small else None

    def __iter__(self) -> Iterator[_Piece]:
        return iter(self.kept) if self.kept is not None else self._made()

    def _made(self) -> Iterator[_Piece]:
        for part in blocks(len(self.rows), self.evidence.n_classes):
            own = self.rows[part]
            yield own, *self.evidence.of(own)


def fit_weights(evidence: Evidence, free: np.ndarray, among: np.ndarray | None, most: int) -> np.ndarray:
    """Fit (a, b, c) by Newton steps on at most ``most`` evenly spaced labelled rows; steps that lose are halved."""
    known = np.flatnonzero(evidence.codes >= 0) if among is None else among[evidence.codes[among] >= 0]
    pieces = _Pieces(evidence, known[evenly(len(known), most)])
    prior = np.array([1.0, 0.0, 0.0]) * free
    weights = prior.copy()
    value, gradient, hessian = _derivatives(evidence, pieces, weights, prior)
    for _ in range(_NEWTON_STEPS):
        step = np.zeros(3)
        step[free] = -np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        for _ in range(8):
            tried = _derivatives(evidence, pieces, weights + step, prior)
            if tried[0] >= value - 1e-9 * abs(value):
                break
            step *= 0.5
        else:
            break
        weights = weights + step
        value, gradient, hessian = tried
        if np.abs(step).max() < 1e-7:
            break
    return weights
