"""Neighbours of SMOTE: every space against a brute-force oracle and a peer on the same input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.neighbors import NearestNeighbors

from trueneg.sample._smote import nearest
from trueneg.sample._smote.nearest import EuclideanSpace, NominalSpace, ValueDifferenceSpace, nearest_partners
from trueneg.sample._smote.plan import votes


def _brute(distance, k):
    """Return the k nearest of each row, never itself, ties by row; -1 where the distance is not finite."""
    distance = np.round(distance.astype(float), 9)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    value = np.take_along_axis(distance, order, axis=1)
    out = np.full((len(distance), k), -1)
    out[:, : order.shape[1]] = np.where(np.isfinite(value), order, -1)
    return out


def _nominal_distance(x, codes, penalty):
    differ = (codes[:, None, :] != codes[None]).sum(axis=2)
    return np.sqrt(pairwise_distances(x) ** 2 + differ * penalty**2)


def _value_difference(codes, y):
    total = np.zeros((len(codes), len(codes)))
    for column in codes.T:
        share = {v: np.array([(y[column == v] == c).mean() for c in np.unique(y)]) for v in np.unique(column)}
        delta = np.array([[np.abs(share[v] - share[w]).sum() for w in column] for v in column])
        total += delta**2
    return np.sqrt(total)


def test_neighbour_sets_are_those_of_scikit_learn():
    """The peer's neighbours on the same rows, so that a result does not depend on whose SMOTE made it."""
    x = np.random.default_rng(0).normal(size=(700, 12)).astype(np.float32)
    rows = np.arange(0, 700, 2)
    ours = nearest_partners(EuclideanSpace(x), rows, 5)
    theirs = NearestNeighbors(n_neighbors=6).fit(x[rows].astype(float)).kneighbors(return_distance=False, n_neighbors=5)
    np.testing.assert_array_equal(np.sort(ours, axis=1), np.sort(rows[theirs], axis=1))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.integers(1, 3), st.integers(1, 6), st.integers(0, 10**6), st.booleans())
def test_dense_and_sparse_agree_with_brute_force_on_distinct_points(n, d, k, seed, few):
    """Copies count once: the neighbours of a row are the nearest other points, whatever the container."""
    x = np.random.default_rng(seed).integers(0, 3 if few else 50, size=(n, d)).astype(float)
    points, first, inverse = np.unique(x, axis=0, return_index=True, return_inverse=True)
    firsts = np.sort(first)
    expected = _brute(pairwise_distances(x[firsts]), k)
    expected = np.where(expected >= 0, firsts[expected], -1)[np.searchsorted(firsts, first[inverse.ravel()])]
    for given_x in (x, sparse.csr_matrix(x)):
        np.testing.assert_array_equal(nearest_partners(EuclideanSpace(given_x), np.arange(n), k), expected)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_missing_values_follow_nan_euclidean_distances(kind):
    """Rows with holes are compared over the columns both have, as scikit-learn does; without one, not at all."""
    rng = np.random.default_rng(1)
    x = 100 + rng.normal(size=(80, 5))
    x[rng.random(x.shape) < 0.3] = np.nan
    x[0], x[1] = [1, np.nan, np.nan, np.nan, np.nan], [np.nan, 1, 1, 1, 1]
    distance = nan_euclidean_distances(x)
    space = EuclideanSpace(x if kind == "dense" else sparse.csr_matrix(x), holes=True)
    found, value = space.nearest(np.arange(80), np.arange(80), 79)
    expected = _brute(np.where(np.isnan(distance), np.inf, distance), 79)
    np.testing.assert_array_equal(found, expected)
    inside = found >= 0
    np.testing.assert_allclose(value[inside], np.take_along_axis(distance, found, axis=1)[inside], atol=1e-5)
    assert (found[0] != 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 30), st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_nominal_columns_cost_the_penalty_each(n, q, k, seed):
    """SMOTE-NC without a one-hot table finds the neighbours of the published distance."""
    rng = np.random.default_rng(seed)
    x, codes = rng.normal(size=(n, 2)), rng.integers(0, 3, size=(n, q)).astype(np.int32)
    for numeric in (x, sparse.csr_matrix(x)):
        found = NominalSpace(EuclideanSpace(numeric), codes, 0.7).nearest(np.arange(n), np.arange(n), k)[0]
        np.testing.assert_array_equal(found, _brute(_nominal_distance(x, codes, 0.7), k))


@pytest.mark.parametrize("table", [True, False])
def test_value_difference_is_the_published_one(table, monkeypatch):
    """SMOTE-N's metric against its definition, looked up or computed for columns of many levels."""
    monkeypatch.setattr(nearest, "_TABLE", 2048 if table else 0)
    rng = np.random.default_rng(2)
    codes, y = rng.integers(0, 5, size=(60, 3)).astype(np.int32), rng.integers(0, 3, 60)
    space = ValueDifferenceSpace(codes, y)
    every = np.arange(60)
    np.testing.assert_allclose(np.sqrt(space.block(every, every)), _value_difference(codes, y), atol=1e-12)


def test_tiles_do_not_change_the_neighbours(monkeypatch):
    """The memory bound must not decide who is near: ties across tiles go to the smaller row."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 2, size=(200, 4)).astype(np.int32)
    space = NominalSpace(EuclideanSpace(rng.integers(0, 2, size=(200, 2)).astype(float)), codes, 1.0)
    whole = space.nearest(np.arange(0, 200, 3), np.arange(200), 7)
    monkeypatch.setattr(nearest, "_TILE", 13)
    monkeypatch.setattr(nearest, "_CELLS", 40)
    tiled = space.nearest(np.arange(0, 200, 3), np.arange(200), 7)
    np.testing.assert_array_equal(tiled[0], whole[0])
    np.testing.assert_array_equal(tiled[1], whole[1])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_partners_are_of_the_own_group(n, n_groups, k, seed):
    """A partner of another group would mix two patients; within the group the nearest are found."""
    rng = np.random.default_rng(seed)
    x, groups = rng.normal(size=(n, 2)), rng.integers(0, n_groups, n)
    found = nearest_partners(EuclideanSpace(x), np.arange(n), k, groups=groups)
    distance = np.where(groups[:, None] == groups, pairwise_distances(x), np.inf)
    np.testing.assert_array_equal(found, _brute(distance, k))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4), st.integers(0, 10**6))
def test_votes_take_the_most_frequent_value_and_of_equals_the_nearest(n, k, q, seed):
    """The nominal value of a child against a loop over its voters."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, size=(n, q)).astype(np.int32)
    asked = rng.integers(0, n, size=(n, k))
    asked[np.arange(k) >= rng.integers(1, k + 1, size=(n, 1))] = -1
    winner = codes[votes(codes, np.arange(n), asked), np.arange(q)]
    for row in range(n):
        voters = asked[row][asked[row] >= 0]
        for column in range(q):
            values = codes[voters, column].tolist()
            assert winner[row, column] == max(values, key=lambda v: (values.count(v), -values.index(v)))
