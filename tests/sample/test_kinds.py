"""The descendants of SMOTE: who may be a parent, of whom, and how many children, each against a loop."""

from __future__ import annotations

import imblearn.over_sampling as peer
import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.svm import SVC

from trueneg.core.errors import InputError
from trueneg.sample import ADASYN, SVMSMOTE, BorderlineSMOTE, KMeansSMOTE, SamplingWarning

KINDS = [BorderlineSMOTE, SVMSMOTE, ADASYN, KMeansSMOTE]


def _overlapping(n=900, minority=100, shift=1.5, seed=0):
    rng = np.random.default_rng(seed)
    X = np.concatenate([rng.normal(size=(n, 2)), shift + rng.normal(size=(minority, 2))])
    return X, np.repeat([0, 1], [n, minority])


def _others(X, y, m):
    """Return how many of the m nearest of each row are of another class."""
    distance = pairwise_distances(X)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1, kind="stable")[:, :m]
    return (y[near] != y[:, None]).sum(axis=1)


def test_borderline_parents_are_the_rows_in_danger():
    """Half or more of ten neighbours of other classes, but not all: no other row has children."""
    X, y = _overlapping()
    others = _others(X, y, 10)
    danger = np.flatnonzero((y == 1) & (others >= 5) & (others < 10))
    model = BorderlineSMOTE(random_state=0).fit(X, y)
    np.testing.assert_array_equal(np.unique(model.parents_[:, 0]), danger)
    assert (y[model.parents_[:, 1]] == 1).all()


def test_borderline_2_goes_half_of_the_way_at_most():
    """Toward another class a child goes a quarter of the way on average, never more than half."""
    X, y = _overlapping()
    model = BorderlineSMOTE(kind="borderline-2", amount=10_000, random_state=0).fit(X, y)
    away = y[model.parents_[:, 1]] == 0
    assert away.mean() == 0.5
    assert model.weights_[away].mean() == pytest.approx(0.25, abs=0.01)
    assert 0.49 < model.weights_[away].max() < 0.5
    assert model.weights_[~away].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", [BorderlineSMOTE, ADASYN])
def test_no_row_near_another_class_is_said(kind):
    """The peer returns the data as it was, or stops; here a warning says what was looked for and what to do."""
    X, y = _overlapping(shift=50)
    with pytest.warns(SamplingWarning, match="class 1: none of the 800 rows .* use SMOTE"):
        out, _ = kind(random_state=0).fit_resample(X, y)
    assert len(out) == len(X)


def test_svm_parents_are_support_vectors_and_the_safe_ones_go_outward():
    """Each support vector that is no noise has children: beyond itself where its own class prevails, else inward."""
    X, y = _overlapping()
    others = _others(X, y, 10)
    support = np.isin(np.arange(len(X)), SVC().fit(X, y).support_) & (y == 1) & (others < 10)
    model = SVMSMOTE(amount=2000, random_state=0).fit(X, y)
    np.testing.assert_array_equal(np.unique(model.parents_[:, 0]), np.flatnonzero(support))
    outward = others[model.parents_[:, 0]] < 5
    assert (model.weights_[outward] <= 0).all()
    assert (model.weights_[outward] > -0.5).all()
    assert (model.weights_[~outward] >= 0).all()
    assert outward.any()
    assert not outward.all()


def test_adasyn_makes_exactly_as_many_as_asked_in_proportion_to_difficulty():
    """The peer's rounding gives 808 for 800; here each row is within one of its share and the sum is exact."""
    X, y = _overlapping()
    model = ADASYN(random_state=0).fit(X, y)
    assert len(model.parents_) == 800
    assert len(peer.ADASYN(random_state=0).fit_resample(X, y)[1]) - len(y) != 800
    share = np.where(y == 1, _others(X, y, 5), 0)
    children = np.bincount(model.parents_[:, 0], minlength=len(y))
    assert np.abs(children - share / share.sum() * 800).max() < 1


def test_kmeans_works_by_default_where_the_peer_raises():
    """On two plain Gaussians some cluster always has the class's overall share."""
    X, y = _overlapping(shift=0.5)
    assert np.bincount(KMeansSMOTE(random_state=0).fit_resample(X, y)[1]).tolist() == [900, 900]
    with pytest.raises(RuntimeError, match="No clusters found"):
        peer.KMeansSMOTE(random_state=0).fit_resample(X, y)


def test_kmeans_fills_the_sparse_clusters_in_proportion():
    """Children stay within a cluster and are divided by (mean distance) ** exponent / rows, as published."""
    X, y = _overlapping()
    clusters = KMeans(6, n_init=1, random_state=0).fit_predict(X)
    model = KMeansSMOTE(
        kmeans_estimator=KMeans(6, n_init=1, random_state=0), density_exponent=1.5, amount=5000, random_state=0
    ).fit(X, y)
    of = clusters[model.parents_]
    assert (of[:, 0] == of[:, 1]).all()
    weight = np.zeros(6)
    for c in range(6):
        rows = np.flatnonzero((clusters == c) & (y == 1))
        if len(rows) >= 2 and len(rows) / (clusters == c).sum() >= 0.1:
            distance = pairwise_distances(X[rows])
            weight[c] = distance[np.triu_indices(len(rows), 1)].mean() ** 1.5 / len(rows)
    children = np.bincount(of[:, 0], minlength=6)
    assert np.abs(children - weight / weight.sum() * 5000).max() < 1


def test_kmeans_in_many_columns_does_not_overflow():
    """A mean distance to the power of the number of columns leaves float64 long before 400 columns."""
    rng = np.random.default_rng(0)
    X, y = 1e3 * rng.normal(size=(200, 400)), np.arange(200) % 4 == 0
    assert np.bincount(KMeansSMOTE(random_state=0).fit_resample(X, y)[1]).tolist() == [150, 150]


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_and_sparse_rows_are_taken(kind):
    """Each kind makes its rows with holes in the data, dense and sparse, and leaves the kept rows as they were."""
    X, y = _overlapping()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    for data in (X, sparse.csr_matrix(X)):
        model = kind(random_state=0)
        out, labels = model.fit_resample(data, y)
        assert np.bincount(labels).tolist() == [900, 900]
        dense = out.toarray() if sparse.issparse(out) else out
        np.testing.assert_array_equal(dense[: len(X)], X)


@pytest.mark.parametrize("kind", [*KINDS, lambda **k: BorderlineSMOTE(kind="borderline-2", **k)])
def test_groups_hold_for_every_kind(kind):
    """A partner of another class, too, is of the row's own group."""
    X, y = _overlapping()
    groups = np.random.default_rng(0).integers(0, 4, len(X))
    model = kind(random_state=0).fit(X, y, groups=groups)
    own = groups[model.parents_]
    assert len(own)
    assert (own[:, 0] == own[:, 1]).all()


def test_options_of_the_kinds_are_checked():
    """One line that names the parameter."""
    X, y = _overlapping()
    for sampler, words in (
        (BorderlineSMOTE(kind="borderline-3"), "borderline-3"),
        (BorderlineSMOTE(m_neighbors=0), "m_neighbors=0"),
        (SVMSMOTE(out_step=0), "out_step=0"),
        (SVMSMOTE(svm_estimator=LogisticRegression()), "no support_"),
        (KMeansSMOTE(kmeans_estimator=0), "at least one cluster"),
    ):
        with pytest.raises(InputError, match=words):
            sampler.fit(X, y)
