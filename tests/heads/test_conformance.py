"""Every public head obeys scikit-learn's conventions and the shape of a head; found, not listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import trueneg.heads as room
from trueneg.core.shapes import Head
from trueneg.heads import GaussianNaiveBayes
from trueneg.testing import head_checks

PUBLIC = [getattr(room, name) for name in room.__all__]
ESTIMATORS = [kind for kind in PUBLIC if isinstance(kind, type) and issubclass(kind, BaseEstimator)]
# A binarizer or a search is an estimator of this room and no head: it learns no batch after another.
HEADS = [kind for kind in ESTIMATORS if issubclass(kind, ClassifierMixin) and hasattr(kind, "partial_fit")]

# Settings that make a default cheap enough to be fitted hundreds of times.
CHEAP: dict[str, dict[str, Any]] = {"TsetlinMachineClassifier": {"n_clauses": 60}}

# By default and in every other way of working that has code of its own.
WAYS: list[Any] = [kind(**CHEAP.get(kind.__name__, {})) for kind in HEADS] + [
    GaussianNaiveBayes(covariance_type="diag"),
    GaussianNaiveBayes(covariance_type="spherical"),
    GaussianNaiveBayes(priors="uniform"),
]

# Heads that only count: one row after another gives what all at once does, and a weight is a number of rows.
COUNTING = [head for head in WAYS if "naive_bayes" in type(head).__module__]

# What is not yet as the shape says. Strict: whoever closes a gap deletes its line.
GAPS: dict[tuple[str, str], str] = {}


# Checks of scikit-learn whose premise does not fit a head, by its class, each with its reason.
_CHANCE = "a weight is a probability to take part in a pass: as good as repetition in the mean, not in each draw"
EXPECTED: dict[str, dict[str, str]] = {
    "TsetlinMachineClassifier": {
        f"check_sample_weight_equivalence_on_{kind}_data": _CHANCE for kind in ("dense", "sparse")
    },
}


@parametrize_with_checks(WAYS, expected_failed_checks=lambda e: EXPECTED.get(type(e).__name__, {}), xfail_strict=True)
def test_scikit_learn_conventions(estimator, check):
    """Pipelines, clones and searches of scikit-learn can use every head."""
    check(estimator)


def _own_checks():
    for head in WAYS:
        for check in head_checks():
            gap = GAPS.get((type(head).__name__, check.__name__))
            marks = [pytest.mark.xfail(reason=gap, strict=True)] if gap else []
            yield pytest.param(head, check, marks=marks, id=f"{head}-{check.__name__}")


@pytest.mark.parametrize(("head", "check"), list(_own_checks()))
def test_head_shape(head, check):
    """Any head can stand where another one stood."""
    check(head)


def test_discovery_finds_the_heads():
    """A discovery that finds nothing would make every check above pass."""
    assert {"GaussianNaiveBayes", "DiscreteNaiveBayes"} <= {kind.__name__ for kind in HEADS}
    assert len(COUNTING) >= 5
    for kind in HEADS:
        assert all(hasattr(kind, part) for part in ("fit", "predict", "predict_proba"))
    assert isinstance(GaussianNaiveBayes().fit([[0.0], [1.0]], [0, 1]), Head)


@pytest.mark.parametrize("head", COUNTING, ids=str)
def test_one_row_at_a_time_in_any_order(head):
    """Protects streams: batches of one row, classes one after another, give the answers of one fit on all rows."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(60) % 4)
    X = rng.normal(size=(60, 5)).round() + y[:, None]
    whole = clone(head).fit(X, y).predict_proba(X)
    one = clone(head)
    for i in np.argsort(y):
        one.partial_fit(X[i : i + 1], y[i : i + 1])
    np.testing.assert_allclose(one.predict_proba(X), whole, atol=1e-9)


@pytest.mark.parametrize("head", COUNTING, ids=str)
def test_a_weight_is_a_number_of_rows(head):
    """Protects sample_weight: a row of weight 2 is that row twice, one of weight 0 is none."""
    rng = np.random.default_rng(1)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 3)).round() + y[:, None]
    w = rng.integers(0, 3, 40)
    weighted = clone(head).fit(X, y, sample_weight=w).predict_proba(X)
    np.testing.assert_allclose(weighted, clone(head).fit(X.repeat(w, 0), y.repeat(w)).predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("head", COUNTING, ids=str)
def test_float32_rows_are_answered_as_float64_ones(head):
    """Protects memory and truth: float32 rows, which blocks turn to float64, get the answers of float64 rows."""
    rng = np.random.default_rng(2)
    y = np.arange(200) % 3
    X = (rng.normal(size=(200, 4)).round() + y[:, None]).astype(np.float32)
    small, large = clone(head).fit(X, y), clone(head).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(small.predict_proba(X), large.predict_proba(X.astype(np.float64)), atol=1e-9)
    np.testing.assert_array_equal(small.predict(X), large.predict(X.astype(np.float64)))
