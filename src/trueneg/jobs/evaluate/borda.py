"""Borda's count: how many of the others an encoder beats, summed over tasks.

Scores of different measures do not add up; who comes before whom does. An encoder gets a point for each one that it
beats on a task and half a point for each that it ties with.

References
----------
de Borda (1781), "Mémoire sur les élections au scrutin"; Colombo, Noiry, Irurozki and Clémençon (2022), "What are the
best systems? New perspectives on NLP benchmarking", arXiv 2202.03799.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DIGITS = 9  # scores that agree to so many digits tie: the order of a sum must not decide a duel

__all__ = ["places", "points"]


def points(scores: Floats) -> Floats:
    """Return Borda's points.

    Parameters
    ----------
    scores : (..., n_tasks, n_encoders) float
        Larger is better.

    Returns
    -------
    (..., n_encoders) float64
        Between 0 and ``n_tasks * (n_encoders - 1)``; the points of all encoders sum to half of that times n_encoders.
    """
    value = np.round(np.asarray(scores, dtype=np.float64), _DIGITS)
    mine, other = value[..., :, None], value[..., None, :]
    won = (mine > other).sum(axis=-1) + ((mine == other).sum(axis=-1) - 1) / 2
    return np.asarray(won.sum(axis=-2), dtype=np.float64)


def places(total: Floats) -> Floats:
    """Return places from 1 by points, shape (..., n_encoders); those who tie share the mean of their places."""
    mine, other = total[..., :, None], total[..., None, :]
    return np.asarray(1 + (other > mine).sum(axis=-1) + ((other == mine).sum(axis=-1) - 1) / 2, dtype=np.float64)
