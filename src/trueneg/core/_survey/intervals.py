"""The two intervals, one from the sample alone and one by the recalibrated ranking, and their guard."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._survey.sample import REST, TOP
from trueneg.core.intervals import Estimate, stratified

if TYPE_CHECKING:
    from trueneg.core._survey.sample import Floats, Sample


# Priors of (alpha', beta') in sigmoid(alpha' l + beta'): the stated probability is about right (alpha' = 1,
# beta' = 0), its odds off by a factor of 10 at two deviations. Set on other data than the coverage test's.
_ALPHA, _ALPHA_SD, _N_ALPHA = 1.0, 0.35, 39
_BETA, _BETA_SD, _N_BETA = 0.0, 1.2, 65
_BINS = 200
_CLIP = 1e-6


def model_free(
    sample: Sample, said: NDArray[np.int8], mask: NDArray[np.bool_], level: float, *, total: bool
) -> tuple[Estimate, Floats, tuple[str, ...]]:
    """Return the stratified estimate over the rows of ``mask``, the rows each answer stands for, and notes."""
    n_strata = len(sample.sizes)
    inside = mask[sample.rows]
    judged = (said >= 0) & inside
    size = np.bincount(sample.member[mask], minlength=n_strata)
    n = np.bincount(sample.stratum[judged], minlength=n_strata)
    if not n.any():
        return Estimate(math.nan, 0.0, 1.0, level, "no suspect was judged", 0), np.zeros(len(said)), ()
    lonely = np.flatnonzero((size > 0) & (n == 0))
    have = np.flatnonzero(n > 0)
    into = np.arange(n_strata)
    # A stratum without an answer joins the nearest one that has some; strata are listed class by class, top down.
    into[lonely] = have[np.abs(have[None, :] - lonely[:, None]).argmin(axis=1)] if len(lonely) else 0
    notes = tuple(
        f"No answer in '{sample.names[h]}' ({size[h]:,} rows): taken together with '{sample.names[into[h]]}'."
        for h in lonely.tolist()
    )
    size = np.bincount(into, weights=size, minlength=n_strata)
    hits = np.bincount(sample.stratum[judged & (said == 1)], minlength=n_strata)
    used = n > 0
    found = stratified(hits[used], n[used], size[used], level=level, total=total, finite=True)
    weight = np.where(judged, size[sample.stratum] / np.maximum(n[sample.stratum], 1), 0.0)
    return found, weight, notes


def supports(kind: NDArray[np.int64], hits: NDArray[Any]) -> bool:
    """Tell whether the answers support the ranking: else the model may not bound the number from above."""
    top, rest = float(hits[kind == TOP].sum()), float(hits[kind == REST].sum())
    return top >= 3 and top >= 2 * rest + 1


def bounded(found: Estimate, least: float, most: float) -> Estimate:
    """What was judged is known: no interval goes below the wrong labels found or above all but the right ones."""
    low, high = max(found.low, least), min(found.high, most)
    return replace(found, low=min(low, found.value), high=max(high, found.value))


def join(free: Estimate, model: Estimate, supported: bool) -> Estimate:
    low = min(free.low, model.low)
    if not supported:
        return replace(free, low=low, method="joint: model-free, the ranking is not supported")
    high = min(free.high, model.high)
    value = min(max(model.value, low), high)
    return Estimate(value, low, high, free.level, "joint: model's upper end, the smaller lower end", free.n)


def logit_of(p: Floats) -> Floats:
    q = np.clip(p, _CLIP, 1 - _CLIP)
    return np.log(q) - np.log1p(-q)


def sigmoid(x: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(x)
    return out


def in_bins(x: Floats, hits: Floats, over: Floats, count: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """Return mean logit, count and hits in 200 equally wide bins over the range of ``over``, empty ones kept."""
    place = _places(x, over)
    c = np.ones(len(x)) if count is None else count
    n = _sums(place, c)
    return _sums(place, c * x) / np.where(n > 0, n, 1.0), n, _sums(place, hits)


def _places(x: Floats, over: Floats) -> NDArray[np.int64]:
    low, high = float(over.min()), float(over.max())
    if not high > low:
        return np.zeros(len(x), dtype=np.int64)
    # Equally wide, not equally full: the few rows at the top carry the errors.
    return np.minimum(((x - low) / (high - low) * _BINS).astype(np.int64), _BINS - 1)


def strata_in_bins(x: Floats, p: Floats, member: NDArray[np.integer], strata: int) -> tuple[Floats, Floats, Floats]:
    """Return rows, sums of ``x`` and sums of ``p`` in the bins of :func:`in_bins`, by stratum: (strata, bins) each."""
    place = member.astype(np.int64) * _BINS + _places(x, x)
    size = strata * _BINS
    sums = [np.bincount(place, w, size).astype(np.float64).reshape(strata, _BINS) for w in (None, x, p)]
    return sums[0], sums[1], sums[2]


def _sums(place: NDArray[np.int64], values: Floats) -> Floats:
    return np.bincount(place, weights=values, minlength=_BINS).astype(np.float64)


def by_model(
    rows: tuple[Floats, Floats, Floats], seen: tuple[Floats, Floats, Floats], found: float, level: float
) -> tuple[Estimate, float, float]:
    """Return the posterior of the total (wrong labels found + those among rows not judged), and of alpha', beta'."""
    from scipy.special import ndtr

    alpha, beta, weight = _posterior(seen)
    x, n, _ = rows
    unseen = np.maximum(n - seen[1], 0.0)
    kept = unseen > 1e-9  # expected answers come in fractions, and rounding is no row
    # A bin's rows that were judged leave it; the mean of the others moves accordingly.
    rest = (n * x - seen[1] * seen[0])[kept] / unseen[kept]
    mu = sigmoid(alpha[:, None] * rest + beta[:, None])
    mean = found + mu @ unseen[kept]
    # The number of wrong labels is one outcome, not an expectation: each unseen row adds its own chance.
    sd = np.sqrt(np.maximum((mu * (1 - mu)) @ unseen[kept], 1e-18))
    ends = []
    for tail in ((1 - level) / 2, 0.5, (1 + level) / 2):
        low, high = float((mean - 10 * sd).min()), float((mean + 10 * sd).max())
        for _ in range(50):
            mid = (low + high) / 2
            low, high = (mid, high) if float(weight @ ndtr((mid - mean) / sd)) < tail else (low, mid)
        ends.append(min(max((low + high) / 2, found), found + float(unseen.sum())))
    answered = int(round(float(seen[1].sum())))
    made = Estimate(ends[1], ends[0], ends[2], level, "model: posterior of the recalibrated probabilities", answered)
    return made, float(weight @ alpha), float(weight @ beta)


def _posterior(seen: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return grid points and weights of the posterior of (alpha', beta'), points of no weight left out."""
    a = _ALPHA + _ALPHA_SD * np.linspace(-3.5, 3.5, _N_ALPHA)
    b = _BETA + _BETA_SD * np.linspace(-4.0, 4.0, _N_BETA)
    alpha, beta, weight = _weigh(a, b, seen)
    # Many answers make the posterior narrower than the grid's steps: then look again, closer.
    for _ in range(2):
        centre = [float(weight @ v) for v in (alpha, beta)]
        sd = [math.sqrt(float(weight @ (v - m) ** 2)) for v, m in zip((alpha, beta), centre, strict=True)]
        steps = [float(a[1] - a[0]), float(b[1] - b[0])]
        if sd[0] >= 1.5 * steps[0] and sd[1] >= 1.5 * steps[1]:
            break
        reach = [5 * max(s, step / 2) for s, step in zip(sd, steps, strict=True)]
        a = np.linspace(centre[0] - reach[0], centre[0] + reach[0], _N_ALPHA)
        b = np.linspace(centre[1] - reach[1], centre[1] + reach[1], _N_BETA)
        alpha, beta, weight = _weigh(a, b, seen)
    kept = weight > 1e-10
    return alpha[kept], beta[kept], weight[kept] / weight[kept].sum()


def _weigh(a: Floats, b: Floats, seen: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    from scipy.special import log_expit

    x, n, hits = (v[seen[1] > 0] for v in seen)
    alpha, beta = np.repeat(a, len(b)), np.tile(b, len(a))
    right = n - hits
    # log(1 - sigmoid(z)) is log(sigmoid(z)) - z, and z is linear: one logarithm serves both kinds of answers.
    log = log_expit(alpha[:, None] * x + beta[:, None]) @ n - alpha * float(x @ right) - beta * float(right.sum())
    log -= ((alpha - _ALPHA) / _ALPHA_SD) ** 2 / 2 + ((beta - _BETA) / _BETA_SD) ** 2 / 2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    return alpha, beta, weight
