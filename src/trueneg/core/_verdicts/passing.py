"""pass@k and pass^k without bias, problem by problem, and their means with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._verdicts.bounded import mean_ends_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate


@dataclass(frozen=True, eq=False)
class PassRates:
    """Shares of problems solved in ``k`` attempts.

    Attributes
    ----------
    k : (K,) int64
        Numbers of attempts, as asked for.
    values : (problems, K) float64
        The unbiased share of each problem.
    estimates : tuple of Estimate
        Mean over problems for each ``k``, its interval over problems.
    """

    k: NDArray[np.int64]
    values: NDArray[np.float64]
    estimates: tuple[Estimate, ...]

    def __getitem__(self, k: int) -> Estimate:
        """Return the estimate for one of the ``k``."""
        place = np.flatnonzero(self.k == k)
        if not len(place):
            msg = f"k={k} was not computed; there are {', '.join(map(str, self.k.tolist()))}."
            raise InputError(msg)
        return self.estimates[int(place[0])]


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike, *, level: float = 0.95) -> PassRates:
    """Chance that at least one of ``k`` attempts is correct: ``1 - C(n - c, k) / C(n, k)``.

    Parameters
    ----------
    n : int or array-like of shape (problems,)
        Attempts made at each problem.
    c : array-like of shape (problems,)
        Correct ones among them; a timeout, an error and an unparsed answer are not.
    k : int or array-like of shape (K,)
        Attempts allowed, none above the smallest ``n``.
    level : float, default=0.95
        Coverage of the interval over problems.

    Returns
    -------
    PassRates

    Raises
    ------
    InputError
        Counts that do not fit, or a ``k`` above some ``n``.

    References
    ----------
    Chen et al., "Evaluating large language models trained on code" (2107.03374).
    """
    n_, c_, k_ = _counts(n, c, k)
    return _rates(1.0 - _all_of(n_, n_ - c_, k_), n_, k_, level)


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: ArrayLike, *, level: float = 0.95) -> PassRates:
    """Chance that all of ``k`` attempts are correct: ``C(c, k) / C(n, k)``; see :func:`pass_at_k`.

    References
    ----------
    Yao et al., "tau-bench" (2406.12045).
    """
    n_, c_, k_ = _counts(n, c, k)
    return _rates(_all_of(n_, c_, k_), n_, k_, level)


def _counts(n: Any, c: Any, k: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    c_ = np.atleast_1d(np.asarray(c))
    n_, k_ = np.asarray(n), np.atleast_1d(np.asarray(k))
    if not c_.size or not k_.size:
        raise InputError("n, c or k is empty: give at least one problem and one k.")
    for name, a in (("n", n_), ("c", c_), ("k", k_)):
        if a.ndim > 1 or a.dtype.kind not in "biuf" or not np.all(np.equal(np.mod(a, 1), 0)):
            msg = f"{name} must hold whole numbers, one a {'k' if name == 'k' else 'problem'}."
            raise InputError(msg)
    if n_.ndim and n_.shape != c_.shape:
        msg = f"n has {len(n_)} problems and c {len(c_)}: give one entry each."
        raise InputError(msg)
    n_ = np.broadcast_to(n_, c_.shape)
    bad = (c_ < 0) | (c_ > n_) | (n_ < 1)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = f"problem {i} has {c_[i]:g} correct of {n_[i]:g} attempts: 0 <= c <= n and n >= 1 must hold."
        raise InputError(msg)
    if k_.min() < 1 or k_.max() > n_.min():
        msg = (
            f"k={k_.max():g} needs as many attempts, and problem {int(n_.argmin())} has {n_.min():g}: "
            f"use k from 1 to {n_.min():g}, or leave out the problems with fewer."
        )
        raise InputError(msg)
    return n_.astype(np.int64), c_.astype(np.int64), k_.astype(np.int64)


def _all_of(n: NDArray[np.int64], m: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Chance that ``k`` drawn without replacement from ``n`` all lie among ``m`` of them; (problems, K)."""
    from scipy.special import gammaln

    m_, n_, k_ = m[:, None].astype(np.float64), n[:, None].astype(np.float64), k[None, :].astype(np.float64)
    enough = m_ >= k_
    top = np.where(enough, m_, k_)
    log = gammaln(top + 1) - gammaln(top - k_ + 1) - gammaln(n_ + 1) + gammaln(n_ - k_ + 1)
    out = np.where(enough, np.exp(log), 0.0)
    return np.where(m_ == n_, 1.0, np.clip(out, 0.0, 1.0))


def _rates(values: NDArray[np.float64], n: NDArray[np.int64], k: NDArray[np.int64], level: float) -> PassRates:
    rows, attempts = len(values), float(n.sum())
    mean, spread = values.mean(axis=0), values.var(axis=0)
    if rows > 1:
        spread = spread * rows / (rows - 1)
    found = []
    for m, v in zip(mean.tolist(), spread.tolist(), strict=True):
        low, high = mean_ends_of(m, v, rows, level, most=attempts)
        found.append(
            Estimate(m, min(low, m), max(high, m), level, "mean over problems, Jeffreys at its variance", rows)
        )
    return PassRates(k, values, tuple(found))
