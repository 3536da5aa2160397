"""The H-consistency bound of the multiclass logistic loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core.errors import InputError

__all__ = ["logistic_consistency_bound"]


def logistic_consistency_bound(excess_log_loss: ArrayLike, *, log_loss_gap: float = 0.0, error_gap: float = 0.0) -> Any:
    """Bound the excess error of a classifier by its excess of multiclass log-loss.

    With ``T(t) = ((1 + t) log(1 + t) + (1 - t) log(1 - t)) / 2``, for any number of classes,

        error(h) - error* + error_gap <= T^-1(log-loss(h) - log-loss* + log_loss_gap),

    where the star is the best in the family of h. ``T(t) >= t^2 / 2`` gives the looser and better known
    ``sqrt(2 u)``. Below ``log 2`` the bound is tight: two classes, one of probability (1 + t) / 2, and a model that
    calls them even. From ``log 2`` on it is 1 and says nothing.

    Parameters
    ----------
    excess_log_loss : float or array-like
        In nats, 0 or more.
    log_loss_gap, error_gap : float, default=0.0
        Minimizability gaps of the family: its best loss minus the mean of the best loss at each point. Zero, as by
        default, where the family holds every score function, or the right model; then the stars are Bayes' own. A
        linear family elsewhere has gaps that no data shows, and the bound holds with them only.

    Returns
    -------
    float or ndarray
        The largest excess error, between 0 and 1, of the input's shape.

    Raises
    ------
    InputError
        On a negative excess or gap.

    References
    ----------
    Zheng et al. (2023), arXiv 2302.02334 (multiclass bound for the logistic loss); Mao, Mohri and Zhong (2023),
    arXiv 2304.07288 (the tight transformation T used here).
    """
    excess = np.asarray(excess_log_loss, dtype=np.float64)
    if not (excess >= 0).all() or not (log_loss_gap >= 0 and error_gap >= 0):
        raise InputError("an excess loss and a gap are 0 or more: subtract the best loss of the family, not another.")
    u = excess + log_loss_gap
    low, high = np.zeros_like(u), np.ones_like(u)
    # T rises, so halving finds its inverse; 60 halvings reach the last bit of a float64. `high` is kept: a bound
    # rounded down would be none.
    for _ in range(60):
        middle = (low + high) / 2
        above = _transform(middle) >= u
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    bound = np.clip(high - error_gap, 0.0, 1.0)
    return float(bound) if bound.ndim == 0 else bound


def _transform(t: np.ndarray) -> np.ndarray:
    from scipy.special import xlog1py

    exact = (xlog1py(1 + t, t) + xlog1py(1 - t, -t)) / 2
    # The two logarithms cancel near 0, where the series is exact to the last bit.
    return np.where(t < 1e-3, t**2 / 2 + t**4 / 12, exact)
