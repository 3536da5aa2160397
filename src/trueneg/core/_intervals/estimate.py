"""The estimate, and the intervals of shares: Wilson, Jeffreys, stratified."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.inputs import vector_of
from trueneg.core.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Parameters
    ----------
    value, low, high : float
        The point estimate and the ends of its interval.
    level : float, default=0.95
        Nominal coverage of the interval.
    method : str, default=""
        How the interval was made, in a few words.
    n : int or None, default=None
        Number of independent units behind it (groups, where rows were clustered).
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = ""
    n: int | None = None

    def __str__(self) -> str:
        """Return ``0.87 [0.82, 0.91]``: as many decimals as the width of the interval deserves; words for a NaN."""
        if math.isnan(self.value):
            return "not known"
        width = self.high - self.low
        digits = 2
        if math.isfinite(width) and width >= 10:
            digits = 0
        elif math.isfinite(width) and width > 0:
            digits = -math.floor(math.log10(width))
            digits = 2 if digits <= 2 else min(digits + 1, 9)  # rare events: two digits of the width, not one
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that strict JSON can hold: what is not finite becomes ``None``."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def wilson(k: float, n: float, *, level: float = 0.95) -> Estimate:
    """Wilson's score interval of a proportion.

    Parameters
    ----------
    k : float
        Successes, ``0 <= k <= n``.
    n : float
        Trials, above 0.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Estimate
        ``k / n`` with the set of proportions that a score test does not reject.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    k, n, z = *_counts(k, n), normal_quantile(level)
    p, z2 = k / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At the ends the exact limit is 0 or 1; rounding would leave 1e-17 there.
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Estimate(p, low, high, level, "Wilson", int(n))


def jeffreys(k: float, n: float, *, level: float = 0.95) -> Estimate:
    """Jeffreys' interval of a proportion: quantiles of Beta(k + 1/2, n - k + 1/2).

    The lower end is 0 at ``k = 0`` and the upper one 1 at ``k = n``, as is usual, so that it always holds ``k / n``.

    Parameters
    ----------
    k : float
        Successes, ``0 <= k <= n``; need not be whole (effective counts).
    n : float
        Trials, above 0.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Estimate
        ``k / n`` with its interval.

    References
    ----------
    Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion".
    """
    k, n = _counts(k, n)
    normal_quantile(level)
    low, high = _jeffreys_ends(np.array([k]), np.array([n]), level)
    return Estimate(k / n, float(low[0]), float(high[0]), level, "Jeffreys", int(n))


def stratified(
    hits: ArrayLike,
    sampled: ArrayLike,
    sizes: ArrayLike,
    *,
    level: float = 0.95,
    total: bool = False,
    finite: bool = False,
) -> Estimate:
    """Proportion (or total) in a population from a stratified random sample.

    Jeffreys' interval in each stratum, combined by MOVER: with ``W_h = N_h / N``, ``p = sum W_h p_h``, the lower end
    is ``p - sqrt(sum W_h^2 (p_h - l_h)^2)`` and the upper one ``p + sqrt(sum W_h^2 (u_h - p_h)^2)``. Unlike a normal
    interval it does not collapse where a stratum shows no hit.

    Parameters
    ----------
    hits : array-like of shape (n_strata,)
        Hits found in the sample of each stratum.
    sampled : array-like of shape (n_strata,)
        Rows sampled in each stratum.
    sizes : array-like of shape (n_strata,)
        Rows of the population in each stratum. A stratum of size 0 is ignored.
    level : float, default=0.95
        Nominal coverage.
    total : bool, default=False
        Give the number of hits in the population in place of the proportion.
    finite : bool, default=False
        Shrink each stratum's distances by ``sqrt(1 - n_h / N_h)``: a stratum seen whole is then known. The default is
        wider, and right where the rows themselves are a sample of something larger.

    Returns
    -------
    Estimate
        With ``n`` the number of rows sampled.

    References
    ----------
    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach".
    """
    k, n, size = _strata(hits, sampled, sizes)
    p_h, weight = k / n, size / size.sum()
    low_h, high_h = _jeffreys_ends(k, n, level)
    shrink = np.sqrt(1 - n / size) if finite else np.ones_like(size)
    p = float(weight @ p_h)
    low = max(0.0, p - float(np.linalg.norm(weight * (p_h - low_h) * shrink)))
    high = min(1.0, p + float(np.linalg.norm(weight * (high_h - p_h) * shrink)))
    scale = float(size.sum()) if total else 1.0
    method = "stratified, Jeffreys and MOVER" + (", finite population" if finite else "")
    return Estimate(scale * p, scale * low, scale * high, level, method, int(n.sum()))


def _jeffreys_ends(
    k: NDArray[np.float64], n: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import betaincinv

    normal_quantile(level)
    tail = (1 - level) / 2
    low = np.where(k == 0, 0.0, betaincinv(k + 0.5, n - k + 0.5, tail))
    high = np.where(k == n, 1.0, betaincinv(k + 0.5, n - k + 0.5, 1 - tail))
    # Near the ends at a low level the quantiles may pass by k / n; the interval must hold its own estimate.
    return np.minimum(low, k / n), np.maximum(high, k / n)


def normal_quantile(level: float) -> float:
    if not 0 < level < 1:
        msg = f"level={level!r} must lie strictly between 0 and 1, for example 0.95."
        raise InputError(msg)
    return NormalDist().inv_cdf(0.5 + level / 2)


def _strata(hits: ArrayLike, sampled: ArrayLike, sizes: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Validate a stratified sample and leave out strata of size 0."""
    k, n, size = vector_of(hits, "hits"), vector_of(sampled, "sampled"), vector_of(sizes, "sizes")
    if not len(k) == len(n) == len(size):
        msg = f"hits, sampled and sizes need one entry a stratum; they have {len(k)}, {len(n)} and {len(size)}."
        raise InputError(msg)
    bad = (k < 0) | (k > n) | (n > size)
    if bad.any():
        h = int(np.flatnonzero(bad)[0])
        msg = (
            f"stratum {h}: {k[h]:g} hits among {n[h]:g} sampled of {size[h]:g} rows; "
            "0 <= hits <= sampled <= size must hold. Rows drawn twice count once."
        )
        raise InputError(msg)
    used = size > 0
    if not used.any():
        raise InputError("every stratum has size 0: there is no population to estimate.")
    if (n[used] == 0).any():
        h = int(np.flatnonzero(used & (n == 0))[0])
        msg = f"stratum {h} has {size[h]:g} rows and none was sampled: sample it, or merge it with its neighbour."
        raise InputError(msg)
    return k[used], n[used], size[used]


def _counts(k: float, n: float) -> tuple[float, float]:
    k, n = float(k), float(n)
    if not (n > 0 and math.isfinite(n)):
        msg = f"n={n:g}: a proportion needs at least one trial."
        raise InputError(msg)
    if not 0 <= k <= n:
        msg = f"k={k:g} of n={n:g}: 0 <= k <= n must hold."
        raise InputError(msg)
    return k, n
