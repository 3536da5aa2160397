"""The pointwise form: P(labelled) = P(relevant) P(selected), fitted on the marginal likelihood of the labels.

For logistic models of both the maximum is found by scoring steps (Fisher's information, damped), a few passes over the
pairs in blocks. For any other classifiers it is the EM algorithm: soft labels, then two weighted fits.

References
----------
Bekker, Robberechts and Davis (2019), "Beyond the selected completely at random assumption for learning from positive
and unlabeled data" (the EM form).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Moments = tuple[Floats, Floats]
_BLOCK = 1 << 14  # pairs of a block: its columns and what is computed of them stay in the cache
_FEW = 40_000  # pairs that the first steps look at
_BORROWED = (
    6  # steps over all pairs that take the information of those few: it is half of the work, and nearly the same
)


@dataclass(frozen=True, eq=False)
class Start:
    """Where one start ended: the likelihood of the labels there, and the share of the unjudged that is relevant."""

    log_likelihood: float
    false_negative_rate: float


@dataclass(frozen=True, eq=False)
class Marginal:
    """Two logistic models: weights, the intercept last, on the columns as they are given.

    Attributes
    ----------
    relevance : (p + 1,) float64
    selection : (q + 1,) float64
    log_likelihood : float
        Of all labels.
    starts : tuple of Start
        Where each start ended, on the pairs that the starts were compared on.
    steps : int
        Passes over the pairs.
    converged : bool
    """

    relevance: Floats
    selection: Floats
    log_likelihood: float
    starts: tuple[Start, ...]
    steps: int
    converged: bool


def false_negative_chance(r: Floats, s: Floats) -> Floats:
    """Return P(relevant | unjudged) = r (1 - s) / (1 - r s), 0 where that is 0 / 0."""
    rest = (1 - r) + r * (1 - s)
    out: Floats = np.divide(r * (1 - s), rest, out=np.zeros_like(rest), where=rest > 0)
    return out


def fit_marginal(
    x: Any, z: Any, y: Labels, *, l2: float = 1e-4, n_starts: int = 4, seed: int = 0, max_steps: int = 300
) -> Marginal:
    """Fit both logistic models by the marginal likelihood of the labels.

    Parameters
    ----------
    x, z : arrays of shape (n, p) and (n, q)
        What relevance and selection are read from.
    y : (n,) int8
        1 labelled relevant, 0 judged not relevant, -1 unjudged.
    l2 : float, default=1e-4
        Penalty on the weights of standardised columns, for each pair: it keeps them finite where labels separate.
    n_starts : int, default=4
        The likelihood has several maxima where the two models can be exchanged; the best start is kept, and how far
        apart the others end is told.
    seed : int, default=0
    max_steps : int, default=300
    """
    data = _Data(x, z, y)
    few = data.part(_FEW) if data.n > 2 * _FEW else data
    rng = np.random.default_rng(seed)
    ends = [_climb(few, _first(few, k, rng), l2, max_steps) for k in range(n_starts)]
    best = max(ends, key=lambda end: -end[1])
    theta, loss, steps, done = best
    if few is not data:
        theta, loss, more, done = _climb(data, theta, l2, max_steps, few.step(theta)[2])
        steps += more
    starts = tuple(Start(few.likelihood(end[0], end[1], l2), few.rate(end[0])) for end in ends)
    p = data.p
    return Marginal(
        data.raw(theta[: p + 1], data.x_mean, data.x_scale),
        data.raw(theta[p + 1 :], data.z_mean, data.z_scale),
        data.likelihood(theta, loss, l2),
        starts,
        steps,
        done,
    )


class _Data:
    """The pairs, and their columns' means and scales; standardised a block at a time."""

    def __init__(self, x: Any, z: Any, y: Labels, *, like: _Data | None = None) -> None:
        self.x, self.z, self.y = x, z, y
        self.n, self.p, self.q = len(y), x.shape[1], z.shape[1]
        self.moments: tuple[Moments, Moments] = (_moments(x), _moments(z)) if like is None else like.moments
        (self.x_mean, self.x_scale), (self.z_mean, self.z_scale) = self.moments

    def part(self, n: int) -> _Data:
        """Return some of the pairs, standardised as all are: evenly down the rows of each verdict."""
        order = np.argsort(self.y, kind="stable")
        rows = np.sort(order[np.linspace(0, self.n - 1, n).astype(np.int64)])
        return _Data(self.x[rows], self.z[rows], self.y[rows], like=self)

    def weighed(self, theta: Floats) -> Floats:
        """Return theta with the intercepts 0: they carry no penalty."""
        out = theta.copy()
        out[[self.p, -1]] = 0
        return out

    def raw(self, w: Floats, mean: Floats, scale: Floats) -> Floats:
        """Return weights on the columns as they were given."""
        out = np.append(w[:-1] / scale, 0.0)
        out[-1] = w[-1] - out[:-1] @ mean
        return out

    def likelihood(self, theta: Floats, loss: float, l2: float) -> float:
        """Return the log likelihood of all labels, from a penalised loss."""
        return (0.5 * l2 * float(self.weighed(theta) @ theta) - loss) * self.n

    def blocks(self) -> Any:
        """Yield standardised columns [x, 1, z, 1] and labels, a block at a time, in one buffer."""
        buffer = np.empty((min(_BLOCK, self.n), self.p + self.q + 2))
        for start in range(0, self.n, _BLOCK):
            part = slice(start, min(start + _BLOCK, self.n))
            a = buffer[: part.stop - part.start]
            np.subtract(self.x[part], self.x_mean, out=a[:, : self.p])
            a[:, : self.p] /= self.x_scale
            np.subtract(self.z[part], self.z_mean, out=a[:, self.p + 1 : -1])
            a[:, self.p + 1 : -1] /= self.z_scale
            a[:, [self.p, -1]] = 1.0
            yield a, self.y[part]

    def rate(self, theta: Floats) -> float:
        """Return the mean P(relevant) of the unjudged pairs."""
        total, n = 0.0, 0
        for a, y in self.blocks():
            r, s, _, _ = _chances(a, theta, self.p)
            chance = false_negative_chance(r, s)[y < 0]
            total, n = total + float(chance.sum()), n + len(chance)
        return total / max(n, 1)

    def step(self, theta: Floats, borrowed: Floats | None = None) -> tuple[float, Floats, Floats]:
        """Return the mean negative log likelihood, its gradient, and Fisher's information, each a pair's mean.

        The information is not computed where another one is `borrowed`.
        """
        k = len(theta)
        total, gradient, information = 0.0, np.zeros(k), np.zeros((k, k))
        for a, y in self.blocks():
            r, s, no_r, no_s = _chances(a, theta, self.p)
            none = no_r + r * no_s  # 1 - r s, without cancellation
            total += _log_likelihood(r, s, no_r, no_s, y).sum()
            labelled, judged = y == 1, y == 0
            tiny = np.maximum(none, 1e-300)
            slope_f = np.where(labelled, no_r, np.where(judged, -r, -r * no_r * s / tiny))
            slope_g = np.where(labelled | judged, no_s, -s * no_s * r / tiny)
            gradient[: self.p + 1] -= a[:, : self.p + 1].T @ slope_f
            gradient[self.p + 1 :] -= a[:, self.p + 1 :].T @ slope_g
            if borrowed is None:
                information += self._information(a, r, s, no_r, no_s, tiny, judged)
        return -total / self.n, gradient / self.n, information / self.n if borrowed is None else borrowed

    def _information(
        self, a: Floats, r: Floats, s: Floats, no_r: Floats, no_s: Floats, none: Floats, judged: NDArray[np.bool_]
    ) -> Floats:
        """Add up a block's information: of rank one a pair for "labelled or not", and of two where it was judged."""
        scale = np.sqrt(r * s / none)
        left, right = scale * no_r, scale * no_s
        extra = np.zeros((a.shape[1], a.shape[1]))
        if judged.any():
            left[judged] = right[judged] = 0.0
            cut = self.p + 1
            for part, weight in ((slice(0, cut), r * no_r), (slice(cut, None), s * no_s)):
                own = a[judged, part]
                extra[part, part] = own.T @ (own * weight[judged, None])
        a[:, : self.p + 1] *= left[:, None]  # the buffer is filled again for the next block
        a[:, self.p + 1 :] *= right[:, None]
        out: Floats = a.T @ a + extra
        return out


def _moments(x: Any) -> Moments:
    """Mean and standard deviation of the columns; a column that does not vary gets scale 1."""
    mean = np.asarray(x.mean(axis=0, dtype=np.float64))
    square = np.zeros(x.shape[1])
    for start in range(0, len(x), _BLOCK):
        square += ((x[start : start + _BLOCK] - mean) ** 2).sum(axis=0)
    scale = np.sqrt(square / len(x))
    return mean, np.where(scale > 1e-12 * (1 + np.abs(mean)), scale, 1.0)


def _chances(a: Floats, theta: Floats, p: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return P(relevant), P(selected), and one less each, none of them by cancellation."""
    sides = []
    for score in (a[:, : p + 1] @ theta[: p + 1], a[:, p + 1 :] @ theta[p + 1 :]):
        small = np.exp(-np.abs(score))
        low, high = small / (1 + small), 1 / (1 + small)
        up = score > 0
        sides.append((np.where(up, high, low), np.where(up, low, high)))
    (r, no_r), (s, no_s) = sides
    return r, s, no_r, no_s


def _log_likelihood(r: Floats, s: Floats, no_r: Floats, no_s: Floats, y: Labels) -> Floats:
    """Log r s where labelled, log s (1 - r) where judged not relevant, log(1 - r s) where unjudged."""
    chance = np.where(y == 1, r * s, np.where(y == 0, s * no_r, no_r + r * no_s))
    out: Floats = np.log(np.maximum(chance, 1e-300))
    return out


def _first(data: _Data, k: int, rng: np.random.Generator) -> Floats:
    """Return a start: the plain one first, then random weights and shares."""
    theta = np.zeros(data.p + data.q + 2)
    share = float(np.clip((data.y == 1).mean(), 1e-6, 0.9))
    split = 0.5 if k == 0 else rng.uniform(0.15, 0.85)
    for at, power in ((data.p, split), (-1, 1 - split)):
        chance = share**power
        theta[at] = np.log(chance / (1 - chance))
    if k:
        theta += data.weighed(rng.normal(0, 1.0, len(theta)))
    return theta


def _climb(
    data: _Data, theta: Floats, l2: float, max_steps: int, borrowed: Floats | None = None
) -> tuple[Floats, float, int, bool]:
    """Take damped scoring steps until what a step could gain is below rounding: minimise loss + l2 |w|^2 / 2."""
    ridge = l2 * data.weighed(np.ones_like(theta))
    damping = 1e-4 if borrowed is None else 1e-9
    loss, slope, information = data.step(theta, borrowed)
    loss += 0.5 * float(ridge @ theta**2)
    for done in range(1, max_steps + 1):
        if done > _BORROWED and borrowed is not None:
            borrowed, (_, slope, information) = None, data.step(theta)
        gradient = slope + ridge * theta
        lhs = information + np.diag(ridge)
        while True:
            move = -np.linalg.solve(lhs + damping * np.diag(np.diag(lhs) + 1e-10), gradient)
            if -(gradient @ move) < 1e-11 * max(1.0, loss):
                return theta, loss, done, True
            tried = theta + move
            new, slope_new, information_new = data.step(tried, borrowed)
            new += 0.5 * float(ridge @ tried**2)
            if new < loss:
                break
            damping *= 10
            if damping > 1e8:
                return theta, loss, done, True
        damping = max(damping / 5, 1e-9)
        theta, loss, slope, information = tried, new, slope_new, information_new
    return theta, loss, max_steps, False


def fit_any(relevance: Any, selection: Any, x: Any, z: Any, y: Labels, *, max_steps: int, tol: float = 1e-4) -> int:
    """Run the EM algorithm with two classifiers that take weights; they are left fitted. Returns the rounds."""
    labelled, unjudged = y == 1, y < 0
    r, s = (np.full(len(y), np.sqrt(max(labelled.mean(), 1e-6))) for _ in range(2))
    chance = np.zeros(len(y))
    for done in range(1, max_steps + 1):
        rest = (1 - r) + r * (1 - s)
        relevant = np.where(unjudged, r * (1 - s) / np.maximum(rest, 1e-300), labelled.astype(np.float64))
        selected = np.where(unjudged, (1 - r) * s / np.maximum(rest, 1e-300), 1.0)
        r = _weighted(relevance, x, relevant, "relevance_estimator")
        s = _weighted(selection, z, selected, "selection_estimator")
        new = false_negative_chance(r, s)
        moved = float(np.abs(new - chance)[unjudged].mean()) if unjudged.any() else 0.0
        chance = new
        if done > 1 and moved < tol:
            break
    return done


def _weighted(model: Any, x: Any, chance: Floats, name: str) -> Floats:
    """Fit a classifier to soft labels: each row once as 1 and once as 0, weighed; return P(1)."""
    one, zero = np.flatnonzero(chance > 0), np.flatnonzero(chance < 1)
    rows = np.concatenate([one, zero])
    target = np.repeat([1, 0], [len(one), len(zero)])
    weight = np.concatenate([chance[one], 1 - chance[zero]])
    try:
        model.fit(x[rows], target, sample_weight=weight)
        value = np.asarray(model.predict_proba(x), dtype=np.float64)
    except (TypeError, AttributeError) as error:
        msg = f"{name}={type(model).__name__} takes no sample_weight or has no predict_proba: choose another"
        raise InputError(msg) from error
    out: Floats = np.clip(value[:, list(model.classes_).index(1)], 1e-9, 1 - 1e-9)
    return out
