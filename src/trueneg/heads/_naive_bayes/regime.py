"""Which of the two, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.heads._naive_bayes.curve import SampleComplexityCurve

__all__ = ["Advice", "regime_advice"]

Choice = Literal["generative", "discriminative", "either"]


@dataclass(frozen=True)
class Advice:
    """``choose`` and one sentence of ``words``; ``measured`` tells a measurement from a rule of thumb."""

    choose: Choice
    words: str
    measured: bool

    def __str__(self) -> str:
        """Return the words."""
        return self.words


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
        Measured on the same data. Without it the answer is a rule of thumb from the theory: fewer rows than features
        calls for naive Bayes, ten times as many for logistic regression, and in between a curve decides.

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
    return Advice("either", f"{what}: between the two regimes; run sample_complexity_curve to decide.", False)


def _measured(n: int, curve: SampleComplexityCurve) -> Advice:
    sizes = curve.train_sizes
    at = min(range(len(sizes)), key=lambda j: abs(sizes[j] - n))
    seen = f"measured at {sizes[at]:,} rows over {curve.n_repeats} splits"
    if not sizes[0] <= n <= sizes[-1]:
        seen += f"; {n:,} rows lie outside the curve, which reaches from {sizes[0]:,} to {sizes[-1]:,}"
    difference = curve.difference[at]
    if difference.low <= 0 <= difference.high:
        words = f"{n:,} rows: the two cannot be told apart (error of naive Bayes minus that of logistic regression"
        return Advice("either", f"{words} {difference}, {seen}).", True)
    if difference.high < 0:
        ahead = f"{n:,} rows: take naive Bayes; its error is lower by {_turned(difference)} ({seen})."
        return Advice("generative", ahead, True)
    words = f"{n:,} rows: take logistic regression; its error is lower by {difference} ({seen})."
    return Advice("discriminative", words, True)


def _turned(difference: object) -> object:
    from dataclasses import replace

    return replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)  # type: ignore
