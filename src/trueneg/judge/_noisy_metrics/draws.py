"""Draws of a table of counts, and the interval of what they say."""

from __future__ import annotations

import numpy as np

from trueneg.core.intervals import Estimate

Array = np.ndarray
_REACH = 8.0  # standard deviations of a law that are tabulated, with a constant for the skew of a short one
_DENSE = 2  # tabulated values to a draw, up to which a table is quicker: most have no chance worth a draw
_BRACKET = 32  # one value in so many tells where a quantile lies
_FEW = 2_000  # values up to which a plain search is as quick


def sample_counts(counts: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Multinomial draws (n_draws, 4) of the rows, ordered by the number predicted positive.

    The same law as ``rng.multinomial``: first the predicted-positive rows, then the labels within each column. Where
    the draws are more than the values that these can take, how often each value occurs is drawn in place of the
    values. Never pair two results draw by draw: their order makes them alike.
    """
    total = int(round(counts.sum()))
    tp, fp, fn, tn = (float(c) for c in counts)
    p, hit, missed = (
        (tp + fp) / (tp + fp + fn + tn),
        tp / (tp + fp) if tp > 0 else 0.0,
        fn / (fn + tn) if fn > 0 else 0.0,
    )
    wide = _width(total, p) * max(_width(total * p, hit), _width(total * (1 - p), missed))
    out = np.empty((4, n_draws))
    if wide > _DENSE * n_draws:
        # Equal trials lie together, so that the binomial sampler keeps its set-up from one draw to the next.
        predicted = np.sort(rng.binomial(total, p, size=n_draws))
        out[0], out[2] = rng.binomial(predicted, hit), rng.binomial(total - predicted, missed)
    else:
        values, chance = _law(np.array([total]), p)
        often = rng.multinomial(n_draws, chance[0])
        m, often = values[0, often > 0], often[often > 0]
        predicted = np.repeat(m, often)
        out[0] = _within(m, often, hit, rng)
        # Both are ordered where m is the same; the pairs must be random.
        out[2, _shuffled(often, rng)] = _within(total - m, often, missed, rng)
    out[1] = predicted - out[0]
    out[3] = total - predicted - out[2]
    return out.T


def _within(trials: Array, often: Array, p: float, rng: np.random.Generator) -> Array:
    """Draw Binomial(trials[g], p) often[g] times each; one group after the other, ordered within."""
    values, chance = _law(trials, p)
    return np.repeat(values.ravel(), rng.multinomial(often, chance).ravel())


def _shuffled(often: Array, rng: np.random.Generator) -> Array:
    """Return the places of group 0, group 1 ... of sizes ``often``, in random order within each."""
    group = np.repeat(np.arange(often.size, dtype=np.min_scalar_type(often.size)), often)
    places = rng.permutation(group.size)
    ordered: Array = places[np.argsort(group[places], kind="stable")]
    return ordered


def _width(trials: float, p: float) -> float:
    return 2 * _REACH * np.sqrt(trials * p * (1 - p) + 1) + 2 * _REACH


def _law(trials: Array, p: float) -> tuple[Array, Array]:
    """Return values (g, s) of Binomial(trials[g], p) and their chances; what is left out has less than 1e-15."""
    middle = np.floor(trials * p).astype(np.int64)
    half = int(np.ceil(_width(float(trials.max()), p) / 2))
    values = middle[:, None] + np.arange(-half, half + 1)
    n = trials[:, None].astype(float)
    inside = (values >= 0) & (values <= n)
    if p in (0.0, 1.0):
        return values, (values == n * p).astype(float)
    kept = np.where(inside, values, 0)
    # Ratios of neighbours, from the middle outwards, need no factorial of a large number.
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(inside, (n - kept + 1) / np.maximum(kept, 1) * (p / (1 - p)), 0.0)
    chance = np.ones(values.shape)
    chance[:, half + 1 :] = np.cumprod(up[:, half + 1 :], axis=1)
    down = np.divide(1.0, up[:, half:0:-1], out=np.zeros((len(n), half)), where=up[:, half:0:-1] > 0)
    chance[:, half - 1 :: -1] = np.cumprod(np.where(inside[:, half - 1 :: -1], down, 0.0), axis=1)
    return values, chance / chance.sum(axis=1, keepdims=True)


def interval(values: Array, point: float, level: float, method: str, n: int) -> Estimate:
    """Estimate with the equal-tailed interval of finite draws; NaN ends where none is finite."""
    kept = values if np.isfinite(values).all() else values[np.isfinite(values)]
    if kept.size == 0 or not np.isfinite(point):
        return Estimate(value=float(point), low=float("nan"), high=float("nan"), level=level, method=method, n=n)
    low, high = quantiles(kept, level)
    # A skewed law of draws may leave the point outside; the interval is then widened to hold it.
    return Estimate(
        value=float(point), low=min(low, float(point)), high=max(high, float(point)), level=level, method=method, n=n
    )


def quantiles(values: Array, level: float) -> tuple[float, float]:
    """Return the order statistics at both ends of the middle ``level`` of finite values (m,), the outer ones."""
    tail = (1.0 - level) / 2.0
    at = int(np.floor(tail * (values.size - 1)))
    other = values.size - 1 - int(np.ceil((1.0 - tail) * (values.size - 1)))
    return _smallest(values, at), -_smallest(-values, other)


def _smallest(values: Array, at: int) -> float:
    """Return the value at place ``at`` in ascending order; the search is among the values below a bracket."""
    if values.size > _FEW and at < values.size // 4:
        some = np.sort(values[::_BRACKET])
        share = at / values.size
        spare = 5 * np.sqrt(share * (1 - share) * some.size) + 2
        low = values[values <= some[min(int(share * some.size + spare), some.size - 1)]]
        if low.size > at:
            values = low
    return float(np.partition(values, at)[at])
