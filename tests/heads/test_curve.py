"""The sample-complexity curve, its crossing, the advice, the bound, and the claim's own measure."""

# ruff: noqa: D102 - the methods of the learner below are scikit-learn's

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from trueneg.claims.naive_bayes import rows_needed
from trueneg.core.errors import InputError
from trueneg.heads import GaussianNaiveBayes, linear_evaluation, logistic_consistency_bound, regime_advice
from trueneg.heads import sample_complexity_curve as curve_of
from trueneg.heads.naive_bayes import crossings

SEEN: list = []


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was trained and tested on (the first feature is the row's number)."""

    def __init__(self, name="a"):
        self.name = name

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.rows = X[:, 0].astype(int)
        return self

    def predict(self, X):
        SEEN.append((self.name, self.rows, X[:, 0].astype(int)))
        return np.full(len(X), self.classes_[0])


class Shots(ClassifierMixin, BaseEstimator):
    """Remembers how many rows of each class it was trained on."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        SEEN.append(tuple(np.bincount(y)))
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


def _record(y, sizes, **options):
    SEEN.clear()
    X = np.column_stack([np.arange(len(y)), np.zeros(len(y))])
    run = {"random_state": 0, **options}
    curve = curve_of(Recorder(), Recorder("b"), X, y, sizes, 3, scale=None, **run)
    return curve, list(SEEN)


def _regimes(n=900, d=60, seed=0):
    """Draw rows whose features share a noise: naive Bayes is right early and wrong in the long run."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    noise = rng.normal(size=(n, d)) + 0.5 * rng.normal(size=(n, 1))
    return noise + 0.3 * (2 * y - 1)[:, None] * np.abs(rng.normal(size=d)), y


def test_both_learners_see_the_same_nested_rows_and_no_test_row():
    """Protects the pairing: equal draws for both, small inside large, every class present, test rows apart."""
    y = np.r_[np.zeros(60, int), np.ones(36, int), [2] * 4]
    _, seen = _record(y, (3, 10, 40))
    for r in range(3):
        part = seen[6 * r : 6 * r + 6]
        for (_, rows_a, test_a), (_, rows_b, test_b) in zip(part[::2], part[1::2], strict=True):
            np.testing.assert_array_equal(rows_a, rows_b)
            np.testing.assert_array_equal(test_a, test_b)
            assert set(y[rows_a]) == {0, 1, 2}
            assert not set(rows_a) & set(test_a)
            assert len(test_a) == 30
        sizes = [set(p[1]) for p in part[::2]]
        assert [len(s) for s in sizes] == [3, 10, 40]
        assert sizes[0] < sizes[1] < sizes[2]


def test_groups_stay_on_one_side():
    """Protects against leakage: rows of a group are never in training and test at once."""
    y, groups = np.arange(200) % 2, np.arange(200) // 8
    _, seen = _record(y, (10, 60), groups=groups)
    for _, rows, test in seen:
        assert not set(groups[rows]) & set(groups[test])


def test_a_split_that_loses_a_class_is_drawn_again():
    """Protects rare classes: one of a single row is trained on in every split, as the paper draws, not refused."""
    y = np.r_[np.zeros(60, int), np.ones(38, int), 2, 3]
    _, seen = _record(y, (4, 40))
    for _, rows, test in seen:
        assert set(y[rows]) == {0, 1, 2, 3}
        assert len(test) == 30


def test_progress_counts_every_fit():
    """Protects long runs: every size of every split is told, up to the total."""
    told = []
    _record(np.arange(100) % 2, (4, 40), progress=lambda *at: told.append(at))
    assert told == [(i + 1, 6) for i in range(6)]


def test_shots_count_rows_of_each_class():
    """Protects linear evaluation: s shots are s rows of every class."""
    y = np.r_[np.zeros(100, int), np.ones(40, int)]
    SEEN.clear()
    X = np.column_stack([np.zeros(140), y])
    curve = linear_evaluation(X, y, shots=(1, 5), gen=Shots(), disc=Shots(), n_repeats=3, random_state=0)
    assert curve.train_sizes == (2, 10)
    assert set(SEEN) == {(1, 1), (5, 5)}
    with pytest.raises(InputError, match="30 shots"):
        linear_evaluation(X, y, shots=(30,), n_repeats=2, random_state=0)


def test_scaling_uses_training_rows_only():
    """Protects the paper's protocol: a test row beyond the training range must not squeeze the training rows."""
    X, y = _regimes(200, 3)
    SEEN.clear()
    curve_of(Recorder(), Recorder(), X, y, (20,), 2, random_state=0)
    again = X.copy()
    model = GaussianNaiveBayes()
    base = curve_of(model, model, X, y, (20,), 2, random_state=0).errors
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(base, curve_of(model, model, X * 7 + 3, y, (20,), 2, random_state=0).errors)


def test_two_regimes_cross_once_and_say_so():
    """Protects the whole: on correlated noise NB leads early, LR late, and curve, JSON, figure and advice agree."""
    X, y = _regimes()
    curve = curve_of(None, LogisticRegression(max_iter=300), X, y, (6, 12, 25, 50, 100, 200, 500), 8, random_state=0)
    assert curve.crossing is not None
    assert curve.crossing.low <= curve.crossing.value <= curve.crossing.high
    assert curve.difference[-1].low > 0
    assert regime_advice(500, 120, curve=curve).choose == "discriminative"
    row = json.loads(curve.to_json())
    assert row["train_sizes"] == list(curve.train_sizes)
    figure = curve.figure()
    assert figure["spec"]["$schema"].startswith("https://vega.github.io/schema/vega-lite")
    assert len(figure["table"]["rows"] if isinstance(figure["table"], dict) else figure["table"]) >= 1


def test_equal_learners_never_cross():
    """Protects against an invented crossing: a learner against itself has differences of exactly zero."""
    X, y = _regimes(200, 5)
    model = GaussianNaiveBayes()
    curve = curve_of(model, model, X, y, (5, 50), 4, random_state=1)
    assert (curve.crossings, curve.crossing) == ((), None)
    assert regime_advice(50, 5, curve=curve).choose == "either"


def _summed(*rows):
    """Sum up differences (n_repeats, J) as a curve would."""
    from trueneg.heads._naive_bayes.curve import _summary

    difference = np.array(rows, float)
    errors = np.stack([0.5 + difference, np.full(difference.shape, 0.5)])
    sizes = [10 * 2**j for j in range(difference.shape[1])]
    return _summary(sizes, errors, 30, 70, 0.95, np.random.default_rng(0))


def test_noise_before_the_crossing_is_no_crossing():
    """Protects the crossing: a wobble around zero before it hides it not, a lead of the other side that shows does."""
    wobble = _summed(*([0.1 * s, -0.1 * s - 0.01, -0.02, 0.3 + 0.01 * s] for s in (-1, 1, 1, -0.5)))
    assert len(wobble.crossings) == 2
    assert 40 < wobble.crossing.value < 80
    assert wobble.crossing.low == 0
    assert wobble.crossing.high < 80
    shown = _summed(*([0.2 + 0.01 * s, -0.1, -0.02, 0.3 + 0.01 * s] for s in (-1, 1, 1, -0.5)))
    assert shown.crossing is None
    lost = _summed(*([-0.1, 0.2 + 0.01 * s, 0.1, -0.3] for s in (-1, 1, 1, -0.5)))
    assert lost.crossing is None


def test_seed_decides_everything():
    """Protects reproducibility: one seed gives one curve, another one another."""
    X, y = _regimes(200, 5)
    first, again, other = (curve_of(None, None, X, y, (6, 30), 4, random_state=s).errors for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ([-1, 1, 1], [math.sqrt(10)]),
        ([-3, 1, 1], [10**0.75]),
        ([-1, 0, 1], [10]),
        ([-1, 0, -1], []),
        ([1, -1, 1], [math.sqrt(10), 10 * math.sqrt(10)]),
        ([0, 0, 0], []),
        ([0, -1, -1], []),
    ],
)
def test_crossings_by_hand(difference, expected):
    """Protects the crossing: straight lines in log size; a touch of zero is none."""
    assert crossings([1, 10, 100], difference) == pytest.approx(expected)


@pytest.mark.slow
def test_interval_of_the_crossing_holds_the_truth():
    """Protects the interval: over 30 fresh draws of one kind it holds the crossing of the mean curves."""
    sizes = (8, 16, 32, 64, 128, 256)

    def draw(seed):
        X, y = _regimes(700, 40, seed=0)  # one distribution needs one set of directions
        rng = np.random.default_rng(seed)
        keep = rng.choice(len(y), 500, replace=False)
        return curve_of(None, LogisticRegression(max_iter=200), X[keep], y[keep], sizes, 8, random_state=seed)

    curves = [draw(seed) for seed in range(30)]
    truth = crossings(sizes, np.mean([c.errors[0] - c.errors[1] for c in curves], axis=(0, 1)))
    assert len(truth) == 1
    found = [c.crossing for c in curves if c.crossing is not None]
    assert len(found) >= 20
    assert np.mean([c.low <= truth[0] <= c.high for c in found]) >= 0.9


def test_linear_evaluation_calls_the_encoder_once():
    """Protects the seam: any callable turns items into features, and a wrong shape is one clear line."""
    X, y = _regimes(200, 6)
    calls = []

    def encoder(items):
        calls.append(len(items))
        return X[[int(i) for i in items]]

    items = [str(i) for i in range(200)]
    curve = linear_evaluation(items, y, encoder=encoder, shots=(1, 5), n_repeats=3, random_state=0)
    plain = linear_evaluation(X, y, shots=(1, 5), n_repeats=3, random_state=0)
    assert calls == [200]
    np.testing.assert_array_equal(curve.errors, plain.errors)
    shaped = SimpleNamespace(encode=encoder)
    again = linear_evaluation(items, y, encoder=shaped, shots=(1, 5), n_repeats=3, random_state=0)
    np.testing.assert_array_equal(again.errors, plain.errors)
    with pytest.raises(InputError, match="encoder returned shape"):
        linear_evaluation(items, y, encoder=lambda items: np.zeros(3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.zeros(50)}, "one class"),
        ({"train_sizes": (1,)}, "train size 1"),
        ({"train_sizes": (45,)}, "train size 45"),
        ({"train_sizes": ()}, "train_sizes"),
        ({"n_repeats": 1}, "n_repeats"),
        ({"X": np.full((50, 2), np.nan)}, "missing"),
        ({"X": np.zeros(50)}, "shape"),
        ({"groups": np.zeros(3)}, "groups"),
        ({"groups": np.arange(50) % 2}, "without training rows"),
    ],
)
def test_refusals(change, words):
    """Protects the user's time: each impossible wish is one line that names it."""
    asked = {"X": np.random.default_rng(0).normal(size=(50, 2)), "y": np.arange(50) % 2, "train_sizes": (10,)} | change
    asked.setdefault("n_repeats", 2)
    with pytest.raises(InputError, match=words):
        curve_of(None, None, **asked)


# -- the bound -----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 100_000), k=st.integers(2, 8), sharp=st.floats(0.05, 5))
def test_no_model_errs_more_than_the_bound(seed, k, sharp):
    """Protects the theorem's use: for any truth p and model q, at one point and on average over points."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(k, sharp), 20) + 1e-300, rng.dirichlet(np.full(k, sharp), 20) + 1e-300
    excess = np.maximum((p * np.log(p / q)).sum(axis=1), 0.0)
    lost = p.max(axis=1) - p[np.arange(20), q.argmax(axis=1)]
    assert (lost <= logistic_consistency_bound(excess) + 1e-9).all()
    assert lost.mean() <= logistic_consistency_bound(excess.mean()) + 1e-9


@pytest.mark.parametrize("t", [1e-6, 0.01, 0.3, 0.9, 0.999])
def test_the_bound_is_reached(t):
    """Protects its tightness: truth (1 +- t) / 2 and a model that calls both even lose t at just this excess."""
    p = np.array([1 + t, 1 - t]) / 2
    excess = np.log(2) + float((p * np.log(p)).sum()) if t > 1e-3 else t**2 / 2
    assert logistic_consistency_bound(excess) == pytest.approx(t, rel=1e-6)


def test_the_bound_is_below_the_square_root():
    """Protects against a looser formula: it lies below sqrt(2u), rises, ends at 1, and gaps move it as stated."""
    u = np.linspace(0, 1, 201)
    bound = logistic_consistency_bound(u)
    assert (bound <= np.sqrt(2 * u) + 1e-12).all()
    assert (np.diff(bound) >= 0).all()
    assert bound[0] == pytest.approx(0, abs=1e-12)
    assert bound[-1] == 1
    assert logistic_consistency_bound(0.1, log_loss_gap=0.1) == pytest.approx(logistic_consistency_bound(0.2))
    assert logistic_consistency_bound(0.1, error_gap=0.05) == pytest.approx(logistic_consistency_bound(0.1) - 0.05)
    with pytest.raises(InputError):
        logistic_consistency_bound(-0.1)


def test_rows_needed_by_hand():
    """Protects the claim's measure: straight line in log size, the first size as it is, inf where never reached."""
    assert rows_needed([2, 4, 8], [0.3, 0.02, 0.0], 0.01) == pytest.approx(math.sqrt(32))
    assert rows_needed([2, 4], [0.0], 0.01) == 2
    assert rows_needed([2, 4], [0.5, 0.4], 0.01) == math.inf
