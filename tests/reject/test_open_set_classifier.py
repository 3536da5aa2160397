"""OpenSetClassifier around what people have: pipelines on frames and texts, sparse rows, gaps, weights, groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC

from trueneg.core.errors import InputError
from trueneg.reject import OpenSetClassifier

Y = np.arange(120) % 4
X = np.random.default_rng(0).normal(size=(120, 5))
X[np.arange(120), Y] += 4
FRAME = pd.DataFrame(X, columns=list("abcde")).assign(town=np.array(["Ulm", "Bonn", "Kiel"])[np.arange(120) % 3])
TEXTS = [["red apple", "green pear", "blue plum", "black fig"][k] + f" word{i % 7}" for i, k in enumerate(Y)]
TOWNS = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
GAPS = np.where(np.random.default_rng(1).uniform(size=X.shape) < 0.1, np.nan, X)


def around(estimator, **options):
    """Return an open-set classifier with a seed."""
    return OpenSetClassifier(estimator, random_state=0, **options)


@pytest.mark.parametrize(
    ("estimator", "rows", "nothing"),
    [
        (make_pipeline(TOWNS, LogisticRegression()), FRAME, FRAME.iloc[:0]),
        (make_pipeline(CountVectorizer(), LogisticRegression()), TEXTS, []),
        (make_pipeline(CountVectorizer(), LogisticRegression()), np.array(TEXTS), np.array([], str)),
        (LogisticRegression(), csr_matrix(X), csr_matrix(X)[:0]),
        (HistGradientBoostingClassifier(max_iter=8), GAPS, GAPS[:0]),
    ],
    ids=["frame", "texts", "array of texts", "sparse", "gaps"],
)
def test_rows_reach_the_classifier_as_it_takes_them(estimator, rows, nothing):
    """Around any classifier: its own pipeline reads names of columns, words and gaps, and its answers are kept."""
    model = around(estimator).fit(rows, Y)
    said = model.predict(rows)
    kept = said != -1
    assert kept.mean() > 0.8
    assert (said[kept] == model.estimator_.predict(rows)[kept]).all()
    assert (said[kept] == Y[kept]).mean() > 0.9
    assert model.predict(nothing).shape == (0,)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: around(SVC(decision_function_shape="ovo")).fit(X, Y), "ovr"),
        (lambda: around(make_pipeline(SVC(decision_function_shape="ovo"))).fit(X[Y < 3], Y[Y < 3]), "ovr"),
        (lambda: around(IsolationForest()).fit(X, Y), "one score a class"),
        (lambda: around(LogisticRegression).fit(X, Y), "instance"),
        (lambda: around(LogisticRegression(), temperature="hot").fit(X, Y), "temperature"),
        (lambda: around(make_pipeline(TOWNS, LogisticRegression())).fit(FRAME.drop(columns="town"), Y), "learn"),
        (lambda: around(LogisticRegression()).fit(FRAME.replace(FRAME.a[0], np.nan), Y), "learn"),
        (lambda: around(KNeighborsClassifier()).fit(X, Y, sample_weight=np.ones(120)), "takes no sample_weight"),
        (lambda: around(LogisticRegression()).fit(X, Y, sample_weight=np.ones(3)), "sample_weight has shape"),
        (lambda: around(LogisticRegression()).fit(X, Y, groups=np.zeros(120)), "more groups"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(make, match):
    """Scores of pairs of classes were taken for scores of classes; others ended in an error of the depths."""
    with pytest.raises(InputError, match=match) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_groups_are_held_out_whole():
    """The threshold is not set on twins of rows that were learned from: of 24 groups each is on one side."""
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(X[:, 0].copy())
            return super().fit(X, y)

    group = np.arange(120) // 5
    model = around(Spy()).fit(X, Y, groups=group)
    learned = {int(group[np.flatnonzero(X[:, 0] == v)[0]]) for v in seen[0]}
    assert len(seen[0]) == 5 * len(learned)
    assert model.threshold_.tpr.n == 24 - len(learned)


def test_weights_reach_the_classifier():
    """A class whose rows weigh next to nothing is hardly ever the answer."""
    light = np.where(Y == 3, 1e-6, 1.0)
    plain = around(LogisticRegression(), threshold=None).fit(X, Y)
    weighed = around(LogisticRegression(), threshold=None).fit(X, Y, sample_weight=light)
    assert (plain.logits(X).argmax(1) == 3).sum() > 10 + (weighed.logits(X).argmax(1) == 3).sum()


def test_score_counts_refusals_of_unknown_rows_as_right():
    """Searches of scikit-learn need a score: refusing is right for rows of no class and wrong for others."""
    model = around(LogisticRegression()).fit(X[Y < 3], Y[Y < 3])
    said = model.predict(X)
    assert model.score(X, Y) == np.where(Y < 3, said == Y, said == -1).mean()
    assert model.score(X, Y, sample_weight=Y < 3) == (said == Y)[Y < 3].mean()
    assert cross_val_score(model, X, Y, cv=3).min() > 0.5
    assert GridSearchCV(model, {"estimator__C": [1e-4, 1.0]}, cv=3).fit(X, Y).best_params_["estimator__C"] == 1.0


class Plain:
    """A classifier of another library: scikit-learn's methods, none of its base classes."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def get_params(self, deep=True):
        return {"shift": self.shift}

    def set_params(self, **params):
        self.shift = params.get("shift", self.shift)
        return self

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means = np.array([X[y == c].mean(axis=0) for c in self.classes_])
        return self

    def decision_function(self, X):
        return -np.square(X[:, None] - self.means).sum(axis=2)


def test_a_classifier_of_another_library_is_enough():
    """It need not say by scikit-learn's tags what it takes."""
    model = around(Plain()).fit(X, Y)
    assert (model.predict(X) == Y).mean() > 0.8
    assert model.predict(X + 50).tolist() == [-1] * 120
