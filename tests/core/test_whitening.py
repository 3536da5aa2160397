"""Whitening from class statistics: distances, shrinkage, rank, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import OAS, LedoitWolf

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError


def _case(n=300, d=6, k=3, seed=0, far=0.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return far + (rng.normal(size=(n, d)) + 3 * rng.normal(size=(k, d))[y]) @ rng.normal(size=(d, d)), y


def _residuals(X, y):
    return X - np.array([X[y == c].mean(axis=0) for c in np.unique(y)])[y]


@pytest.mark.parametrize("tied", [True, False])
def test_plain_distances_are_mahalanobis_ones(tied):
    """Protects the map: squared distances of white rows are those by the inverse of the pooled covariance."""
    X, y = _case(far=50.0)
    white = ClassStats(spread="full", tied=tied).update(X, y).whitening()
    rest = _residuals(X, y)
    inverse = np.linalg.inv(rest.T @ rest / len(X))
    step = X[:100] - X[100:200]
    want = np.einsum("ij,jk,ik->i", step, inverse, step)
    got = np.square(white.transform(X[:100]) - white.transform(X[100:200])).sum(axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-9)
    assert white.log_determinant == pytest.approx(-np.linalg.slogdet(inverse)[1])
    np.testing.assert_allclose(np.cov(white.transform(rest), rowvar=False, ddof=0), np.eye(6), atol=1e-9)


def test_one_class_alone():
    """Protects ``label``: the covariance and the centre are those of that class."""
    X, y = _case()
    names = np.array(["a", "b", "c"])[y]
    white = ClassStats(spread="full").update(X, names).whitening(label="b")
    own = white.transform(X[y == 1])
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(own.T @ own / len(own), np.eye(6), atol=1e-9)


@pytest.mark.parametrize(("rule", "peer"), [("ledoit_wolf", LedoitWolf), ("oas", OAS)])
@pytest.mark.parametrize(("n", "d"), [(300, 6), (40, 60), (5, 200), (50, 1)])
def test_shrinkage_is_scikit_learns(rule, peer, n, d):
    """Protects both rules: scikit-learn's on the same centred rows, in batches, with more features than rows too."""
    X, y = _case(n, d)
    stats = ClassStats(spread="full", tied=True)
    for part in np.array_split(np.arange(n), 3):
        stats.update(X[part], y[part])
    fourth = sum(stats.quartic(X[part], y[part]) for part in np.array_split(np.arange(n), 3))
    white = stats.whitening(shrinkage=rule, quartic=fourth)
    fitted = peer(assume_centered=True).fit(_residuals(X, y))
    assert white.shrinkage == pytest.approx(fitted.shrinkage_, rel=1e-9)
    np.testing.assert_allclose(white.matrix @ white.matrix.T, fitted.precision_, rtol=1e-6, atol=1e-12)


def test_the_cut_is_relative():
    """Protects against absolute floors: in units a billion times smaller the same directions are kept."""
    X, y = _case(d=5)
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(len(X))])  # two directions without any spread
    for unit in (1.0, 1e-9, 1e9):
        white = ClassStats(spread="full", tied=True).update(X * unit, y).whitening()
        assert white.dropped == 2
        rest = _residuals(X, y)
        np.testing.assert_allclose(
            np.square(white.transform(X[:20] * unit) - white.transform(X[20:40] * unit)).sum(axis=1),
            np.einsum("ij,jk,ik->i", X[:20] - X[20:40], np.linalg.pinv(rest.T @ rest / len(X)), X[:20] - X[20:40]),
            rtol=1e-6,
        )


def test_condition_number_of_1e8():
    """Protects precision: along a direction with a 1e8th of the variance, distances are right to 1e-4."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    scale = np.logspace(0, -4, 64)
    X = ((rng.normal(size=(4000, 64)) * scale) @ basis.T + 3).astype(np.float32)
    exact = ClassStats(spread="full", tied=True).update(X, np.zeros(4000, int))
    white = exact.whitening()
    assert white.dropped == 0
    # The oracle solves by least squares on the rows and never forms a covariance.
    rest = X.astype(np.float64) - X.astype(np.float64).mean(axis=0)
    upper = np.linalg.qr(rest / np.sqrt(4000), mode="r")
    step = rest[:50] - rest[50:100]
    want = np.square(np.linalg.solve(upper.T, step.T)).sum(axis=0)
    got = np.square(white.transform(X[:50]) - white.transform(X[50:100])).sum(axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_given_shrinkage_and_no_spread():
    """Protects the ends: 1 is a plain scaling, 0 is none, and rows that never vary have no direction."""
    X, y = _case()
    stats = ClassStats(spread="full", tied=True).update(X, y)
    white = stats.whitening(shrinkage=1.0)
    np.testing.assert_allclose(white.eigenvalues, np.trace(stats.covariance()) / 6)
    assert stats.whitening(shrinkage=0.0).shrinkage == 0
    still = ClassStats(spread="full", tied=True).update(np.ones((5, 3)), np.zeros(5, int)).whitening()
    assert (still.dropped, still.transform(np.ones((2, 3))).shape) == (3, (2, 0))


def test_a_matrix_a_class_needs_no_second_one():
    """Protects memory: adding to the matrices of many classes needs blocks and one matrix, not all of them again."""
    import tracemalloc

    rng = np.random.default_rng(0)
    stats = ClassStats(spread="full").update(rng.normal(size=(40, 200)), np.arange(40))
    X, y = rng.normal(size=(4000, 200)), rng.integers(0, 40, 4000)
    tracemalloc.start()
    stats.update(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < stats.scatter.nbytes / 2


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ({"spread": "diagonal"}, {}, "spread='full'"),
        ({"tied": True}, {"label": 0}, "tied=False"),
        ({}, {"label": 7}, "none of the classes"),
        ({}, {"shrinkage": "ledoit_wolf"}, "quartic"),
        ({}, {"shrinkage": 1.5}, "shrinkage"),
        ({}, {"shrinkage": "much"}, "shrinkage"),
        ({}, {"cut": 1.0}, "cut"),
        ({}, {"quartic": [1.0]}, "one number a class"),
    ],
)
def test_refusals(kind, options, words):
    """Protects the user's time: each impossible wish is one line that names its remedy."""
    X, y = _case(30)
    stats = ClassStats(**{"spread": "full", **kind}).update(X, y)
    with pytest.raises(InputError, match=words):
        stats.whitening(**options)
    with pytest.raises(InputError, match="call update first"):
        ClassStats(spread="full").whitening()
