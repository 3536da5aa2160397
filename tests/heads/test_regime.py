"""The advice: by rule of thumb, by a curve, and measured on the user's own rows."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.heads import measure_regime, regime_advice


def _regimes(n=900, d=60, seed=0):
    """Draw rows whose features share a noise: naive Bayes is right early and wrong in the long run."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    noise = rng.normal(size=(n, d)) + 0.5 * rng.normal(size=(n, 1))
    return noise + 0.3 * (2 * y - 1)[:, None] * np.abs(rng.normal(size=d)), y


def _curve(difference, crossing=None, crossings=()):
    """Build a curve of three sizes with these differences, given as (value, low, high)."""
    return SimpleNamespace(
        train_sizes=(20, 100, 500),
        difference=tuple(Estimate(*d) for d in difference),
        crossing=crossing,
        crossings=crossings,
        n_repeats=8,
    )


def test_rule_of_thumb():
    """Protects the advice without a curve: it follows rows against features and says that nothing was measured."""
    few, many, between = (regime_advice(n, 768) for n in (40, 10_000, 2000))
    assert (few.choose, many.choose, between.choose) == ("generative", "discriminative", "either")
    assert not few.measured
    assert "not measured" in str(few)
    with pytest.raises(InputError):
        regime_advice(0, 5)


LEAD, LOSS, EVEN = (-0.05, -0.08, -0.02), (0.04, 0.01, 0.07), (0.0, -0.02, 0.02)


@pytest.mark.parametrize(
    ("n", "choose", "words"),
    [
        (25, "generative", "lower by 0.05 [0.02, 0.08]"),
        (90, "either", "cannot be told apart"),
        (400, "discriminative", "lower by 0.04 [0.01, 0.07]"),
        (10_000, "discriminative", "measured at 500 rows"),
    ],
)
def test_a_curve_decides_at_the_nearest_size(n, choose, words):
    """Protects the advice: the interval at the nearest size decides, and no side is named where it holds zero."""
    advice = regime_advice(n, 7, curve=_curve([LEAD, EVEN, LOSS], Estimate(90.0, 40.0, math.inf), (90.0,)))
    assert (advice.choose, advice.measured) == (choose, True)
    assert words in str(advice)
    assert "takes over at 90 rows [40, beyond 500]" in str(advice)


def test_the_crossing_is_told_only_where_there_is_one():
    """Protects honesty: none, or several, are said to be so and give no figure."""
    none = regime_advice(100, 7, curve=_curve([LEAD, LEAD, LEAD]))
    several = regime_advice(100, 7, curve=_curve([LEAD, LOSS, LEAD], crossings=(50.0, 200.0)))
    assert none.crossing is several.crossing is None
    assert "do not cross: naive Bayes is ahead throughout" in str(none)
    assert "cross 2 times" in str(several)
    below = regime_advice(100, 7, curve=_curve([EVEN, LOSS, LOSS], Estimate(22.0, 0.0, 60.0), (22.0,)))
    assert "[below 20, 60]" in str(below)


def test_measured_on_rows_it_finds_the_crossing():
    """Protects the one call: on rows of the late regime it advises that, with the crossing and its interval."""
    X, y = _regimes()
    told = []
    advice = measure_regime(X, y, n_repeats=8, random_state=0, progress=lambda *at: told.append(at))
    assert advice.choose == "discriminative"
    assert advice.crossing is not None
    assert advice.crossing.low <= advice.crossing.value <= advice.crossing.high
    assert advice.crossing is advice.curve.crossing
    assert advice.curve.train_sizes[0] == 4
    assert advice.curve.train_sizes[-1] == 630
    assert told[-1] == (48, 48)
    assert str(advice) == str(measure_regime(X, y, n_repeats=8, random_state=0))


def test_few_rows_of_the_same_kind_call_for_naive_bayes():
    """Protects the other regime: the first forty rows of that kind are not advised to take logistic regression."""
    X, y = _regimes(60, 200)
    assert measure_regime(X, y, n_repeats=10, random_state=0).choose != "discriminative"


def test_a_part_of_many_rows_is_said_and_keeps_every_class():
    """Protects large tables: no more than max_rows are used, a class of two rows included, and the words say so."""
    X, y = _regimes(5000, 4)
    y[:3] = 2
    advice = measure_regime(X, y, n_repeats=2, n_sizes=2, max_rows=300, random_state=1)
    assert "A random 300 of the 5,000 rows" in str(advice)
    assert advice.curve.train_sizes == (6, 210)


def test_uneven_groups_never_leave_too_few_rows():
    """Protects grouped data: sizes are those that every split can give, even if the largest groups are tested on."""
    X, y = _regimes(400, 4)
    groups = np.minimum(np.arange(400) // 5, 40)  # the last group has half of the rows
    advice = measure_regime(X, y, groups=groups, n_repeats=5, n_sizes=3, random_state=0)
    assert advice.curve.train_sizes[-1] == 29 * 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.zeros(20)}, "one class"),
        ({"y": np.arange(20)}, "too few for a curve"),
        ({"n_sizes": 1}, "n_sizes"),
        ({"test_size": 1.0}, "test_size"),
        ({"X": np.full((20, 2), np.inf)}, "missing or infinite"),
    ],
)
def test_refusals(change, words):
    """Protects the user's time: an impossible wish is one line."""
    asked = {"X": np.random.default_rng(0).normal(size=(20, 2)), "y": np.arange(20) % 2} | change
    with pytest.raises(InputError, match=words):
        measure_regime(**asked)
