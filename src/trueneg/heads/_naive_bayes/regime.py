"""Which of the two, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.heads._naive_bayes.curve import SampleComplexityCurve

__all__ = ["Advice", "measure_regime", "regime_advice"]

Choice = Literal["generative", "discriminative", "either"]


@dataclass(frozen=True)
class Advice:
    """Which of naive Bayes and logistic regression to take.

    Attributes
    ----------
    choose : {"generative", "discriminative", "either"}
        Naive Bayes, logistic regression, or neither is told to be better.
    words : str
        The same in a sentence or two; also what ``str`` gives.
    measured : bool
        False for a rule of thumb.
    crossing : Estimate or None
        Rows from which on logistic regression is better; None where nothing was measured, or where the curves do not
        cross in that direction.
    curve : SampleComplexityCurve or None
        What was measured.
    """

    choose: Choice
    words: str
    measured: bool
    crossing: Estimate | None = None
    curve: SampleComplexityCurve | None = None

    def __str__(self) -> str:
        """Return the words."""
        return self.words


def measure_regime(
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_repeats: int = 10,
    n_sizes: int = 6,
    max_rows: int = 2000,
    test_size: float = 0.3,
    random_state: int | np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Advice:
    """Measure on your data which of naive Bayes and logistic regression your number of rows calls for.

    Sizes are chosen between two rows a class and what a split leaves to train on, evenly in log size.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Features.
    y : array-like of shape (n,)
        Labels.
    groups : array-like of shape (n,) or None, default=None
        Rows of a group never stand on both sides.
    n_repeats : int, default=10
        Splits; 20 give narrower intervals in twice the time.
    n_sizes : int, default=6
        Points of the curve, at least 2.
    max_rows : int, default=2000
        A random part of this size is used where there are more rows: the crossing, where there is one, mostly lies
        below. The words say so.
    test_size : float, default=0.3
        Share of the rows (of the groups) to test on.
    random_state : int, Generator or None, default=None
        Seed.
    progress : callable or None, default=None
        Called with ``(done, total)``.

    Returns
    -------
    Advice
        With ``crossing``, its interval, and the ``curve``.

    Raises
    ------
    InputError
        As :func:`sample_complexity_curve`, and where there are too few rows for a curve.
    """
    from trueneg.heads._naive_bayes.curve import checked, sample_complexity_curve
    from trueneg.heads._naive_bayes.draws import ordered

    features, labels, group = checked(X, y, groups)
    if n_sizes < 2 or max_rows < 2:
        raise InputError("measure_regime needs n_sizes and max_rows of 2 or more.")
    if not 0 < test_size < 1:
        raise InputError("test_size is a share of the rows: give a number between 0 and 1.")
    rng = np.random.default_rng(random_state)
    codes = np.unique(labels, return_inverse=True)[1]
    n_classes, total = int(codes.max()) + 1, len(labels)
    if total > max_rows:
        part = np.sort(ordered(codes, np.arange(total), rng, per_class=False)[: max(max_rows, n_classes)])
        features, labels, group = features[part], labels[part], None if group is None else group[part]
    reach = _least_to_train_on(len(labels), group, test_size)
    if reach < 2 * n_classes:
        msg = f"{len(labels):,} rows leave {reach:,} to train on, for {n_classes:,} classes: too few for a curve."
        raise InputError(msg)
    sizes = np.unique(np.geomspace(2 * n_classes, reach, n_sizes).round().astype(int))
    curve = sample_complexity_curve(
        None,
        None,
        features,
        labels,
        [int(m) for m in sizes],
        n_repeats,
        test_size=test_size,
        groups=group,
        random_state=rng,
        progress=progress,
    )
    advice = regime_advice(total, features.shape[1], n_classes=n_classes, curve=curve)
    if total > len(labels):
        advice = replace(advice, words=f"{advice.words} A random {len(labels):,} of the {total:,} rows were used.")
    return advice


def regime_advice(
    n_samples: int, n_features: int, *, n_classes: int = 2, curve: SampleComplexityCurve | None = None
) -> Advice:
    """Say which of naive Bayes and logistic regression this many rows call for.

    Parameters
    ----------
    n_samples : int
        Rows to train on.
    n_features : int
        Features of each.
    n_classes : int, default=2
        Classes.
    curve : SampleComplexityCurve or None, default=None
        Measured on the same data; :func:`measure_regime` does both in one call. Without it the answer is a rule of
        thumb from the theory: fewer rows than features calls for naive Bayes, ten times as many for logistic
        regression, and in between a curve decides.

    Returns
    -------
    Advice
        ``choose`` is "either" where nothing is told apart.
    """
    if min(n_samples, n_features) < 1 or n_classes < 2:
        raise InputError("regime_advice needs at least one row, one feature and two classes.")
    if curve is not None:
        return _measured(n_samples, curve)
    what = f"{n_samples:,} rows, {n_features:,} features, {n_classes:,} classes"
    rule = "a rule of thumb, not measured on your data"
    # The number of parameters a linear rule has for each pair of classes is n_features: LR needs rows in proportion.
    if n_samples < n_features:
        return Advice("generative", f"{what}: take naive Bayes, too few rows for logistic regression ({rule}).", False)
    if n_samples >= 10 * n_features:
        return Advice("discriminative", f"{what}: take logistic regression ({rule}).", False)
    return Advice("either", f"{what}: between the two regimes; run measure_regime to decide.", False)


# -- private -------------------------------------------------------------------------------------------------------


def _least_to_train_on(n: int, group: NDArray[Any] | None, test_size: float) -> int:
    """Return the rows that every split leaves: the largest groups may all be tested on."""
    size = np.ones(n, np.int64) if group is None else np.unique(group, return_counts=True)[1]
    n_test = min(max(1, round(test_size * len(size))), len(size) - 1)
    return int(np.sort(size)[: len(size) - n_test].sum())


def _measured(n: int, curve: SampleComplexityCurve) -> Advice:
    sizes = curve.train_sizes
    at = min(range(len(sizes)), key=lambda j: abs(sizes[j] - n))
    seen = f"measured at {sizes[at]:,} rows over {curve.n_repeats} splits"
    difference = curve.difference[at]
    choose: Choice = "generative" if difference.high < 0 else "discriminative"
    if difference.low <= 0 <= difference.high:
        choose = "either"
        words = f"the two cannot be told apart (error of naive Bayes minus that of logistic regression {difference}"
        words += f", {seen})."
    elif choose == "generative":
        lower = replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)
        words = f"take naive Bayes; its error is lower by {lower} ({seen})."
    else:
        words = f"take logistic regression; its error is lower by {difference} ({seen})."
    return Advice(choose, f"{n:,} rows: {words} {_crossing(curve)}", True, curve.crossing, curve)


def _crossing(curve: SampleComplexityCurve) -> str:
    first, last = curve.train_sizes[0], curve.train_sizes[-1]
    if curve.crossing is None:
        between = f"Between {first:,} and {last:,} rows"
        if not curve.crossings:
            side = "naive Bayes" if curve.difference[-1].value < 0 else "logistic regression"
            return f"{between} the curves do not cross: {side} is ahead throughout."
        return f"{between} the curves cross {len(curve.crossings)} times, with no size from which on one side leads."
    low, high = curve.crossing.low, curve.crossing.high
    ends = [
        f"{low:,.0f}" if low >= first else f"below {first:,}",
        f"{high:,.0f}" if high <= last else f"beyond {last:,}",
    ]
    level = f"{curve.crossing.level:.0%}"
    return f"Logistic regression takes over at {curve.crossing.value:,.0f} rows [{', '.join(ends)}] ({level} interval)."
