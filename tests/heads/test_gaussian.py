"""Gaussian naive Bayes: the textbook density, peers, streams, float32, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from trueneg.core.errors import InputError
from trueneg.heads import DiscreteNaiveBayes, GaussianNaiveBayes

TYPES = ("tied", "diag", "spherical")
HEADS = [GaussianNaiveBayes(covariance_type=t) for t in TYPES] + [DiscreteNaiveBayes()]


def _case(n=120, d=5, k=4, seed=0, far=0.0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % k)
    spread = rng.uniform(0.5, 2.0, (k, d))
    return far + rng.normal(size=(k, d))[y] + spread[y] * rng.normal(size=(n, d)), y


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_posterior_is_the_textbook_one(kind, seed):
    """Protects the expanded product: Bayes' rule with normal densities, feature by feature, gives the same."""
    from scipy.stats import norm

    X, y = _case(seed=seed)
    model = GaussianNaiveBayes(covariance_type=kind).fit(X, y)
    var = {"tied": model.var_[None], "diag": model.var_, "spherical": model.var_.reshape(-1, 1)}[kind]
    log = norm.logpdf(X[:, None], model.theta_, np.sqrt(var)).sum(axis=2) + np.log(model.class_prior_)
    proba = np.exp(log - log.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(X), proba / proba.sum(axis=1, keepdims=True), atol=1e-10)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


@pytest.mark.parametrize("far", [0.0, 1000.0])
def test_diag_is_scikit_learns_gaussian_nb(far):
    """Protects the peer's model: same variances, smoothing and probabilities, also far from zero and weighted."""
    X, y = _case(far=far)
    w = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    ours, theirs = (m.fit(X, y, sample_weight=w) for m in (GaussianNaiveBayes(covariance_type="diag"), GaussianNB()))
    np.testing.assert_allclose(ours.theta_, theirs.theta_)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_tied_variance_is_the_mean_of_the_classes_and_the_rule_is_linear():
    """Protects the paper's model: shared variance weighted by class, and coef_ and intercept_ that decide alone."""
    X, y = _case()
    model = GaussianNaiveBayes(var_smoothing=0.0).fit(X, y)
    want = sum((y == c).mean() * X[y == c].var(axis=0) for c in range(4))
    np.testing.assert_allclose(model.var_, want)
    linear = X @ model.coef_.T + model.intercept_
    np.testing.assert_array_equal(linear.argmax(axis=1), model.predict(X))
    assert not hasattr(model.set_params(covariance_type="diag").fit(X, y), "coef_")


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_stream_and_merge_are_one_fit(head):
    """Protects streaming: single rows in any order, and two workers merged, equal one fit on all rows."""
    from sklearn.base import clone

    X, y = _case(60)
    X = X.round()
    w = np.random.default_rng(0).uniform(0.5, 2, len(y))
    whole = clone(head).fit(X, y, sample_weight=w).predict_proba(X)
    one = clone(head)
    for i in np.argsort(y):  # classes arrive one after another
        one.partial_fit(X[i : i + 1], y[i : i + 1], sample_weight=w[i : i + 1])
    left, right = (clone(head).fit(X[p], y[p], sample_weight=w[p]) for p in (y < 2, y >= 2))
    np.testing.assert_allclose(one.predict_proba(X), whole, atol=1e-9)
    np.testing.assert_allclose(left.merge(right).predict_proba(X), whole, atol=1e-9)
    assert right.classes_.tolist() == [2, 3]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", ["plain", "far", "close", "huge", "constant"])
def test_float32_decides_as_float64(kind, case):
    """Protects the fast product: every float32 row gets the decision of float64, near ties included."""
    rng = np.random.default_rng(0)
    X, y = _case(3000, d=30, k=6, far=1e4 if case == "far" else 0.0)
    X = X * (1e25 if case == "huge" else 1.0)
    if case == "constant":
        X[:, :29] = 1.0
    X = X.astype(np.float32)
    model = GaussianNaiveBayes(covariance_type=kind).fit(X.astype(np.float64), y)
    if case == "close":  # rows put on the border of two classes, where the float32 product alone errs
        a, b = model.theta_[0], model.theta_[1]
        X = ((a + b) / 2 + 1e-7 * rng.normal(size=X.shape)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype(np.float64)))


def test_float32_alone_would_err():
    """Protects the test above: on its border rows a plain float32 product does differ from float64."""
    X, y = _case(3000, d=30, k=6)
    model = GaussianNaiveBayes().fit(X, y)
    border = (model.theta_[0] + model.theta_[1]) / 2 - np.log(1.0)
    border = (border + 1e-7 * np.random.default_rng(0).normal(size=X.shape)).astype(np.float32)
    two = model.coef_[:2] - model.coef_[:1]
    plain = border @ two.astype(np.float32).T + (model.intercept_[:2] - model.intercept_[0]).astype(np.float32)
    exact = border.astype(float) @ two.T + model.intercept_[:2] - model.intercept_[0]
    assert (plain.argmax(axis=1) != exact.argmax(axis=1)).any()


def test_priors():
    """Protects the priors: given ones replace the shares, "uniform" ignores them, wrong ones are refused."""
    X, y = _case(k=2)
    X, y = X[20:], np.where(np.arange(100) < 10, 0, 1)
    assert GaussianNaiveBayes().fit(X, y).class_prior_.tolist() == [0.1, 0.9]
    assert GaussianNaiveBayes(priors="uniform").fit(X, y).class_prior_.tolist() == [0.5, 0.5]
    sure = GaussianNaiveBayes(priors=[1.0, 0.0]).fit(X, y)
    assert (sure.predict(X) == 0).all()
    for bad in ([0.5, 0.4], [1.0], "flat", [-1.0, 2.0]):
        with pytest.raises(InputError, match="priors"):
            GaussianNaiveBayes(priors=bad).fit(X, y)


def test_one_shot_a_class_is_the_nearest_row():
    """Protects the smallest training set: with one row a class the tied rule is the nearest mean, not a crash."""
    X, y = _case(4)
    points, _ = _case(50, seed=3)
    got = GaussianNaiveBayes(priors="uniform").fit(X, y).predict(points)
    np.testing.assert_array_equal(got, y[((points[:, None] - X) ** 2).sum(axis=2).argmin(axis=1)])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", ["one_class", "constant", "ties", "integer", "zero_weight_class"])
def test_degenerate_inputs_give_finite_answers(kind, case):
    """Protects against NaN: one class, constant or repeated rows and a class without weight all get probabilities."""
    X, y = _case(40)
    w = np.ones(40)
    if case == "one_class":
        y = np.zeros(40, int)
    elif case == "constant":
        X = np.ones_like(X)
    elif case == "ties":
        X = np.repeat(X[:4], 10, axis=0)
    elif case == "integer":
        X = X.round().astype(int)
    else:
        w[y == 2] = 0.0
    model = GaussianNaiveBayes(covariance_type=kind).fit(X, y, sample_weight=w)
    proba = model.predict_proba(X)
    assert np.isfinite(proba).all()
    if case == "zero_weight_class":
        assert (proba[:, 2] == 0).all()


def test_expected_classes_are_listed_and_never_guessed():
    """Protects partial_fit(classes=...): a class without rows has its column and is not predicted."""
    X, y = _case(40, k=2)
    for head in HEADS:
        from sklearn.base import clone

        model = clone(head).partial_fit(X, y, classes=[0, 1, 7])
        assert model.classes_.tolist() == [0, 1, 7]
        assert (model.predict_proba(X)[:, 2] == 0).all()


def test_refusals_are_one_clear_line():
    """Protects the user's time: each wrong use names its remedy."""
    X, y = _case(40)
    for model, words in (
        (GaussianNaiveBayes(covariance_type="full"), "covariance_type"),
        (DiscreteNaiveBayes(alpha=0), "alpha"),
    ):
        with pytest.raises(InputError, match=words):
            model.fit(X, y)
    with pytest.raises(InputError, match="weight"):
        GaussianNaiveBayes().fit(X, y, sample_weight=np.zeros(40))
    with pytest.raises(InputError, match="fit instead"):
        GaussianNaiveBayes().fit(X, y).set_params(covariance_type="diag").partial_fit(X, y)
    with pytest.raises(InputError, match="same way"):
        GaussianNaiveBayes().fit(X, y).merge(GaussianNaiveBayes(covariance_type="diag").fit(X, y))


@pytest.mark.parametrize("kind", TYPES)
def test_a_batch_that_does_not_fit_changes_nothing(kind):
    """Protects a running stream: priors for two classes refuse a third one, and the head goes on as it was."""
    X, y = _case(60, k=3)
    model = GaussianNaiveBayes(covariance_type=kind, priors=[0.5, 0.5]).fit(X[y < 2], y[y < 2])
    before = model.predict_proba(X)
    with pytest.raises(InputError, match="priors"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.stats_.counts.sum() == (y < 2).sum()


def test_float32_rows_are_never_copied_whole():
    """Protects memory: predicting float32 rows needs blocks and the answer, not the rows again in float64."""
    import tracemalloc

    X, y = _case(40_000, d=100)
    X = X.astype(np.float32)
    model = GaussianNaiveBayes().fit(X, y)
    tracemalloc.start()
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 2
