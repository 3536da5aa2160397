"""Costs, thresholds and curves against enumeration of every decision."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.costs import (
    CostMatrix,
    RowCosts,
    bayes_decisions,
    break_even_ratio,
    cost_curve,
    cost_per_row,
    expected_cost,
    implied_ratio,
    risk_coverage,
    threshold_by_cost,
)
from trueneg.core.errors import InputError
from trueneg.core.intervals import bootstrap


def _problem(seed, n=12, levels=5):
    """Small, tied, with both classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = 0, 1
    return rng, y, rng.integers(0, levels + 1, n) / levels


# -- the matrix


def test_binary_costs_and_their_matrix_are_the_same():
    """Protects the convention matrix[true, decided]: a false negative sits below the diagonal."""
    short, full = CostMatrix(fn=5, fp=1), CostMatrix([[0, 1], [5, 0]])
    assert short == full
    assert hash(short) == hash(full)
    assert (full.fn, full.fp, full.ratio, full.bayes_threshold) == (5, 1, 5, 1 / 6)


def test_costs_of_right_decisions_count_as_differences():
    """Protects Elkan's rule: adding a constant to a row changes no decision."""
    c = CostMatrix([[2, 3], [9, 4]])
    assert (c.fn, c.fp) == (5, 1)
    p = np.linspace(0, 1, 21)
    assert np.array_equal(bayes_decisions(p, c), bayes_decisions(p, CostMatrix(fn=5, fp=1)))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "either"),
        ({"fn": 1}, "either"),
        ({"matrix": [[0, 1], [1, 0]], "fn": 1, "fp": 1}, "either"),
        ({"fn": math.nan, "fp": 1}, "finite"),
        ({"fn": -1, "fp": 1}, "0 or more"),
        ({"fn": 0, "fp": 0}, "no error costs"),
        ({"matrix": [[1, 0], [1, 0]]}, "transposed"),
        ({"matrix": [[0]]}, "K x K"),
        ({"matrix": [0, 1]}, "K x K"),
        ({"matrix": [[0, 1, 1], [1, 0, 1]]}, "K x K"),
        ({"matrix": []}, "K x K"),
        ({"matrix": [["a", "b"], ["c", "d"]]}, "numbers"),
    ],
)
def test_impossible_costs_are_refused(args, words):
    """Protects every later figure from a matrix that is incomplete, transposed or free of cost."""
    with pytest.raises(InputError, match=words):
        CostMatrix(**args)


def test_a_matrix_of_more_classes_has_no_threshold():
    """Protects against silently taking two of three classes."""
    with pytest.raises(InputError, match="two classes"):
        _ = CostMatrix(1 - np.eye(3)).bayes_threshold


def test_the_matrix_cannot_be_changed():
    """Protects shared costs: the array is a read-only copy of what was given."""
    given_matrix = np.array([[0.0, 1.0], [5.0, 0.0]])
    c = CostMatrix(given_matrix)
    given_matrix[1, 0] = 99
    assert c.fn == 5
    with pytest.raises(ValueError, match="read-only"):
        c.matrix[0, 1] = 3


# -- expected cost


def test_expected_cost_of_decisions_is_a_lookup():
    """Protects the realised cost of K classes, weights included, with a plain loop as the oracle."""
    rng = np.random.default_rng(0)
    c = CostMatrix(rng.integers(1, 9, (4, 4)) * (1 - np.eye(4)))
    y, d, w = rng.integers(0, 4, 50), rng.integers(0, 4, 50), rng.integers(1, 4, 50)
    oracle = sum(w[i] * c.matrix[y[i], d[i]] for i in range(50)) / w.sum()
    assert expected_cost(y, c, decisions=d, sample_weight=w) == pytest.approx(oracle)
    repeated = expected_cost(np.repeat(y, w), c, decisions=np.repeat(d, w))
    assert expected_cost(y, c, decisions=d, sample_weight=w) == pytest.approx(repeated)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bayes_decisions_are_the_cheapest_of_all(dtype):
    """Protects the Bayes rule: no assignment of classes to rows has a lower model-based cost."""
    rng = np.random.default_rng(1)
    c = CostMatrix(rng.integers(1, 9, (3, 3)) * (1 - np.eye(3)))
    p = rng.dirichlet(np.ones(3), 4).astype(dtype)
    ours = expected_cost(None, c, proba=p)
    every = [expected_cost(None, c, proba=p, decisions=d) for d in itertools.product(range(3), repeat=4)]
    assert ours == pytest.approx(min(every), rel=1e-5)


def test_model_based_cost_agrees_with_labels_drawn_from_the_probabilities():
    """Protects the model-based reading: with calibrated probabilities it is the realised cost on average."""
    rng = np.random.default_rng(2)
    p = rng.beta(1, 4, 200_000)
    y = (rng.random(p.size) < p).astype(int)
    c = CostMatrix(fn=7, fp=2)
    assert expected_cost(None, c, proba=p) == pytest.approx(expected_cost(y, c, proba=p), rel=0.02)


def test_binary_probabilities_may_come_as_one_column_or_two():
    """Protects the two shapes of binary probabilities: same decisions, same cost."""
    p = np.random.default_rng(3).random(30)
    both, c = np.stack([1 - p, p], axis=1), CostMatrix([[1, 2], [6, 0]])
    assert np.array_equal(bayes_decisions(p, c), bayes_decisions(both, c))
    assert expected_cost(None, c, proba=p) == pytest.approx(expected_cost(None, c, proba=both))


def test_row_costs_equal_to_a_matrix_change_nothing():
    """Protects per-row costs by their constant case, and by one row whose errors are free."""
    _, y, p = _problem(0)
    c, rows = CostMatrix(fn=5, fp=2), RowCosts(fn=np.full(12, 5.0), fp=2.0)
    assert expected_cost(y, rows, proba=p) == expected_cost(y, c, proba=p)
    assert expected_cost(None, rows, proba=p) == pytest.approx(expected_cost(None, c, proba=p))
    free = cost_per_row([0, 1, 1], [1, 0, 0], RowCosts(fn=[9.0, 9.0, 0.0], fp=[3.0, 1.0, 1.0]))
    assert free.tolist() == [3, 9, 0]


def test_costs_go_through_the_bootstrap():
    """Protects the advertised way to an interval: cost_per_row into bootstrap gives the expected cost."""
    _, y, p = _problem(1, n=60)
    c = CostMatrix(fn=5, fp=1)
    e = bootstrap(np.mean, cost_per_row(y, bayes_decisions(p, c), c), n_boot=200, random_state=0)
    assert e.value == pytest.approx(expected_cost(y, c, proba=p))
    assert e.low < e.value < e.high


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        ([0, 1], {}, "give y with decisions"),
        (None, {"decisions": [0, 1]}, "give y with decisions"),
        ([0, 1], {"decisions": [0, 1], "proba": [0.1, 0.2]}, "not both"),
        ([], {"decisions": []}, "empty"),
        ([0, 2], {"decisions": [0, 1]}, "class codes"),
        ([0, -1], {"decisions": [0, 1]}, "unjudged"),
        ([0, 1], {"decisions": [0.5, 1]}, "class codes"),
        ([0, 1], {"decisions": [1]}, "decisions has 1 rows"),
        ([0, 1], {"proba": [0.1, 1.2]}, r"\[0, 1\]"),
        ([0, 1], {"proba": [0.1, math.nan]}, "nan"),
        ([0, 1], {"proba": [[0.5, 0.5], [math.nan, 0.5]]}, "missing"),
        ([0, 1], {"proba": [[0.5, 0.4], [0.5, 0.5]]}, "sums to"),
        ([0, 1], {"proba": [[0.5, 0.5, 0.0]] * 2}, "shape"),
        ([0, 1], {"proba": np.zeros((0, 2))}, "empty"),
        ([0, 1], {"decisions": [0, 1], "sample_weight": [0, 0]}, "sample_weight"),
    ],
)
def test_expected_cost_refuses_what_it_cannot_price(y, options, words):
    """Protects the messages for empty, unjudged, missing, misshapen and improper input."""
    with pytest.raises(InputError, match=words):
        expected_cost(y, CostMatrix(fn=2, fp=1), **options)


# -- thresholds


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 6), st.booleans())
def test_threshold_is_the_exact_optimum(seed, fn, fp, by_row):
    """Protects the search: the cheapest and highest of all thresholds under ties, weights and row costs."""
    rng, y, p = _problem(seed)
    w = rng.integers(1, 4, len(y))
    costs = RowCosts(rng.integers(0, 9, len(y)), rng.integers(0, 9, len(y))) if by_row else CostMatrix(fn=fn, fp=fp)
    every = {
        t: expected_cost(y, costs, decisions=(p >= t).astype(int), sample_weight=w) for t in [math.inf, *sorted(set(p))]
    }
    ours = threshold_by_cost(y, p, costs, sample_weight=w)
    assert ours.cost == pytest.approx(min(every.values()))
    assert ours.threshold == max(t for t, c in every.items() if c <= min(every.values()) + 1e-9)
    assert ours.all_negative_cost == pytest.approx(every[math.inf])
    assert ours.all_positive_cost == pytest.approx(every[min(p)])
    assert ours.bayes_cost == pytest.approx(expected_cost(y, costs, proba=p, sample_weight=w))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_threshold_reproduces_its_cost(dtype):
    """Protects the rule score >= threshold in both precisions: a rounded threshold would lose the tied rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = (1 / (1 + np.exp(-2 * y + rng.normal(size=400)))).astype(dtype)
    c = CostMatrix(fn=3, fp=1)
    ours = threshold_by_cost(y, p, c)
    assert expected_cost(y, c, decisions=(p >= ours.threshold).astype(int)) == pytest.approx(ours.cost)


def test_diagonal_costs_enter_the_cost_but_not_the_threshold():
    """Protects matrices whose right decisions cost something."""
    _, y, p = _problem(3, n=40, levels=9)
    plain, shifted = (
        threshold_by_cost(y, p, CostMatrix(fn=5, fp=1)),
        threshold_by_cost(y, p, CostMatrix([[2, 3], [9, 4]])),
    )
    assert plain.threshold == shifted.threshold
    assert shifted.cost == pytest.approx(plain.cost + np.mean(np.where(y == 1, 4, 2)))


def test_calibrated_probabilities_need_no_search():
    """Protects the Bayes threshold: on calibrated scores it costs nearly what the optimum does."""
    rng = np.random.default_rng(4)
    p = rng.random(40_000)
    y = (rng.random(p.size) < p).astype(int)
    ours = threshold_by_cost(y, p, CostMatrix(fn=9, fp=1))
    assert ours.bayes_threshold == pytest.approx(0.1)
    assert ours.bayes_cost <= 1.01 * ours.cost
    assert ours.threshold == pytest.approx(0.1, abs=0.04)


def test_scores_that_are_no_probabilities_have_no_bayes_threshold():
    """Protects margins from being read as probabilities, without refusing them."""
    y, margin = [0, 0, 1, 1], [-3.0, 0.5, 0.4, 7.0]
    with pytest.raises(InputError, match="probabilities=False"):
        threshold_by_cost(y, margin, CostMatrix(fn=1, fp=1))
    ours = threshold_by_cost(y, margin, CostMatrix(fn=5, fp=1), probabilities=False)
    assert (ours.threshold, ours.bayes_threshold, ours.bayes_cost) == (0.4, None, None)


@pytest.mark.parametrize(
    ("y", "scores", "words"),
    [
        ([], [], "empty"),
        ([0, 0], [0.1, 0.2], "no positive"),
        ([1, 1], [0.1, 0.2], "no negative"),
        ([0, 1], [0.1, math.nan], "scores"),
        ([0, 1], [0.1], "one a row"),
        ([0, 1], [[0.1, 0.9]] * 2, "one dimension"),
        ([0, -1], [0.1, 0.2], "unjudged"),
    ],
)
def test_thresholds_and_curves_refuse_what_has_none(y, scores, words):
    """Protects the messages for empty, one-class, missing and misshapen input."""
    with pytest.raises(InputError, match=words):
        threshold_by_cost(y, scores, CostMatrix(fn=1, fp=1))
    if words != "one a row":
        with pytest.raises(InputError, match=words):
            cost_curve(y, scores)


@pytest.mark.parametrize(
    "rows", [RowCosts([1.0], [1.0, 2.0, 3.0]), RowCosts([-1.0, 1.0], 1.0), RowCosts([math.nan, 1], 1)]
)
def test_row_costs_must_fit_the_rows(rows):
    """Protects per-row costs of the wrong length, sign or with gaps."""
    with pytest.raises(InputError, match="cost f"):
        threshold_by_cost([0, 1], [0.2, 0.8], rows)


# -- break-even


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 50))
def test_break_even_separates_the_two_rules(seed, ratio):
    """Protects the ratio and its side: compared with the two costs counted out, at any ratio and at the ratio."""
    rng, y, _ = _problem(seed)
    a, b = rng.integers(0, 2, 12), rng.integers(0, 2, 12)
    even = break_even_ratio(y, a, b)
    cost_a, cost_b = (expected_cost(y, CostMatrix(fn=ratio, fp=1), decisions=d) for d in (a, b))
    if cost_a != pytest.approx(cost_b):
        assert even.cheaper(ratio) == ("a" if cost_a < cost_b else "b")
        if math.isnan(even.ratio) or ratio > even.ratio:
            assert even.above == even.cheaper(ratio)
        else:
            assert even.above != even.cheaper(ratio)
    if not math.isnan(even.ratio):
        c = CostMatrix(fn=even.ratio, fp=1)
        assert expected_cost(y, c, decisions=a) == pytest.approx(expected_cost(y, c, decisions=b))


def test_break_even_with_doing_nothing_is_fp_over_tp():
    """Protects the figure that is shown without costs: a model is worth its alarms from FP / TP on."""
    even = break_even_ratio([0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1, 0])
    assert (even.ratio, even.above, even.cheaper(1.4), even.cheaper(1.6)) == (1.5, "a", "b", "a")


@pytest.mark.parametrize(
    ("a", "b", "above"),
    [([0, 1], None, "a"), ([1, 0], None, "b"), ([0, 0], None, "tie"), ([0, 1], [0, 1], "tie"), ([1, 1], [0, 1], "b")],
)
def test_a_dominated_rule_has_no_break_even(a, b, above):
    """Protects perfect, useless, all-negative and equal rules from an invented ratio."""
    even = break_even_ratio([0, 1], a, b)
    assert math.isnan(even.ratio)
    assert even.above == above


def test_break_even_refuses_one_class():
    """Protects against a ratio of two error costs where only one error can happen."""
    with pytest.raises(InputError, match="one class"):
        break_even_ratio([0, 0], [0, 1])


def test_a_threshold_implies_a_ratio():
    """Protects the words on 0.5: equal costs; and the round trip with the Bayes threshold."""
    assert implied_ratio() == 1
    assert implied_ratio(CostMatrix(fn=9, fp=1).bayes_threshold) == pytest.approx(9)
    assert implied_ratio(0) == math.inf
    with pytest.raises(InputError):
        implied_ratio(1.5)


# -- cost curve


def test_the_envelope_is_the_cheapest_line_everywhere():
    """Protects the curve: below every threshold's line and the two trivial rules, and touching one of them."""
    _, y, p = _problem(5, n=40, levels=8)
    curve = cost_curve(y, p, n_points=23)
    lines = np.array([curve.line(t) for t in curve.thresholds])
    assert curve.envelope == pytest.approx(lines.min(axis=0))
    assert (curve.envelope <= curve.trivial + 1e-12).all()
    for t, line in zip(curve.thresholds, lines, strict=True):
        fnr, fpr = np.mean(p[y == 1] < t), np.mean(p[y == 0] >= t)
        assert line == pytest.approx(fnr * curve.probability_cost + fpr * (1 - curve.probability_cost))


@pytest.mark.parametrize(("fn", "fp"), [(1, 1), (10, 1), (1, 4)])
def test_the_curve_and_the_threshold_search_agree(fn, fp):
    """Protects two roads to one figure: the line's height at the placed costs is the normalised optimal cost."""
    _, y, p = _problem(6, n=50, levels=12)
    costs, curve = CostMatrix(fn=fn, fp=fp), cost_curve(y, p)
    x, best = curve.place(costs), threshold_by_cost(y, p, costs)
    height = min(curve.fnr * x + curve.fpr * (1 - x))
    worst = y.mean() * fn + (1 - y.mean()) * fp
    assert height * worst == pytest.approx(best.cost)


def test_a_useless_score_is_no_better_than_trivial():
    """Protects the reading of the curve: constant scores give exactly the trivial rules."""
    curve = cost_curve([0, 1, 0, 1], [0.5] * 4)
    assert curve.envelope == pytest.approx(curve.trivial)


# -- risk and coverage


def test_aurc_is_the_mean_over_all_orders_of_the_ties():
    """Protects ties: the area equals the average over every order of the tied rows, enumerated."""
    loss, conf = np.array([0, 1, 1, 0, 1.0, 0]), np.array([3, 2, 2, 2, 1, 1])
    areas = []
    for order in itertools.permutations(range(6)):
        if all(conf[i] >= conf[j] for i, j in itertools.pairwise(order)):
            running = np.cumsum(loss[list(order)]) / np.arange(1, 7)
            areas.append(running.mean())
    ours = risk_coverage(loss, conf)
    assert ours.aurc == pytest.approx(np.mean(areas))
    assert ours.reachable.tolist() == [True, False, False, True, False, True]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_risk_coverage_ignores_the_order_of_rows(seed):
    """Protects reproducibility: shuffled rows, ties and weights give the same curve, never better than the best."""
    rng = np.random.default_rng(seed)
    loss, conf, w = rng.integers(0, 3, 15), rng.integers(0, 4, 15), rng.integers(0, 4, 15) + (np.arange(15) == 0)
    shuffle = rng.permutation(15)
    one = risk_coverage(loss, conf, sample_weight=w)
    two = risk_coverage(loss[shuffle], conf[shuffle], sample_weight=w[shuffle])
    assert one.risk == pytest.approx(two.risk)
    assert one.aurc == pytest.approx(two.aurc)
    assert one.risk[-1] == pytest.approx(np.average(loss, weights=w))
    assert risk_coverage(loss, -loss).excess_aurc == pytest.approx(0, abs=1e-12)
    assert risk_coverage(loss, conf).excess_aurc >= -1e-12


def test_coverage_at_a_risk_uses_reachable_points_only():
    """Protects the promise of a threshold: coverage that only a lucky order of ties would reach is not offered."""
    curve = risk_coverage([0, 0, 0, 1, 1], [0.9, 0.8, 0.5, 0.5, 0.1])
    assert curve.coverage_at(0.0) == pytest.approx(0.4)
    assert curve.coverage_at(0.25) == pytest.approx(0.8)
    assert curve.coverage_at(1.0) == 1
    assert risk_coverage([1, 1], [1, 2]).coverage_at(0.5) == 0


def test_a_constant_confidence_has_a_flat_curve():
    """Protects the all-tied and the error-free case."""
    flat = risk_coverage([0, 1, 0, 1], [0.5] * 4)
    assert flat.risk == pytest.approx(np.full(4, 0.5))
    assert flat.aurc == pytest.approx(0.5)
    assert risk_coverage([0, 0, 0], [1, 2, 3]).aurc == 0


@pytest.mark.parametrize(("loss", "conf"), [([], []), ([1], [1, 2]), ([math.nan, 1], [1, 2]), ([0, 1], [math.nan, 2])])
def test_risk_coverage_refuses_gaps(loss, conf):
    """Protects against empty, unpaired and missing input."""
    with pytest.raises(InputError):
        risk_coverage(loss, conf)
