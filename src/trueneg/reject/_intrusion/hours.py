"""Alarms hour by hour: a burst that an average hides, and an interval that knows of bursts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

__all__ = ["HourCounts", "HourlyAlarms"]

_HOUR = 3600


@dataclass(frozen=True)
class HourlyAlarms:
    """Alarms by the hours of the clock that hold a flow.

    Attributes
    ----------
    hours : int
        How many those are.
    average : Estimate
        Alarms an hour over them. Flows of unknown time count here. The interval is that of Poisson counts, widened by
        the spread of the hours: one burst counts as one event, not as its alarms.
    allowed : float
        What the budget allows an hour on average, if all flows are normal.
    busiest : int
        The start of the hour with most alarms (the first of equals), in the seconds that were given.
    busiest_alarms, busiest_flows : int
        In it.
    above : int
        Hours with more alarms than the budget allows for their flows, if all are normal.
    beyond_chance : int
        Those above it beyond chance, over all hours at once (exact binomial, Bonferroni).
    untimed, untimed_alarms : int
        Flows of unknown time, and the alarms among them.
    """

    hours: int
    average: Estimate
    allowed: float
    busiest: int
    busiest_alarms: int
    busiest_flows: int
    above: int
    beyond_chance: int
    untimed: int
    untimed_alarms: int


class HourCounts:
    """Flows and alarms of each hour of the clock: two numbers an hour that holds a flow, whatever the order of rows."""

    def __init__(self) -> None:
        self.counts: dict[int, tuple[int, int]] = {}

    def update(self, times: ArrayLike, alarms: NDArray[np.bool_]) -> None:
        """Add a batch: times (n,) in seconds, or datetime64; NaN and NaT are left out."""
        at: NDArray[Any] = np.asarray(times)
        if at.dtype.kind == "M":
            at = np.where(np.isnat(at), np.nan, at.astype("datetime64[s]").astype(np.int64))
        if at.shape != alarms.shape or at.dtype.kind not in "iuf":
            msg = f"times is {at.dtype} of shape {at.shape}: give seconds or datetime64, one a flow, {alarms.shape}."
            raise InputError(msg)
        known = np.isfinite(at)
        hours, inverse = np.unique(np.floor_divide(at[known], _HOUR).astype(np.int64), return_inverse=True)
        flows = np.bincount(inverse, minlength=len(hours)).tolist()
        raised = np.bincount(inverse[alarms[known]], minlength=len(hours)).tolist()
        for hour, n, k in zip(hours.tolist(), flows, raised, strict=True):
            before = self.counts.get(hour, (0, 0))
            self.counts[hour] = before[0] + n, before[1] + k

    def summary(self, rate: float, flows: int, alarms: int) -> HourlyAlarms:
        """Return the figures; flows and alarms are those of all batches, with times or not."""
        from scipy.stats import binom

        if not self.counts:
            raise InputError("no flow has a known time yet: give times to update.")
        hours = np.array(sorted(self.counts))
        n, k = np.array([self.counts[hour] for hour in hours.tolist()]).T
        most = int(k.argmax())
        # The share's own one-sided 2.5 %, split among the hours.
        chance = binom.sf(k - 1, n, rate)
        return HourlyAlarms(
            hours=len(hours),
            average=_average(alarms, k),
            allowed=rate * flows / len(hours),
            busiest=int(hours[most]) * _HOUR,
            busiest_alarms=int(k[most]),
            busiest_flows=int(n[most]),
            above=int((k > rate * n).sum()),
            beyond_chance=int((chance <= 0.025 / len(hours)).sum()),
            untimed=int(flows - n.sum()),
            untimed_alarms=int(alarms - k.sum()),
        )


def _average(alarms: int, k: NDArray[np.int64]) -> Estimate:
    """Return alarms an hour; the exact Poisson interval of alarms / spread events, of as many alarms each.

    The spread is the variance of the hours by their mean (Wedderburn, 1974). What it has above 1, that of Poisson
    counts, is widened as Student's interval is above the normal one, since it is known from few hours.
    """
    from scipy.special import gammaincinv
    from scipy.stats import norm, t

    hours, mean, tail = len(k), float(k.mean()), 0.025
    spread = 1.0
    if hours > 1 and mean > 0:
        excess = max(0.0, float(k.var(ddof=1)) / mean - 1)
        spread += excess * float(t.isf(tail, hours - 1) / norm.isf(tail)) ** 2
    events = alarms / spread
    low = 0.0 if events == 0 else float(gammaincinv(events, tail)) * spread / hours
    high = float(gammaincinv(events + 1, 1 - tail)) * spread / hours
    return Estimate(alarms / hours, low, high, 0.95, "exact Poisson, widened by the spread of the hours", hours)
