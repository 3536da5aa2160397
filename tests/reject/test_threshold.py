"""Thresholds: brute force over all of them, the exact bound, ties, costs, and the unknown label."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from trueneg.core.costs import CostMatrix
from trueneg.core.errors import InputError
from trueneg.reject import Threshold, find_threshold
from trueneg.reject.labels import say_unknown

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(r[0] for r in rows) < len(rows)
)


@given(ROWS, st.sampled_from([0.0, 0.05, 0.5, 0.9, 0.99, 1.0]))
@settings(max_examples=50, deadline=None)
def test_targets_are_met_and_no_better_threshold_is(rows, share):
    """Of all thresholds the one kept is the tightest that meets the target, ties going together."""
    known, scores = (np.array(c) for c in zip(*rows, strict=True))
    scores = scores.astype(float)
    cuts = np.append(np.unique(scores), scores.max() + 1)
    kept = np.array([(scores[known] >= t).mean() for t in cuts])
    passed = np.array([(scores[~known] >= t).mean() for t in cuts])
    if share > 0:
        found = find_threshold(scores, known, target_tpr=share)
        assert found.tpr.value == kept[kept >= share - 1e-9].min() >= share - 1e-9
    if share < 1:
        found = find_threshold(scores, known, target_fpr=share)
        assert found.fpr.value == passed[passed <= share + 1e-9].max()
        assert found.tpr.value == kept[passed <= share + 1e-9].max()


@given(ROWS, st.sampled_from([0.1, 1.0, 7.0]), st.sampled_from([None, 0.2]))
@settings(max_examples=25, deadline=None)
def test_costs_choose_the_cheapest_threshold(rows, fn, unknown_share):
    """No threshold costs less on rows mixed as expected, and the cost told is the one reached."""
    known, scores = (np.array(c) for c in zip(*rows, strict=True))
    prior = (~known).mean() if unknown_share is None else unknown_share
    cuts = np.append(np.unique(scores), scores.max() + 1)
    cost = [(1 - prior) * fn * (scores[known] < t).mean() + prior * 2.0 * (scores[~known] >= t).mean() for t in cuts]
    found = find_threshold(scores, known, costs=CostMatrix(fn=fn, fp=2.0), unknown_share=unknown_share)
    assert np.isclose(found.cost.value, min(cost))


def test_confidence_holds_for_rows_to_come():
    """With confidence 0.9 at most a tenth of calibration sets end below the target, and not far fewer."""
    rng = np.random.default_rng(0)
    draws = np.sort(rng.uniform(size=(4000, 200)), axis=1)
    missed = np.mean([1 - find_threshold(s, target_tpr=0.95, confidence=0.9) < 0.95 for s in draws[:1500]])
    k = max(k for k in range(200) if binom.cdf(k, 200, 0.05) <= 0.1)  # k rows below, by the binomial itself
    exact = binom.cdf(k, 200, 0.05)
    assert missed <= 0.1 + 0.02
    assert abs(missed - exact) < 0.025
    with pytest.raises(InputError, match="give 45 or more"):
        find_threshold(draws[0][:40], target_tpr=0.95, confidence=0.9)


@pytest.mark.parametrize("unit", [1e-15, 1e-3, 1e12])
def test_the_unit_of_costs_does_not_matter(unit):
    """Costs of millionths of a cent chose to accept nothing: they were rounded to 0."""
    rng = np.random.default_rng(0)
    known = np.repeat([1, 0], 60)
    scores = rng.normal(size=120) + 2 * known
    plain = find_threshold(scores, known, costs=CostMatrix(fn=1.0, fp=2.0))
    assert find_threshold(scores, known, costs=CostMatrix(fn=unit, fp=2 * unit)) == plain
    assert np.isfinite(plain)


def test_confidence_counts_groups():
    """Frames of a video are one piece of evidence: counted as many, the promise failed in 40 of 100 samples, not 10."""
    rng = np.random.default_rng(0)
    video, held, plain = np.repeat(np.arange(60), 20), 0, 0
    for _ in range(150):
        scores = rng.normal(size=60)[video] + 0.05 * rng.normal(size=1200)
        for grouped in (True, False):
            found = find_threshold(scores, target_tpr=0.9, confidence=0.9, groups=video if grouped else None)
            kept = norm.sf(found / np.hypot(1, 0.05)) >= 0.9
            held, plain = held + (grouped and kept), plain + (not grouped and kept)
    assert held >= 0.87 * 150
    assert plain < 0.75 * 150
    with pytest.raises(InputError, match="give 22 or more"):
        find_threshold(np.arange(100.0), target_tpr=0.9, confidence=0.9, groups=np.arange(100) % 10)


def test_groups_widen_the_interval_of_the_rate():
    """Rows of one video say less than as many videos."""
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(20), 50)
    scores = rng.normal(size=20)[video] + 0.1 * rng.normal(size=1000)
    plain = find_threshold(scores, target_tpr=0.9).tpr
    grouped = find_threshold(scores, target_tpr=0.9, groups=video).tpr
    assert grouped.high - grouped.low > 3 * (plain.high - plain.low)


def test_a_threshold_is_a_float_that_survives_copies():
    """It compares as a float, and copies and pickles keep the rates."""
    found = find_threshold(np.arange(10.0), target_tpr=0.8)
    stored = Threshold.from_dict(json.loads(json.dumps(found.to_dict())))
    for twin in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found)), stored):  # noqa: S301
        assert isinstance(twin, Threshold)
        assert twin == found == 2.0
        assert twin.tpr == found.tpr
    assert "target_tpr=0.8" in str(found)


@pytest.mark.parametrize(
    ("classes", "label", "want"),
    [
        (np.array([0, 1]), "auto", -1),
        (np.array([-1, 1]), "auto", -2),
        (np.array([0.5, 1.5]), "auto", -1.0),
        (np.array([0, 1], np.uint8), "auto", -1),
        (np.array([-1, -128], np.int8), "auto", -129),
        (np.array([0, 1], np.int8), 300, 300),
        (np.array([0, 1]), 7.0, 7),
        (np.array(["unknown", "b"]), "auto", "unknown_"),
        (np.array(["a", "bb"]), "auto", "unknown"),
        (np.array(["a", "bb"]), "none of these", "none of these"),
        (np.array(["a", "bb"], object), "auto", "unknown"),
        (np.array([False, True]), "auto", "unknown"),
    ],
)
def test_the_unknown_label_is_of_the_labels_type(classes, label, want):
    """Numbers stay numbers, texts are never cut short, and the label is no class."""
    out = say_unknown(classes[[0, 1, 0]], np.array([False, False, True]), classes, label)
    assert out[2] == want
    assert out[1] == classes[1]
    assert out.dtype.kind == (
        classes.dtype.kind if classes.dtype.kind in "ifUO" else {"u": "i", "b": "O"}[classes.dtype.kind]
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: find_threshold([1.0, 2.0]),
        lambda: find_threshold([1.0, 2.0], target_tpr=0.9, target_fpr=0.1),
        lambda: find_threshold([1.0, 2.0], target_fpr=0.1),
        lambda: find_threshold([1.0, 2.0], costs=CostMatrix(fn=1, fp=1)),
        lambda: find_threshold([1.0, 2.0], [0, 0], target_tpr=0.1),
        lambda: find_threshold([1.0, 2.0], [1, 0], costs=(1, 2)),
        lambda: find_threshold([], target_tpr=0.9),
        lambda: find_threshold([1.0, np.nan], target_tpr=0.9),
        lambda: find_threshold([1.0, 2.0], target_tpr=1.5),
        lambda: find_threshold([1.0, 2.0], target_tpr=0),
        lambda: find_threshold([1.0, 2.0], target_tpr="0.9"),
        lambda: find_threshold([1.0, 2.0], target_tpr=1.0, confidence=0.9),
        lambda: find_threshold([1.0, 2.0], target_tpr=0.9, confidence="much"),
        lambda: find_threshold([1.0, 2.0], target_tpr=0.9, groups=["one"]),
        lambda: find_threshold(["high"], target_tpr=0.9),
        lambda: find_threshold([1.0, 2.0], target_tpr=0.9, unknown_share=0.5),
        lambda: find_threshold([1.0, 2.0], [1, 0], costs=CostMatrix(fn=1, fp=1), confidence=0.9),
        lambda: find_threshold([1.0, np.inf], [1, 0], target_fpr=0.0),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([1]), None),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([1]), float("nan")),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([2]), 2.5),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([1]), 10**30),
        lambda: say_unknown(np.array(["a"]), np.array([True]), np.array(["-1"]), -1),
        lambda: find_threshold([1.0, 2.0], [1, 2], target_tpr=0.9),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([1]), 1),
        lambda: say_unknown(np.array([1]), np.array([True]), np.array([1]), "odd"),
    ],
)
def test_refuses_in_one_line(call):
    """A threshold that cannot be set says why, and what to do."""
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
