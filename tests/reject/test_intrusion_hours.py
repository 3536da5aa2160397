"""Alarms by the hour: any order and batches of a stream are one count, and a burst widens the interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from trueneg.core.errors import InputError
from trueneg.reject.intrusion import AlarmMeter


def _stream(n=5000, seed=0):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 20 * 3600, n)) + 1.5e9
    hours = np.floor_divide(times, 3600).astype(int)
    alarms = rng.random(n) < np.where(hours == hours[n // 2], 0.3, 0.01)
    return times, hours, alarms


def test_counts_by_hour_are_those_of_a_loop():
    """Protects the counts: batches in any order, against plain counting, ends of intervals by scipy."""
    times, hours, alarms = _stream()
    meter = AlarmMeter(0.01)
    for rows in np.array_split(np.random.default_rng(1).permutation(len(times)), 7):
        meter.update(alarms[rows], times=times[rows])
    found = meter.hourly()
    counts = {h: (int((hours == h).sum()), int(alarms[hours == h].sum())) for h in set(hours.tolist())}
    top = max(counts, key=lambda h: (counts[h][1], -h))
    assert found.busiest == top * 3600
    assert (found.busiest_flows, found.busiest_alarms) == counts[top]
    assert found.hours == len(counts)
    assert found.above == sum(k > 0.01 * n for n, k in counts.values())
    beyond = [binomtest(k, n, 0.01, alternative="greater").pvalue <= 0.025 / len(counts) for n, k in counts.values()]
    assert found.beyond_chance == sum(beyond) == 1
    assert found.allowed == pytest.approx(0.01 * len(times) / len(counts))
    assert meter.report()["hourly"] == found
    moments = times.astype(np.int64).astype("datetime64[s]")
    assert AlarmMeter(0.01).update(alarms, times=moments).hourly() == found


def test_unknown_times_are_counted():
    """Protects the alarms of rows whose time is not known: they stay in the average, and in the count."""
    times, _, alarms = _stream()
    lost = np.random.default_rng(2).random(len(times)) < 0.1
    given = np.where(lost, np.nan, times)
    found = AlarmMeter(0.01).update(alarms, times=given).hourly()
    assert (found.untimed, found.untimed_alarms) == (lost.sum(), alarms[lost].sum())
    assert found.average.value == alarms.sum() / found.hours
    known = given.astype("datetime64[s]")
    assert np.isnat(known).sum() == lost.sum()
    assert AlarmMeter(0.01).update(alarms, times=known).hourly() == found
    assert AlarmMeter(0.01).update(alarms[lost]).update(alarms[~lost], times=times[~lost]).hourly() == found


@pytest.mark.parametrize("burst", [1.0, 8.0])
def test_the_interval_holds_where_alarms_come_in_bursts(burst):
    """Protects the average: 95 % intervals hold in calm hours and in bursts, where plain Poisson ones do not."""
    rng = np.random.default_rng(0)
    held = plain = 0
    for _ in range(300):
        rates = 20.0 if burst == 1 else rng.gamma(20 / (burst - 1), burst - 1, 24)  # variance = burst * mean
        counts = rng.poisson(rates, 24)
        alarms = np.ones(counts.sum(), bool)
        meter = AlarmMeter(0.01).update(alarms, times=np.repeat(np.arange(24) * 3600.0, counts))
        found, simple = meter.hourly().average, meter.per_hour(24)[0]
        held += found.low <= 20 <= found.high
        plain += simple.low <= 20 <= simple.high
    assert held >= 0.92 * 300  # .95 measured in 1,500
    assert (plain < 0.7 * 300) == (burst > 1)


def test_one_burst_is_one_event():
    """Protects against false precision: a thousand alarms in one hour of 24 say little of the next day."""
    times = np.concatenate([np.arange(24) * 3600.0, np.full(1000, 7200.0)])
    average = AlarmMeter(0.01).update(np.arange(1024) >= 24, times=times).hourly().average
    assert average.low < 0.1 * average.value
    assert average.high > 5 * average.value


def test_one_hour_and_no_alarm():
    """Protects small streams: one hour has no spread, no alarm has an upper end, no time is said so."""
    calm = AlarmMeter(0.01).update(np.zeros(10, bool), times=np.arange(10)).hourly()
    assert (calm.average.value, calm.average.low, calm.hours, calm.above) == (0, 0, 1, 0)
    assert calm.average.high == pytest.approx(-np.log(0.025))
    with pytest.raises(InputError, match="give times"):
        AlarmMeter(0.01).update(np.zeros(3, bool), times=np.full(3, np.nan)).hourly()
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        AlarmMeter(0.01).update(np.zeros(3, bool), times=np.zeros(2))
