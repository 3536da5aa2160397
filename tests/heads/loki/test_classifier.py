"""The classifier around an estimator and a label space."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from trueneg.core.errors import InputError
from trueneg.heads import GaussianNaiveBayes, GeometryAwareClassifier, MetricLabelSpace, frechet_predict

TREE = MetricLabelSpace.from_tree([(0, 1), (1, 2), (2, 3), (2, 4)])


def rows(n=300):
    """Three of the five labels, told apart by one feature each."""
    rng = np.random.default_rng(0)
    y = rng.choice([0, 3, 4], n)
    return rng.normal(size=(n, 3)) + 2 * np.eye(5)[y][:, [0, 3, 4]], y


def test_it_is_the_rule_on_the_estimators_probabilities():
    """Protects the wrapper: its answers are frechet_predict's, classes that were never trained on among them."""
    X, y = rows()
    model = GeometryAwareClassifier(LogisticRegression(), TREE).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    expected = frechet_predict(plain.predict_proba(X), TREE, observed=plain.classes_)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert {1, 2} & set(expected)
    np.testing.assert_array_equal(model.classes_, np.arange(5))
    assert (model.classes_[model.predict_proba(X).argmax(axis=1)] == expected).mean() > 0.99


def test_texts_reach_a_pipeline_as_they_are():
    """Protects users of texts: what the estimator takes, the classifier takes."""
    X = ["red apple", "green apple", "fast car", "blue car"] * 5
    y = np.array(["fruit", "fruit", "car", "car"] * 5)
    space = MetricLabelSpace.from_tree([("car", "thing"), ("fruit", "thing")])
    model = GeometryAwareClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression(C=100)), space).fit(X, y)
    assert list(model.predict(["apple", "car", "zebra"])) == ["fruit", "car", "thing"]


def test_partial_fit_takes_scikit_learns_own_with_classes():
    """Protects streams: an estimator that must know its classes at the first call is told."""
    X, y = rows()
    model = GeometryAwareClassifier(MultinomialNB(), TREE)
    model.partial_fit(np.abs(X[:100]), y[:100], classes=[0, 3, 4]).partial_fit(np.abs(X[100:]), y[100:])
    whole = GeometryAwareClassifier(MultinomialNB(), TREE).fit(np.abs(X), y)
    np.testing.assert_allclose(model.predict_proba(np.abs(X)), whole.predict_proba(np.abs(X)), atol=1e-9)


def test_bad_input_gets_one_line():
    """Protects the user: labels without a distance, and what cannot stream, are refused before anything is learned."""
    X, y = rows()
    with pytest.raises(InputError, match="7 is missing from the metric"):
        GeometryAwareClassifier(LogisticRegression(), TREE).fit(X, np.where(y == 4, 7, y))
    with pytest.raises(InputError, match="no partial_fit"):
        GeometryAwareClassifier(LogisticRegression(), TREE).partial_fit(X, y)
    with pytest.raises(InputError, match="temperature"):
        GeometryAwareClassifier(LogisticRegression(), TREE, temperature=0).fit(X, y)
    with pytest.raises(InputError, match="no predict_proba"):
        GeometryAwareClassifier(LinearSVC(), TREE).fit(X, y)
    with pytest.raises(InputError, match="space is a list"):
        GeometryAwareClassifier(space=[(0, 1)]).fit(X, y)
    holed = np.where(np.arange(len(X))[:, None] == 7, np.nan, X)
    with pytest.raises(InputError, match="^X, row 7, holds NaN or infinity: repair or drop such rows first.$"):
        GeometryAwareClassifier(space=TREE).fit(holed, y)
    with pytest.raises(InputError, match="^X, row 7, holds NaN"):
        GeometryAwareClassifier(space=TREE).fit(X, y).predict(holed)


@pytest.mark.parametrize("space", [TREE, None])
def test_labels_and_log_odds_in_one_pass(space):
    """Protects predict of large label spaces: the labels of predict, the log odds of predict_proba."""
    X, y = rows()
    model = GeometryAwareClassifier(LogisticRegression(max_iter=500), space).fit(X, y)
    labels, gap = model.predict_ahead(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    two = np.sort(np.log(model.predict_proba(X)), axis=1)[:, -2:]
    np.testing.assert_allclose(gap, two[:, 1] - two[:, 0], atol=1e-6)


def test_many_labels_are_never_held_at_once():
    """Protects memory: 1,000 rows of a tree of 10,000 labels take a small part of the 80 MB of their probabilities."""
    rng = np.random.default_rng(0)
    n = 10_000
    names = np.array([f"v{i}" for i in range(n)])
    parent = (rng.random(n - 1) * np.arange(1, n)).astype(int)
    space = MetricLabelSpace.from_tree(np.stack([names[1:], names[parent]], axis=1))
    X = rng.normal(size=(1000, 3))
    model = GeometryAwareClassifier(GaussianNaiveBayes(), space).fit(X, names[(X[:, 0] > 0) + 5])
    tracemalloc.start()
    labels, gap = model.predict_ahead(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    assert len(labels) == len(gap) == 1000
    assert (gap >= 0).all()
