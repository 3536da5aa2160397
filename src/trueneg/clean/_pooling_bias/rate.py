"""How many unjudged pairs are relevant: what the model says, and what a review knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, jeffreys


def estimate_false_negative_rate(probability: ArrayLike, *, reviewed: ArrayLike | None = None) -> Estimate:
    """Estimate which share of a list of unjudged pairs is relevant.

    Parameters
    ----------
    probability : (n,) float
        P(relevant | unjudged) of each pair of the list, from :class:`PoolingBiasCorrector`.
    reviewed : (n,) int, optional
        Verdicts of a random sample of the list: 1 relevant, 0 not, -1 not reviewed. Draw it at random
        (``trueneg review`` does): the most suspicious pairs first would make every share too high.

    Returns
    -------
    Estimate
        With `reviewed`: the share of the sample and Jeffreys' interval, whatever the model says. Without: the mean of
        the probabilities, "model-based", with the interval from 0 to 1, since the labels alone bound nothing: under a
        pool the model was measured 2 to 5 times too high, and intervals made from it held the truth in 0 to half of the
        draws.

    Raises
    ------
    InputError
        Probabilities outside 0 to 1, an empty list, verdicts of another length or none.
    """
    chance = np.asarray(probability, dtype=np.float64)
    if chance.ndim != 1 or not chance.size or not ((chance >= 0) & (chance <= 1)).all():
        raise InputError("probability must hold one number within 0 and 1 a pair, and one pair at least")
    if reviewed is None:
        return Estimate(float(chance.mean()), 0.0, 1.0, 0.95, "model-based, nothing reviewed: no promise", None)
    verdict: Any = np.asarray(reviewed)
    if verdict.shape != chance.shape or not np.isin(verdict, (-1, 0, 1)).all():
        raise InputError("reviewed must hold 1, 0 or -1 (not reviewed) for each pair of the list")
    n = int((verdict >= 0).sum())
    if not n:
        raise InputError("reviewed names no pair: judge a random sample (60 pairs give about +-.10), or leave it out")
    return jeffreys(int((verdict == 1).sum()), n)
