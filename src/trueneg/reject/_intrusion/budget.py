"""How many alarms a threshold may cost: an exact bound from clean flows, tie-aware, and a meter for the stream."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.reject._intrusion.hours import HourCounts, HourlyAlarms

__all__ = ["AlarmBudget", "AlarmMeter", "exact_share", "flows_needed"]


def exact_share(k: int, n: int, *, level: float = 0.95) -> Estimate:
    """Return ``k / n`` with the exact binomial interval of Clopper and Pearson (1934): coverage is never too low."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Estimate(k / n, low, high, level, "exact binomial", n)


def flows_needed(rate: float, confidence: float) -> int:
    """Return the clean flows below which no threshold keeps ``rate`` with ``confidence``: 299 for 1 % and 95 %."""
    _share("rate", rate)
    _share("confidence", confidence)
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def _share(name: str, value: Any) -> None:
    if not isinstance(value, int | float | np.floating) or not 0 < value < 1:
        msg = f"{name}={value!r}: give a number between 0 and 1, such as {0.01 if name == 'rate' else 0.95}."
        raise InputError(msg)


class AlarmBudget:
    """The threshold that false alarms keep to: ``score < threshold_`` is an alarm.

    From n clean flows it takes the k-th smallest score, k as large as possible with
    ``P(Binomial(n, rate) < k) <= 1 - confidence``: then the share of clean flows below it is above ``rate`` with a
    probability of at most ``1 - confidence``, whatever the scores' distribution, ties included (an alarm needs a score
    strictly below). 500 flows, 1 % and 95 % give the 2nd smallest. What it says holds for traffic like those flows:
    take them from the network that is watched.

    Parameters
    ----------
    rate : float, default=0.01
        Share of clean flows that may raise an alarm.
    confidence : float or None, default=0.95
        With which it is kept. None takes the largest threshold at which the flows themselves keep the rate: about the
        rate on average, above it half of the time.

    Attributes
    ----------
    threshold_ : float
        Alarm below it.
    rank_ : int
        The score taken is the ``rank_``-th smallest.
    achieved_ : Estimate
        Share of the flows below the threshold, with its exact interval.
    bound_ : float
        One-sided upper bound of the rate at ``confidence`` (at 95 % without one).
    ties_ : int
        Flows that share the threshold's score. Many of them (a saturated posterior) mean that the budget cannot be
        spent: alarms then stay far below it.

    Raises
    ------
    InputError
        For a rate or confidence outside (0, 1), scores that are not finite, and too few flows for the confidence.
    """

    def __init__(self, rate: float = 0.01, confidence: float | None = 0.95) -> None:
        self.rate, self.confidence = rate, confidence

    def fit(self, scores: ArrayLike) -> AlarmBudget:
        """Choose the threshold from familiarity scores (n,) of clean flows, higher = more familiar."""
        from scipy.special import betaincinv

        s = np.sort(self._checked(scores))
        n = len(s)
        self.rank_ = self._rank(n)
        self.threshold_ = float(s[self.rank_ - 1])
        below = int(np.searchsorted(s, self.threshold_, side="left"))
        self.ties_ = int(np.searchsorted(s, self.threshold_, side="right")) - below
        self.achieved_ = exact_share(below, n)
        # Scores below the k-th of n: its rate is that of the k-th of n uniforms at most, Beta(k, n - k + 1).
        self.bound_ = float(betaincinv(self.rank_, n - self.rank_ + 1, self.confidence or 0.95))
        return self

    def alarms(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Return which flows raise an alarm, (n,)."""
        if not hasattr(self, "threshold_"):
            raise InputError("this AlarmBudget has no threshold yet: call fit with the scores of clean flows.")
        return np.asarray(scores) < self.threshold_

    def _checked(self, scores: ArrayLike) -> NDArray[np.float64]:
        _share("rate", self.rate)
        if self.confidence is not None:
            _share("confidence", self.confidence)
        s = np.asarray(scores, dtype=np.float64)
        if s.ndim != 1 or len(s) == 0:
            msg = f"scores has shape {s.shape}: give one score a clean flow, at least one."
            raise InputError(msg)
        if not np.isfinite(s).all():
            i = int(np.flatnonzero(~np.isfinite(s))[0])
            msg = f"scores[{i}] is {s[i]}: leave that flow out, or repair its features."
            raise InputError(msg)
        return s

    def _rank(self, n: int) -> int:
        if self.confidence is None:
            return math.floor(self.rate * n + 1e-9) + 1 if self.rate * n < n - 1 else n
        from scipy.stats import binom

        # The number of k >= 1 with P(Bin <= k - 1) <= 1 - confidence; ppf is the first value at which the sum reaches.
        tail = 1 - self.confidence
        first = int(binom.ppf(tail, n, self.rate))
        rank = first + 1 if binom.cdf(first, n, self.rate) <= tail else first
        if rank < 1:
            msg = (
                f"{n} clean flows cannot keep a rate of {self.rate:g} with confidence {self.confidence:g}: give "
                f"{flows_needed(self.rate, self.confidence)} or more, a higher rate, or a lower confidence."
            )
            raise InputError(msg)
        return rank


@dataclass
class AlarmMeter:
    """Counts alarms of a stream, and says whether they keep to the budget.

    Parameters
    ----------
    rate : float
        The budget: share of clean flows that may raise an alarm.
    unseen_before : float, default=0.0
        Share of flows with an unseen category that is usual, best an upper bound of it.
    """

    rate: float
    unseen_before: float = 0.0
    flows: int = field(default=0, init=False)
    alarms: int = field(default=0, init=False)
    unseen: int = field(default=0, init=False)
    _hours: HourCounts = field(default_factory=HourCounts, init=False, repr=False, compare=False)

    def update(self, alarms: ArrayLike, unseen: ArrayLike | None = None, times: ArrayLike | None = None) -> AlarmMeter:
        """Add a batch, in any order of time.

        Parameters
        ----------
        alarms : array-like of bool, (n,)
            Which of its flows raised an alarm.
        unseen : array-like of bool, (n,), optional
            Which hold a category that was never learned.
        times : array-like, (n,), optional
            When each flow was: seconds since 1970 (or any other start), or datetime64; NaN or NaT where not known. For
            :meth:`hourly`, which keeps two counts an hour.
        """
        a = np.asarray(alarms, dtype=bool)
        if times is not None:
            self._hours.update(times, a)
        self.flows += len(a)
        self.alarms += int(a.sum())
        self.unseen += 0 if unseen is None else int(np.asarray(unseen, dtype=bool).sum())
        return self

    @property
    def share(self) -> Estimate:
        """Share of the flows that raised an alarm, attacks and false alarms together."""
        return exact_share(self.alarms, self.flows)

    def per_hour(self, hours: float) -> tuple[Estimate, float]:
        """Return the alarms an hour with their exact Poisson interval, and what the budget allows an hour."""
        from scipy.special import gammaincinv

        if not (math.isfinite(hours) and hours > 0):
            msg = f"hours={hours!r}: give the time that the flows span, above 0."
            raise InputError(msg)
        k = self.alarms
        low = 0.0 if k == 0 else float(gammaincinv(k, 0.025)) / hours
        high = float(gammaincinv(k + 1, 0.975)) / hours
        return Estimate(k / hours, low, high, 0.95, "exact Poisson", k), self.rate * self.flows / hours

    def hourly(self) -> HourlyAlarms:
        """Return the alarms by the hour of the times given: average, busiest hour, and hours above the budget."""
        return self._hours.summary(self.rate, self.flows, self.alarms)

    @property
    def over_budget(self) -> bool:
        """Whether alarms are above the budget beyond chance: attacks, or traffic that the threshold does not know."""
        return self.flows > 0 and self.share.low > self.rate

    @property
    def drifted(self) -> bool:
        """Whether flows with unseen categories are more than before beyond chance: recalibrate on local clean flows."""
        return self.flows > 0 and exact_share(self.unseen, self.flows).low > self.unseen_before

    def report(self, hours: float | None = None) -> dict[str, Any]:
        """Return the figures as plain values and estimates."""
        found: dict[str, Any] = {"flows": self.flows, "alarms": self.alarms, "budget": self.rate}
        if self.flows:
            found["share"], found["unseen"] = self.share, exact_share(self.unseen, self.flows)
        if hours is not None:
            found["per_hour"], found["allowed_per_hour"] = self.per_hour(hours)
        if self._hours.counts:
            found["hourly"] = self.hourly()
        return {**found, "over_budget": self.over_budget, "drifted": self.drifted}
