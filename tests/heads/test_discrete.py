"""Discrete naive Bayes: peers on the same input, the counts by hand, streams, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, MultinomialNB
from sklearn.preprocessing import OneHotEncoder

from trueneg.core.errors import InputError
from trueneg.heads import DiscreteNaiveBayes


def _codes(n=300, d=6, k=3, levels=4, seed=0):
    """Draw codes that depend on the class; every level of every feature appears."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    X = (rng.integers(0, levels, (n, d)) * rng.integers(0, 2, (n, d)) + y[:, None]) % levels
    X[:levels] = np.arange(levels)[:, None]
    return X, y


@pytest.mark.parametrize("alpha", [1.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_codes_as_categorical_nb(alpha, weighted):
    """Protects the counts: on codes that all appear, weighted or not, probabilities are CategoricalNB's."""
    X, y = _codes()
    w = np.random.default_rng(1).uniform(0.5, 2, len(y)) if weighted else None
    ours, theirs = (m(alpha=alpha).fit(X, y, sample_weight=w) for m in (DiscreteNaiveBayes, CategoricalNB))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(ours.predict_joint_log_proba(X), theirs.predict_joint_log_proba(X))


def test_flags_as_bernoulli_nb():
    """Protects 0/1 features: two values with alpha each are BernoulliNB's smoothing."""
    X, y = _codes(levels=2)
    ours, theirs = DiscreteNaiveBayes().fit(X, y), BernoulliNB().fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-12)


def test_one_hot_as_multinomial_nb():
    """Protects the smoothing: MultinomialNB on one-hot codes of equally many levels is the same model."""
    X, y = _codes()
    hot = OneHotEncoder().fit_transform(X)
    ours, theirs = DiscreteNaiveBayes().fit(X, y), MultinomialNB().fit(hot, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(hot), atol=1e-12)


def test_given_priors_as_categorical_nb():
    """Protects the priors: given ones and uniform ones are CategoricalNB's with the same."""
    X, y = _codes()
    for priors, fit_prior, class_prior in (([0.2, 0.3, 0.5], True, [0.2, 0.3, 0.5]), ("uniform", False, None)):
        theirs = CategoricalNB(fit_prior=fit_prior, class_prior=class_prior).fit(X, y)
        ours = DiscreteNaiveBayes(priors=priors).fit(X, y)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 60), max_size=4), merged=st.booleans())
def test_parts_give_the_whole(seed, cuts, merged):
    """Protects streaming and merging: values and classes that come late are counted as if known from the start."""
    X, y = _codes(60, levels=5, seed=seed)
    X = np.sort(X - 2.5, axis=0)  # late rows bring new values
    names = np.array(["ham", "eggs", "spam"])[y]
    w = np.random.default_rng(seed).integers(0, 3, 60) + 0.5
    whole = DiscreteNaiveBayes().fit(X, names, sample_weight=w)
    parts = [p for p in np.split(np.arange(60), sorted(cuts)) if len(p)]
    model = DiscreteNaiveBayes()
    for i, p in enumerate(parts):
        if merged and i:
            model.merge(DiscreteNaiveBayes().fit(X[p], names[p], sample_weight=w[p]))
        else:
            model.partial_fit(X[p], names[p], sample_weight=w[p])
    assert model.classes_.tolist() == sorted(set(names))
    np.testing.assert_allclose(model.predict_joint_log_proba(X), whole.predict_joint_log_proba(X))


def test_a_value_never_seen_tells_nothing():
    """Protects prediction on new categories: such a feature drops out, the others decide."""
    X = np.array([[0, 0], [0, 0], [1, 1], [1, 1]])
    model = DiscreteNaiveBayes().fit(X, [0, 0, 1, 1])
    proba = model.predict_proba([[9, 9], [9, 1]])
    np.testing.assert_allclose(proba[0], [0.5, 0.5])
    np.testing.assert_allclose(proba[1], [0.25, 0.75])


def test_a_row_of_weight_zero_names_its_class_only():
    """Protects weights: its values are not seen, its class is listed and never predicted."""
    X, y = np.array([[0], [1], [7]]), np.array([0, 1, 2])
    model = DiscreteNaiveBayes().fit(X, y, sample_weight=[1.0, 1.0, 0.0])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.categories_[0].tolist() == [0, 1]
    assert (model.predict_proba(X)[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("options", "weight", "words"),
    [
        ({"alpha": 0.0}, None, "alpha"),
        ({"alpha": np.nan}, None, "alpha"),
        ({"priors": [1.0]}, None, "priors"),
        ({}, [1.0, 2.0], "one weight a row"),
        ({}, -np.ones(300), "weights of 0 or more"),
        ({}, np.zeros(300), "weights of 0 or more"),
    ],
)
def test_refusals(options, weight, words):
    """Protects the user's time: each wrong use is one line with its remedy."""
    X, y = _codes()
    with pytest.raises(InputError, match=words):
        DiscreteNaiveBayes(**options).fit(X, y, sample_weight=weight)


def test_other_features_are_not_merged():
    """Protects against adding counts of other features."""
    X, y = _codes()
    with pytest.raises(InputError, match="3 features cannot be merged with those of 6"):
        DiscreteNaiveBayes().fit(X, y).merge(DiscreteNaiveBayes().fit(X[:, :3], y))


def test_a_batch_that_does_not_fit_changes_nothing():
    """Protects a running stream: priors for three classes refuse a fourth one, and the head goes on as it was."""
    X, y = _codes()
    model = DiscreteNaiveBayes(priors=[0.2, 0.3, 0.5]).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(InputError, match="priors"):
        model.partial_fit(X + 1, y + 1)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    np.testing.assert_array_equal(model.class_count_, np.bincount(y))
