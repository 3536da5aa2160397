"""Worlds that fit the answers: how many labels may be wrong in each cell of a partition, drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._survey.answers import read_answers
from trueneg.core._survey.intervals import _posterior, in_bins, logit_of, sigmoid, supports
from trueneg.core._survey.sample import checked_probabilities
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

    Worlds come from the sample alone (in each stratum, by cell where it has five answers or more in it, a Jeffreys
    posterior for the rows not judged) and from the recalibrated ranking (the posterior of the two parameters, and each
    unseen row's chance). Both are ordered by their total and joined rank by rank as the interval of the total is: the
    smaller one, if the answers support the ranking; else the smaller one in the lower half and the sample's own above.

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
        Wrong labels in each cell, the judged ones included; ordered by total, so never pair two results row by row.
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
    free = _by_total(_free(sample, said, where, n_cells, n_draws, rng))
    model = _by_total(_model(sample, said, p, where, n_cells, n_draws, rng))
    supported = supports(sample.kind, np.bincount(sample.stratum[said == 1], minlength=len(sample.sizes)))
    smaller = model.sum(axis=1) < free.sum(axis=1)
    if not supported:
        smaller &= np.arange(n_draws) < n_draws // 2
    out: Floats = np.where(smaller[:, None], model, free)
    return out


def _by_total(drawn: Floats) -> Floats:
    out: Floats = drawn[np.argsort(drawn.sum(axis=1), kind="stable")]
    return out


def _free(
    sample: Sample, said: NDArray[np.int8], where: NDArray[Any], n_cells: int, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Draw from the sample alone, stratum by stratum."""
    out = np.zeros((n_draws, n_cells))
    judged = said >= 0
    stratum, cell, wrong = sample.stratum[judged], where[sample.rows[judged]], said[judged] == 1
    have = np.unique(stratum)
    for h in range(len(sample.sizes)):
        # A stratum without an answer borrows those of the nearest one, as the estimate does.
        mine = stratum == have[np.abs(have - h).argmin()]
        whole = rng.beta(wrong[mine].sum() + 0.5, (~wrong[mine]).sum() + 0.5, n_draws)
        size = np.bincount(where[sample.member == h], minlength=n_cells)
        for c in np.flatnonzero(size).tolist():
            inside = mine & (cell == c)
            seen = inside & (stratum == h)
            # Half a hit for each of many cells would add up to errors that nobody saw.
            own = inside.sum() >= _LEAST_IN_CELL
            rate = rng.beta(wrong[inside].sum() + 0.5, (~wrong[inside]).sum() + 0.5, n_draws) if own else whole
            out[:, c] += wrong[seen].sum() + rate * (size[c] - seen.sum())
    return out


def _model(
    sample: Sample,
    said: NDArray[np.int8],
    p: Floats,
    where: NDArray[Any],
    n_cells: int,
    n_draws: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw from the posterior of the recalibrated ranking; the rows of a cell not judged are summed in bins."""
    logit = logit_of(p)
    judged = said >= 0
    rows, wrong = sample.rows[judged], said[judged] == 1
    alpha, beta, weight = _posterior(in_bins(logit[rows], wrong.astype(np.float64), logit))
    pick = rng.choice(len(weight), n_draws, p=weight)
    unseen = np.ones(len(p), bool)
    unseen[rows] = False
    out = np.empty((n_draws, n_cells))
    for c in range(n_cells):
        mine = unseen & (where == c)
        x, n, _ = in_bins(logit[mine], np.zeros(int(mine.sum())), logit)
        x, n = x[n > 0], n[n > 0]
        mu = sigmoid(alpha[pick, None] * x + beta[pick, None])
        mean, sd = mu @ n, np.sqrt(np.maximum((mu * (1 - mu)) @ n, 0.0))
        found = float(wrong[where[rows] == c].sum())
        out[:, c] = found + np.clip(mean + sd * rng.standard_normal(n_draws), 0.0, float(mine.sum()))
    return out
