"""The tree that labels hang in: read in one way for every room, and what its passes and climbs give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core import tree as module
from trueneg.core.errors import InputError
from trueneg.core.tree import places, read_tree
from trueneg.heads import MetricLabelSpace
from trueneg.reject import tree_distance

SEEDS = st.integers(0, 2**31)


def drawn(seed):
    """Return the parent of each label, by label, of a random tree between a path and a star."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    names = rng.permutation([f"c{i}" for i in range(n)]).tolist()
    back = int(rng.integers(1, n + 1))
    return rng, {names[i]: names[int(rng.integers(max(0, i - back), i))] for i in range(1, n)}


def way(parent, label):
    """Return the labels from one to the root."""
    return [label, *(way(parent, parent[label]) if label in parent else [])]


@given(SEEDS)
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("numba", [True, False])
def test_a_tree_is_that_of_its_edges(numba, seed):
    """Protects reading, with numba and without: parents, depths, counts, spans and meetings are those of a walk."""
    rng, parent = drawn(seed)
    edges = rng.permutation([(up, down) for down, up in parent.items()])
    with pytest.MonkeyPatch.context() as patch:
        if not numba:
            patch.setattr(module, "compiled_or_none", lambda _: None)
        names, tree = read_tree(edges, directed=True)
        at = tree.place
        assert names.tolist() == sorted({*parent, *parent.values()})
        inside = {name: way(parent, name) for name in names.tolist()}
        for name, i in zip(names.tolist(), at.tolist(), strict=True):
            assert tree.depth[i] == len(inside[name]) - 1
            assert (names[tree.vertex[tree.parent[i]]] if tree.parent[i] >= 0 else None) == parent.get(name)
            assert tree.childless[i] == (name not in parent.values())
        assert (np.diff(tree.parent) >= 0).all()  # breadth first: passes may go by level
        member = rng.random(len(names)) < 0.4
        below = [sum(name in inside[other] for other in names[tree.vertex[member]]) for name in names[tree.vertex]]
        assert tree.members_below(member).tolist() == below
        a, b = (x.ravel() for x in np.meshgrid(at, at))
        both = [[inside[str(names[tree.vertex[i]])] for i in side] for side in (a, b)]
        lowest = [next(x for x in one if x in other) for one, other in zip(*both, strict=True)]
        assert names[tree.vertex[tree.meeting(a, b)]].tolist() == lowest


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_direction_of_edges_changes_no_distance(seed):
    """Protects both doors: edges read in any direction, with lengths, give the distances of those from the root."""
    rng, parent = drawn(seed)
    edges = np.array([(up, down) for down, up in parent.items()])
    lengths = rng.uniform(0.1, 3, len(edges))
    names, tree = read_tree(edges, lengths, directed=True)
    turned = np.where(rng.random((len(edges), 1)) < 0.5, edges, edges[:, ::-1])
    _, free = read_tree(turned, lengths)
    a, b = (x.ravel() for x in np.meshgrid(*(np.arange(len(names)),) * 2))
    np.testing.assert_allclose(
        free.distances(free.place[a], free.place[b]), tree.distances(tree.place[a], tree.place[b]), atol=1e-12
    )


def test_a_deep_tree_needs_memory_of_its_edges_alone():
    """Protects long chains: 30,000 levels are climbed in a few steps, not laid out label by level."""
    n = 30_000
    chain = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    found = tree_distance(chain, [0, n // 2, n - 1], measure="path")
    assert found.tolist() == [[0, 15_000, 29_999], [15_000, 0, 14_999], [29_999, 14_999, 0]]


WRONG = {
    "parts": [("r", "a"), ("s", "b")],
    "a cycle apart": [("r", "a"), ("b", "c"), ("c", "d"), ("d", "b")],
    "a cycle": [("a", "b"), ("b", "c"), ("c", "a")],
    "an edge twice": [("r", "a"), ("r", "a")],
    "an edge and back": [("r", "a"), ("a", "r")],
    "a label to itself": [("r", "a"), ("a", "a")],
    "a missing label": [(1.0, 2.0), (1.0, np.nan)],
    "mixed labels": np.array([(1, "a"), (1, None)], object),
    "no edges": [],
    "no pairs": [("r", "a"), ("r",)],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_tree_is_refused_in_the_same_words_everywhere(name):
    """Protects users of both doors: one mistake, one line, whichever room is asked."""
    with pytest.raises(InputError) as one:
        MetricLabelSpace.from_tree(WRONG[name])
    with pytest.raises(InputError) as other:
        tree_distance(WRONG[name], ["a"])
    assert str(one.value) == str(other.value)
    assert "\n" not in str(one.value)


def test_unknown_labels_lengths_and_parents_are_named():
    """Protects the rest of the messages: what is wrong, and what to do."""
    with pytest.raises(InputError, match=r"'y' and 1 more is missing from the tree: add it there"):
        tree_distance([("r", "a")], ["z", "y", "a"])
    with pytest.raises(InputError, match="one finite number above 0 for each of the 1 edges"):
        read_tree([("r", "a")], [-1.0])
    with pytest.raises(InputError, match=r"label 'a' has several parents, 'r' and 's': keep one, or .*from_graph"):
        read_tree([("r", "a"), ("s", "a")], directed=True)
    assert read_tree([("r", "a"), ("s", "a")])[1].depth.tolist() == [0, 1, 1]  # undirected, "a" is the root
    assert places(np.array(["a", "b"]), ["b", "b", "a"], "here").tolist() == [1, 1, 0]
