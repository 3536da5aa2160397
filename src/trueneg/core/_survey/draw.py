"""Before the review: draw the rows, and say what judging them is expected to be worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._survey.intervals import by_model, join, logit_of, strata_in_bins, supports
from trueneg.core._survey.sample import (
    OTHER_SAMPLE,
    allocate,
    checked_probabilities,
    class_codes,
    layout,
    levels_for,
    with_rows,
)
from trueneg.core.errors import InputError
from trueneg.core.intervals import stratified

if TYPE_CHECKING:
    from trueneg.core._survey.sample import Floats, Sample


@dataclass(frozen=True)
class Width:
    """What a review of ``n`` rows is expected to be worth, if the probabilities are right.

    Attributes
    ----------
    n : int
        Rows to judge.
    share : float
        Expected width of the interval, as a share of all rows.
    rows : float
        The same as a number of rows.
    model_free, model : float
        Width of either interval, as a share.
    supported : bool
        Whether the expected answers support the ranking, so that the model's upper end counts.
    expected : float
        Number of wrong labels by the probabilities.
    """

    n: int
    share: float
    rows: float
    model_free: float
    model: float
    supported: bool
    expected: float


def plan(
    probability: ArrayLike,
    *,
    n: int = 60,
    width: float | None = None,
    level: float = 0.95,
    by: ArrayLike | None = None,
    random_state: int | np.random.Generator = 0,
    earlier: Sample | None = None,
) -> Sample:
    """Draw the rows to judge: a random sample, stratified by rank.

    The strata are the top ``m = clip(round(sum probability), 20, N / 4)`` rows, the next ``3 m``, and the rest (merged
    into the next where it holds fewer than 20 rows). Each gets an equal share; what a small one cannot take goes to
    the others. Where all probabilities are equal there is no rank and one stratum.

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
        Of being wrong, in [0, 1]. Ties are ranked by row number.
    n : int, default=60
        Rows to draw (in this round). With more than there are, all are drawn.
    width : float or None, default=None
        In place of ``n``: the wished width of the interval as a share of all rows; see :func:`n_for_width`.
    level : float, default=0.95
        Level of the interval that ``width`` speaks of.
    by : array-like of shape (n_rows,) or None, default=None
        Classes: each then has strata of its own.
    random_state : int or Generator, default=0
        Draws the rows.
    earlier : Sample or None, default=None
        Add a round to this sample, drawn with the same probabilities and classes: its rows stay, none is drawn
        twice, and every inclusion probability is that of both rounds together. The answers to the earlier round
        must not decide which stratum gets more, and here they do not.

    Returns
    -------
    Sample
        With ``earlier``, its rows first.

    Raises
    ------
    InputError
        Probabilities outside [0, 1] or missing, ``n`` below 1, fewer rows than classes, or an earlier sample of other
        probabilities.
    """
    p = checked_probabilities(probability)
    codes = class_codes(by, len(p))
    if width is not None:
        n = _rows_for_width(p, codes, width, level) - (0 if earlier is None else len(earlier.rows))
        n = max(n, 0 if earlier is not None else 1)
    elif n < 1:
        msg = f"n={n}: a review needs at least one row."
        raise InputError(msg)
    base = layout(p, codes, levels_for(n, codes) if earlier is None else earlier.levels)
    if earlier is None:
        earlier = base
    elif earlier.design != base.design:
        raise InputError(OTHER_SAMPLE)
    rng = np.random.default_rng(random_state)
    share = allocate(base.sizes, n, earlier.drawn)
    free = np.ones(len(p), dtype=bool)
    free[earlier.rows] = False
    picks = [
        rng.choice(np.flatnonzero(free & (base.member == h)), k, replace=False) for h, k in enumerate(share.tolist())
    ]
    new = rng.permutation(np.concatenate(picks)).astype(np.int64)
    next_round = int(earlier.round.max()) + 1 if len(earlier.rows) else 0
    rounds = np.append(earlier.round, np.full(len(new), next_round))
    return with_rows(base, np.append(earlier.rows, new), rounds)


def expected_width(probability: ArrayLike, n: int = 60, *, level: float = 0.95, by: ArrayLike | None = None) -> Width:
    """Say what ``n`` rows are expected to be worth before anybody judges one.

    The answers are set to what the probabilities promise. If the ranking turns out worthless, the width is that of
    the sample alone (``model_free``).

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
    n : int, default=60
    level : float, default=0.95
    by : array-like of shape (n_rows,) or None, default=None

    Returns
    -------
    Width
    """
    p = checked_probabilities(probability)
    if n < 1:
        msg = f"n={n}: a review needs at least one row."
        raise InputError(msg)
    return _expected(p, class_codes(by, len(p)), n, level)


def n_for_width(probability: ArrayLike, width: float, *, level: float = 0.95, by: ArrayLike | None = None) -> int:
    """Return how many rows a wished width needs, if the probabilities are right.

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
    width : float
        Of the interval, end to end, as a share of all rows: above 0.
    level : float, default=0.95
    by : array-like of shape (n_rows,) or None, default=None

    Returns
    -------
    int
        At most ``n_rows``: who judges all of them knows the number.
    """
    p = checked_probabilities(probability)
    return _rows_for_width(p, class_codes(by, len(p)), width, level)


class _Promise:
    """What the probabilities of a population promise of a sample of any size; its ranking is made once.

    All that depends on the rows is summed by stratum and bin, so that one more size costs nothing that grows with them.
    """

    def __init__(self, p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], level: float) -> None:
        self.p, self.codes, self.level = p, codes, level
        self._logit = logit_of(p)
        self._made: dict[int, tuple[Sample, Floats, tuple[Floats, Floats, Floats]]] = {}

    def _strata(self, levels: int) -> tuple[Sample, Floats, tuple[Floats, Floats, Floats]]:
        """Return the strata, the mean probability of each, and their rows in bins."""
        if levels not in self._made:
            base = layout(self.p, self.codes, levels)
            n = len(base.sizes)
            mean = np.bincount(base.member, weights=self.p, minlength=n) / base.sizes
            self._made[levels] = base, mean, strata_in_bins(self._logit, self.p, base.member, n)
        return self._made[levels]

    def width(self, n: int) -> Width:
        """Run the estimate on the answers that the probabilities promise, in fractions of a row."""
        rows = len(self.p)
        n = min(n, rows)
        base, mean, (count, logit, wrong) = self._strata(levels_for(n, self.codes))
        share = allocate(base.sizes, n, np.zeros_like(base.sizes)).astype(np.float64)
        hits = share * mean
        free = stratified(hits, share, base.sizes, level=self.level, total=True, finite=True)
        inclusion = share / base.sizes
        whole = count.sum(axis=0)
        seen = inclusion @ count
        model, _, _ = by_model(
            (logit.sum(axis=0) / np.where(whole > 0, whole, 1.0), whole, whole),
            (inclusion @ logit / np.where(seen > 0, seen, 1.0), seen, inclusion @ wrong),
            float(hits.sum()),
            self.level,
        )
        supported = supports(base.kind, hits)
        joint = join(free, model, supported)
        widths = [(e.high - e.low) / rows for e in (joint, free, model)]
        return Width(n, widths[0], widths[0] * rows, widths[1], widths[2], supported, float(self.p.sum()))


def _expected(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], n: int, level: float) -> Width:
    return _Promise(p, codes, level).width(n)


def _rows_for_width(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], width: float, level: float) -> int:
    if not width > 0:
        msg = f"width={width}: give a share of the rows above 0, for example 0.02."
        raise InputError(msg)
    promise = _Promise(p, codes, level)
    low, high = len(codes[1]), len(p)  # the width falls with n but for rounding of the shares
    while low < high:
        mid = (low + high) // 2
        if promise.width(mid).share <= width:
            high = mid
        else:
            low = mid + 1
    return low
