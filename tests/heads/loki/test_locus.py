"""Loci, covers and the next class, held to brute force on small spaces."""

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
    error_study,
    is_locus_cover,
    locus,
    locus_cover,
    next_class,
    random_tree,
)

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, *, most=30):
    """Draw a tree as a space and as all its distances, with some observed vertices."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, most))
    edges = random_tree(n, random_state=rng)
    lengths = rng.uniform(0.1, 3, n - 1)
    d = dijkstra(csr_array((lengths, (edges[:, 0], edges[:, 1])), shape=(n, n)), directed=False)
    observed = rng.permutation(n)[: int(rng.integers(1, min(n, 6) + 1))]
    return MetricLabelSpace.from_tree(edges, lengths=lengths), d, observed, rng


def on_paths(d, members):
    """Vertices v with d(a, v) + d(v, b) = d(a, b) for some members a and b."""
    through = d[members][:, None, :] + d[members][None, :, :]
    return np.flatnonzero((through <= d[np.ix_(members, members)][:, :, None] + 1e-9).any(axis=(0, 1)))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_locus_of_a_tree_is_the_union_of_paths(seed):
    """Protects the O(N) locus: it is what lies between two members by all shortest paths."""
    space, d, observed, _ = draw(seed)
    np.testing.assert_array_equal(locus(space, observed), on_paths(d, observed))


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_linear_programs_find_the_same_locus(seed):
    """Protects the theorem and the general path: a tree's matrix, without its edges, gives the same locus."""
    space, d, observed, _ = draw(seed, most=12)
    matrix = MetricLabelSpace.from_matrix((d + d.T) / 2, space.labels)
    np.testing.assert_array_equal(locus(matrix, observed), locus(space, observed))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_all_picks_are_those_of_farthest_first(seed):
    """Protects O(N log N): the decomposition into longest paths picks what the search over all distances picks."""
    space, d, observed, rng = draw(seed)
    if rng.random() < 0.3:
        picked = list(next_class(space, [], n=2))
        # The two ends of a longest path.
        assert d[picked[0], picked[1]] == pytest.approx(d.max())
        observed = np.array(picked)
    order = next_class(space, observed, n=len(d))
    members = list(observed)
    for pick in order:
        far = d[:, on_paths(d, members)].min(axis=1)
        assert far[pick] == pytest.approx(far.max())
        members.append(pick)
    assert len(on_paths(d, members)) == len(d)  # and it goes on until all is covered


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_leaves_are_the_smallest_cover(seed):
    """Protects covers: the leaves cover the tree, and without any one of them they do not."""
    space, d, _, _ = draw(seed)
    cover = locus_cover(space)
    assert is_locus_cover(space, cover)
    for i in range(len(cover)):
        if len(cover) > 1:
            assert not is_locus_cover(space, np.delete(cover, i))
    assert (np.sort(next_class(space, [], n=len(d))) == cover).all()


def test_complete_graph_predicts_nothing_beyond_the_observed():
    """Protects the limit of equal distances: only observed labels are reached, so that all are needed."""
    space = MetricLabelSpace.from_matrix(1 - np.eye(5), np.arange(5))
    np.testing.assert_array_equal(locus(space, [1, 3]), [1, 3])
    np.testing.assert_array_equal(locus_cover(space), np.arange(5))


def test_two_corners_cover_a_grid_of_steps():
    """Protects spaces that are no tree: under the taxi metric two opposite corners reach every cell."""
    cells = np.array([(i, j) for i in range(3) for j in range(4)])
    d = np.abs(cells[:, None] - cells).sum(axis=2)
    space = MetricLabelSpace.from_matrix(d, np.arange(12))
    found = locus(space, [0, 11])
    assert {0, 11} < set(found)
    cover = locus_cover(space)
    assert is_locus_cover(space, cover)
    assert len(cover) < 12


def test_points_on_a_line_are_reached_from_its_ends():
    """Protects vectors: every point of a line is nearest to some mean of its two ends, a point beside it is not."""
    points = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [1.5, 4]])
    space = MetricLabelSpace.from_embeddings(points, list("abcde"))
    np.testing.assert_array_equal(locus(space, ["a", "d"]), list("abcd"))
    assert next_class(space, ["a", "d"])[0] == "e"
    assert is_locus_cover(space, ["a", "d", "e"])
    assert len(next_class(space, ["a", "d", "e"])) == 0


def test_some_vertices_as_labels_need_programs():
    """Protects phylogenies: with leaves alone as labels, a leaf on no path is reached only as the nearest of leaves."""
    edges = [("root", "x"), ("root", "y"), ("x", "a"), ("x", "b"), ("y", "c"), ("y", "d")]
    space = MetricLabelSpace.from_tree(edges, labels=list("abcd"))
    found = locus(space, ["a", "c"])
    np.testing.assert_array_equal(found, ["a", "c"])
    assert set(next_class(space, ["a", "c"], n=9)) == {"b", "d"}


def test_an_endless_path_needs_no_recursion():
    """Protects deep trees: 100,000 vertices in one line are no deeper than any stack."""
    n = 100_000
    space = MetricLabelSpace.from_tree(np.stack([np.arange(n - 1), np.arange(1, n)], axis=1))
    np.testing.assert_array_equal(np.sort(next_class(space, [], n=5)), [0, n - 1])
    assert len(locus(space, [10, n - 11])) == n - 20


def test_random_trees_have_their_diameter():
    """Protects the study: the drawn trees are trees with the longest path that was asked for."""
    for seed in range(20):
        diameter = 2 + seed % 9
        edges = random_tree(30, diameter=diameter, random_state=seed)
        assert len(MetricLabelSpace.from_tree(edges).labels) == 30
        d = dijkstra(csr_array((np.ones(29), (edges[:, 0], edges[:, 1])), shape=(30, 30)), directed=False)
        assert d.max() == diameter


def test_the_study_is_deterministic_and_falls_with_rows():
    """Protects the figures of the study: one seed, one answer; far more rows, a smaller error."""
    options = {"diameters": (6,), "sizes": (30, 3000), "dimensions": (4,), "n_trees": 4, "random_state": 0}
    first, second = error_study(**options), error_study(**options)
    assert first == second
    assert first[2].error.value < first[1].error.value / 3


BAD = {
    "no class": (lambda s: locus(s, []), "at least one"),
    "unknown": (lambda s: next_class(s, [9]), "missing from the metric"),
    "none asked for": (lambda s: next_class(s, [0], n=0), "at least one"),
    "half a class": (lambda s: next_class(s, [0], n=2.5), "at least one"),
    "too many": (lambda s: locus(MetricLabelSpace.from_embeddings(np.eye(2001), range(2001)), [0]), "2,000"),
    "diameter": (lambda s: random_tree(5, diameter=7), "diameter=7"),
    "one tree": (lambda s: error_study(n_trees=1), "2 trees"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line(name):
    """Protects the user: each mistake is refused by one line that names it."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words):
        call(MetricLabelSpace.from_tree([(0, 1)]))
