"""The checks of the Head shape pass a sound head and catch each defect."""

# ruff: noqa: D102 - the methods of the heads below are scikit-learn's

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

from trueneg.testing import check_head, head_checks
from trueneg.testing import head as checks


class CentroidHead(ClassifierMixin, BaseEstimator):
    """Nearest running mean; the smallest head that takes new classes."""

    def fit(self, X, y):
        self.classes_, self.sums_, self.counts_ = np.empty(0, dtype=np.asarray(y).dtype), None, None
        return self._add(X, y, reset=True)

    def partial_fit(self, X, y):
        return self._add(X, y, reset=False) if hasattr(self, "sums_") else self.fit(X, y)

    def _add(self, X, y, *, reset):
        X, y = validate_data(self, X, y, reset=reset)
        classes = np.union1d(self.classes_, y)
        sums, counts = np.zeros((len(classes), X.shape[1])), np.zeros(len(classes))
        if self.sums_ is not None:
            old = np.searchsorted(classes, self.classes_)
            sums[old], counts[old] = self.sums_, self.counts_
        column = np.searchsorted(classes, y)
        np.add.at(sums, column, X)
        np.add.at(counts, column, 1)
        self.classes_, self.sums_, self.counts_ = classes, sums, counts
        return self

    def predict_proba(self, X):
        X = validate_data(self, X, reset=False)
        centers = self.sums_ / self.counts_[:, None]
        scores = -np.square(X[:, None] - centers).sum(axis=2)
        proba = np.exp(scores - scores.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class RefitsOnPartialFit(CentroidHead):
    def partial_fit(self, X, y):
        return self.fit(X, y)


class NeverForgets(CentroidHead):
    def fit(self, X, y):
        return self.partial_fit(X, y)

    def partial_fit(self, X, y):
        return self._add(X, y, reset=False) if hasattr(self, "sums_") else super().fit(X, y)


class DropsNewClasses(CentroidHead):
    def partial_fit(self, X, y):
        if not hasattr(self, "sums_"):
            return self.fit(X, y)
        known = np.isin(y, self.classes_)
        return self._add(X[known], y[known], reset=False)


class ShufflesColumns(CentroidHead):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]

    def predict(self, X):
        return self.classes_[::-1][self.predict_proba(X).argmax(axis=1)]


class WritesIntoX(CentroidHead):
    def fit(self, X, y):
        super().fit(X, y)
        X -= X.mean(axis=0)
        return self


class DrawsGlobally(CentroidHead):
    def predict_proba(self, X):
        proba = super().predict_proba(X) + 1e-9 * np.random.rand()  # noqa: NPY002
        return proba / proba.sum(axis=1, keepdims=True)


class TakesNan(CentroidHead):
    def fit(self, X, y):
        return super().fit(np.nan_to_num(X), y)


@pytest.mark.parametrize("check", list(head_checks()), ids=lambda check: check.__name__)
def test_a_sound_head_passes(check):
    """A check that no head can pass would shut plug-ins out."""
    check(CentroidHead())


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (RefitsOnPartialFit, checks.check_partial_fit_keeps_classes),
        (NeverForgets, checks.check_fit_forgets),
        (DropsNewClasses, checks.check_partial_fit_adds_classes),
        (ShufflesColumns, checks.check_fit_predict),
        (WritesIntoX, checks.check_inputs_unchanged),
        (DrawsGlobally, checks.check_deterministic),
        (TakesNan, checks.check_bad_input),
    ],
)
def test_a_broken_head_is_caught(broken, check):
    """Each check bites: the defect it is named for makes it, and the whole run, fail."""
    with pytest.raises(AssertionError):
        check(broken())
    with pytest.raises(AssertionError):
        check_head(broken())
