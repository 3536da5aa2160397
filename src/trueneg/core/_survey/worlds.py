"""Worlds that fit the answers: how many labels may be wrong in each cell of a partition, drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._survey.answers import read_answers
from trueneg.core._survey.intervals import _posterior, in_bins, logit_of, sigmoid, supports
from trueneg.core._survey.sample import REST, checked_probabilities
from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core._survey.sample import Floats, Sample

_LEAST_IN_CELL = 5


def worlds(
    sample: Sample,
    answers: ArrayLike | Any,
    probability: ArrayLike,
    cell: ArrayLike,
    *,
    n_draws: int = 2000,
    random_state: int | np.random.Generator = 0,
) -> Floats:
    """Draw how many labels are wrong in each cell of a partition of the rows.

    What a review says of one number, :func:`~trueneg.core.survey.estimate` tells; what it says of a figure that mixes
    several (a corrected recall needs the wrong labels among predicted positives and among predicted negatives) follows
    from these draws: compute the figure in every world and take its quantiles.

    The rows of a stratum and cell that nobody judged are drawn from the sample alone (Jeffreys' posterior; with fewer
    than five answers one that begins at the model's guess with the weight of two answers). In the last stratum that is
    joined, rank by rank, with draws from the recalibrated ranking (the posterior of its two parameters, and each
    unseen row's chance) as the two intervals of the total are: the smaller one, if the answers support the ranking;
    else the smaller one in the lower half and the sample's own above.

    Parameters
    ----------
    sample : Sample
        From :func:`~trueneg.core.survey.plan`.
    answers, probability
        As in :func:`~trueneg.core.survey.estimate`.
    cell : array-like of int of shape (n_rows,)
        The cell of each row of the population, 0 and up: what the model predicts for it, for instance.
    n_draws : int, default=2000
        Worlds.
    random_state : int or Generator, default=0
        Seed.

    Returns
    -------
    (n_draws, n_cells) float64
        Wrong labels in each cell, the judged ones included.
    """
    p, said, where = checked_probabilities(probability), read_answers(sample, answers), np.asarray(cell)
    if where.shape != (sample.n_rows,) or len(p) != sample.n_rows:
        msg = (
            f"cell has shape {where.shape} and probability {p.shape}: give one entry for each of {sample.n_rows} rows."
        )
        raise InputError(msg)
    if not (said >= 0).any():
        raise InputError("no row has an answer: accept or reject at least one.")
    rng = np.random.default_rng(random_state)
    n_cells = int(where.max()) + 1
    supported = supports(sample.kind, np.bincount(sample.stratum[said == 1], minlength=len(sample.sizes)))
    model = _Model(sample, said, p, n_draws, rng)
    out = np.zeros((n_draws, n_cells))
    judged = said >= 0
    for h, kind in enumerate(sample.kind.tolist()):
        for c in np.unique(where[sample.member == h]).tolist():
            rows = (sample.member == h) & (where == c)
            mine = judged & rows[sample.rows]
            hits, n = int((said[mine] == 1).sum()), int(mine.sum())
            unseen = rows.copy()
            unseen[sample.rows[mine]] = False
            size = int(unseen.sum())
            guess = model.draw(unseen)
            if n >= _LEAST_IN_CELL:
                seen = rng.binomial(size, rng.beta(hits + 0.5, n - hits + 0.5, n_draws)).astype(float)
            else:
                # Too few answers to stand alone: the model says about where, with the weight of two answers.
                mean = np.clip(guess / max(size, 1), 1e-3, 1 - 1e-3)
                seen = rng.binomial(size, rng.beta(2 * mean + hits, 2 * (1 - mean) + n - hits)).astype(float)
            out[:, c] += hits + (seen if kind != REST else _joined(seen, guess, supported))
    return out


def _joined(free: Floats, model: Floats, supported: bool) -> Floats:
    """Join two draws rank by rank, as the two intervals of the total are joined, in the order of the model's."""
    ranked, other = np.sort(free), np.sort(model)
    smaller = other < ranked
    if not supported:
        smaller[len(free) // 2 :] = False
    out: Floats = np.where(smaller, other, ranked)[np.argsort(np.argsort(model, kind="stable"), kind="stable")]
    return out


class _Model:
    """The recalibrated ranking: draws of how many of some rows that nobody judged are wrong."""

    def __init__(
        self, sample: Sample, said: NDArray[np.int8], p: Floats, n_draws: int, rng: np.random.Generator
    ) -> None:
        self.logit, self.rng = logit_of(p), rng
        judged = said >= 0
        rows, wrong = sample.rows[judged], (said[judged] == 1).astype(np.float64)
        alpha, beta, weight = _posterior(in_bins(self.logit[rows], wrong, self.logit))
        pick = rng.choice(len(weight), n_draws, p=weight)
        self.alpha, self.beta = alpha[pick, None], beta[pick, None]

    def draw(self, mask: NDArray[np.bool_]) -> Floats:
        """Return the number of wrong ones among the rows of a mask, in every world; rows are summed in bins."""
        x, n, _ = in_bins(self.logit[mask], np.zeros(int(mask.sum())), self.logit)
        x, n = x[n > 0], n[n > 0]
        mu = sigmoid(self.alpha * x + self.beta)
        mean, sd = mu @ n, np.sqrt(np.maximum((mu * (1 - mu)) @ n, 0.0))
        out: Floats = np.clip(mean + sd * self.rng.standard_normal(len(mean)), 0.0, float(mask.sum()))
        return out
