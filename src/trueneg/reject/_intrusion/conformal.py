"""Scores of several detectors as conformal p-values, combined to one score of a flow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["combined", "p_values"]


def p_values(raw: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values of scores (n, n_detectors) among those of normal flows, each column of them sorted."""
    n = len(reference)
    out = np.empty_like(raw)
    for j in range(raw.shape[1]):
        out[:, j] = (1 + np.searchsorted(reference[:, j], raw[:, j], side="right")) / (n + 1)
    return out


def combined(raw: NDArray[np.float64], reference: NDArray[np.float64], combine: str) -> NDArray[np.float64]:
    """Return log p-values (n,), summed under "p-values", else the smallest; in order beyond the reference too."""
    logs = np.log(p_values(raw, reference)) - _beyond(raw, reference)
    return logs.sum(axis=1) if combine == "p-values" else logs.min(axis=1)


def _beyond(raw: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far scores (n, n_detectors) lie below all of the reference, from 0 up to 1.

    All of them have the smallest p-value. One clean flow among them would put the threshold there, and no attack,
    however strange, would be below it; so they keep their order. It is worth a factor e at most: a detector whose
    scores have a long tail does not outweigh the others.
    """
    lowest = reference[0]
    few = reference[: max(2, len(reference) // 20)]
    scale = few.mean(axis=0) - lowest
    scale = np.where(scale > 0, scale, reference[-1] - lowest)
    far = np.maximum(lowest - raw, 0.0) / np.where(scale > 0, scale, 1.0)
    return far / (1.0 + far)
