"""Frechet means and distances in every kind of label space, held to brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from trueneg.core.errors import InputError
from trueneg.heads import (
    MetricLabelSpace,
    expected_squared_distance,
    frechet_predict,
    random_tree,
    squared_distance_error,
)
from trueneg.heads._loki import moments

SEEDS = st.integers(0, 2**32 - 1)


def all_pairs(edges, lengths, n):
    """Distances between all vertices, the slow way."""
    return dijkstra(csr_array((lengths, (edges[:, 0], edges[:, 1])), shape=(n, n)), directed=False)


def draw(seed, *, most=25):
    """Draw a tree with lengths, observed vertices and probabilities, some of them zero."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, most))
    edges = random_tree(n, random_state=rng)
    edges = np.where(rng.random((n - 1, 1)) < 0.5, edges, edges[:, ::-1])[rng.permutation(n - 1)]
    lengths = rng.uniform(0.1, 3, n - 1) if rng.random() < 0.5 else np.ones(n - 1)
    observed = rng.permutation(n)[: int(rng.integers(1, n + 1))]
    proba = rng.dirichlet(np.full(len(observed), 0.3), 6)
    return edges, lengths, observed, proba


def best(far):
    """First label within rounding of the smallest expected squared distance."""
    return (far <= far.min(axis=1, keepdims=True) + 1e-12 * far.max(axis=1, keepdims=True)).argmax(axis=1)


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_tree_means_are_those_of_all_pairs_dijkstra(seed):
    """Protects the two passes: values and answers are those of a dense matrix of shortest paths."""
    edges, lengths, observed, proba = draw(seed)
    d = all_pairs(edges, lengths, len(edges) + 1)
    space = MetricLabelSpace.from_tree(edges, lengths=lengths)
    far = proba @ np.square(d[observed])
    got = expected_squared_distance(proba, space, observed=observed)
    np.testing.assert_allclose(got, far, atol=1e-10 * max(1, far.max()))
    np.testing.assert_array_equal(frechet_predict(proba, space, observed=observed), best(far))


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_labels_may_be_some_vertices(seed):
    """Protects pruning: with only some vertices as labels, answers are those of the matrix cut to them."""
    edges, lengths, _, _ = draw(seed)
    n = len(edges) + 1
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.permutation(n)[: int(rng.integers(1, n + 1))])
    d = all_pairs(edges, lengths, n)[np.ix_(labels, labels)]
    space = MetricLabelSpace.from_tree(edges, lengths=lengths, labels=rng.permutation(labels))
    proba = rng.dirichlet(np.ones(len(labels)), 5)
    np.testing.assert_allclose(expected_squared_distance(proba, space), proba @ np.square(d), atol=1e-8)
    np.testing.assert_allclose(space.squared_distances(labels[:1])[:, 0], np.square(d[:, 0]), atol=1e-8)
    a, b = rng.choice(labels, 10), rng.choice(labels, 10)
    whole = all_pairs(edges, lengths, n)
    np.testing.assert_allclose(space.distances(a, b), whole[a, b], atol=1e-8)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_without_numba_the_answers_are_the_same(seed):
    """Protects machines without numba: depth by depth gives what the compiled passes give."""
    edges, lengths, observed, proba = draw(seed)
    space = MetricLabelSpace.from_tree(edges, lengths=lengths)
    at = space.at[space.places(observed)]
    fast = moments.second_moments(space.tree, at, proba)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "compiled_or_none", lambda _: None)
        slow = moments.second_moments(space.tree, at, proba)
        assert moments.lanes(len(edges) + 1) > moments.LANES
    np.testing.assert_allclose(slow, fast, atol=1e-9)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_embedding_means_are_nearest_to_the_expected_point(seed):
    """Protects the shortcut: it gives the expected squared distances written out, and the label nearest to P E."""
    rng = np.random.default_rng(seed)
    k, d = int(rng.integers(2, 15)), int(rng.integers(1, 5))
    points = 100 + rng.normal(size=(k, d))  # far from zero, where careless formulas lose all digits
    observed = rng.permutation(k)[: int(rng.integers(1, k + 1))]
    proba = rng.dirichlet(np.ones(len(observed)), 7)
    squares = np.square(points[:, None] - points[None, observed]).sum(axis=2)
    space = MetricLabelSpace.from_embeddings(points, np.arange(k))
    far = expected_squared_distance(proba, space, observed=observed)
    np.testing.assert_allclose(far, proba @ squares.T, atol=1e-9)
    middle = proba @ points[observed]
    gap = np.square(middle[:, None] - points).sum(axis=2)
    chosen = frechet_predict(proba, space, observed=observed)
    np.testing.assert_allclose(gap[np.arange(7), chosen], gap.min(axis=1), atol=1e-9)


def test_float32_embeddings_stay_and_agree():
    """Protects memory: float32 vectors are not widened, and the decisions of well separated labels stay."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 8))
    proba = rng.dirichlet(np.full(50, 0.05), 200)
    small = MetricLabelSpace.from_embeddings(points.astype(np.float32), np.arange(50))
    assert small.vectors.dtype == np.float32
    large = frechet_predict(proba, MetricLabelSpace.from_embeddings(points, np.arange(50)))
    assert (frechet_predict(proba, small) == large).mean() > 0.99


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_matrix_and_graph_are_written_out(seed):
    """Protects the dense path, the order of labels, and shortest paths where a label has several parents."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 12))
    edges = np.concatenate([random_tree(n, random_state=rng), rng.integers(0, n, (6, 2))])
    edges = edges[edges[:, 0] != edges[:, 1]]
    lengths = rng.uniform(0.5, 2, len(edges))
    dense = np.full((n, n), np.inf)
    np.fill_diagonal(dense, 0)
    for (a, b), w in zip(edges, lengths, strict=True):
        dense[a, b] = dense[b, a] = min(dense[a, b], w)
    for k in range(n):
        dense = np.minimum(dense, dense[:, k : k + 1] + dense[k : k + 1])
    names = np.array([f"label {rng.permutation(100)[i]:02d}-{i}" for i in range(n)])
    graph = MetricLabelSpace.from_graph(names[edges], lengths=lengths)
    matrix = MetricLabelSpace.from_matrix(dense, names)
    proba = rng.dirichlet(np.ones(n), 5)
    for space in (graph, matrix):
        np.testing.assert_array_equal(space.labels, np.sort(names))
        far = expected_squared_distance(proba, space, observed=names)
        np.testing.assert_allclose(far[:, np.argsort(np.argsort(names))], proba @ np.square(dense), atol=1e-9)


def test_a_graph_of_few_labels_needs_no_row_of_all_vertices_for_each(monkeypatch):
    """Protects memory: distances of labels in a large graph come block by block, and are the same."""
    edges = [(i, i + 1) for i in range(300)] + [(0, 300), (7, 150)]
    labels = list(range(0, 301, 4))
    whole = MetricLabelSpace.from_graph(edges, labels=labels).matrix
    monkeypatch.setattr("trueneg.heads._loki.space._BLOCK", 1000)
    np.testing.assert_array_equal(whole, MetricLabelSpace.from_graph(edges, labels=labels).matrix)


@pytest.mark.parametrize("shape", ["path", "star", "random", "comb", "two"])
def test_distances_of_pairs_are_those_of_paths(shape):
    """Protects pairs in deep and in broad trees: climbing chain by chain meets where the two paths meet."""
    n = 2 if shape == "two" else 60
    rng = np.random.default_rng(0)
    before = {
        "path": lambda i: i - 1,
        "two": lambda i: 0,
        "star": lambda i: 0,
        "random": lambda i: int(rng.integers(i)),
        "comb": lambda i: i - 1 if i % 2 == 0 else max(0, i - 2),
    }[shape]
    name = rng.permutation(n)
    edges = [(name[before(i)], name[i]) for i in range(1, n)]
    lengths = rng.uniform(0.1, 3, n - 1)
    space = MetricLabelSpace.from_tree(edges, lengths=lengths)
    a, b = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(n)))
    graph = MetricLabelSpace.from_graph(edges, lengths=lengths).matrix
    np.testing.assert_allclose(space.distances(a, b), graph[a, b], atol=1e-12)


def test_equal_distances_give_the_most_probable_label():
    """Protects the limit: with nothing known about the labels the rule is the usual one."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(7), 100)
    space = MetricLabelSpace.from_matrix(1.0 - np.eye(7), np.arange(7))
    np.testing.assert_array_equal(frechet_predict(proba, space), proba.argmax(axis=1))


def test_unobserved_labels_are_predicted_and_distances_are_squared():
    """Protects the two points a toy leaves out: answers outside the observed labels, and squares."""
    space = MetricLabelSpace.from_tree([(0, 1), (1, 2), (2, 3)])
    assert frechet_predict([[0.5, 0.5]], space, observed=[0, 2])[0] == 1
    # Plain distances would be smallest at 0, which has more than half of the mass.
    assert frechet_predict([[0.6, 0.4]], space, observed=[0, 3])[0] == 1


def test_ties_take_the_first_label_and_tiny_probabilities_are_nothing():
    """Protects determinism, and the speed of products that numbers below float32's range would slow down."""
    space = MetricLabelSpace.from_tree([("b", "a")])
    assert frechet_predict([[0.5, 0.5]], space)[0] == "a"
    matrix = MetricLabelSpace.from_matrix(1e20 * (1 - np.eye(2)), [0, 1])
    assert expected_squared_distance([[1.0, 1e-35]], matrix)[0, 0] == 0.0


def test_squared_distance_error_is_the_mean_with_an_interval():
    """Protects the reported figure: mean squared distance, and its interval around it."""
    space = MetricLabelSpace.from_tree([(0, 1), (1, 2)])
    error = squared_distance_error([0, 0, 1, 2] * 20, [0, 2, 1, 1] * 20, space, random_state=0)
    assert error.value == pytest.approx(5 / 4)
    assert error.low < error.value < error.high


LINE = MetricLabelSpace.from_tree([("a", "b"), ("b", "c")])
BAD = {
    "cycle": (lambda: MetricLabelSpace.from_tree([(0, 1), (1, 2), (2, 0)]), "cycle"),
    "disconnected": (lambda: MetricLabelSpace.from_tree([(0, 1), (2, 3)]), "nothing joins 0 and 2|2 parts"),
    "cycle and parts": (lambda: MetricLabelSpace.from_tree([(0, 1), (1, 2), (2, 0), (8, 9)]), "parts"),
    "twice": (lambda: MetricLabelSpace.from_tree([(0, 1), (1, 0)]), "listed twice"),
    "to itself": (lambda: MetricLabelSpace.from_tree([(0, 1), (1, 1)]), "to itself"),
    "no edge": (lambda: MetricLabelSpace.from_tree([]), "at least one"),
    "zero length": (lambda: MetricLabelSpace.from_tree([(0, 1)], lengths=[0.0]), "above 0"),
    "unknown label": (lambda: MetricLabelSpace.from_tree([(0, 1)], labels=[0, 5]), "5 is missing from the tree"),
    "missing vertex": (lambda: MetricLabelSpace.from_tree([(0, np.nan)]), "missing label"),
    "mixed vertices": (lambda: MetricLabelSpace.from_tree(np.array([(0, "a")], object)), "one type"),
    "parts of a graph": (lambda: MetricLabelSpace.from_graph([(0, 1), (2, 3)]), "nothing joins"),
    "one name twice": (lambda: MetricLabelSpace.from_embeddings(np.eye(2), ["a", "a"]), "its own"),
    "NaN vectors": (lambda: MetricLabelSpace.from_embeddings([[np.nan]], ["a"]), "finite"),
    "asymmetric": (lambda: MetricLabelSpace.from_matrix([[0, 1], [2, 0]], [0, 1]), "symmetric"),
    "negative": (lambda: MetricLabelSpace.from_matrix([[0, -1], [-1, 0]], [0, 1]), "0 or more"),
    "label without distance": (lambda: frechet_predict([[1.0]], LINE, observed=["z"]), "'z' is missing"),
    "numbers for names": (lambda: frechet_predict([[1.0]], LINE, observed=[1]), "one type"),
    "scores": (lambda: frechet_predict([[3.0, 1.0, 2.0]], LINE), "probabilities"),
    "NaN": (lambda: frechet_predict([[np.nan, 1.0, 0.0]], LINE), "probabilities"),
    "columns": (lambda: frechet_predict([[1.0]], LINE), "one column"),
    "observed twice": (lambda: frechet_predict([[0.5, 0.5]], LINE, observed=["a", "a"]), "twice"),
    "no labels": (lambda: MetricLabelSpace.from_tree([(0, 1)], labels=[]), "labels is empty"),
    "no pairs": (lambda: MetricLabelSpace.from_tree([(0, 1), (1, 2, 3)]), "not all pairs"),
    "lengths in words": (lambda: MetricLabelSpace.from_tree([(0, 1)], lengths=["far"]), "lengths holds what is no"),
    "vectors in words": (lambda: MetricLabelSpace.from_embeddings([["x"]], ["a"]), "embeddings holds what is no"),
    "matrix in words": (lambda: MetricLabelSpace.from_matrix([["x"]], ["a"]), "distances holds what is no"),
    "a missing name": (lambda: frechet_predict([[0.5, 0.5]], LINE, observed=np.array(["a", None], object)), "one type"),
    "names of two types": (
        lambda: frechet_predict([[0.5, 0.5]], LINE, observed=np.array(["a", 1], object)),
        "one type",
    ),
    "edges for a space": (lambda: frechet_predict([[1.0]], [("a", "b")]), "from_tree"),
    "unpaired": (lambda: LINE.distances(["a"], ["a", "b"]), "paired"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line(name):
    """Protects the user: each mistake is refused by one line that names it."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
