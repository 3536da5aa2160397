"""Labels in a tree: its edges read and refused where they are none, paths, depths, and where two paths part.

>>> from trueneg.core.tree import places, read_tree
>>> labels, tree = read_tree([("animal", "dog"), ("animal", "cat"), ("dog", "poodle")])
>>> a, b = tree.place[places(labels, ["poodle", "cat"], "the tree")]
>>> float(tree.distances(a[None], b[None])[0])
3.0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.compiled import compiled_or_none
from trueneg.core.errors import InputError

__all__ = ["Tree", "as_numbers", "places", "read_edges", "read_tree", "sorted_labels"]


@dataclass(frozen=True)
class Tree:
    """A rooted tree, its N vertices in breadth-first order, so that a parent comes before its children.

    Parameters
    ----------
    vertex : ndarray of int64 of shape (N,)
        Number of the vertex at each place, among all vertices of the edges.
    parent : ndarray of int64 of shape (N,)
        Place of the parent; -1 for the root, which is at place 0. Children of one parent stand together.
    length : ndarray of float64 of shape (N,)
        Length of the edge to the parent; 0 for the root.
    """

    vertex: NDArray[np.int64]
    parent: NDArray[np.int64]
    length: NDArray[np.float64]

    @staticmethod
    def of(ends: NDArray[np.int64], length: NDArray[np.float64], n: int, *, root: int = 0) -> Tree:
        """Root a connected tree of n vertices, given by the ends (N - 1, 2) of its edges, in O(N)."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order

        graph = csr_array((length, (ends[:, 0], ends[:, 1])), shape=(n, n))
        order, before = breadth_first_order(graph, root, directed=False)
        place = np.empty(n, np.int64)
        place[order] = np.arange(n)
        parent = np.full(n, -1, np.int64)
        parent[1:] = place[before[order[1:]]]
        # The later end of an edge is the child: its length belongs there.
        own = np.zeros(n)
        own[place[ends].max(axis=1)] = length
        return Tree(order.astype(np.int64), parent, own)

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Place of each vertex, by its number, (N,)."""
        return np.argsort(self.vertex)

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """Distance of each place from the root, (N,)."""
        out = np.zeros(len(self.parent))
        (compiled_or_none(_depth_loop) or _depth_loop)(self.parent, self.length, out)
        return out

    @property
    def ends(self) -> NDArray[np.int64]:
        """Edges as pairs of places, child and parent, (N - 1, 2)."""
        return np.stack([np.arange(1, len(self.parent)), self.parent[1:]], axis=1)

    @property
    def childless(self) -> NDArray[np.bool_]:
        """Which places have nothing below them, (N,)."""
        return np.bincount(self.parent[1:], minlength=len(self.parent)) == 0

    def levels(self) -> list[slice]:
        """Return the places of each depth, from the root down."""
        edges, last = [0], 0
        while last < len(self.parent) - 1:
            # Children of the places up to `last` are those whose parent is at most `last`.
            edges.append(last + 1)
            last = int(np.searchsorted(self.parent, last, side="right")) - 1
        edges.append(len(self.parent))
        return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def members_below(self, member: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of members in the subtree of each place, its own included, (N,)."""
        out = member.astype(np.int64)
        (compiled_or_none(_count_loop) or _count_loop)(self.parent, out)
        return out

    def spanned(self, member: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which places lie on a path between two members, members included, (N,)."""
        below = self.members_below(member)
        edge = (below > 0) & (below < below[0])  # the edge to the parent joins two members
        edge[0] = False
        out = member | edge
        out[self.parent[edge]] = True
        return np.asarray(out)

    def meeting(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lowest place above (or at) both of the places a and b, all (n,), in O(log N) steps."""
        a, b = a.copy(), b.copy()
        (compiled_or_none(_climb_loop) or _climb_all)(self.parent, self._top, a, b)
        return np.minimum(a, b)

    def distances(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the lengths of the paths between the places a and b, both (n,)."""
        both = self.depth[a] + self.depth[b]
        return np.asarray(np.maximum(both - 2 * self.depth[self.meeting(a, b)], 0.0))

    @cached_property
    def _top(self) -> NDArray[np.int64]:
        """Where the chain of each place starts, (N,): a chain goes on to the child with most places below."""
        size = self.members_below(np.ones(len(self.parent), np.bool_))
        rising = 1 + np.argsort(size[1:], kind="stable")
        heavy = np.full(len(self.parent), -1)
        heavy[self.parent[rising]] = rising  # the last one written is the largest
        top = np.arange(len(self.parent))
        (compiled_or_none(_top_loop) or _top_loop)(self.parent, heavy, top)
        return top


def _depth_loop(parent, length, depth):  # noqa: ANN001, ANN202 - compiled
    for i in range(1, len(parent)):
        depth[i] = depth[parent[i]] + length[i]


def _top_loop(parent, heavy, top):  # noqa: ANN001, ANN202 - compiled
    for i in range(1, len(parent)):
        if heavy[parent[i]] == i:
            top[i] = top[parent[i]]


def _climb_loop(parent, top, a, b):  # noqa: ANN001, ANN202 - compiled
    """Climb until both places are on one chain.

    The chain that starts later never starts above the other one: it is left, at most log2(N) times.
    """
    for i in range(len(a)):
        while top[a[i]] != top[b[i]]:
            if top[a[i]] > top[b[i]]:
                a[i] = parent[top[a[i]]]
            else:
                b[i] = parent[top[b[i]]]


def _climb_all(parent, top, a, b):  # noqa: ANN001, ANN202
    """Do the same for all pairs at once, without numba."""
    left = np.flatnonzero(top[a] != top[b])
    while len(left):
        up = top[a[left]] > top[b[left]]
        a[left[up]], b[left[~up]] = parent[top[a[left[up]]]], parent[top[b[left[~up]]]]
        left = left[top[a[left]] != top[b[left]]]


def _count_loop(parent, below):  # noqa: ANN001, ANN202 - compiled
    for i in range(len(parent) - 1, 0, -1):
        below[parent[i]] += below[i]


# -- edges ---------------------------------------------------------------------------------------------------------


def read_tree(
    edges: ArrayLike, lengths: ArrayLike | None = None, *, directed: bool = False
) -> tuple[NDArray[Any], Tree]:
    """Return the labels of all vertices (N,) sorted, and the tree; refuse edges that are none.

    Parameters
    ----------
    edges : array-like of shape (N - 1, 2)
        Labels of the two ends.
    lengths : array-like of shape (N - 1,) or None, default=None
        Above 0; None is 1 for every edge.
    directed : bool, default=False
        Whether an edge is a parent and its child: a label has one parent then, and the tree their root. Else edges
        run in any direction, and the first label is the root.

    Raises
    ------
    InputError
        On what :func:`read_edges` refuses, a cycle, an edge listed twice, and a label with several parents.
    """
    vertices, ends, length = read_edges(edges, lengths)
    n = len(vertices)
    if len(ends) != n - 1:
        _refuse_twice(vertices, ends)
    if not directed:
        root = 0
    else:
        above = np.bincount(ends[:, 1], minlength=n)
        if (above > 1).any():
            several = int(above.argmax())
            up, down = vertices[ends[ends[:, 1] == several][:2]].T.tolist()
            msg = f"label {down[0]!r} has several parents, {up[0]!r} and {up[1]!r}: keep one, {_AS_GRAPH}"
            raise InputError(msg)
        root = int(above.argmin())
    if len(ends) != n - 1:
        _refuse_cycle(vertices, ends)
    return vertices, Tree.of(ends, length, n, root=root)


def read_edges(
    edges: ArrayLike, lengths: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """Return vertex labels (N,) sorted, ends (m, 2) as their numbers, and lengths (m,), of a connected graph.

    Parameters
    ----------
    edges : array-like of shape (m, 2)
        Labels of the two ends.
    lengths : array-like of shape (m,) or None
        Above 0; None is 1 for every edge.

    Raises
    ------
    InputError
        On no edges, missing or mixed labels, lengths that are not above 0, a label joined to itself, and parts that
        nothing joins.
    """
    try:
        pairs = np.asarray(edges)
    except ValueError:
        raise InputError("edges are not all pairs: give two labels an edge, and lengths beside them.") from None
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        msg = f"edges has shape {pairs.shape}: give one pair of labels an edge, (m, 2), at least one."
        raise InputError(msg)
    length = np.ones(len(pairs)) if lengths is None else as_numbers(lengths, "lengths")
    if length.shape != (len(pairs),) or not np.isfinite(length).all() or not (length > 0).all():
        msg = (
            f"lengths needs one finite number above 0 for each of the {len(pairs):,} edges; merge labels that are one."
        )
        raise InputError(msg)
    vertices = sorted_labels(pairs, "edges")
    ends = np.searchsorted(vertices, pairs).astype(np.int64)
    loops = np.flatnonzero(ends[:, 0] == ends[:, 1])
    if len(loops):
        msg = f"edge {loops[0]} joins {vertices[ends[loops[0]]].tolist()[0]!r} to itself: leave it out."
        raise InputError(msg)
    _refuse_parts(vertices, ends)
    return vertices, ends, length


_AS_GRAPH = "or take shortest paths in the graph that it is: MetricLabelSpace.from_graph."


def _refuse_parts(vertices: NDArray[Any], ends: NDArray[np.int64]) -> None:
    from scipy.sparse.csgraph import connected_components

    parts, part = connected_components(_graph(ends, len(vertices)), directed=False)
    if parts > 1:
        one, other = vertices[[0, np.flatnonzero(part != part[0])[0]]].tolist()
        msg = f"the edges fall into {parts:,} parts: nothing joins {one!r} and {other!r}; add the edges between."
        raise InputError(msg)


def _refuse_twice(vertices: NDArray[Any], ends: NDArray[np.int64]) -> None:
    kept, counts = np.unique(np.sort(ends, axis=1), axis=0, return_counts=True)
    if (counts > 1).any():
        a, b = vertices[kept[np.flatnonzero(counts > 1)[0]]].tolist()
        msg = f"the edge between {a!r} and {b!r} is listed twice: keep one."
        raise InputError(msg)


def _refuse_cycle(vertices: NDArray[Any], ends: NDArray[np.int64]) -> None:
    from scipy.sparse.csgraph import breadth_first_order

    before = breadth_first_order(_graph(ends, len(vertices)), 0, directed=False)[1]
    used = (before[ends[:, 0]] == ends[:, 1]) | (before[ends[:, 1]] == ends[:, 0])
    a, b = vertices[ends[np.flatnonzero(~used)[0]]].tolist()
    msg = f"the edges hold a cycle through {a!r} and {b!r}, so they are no tree: leave an edge of it out, {_AS_GRAPH}"
    raise InputError(msg)


def _graph(ends: NDArray[np.int64], n: int) -> Any:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))


# -- labels --------------------------------------------------------------------------------------------------------


def as_numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Return numbers, float32 as they are and others as float64; InputError on texts and rows of unequal length."""
    try:
        found = np.asarray(values)
        return found if found.dtype == np.float32 else found.astype(np.float64)
    except (TypeError, ValueError):
        msg = f"{what} holds what is no number, or rows of unequal length: give an array of numbers."
        raise InputError(msg) from None


def sorted_labels(labels: ArrayLike, what: str) -> NDArray[Any]:
    """Return the labels sorted, each once; InputError on missing ones and on types that cannot be sorted."""
    try:
        found = np.unique(np.asarray(labels))
        if not len(found):
            msg = f"{what} is empty: name at least one label."
            raise InputError(msg)
    except TypeError:
        msg = f"{what} mixes labels that cannot be sorted, such as texts, numbers and None: use one type."
        raise InputError(msg) from None
    if found.dtype.kind == "f" and np.isnan(found).any():
        msg = f"{what} holds a missing label (NaN): leave it out or name it."
        raise InputError(msg)
    return np.asarray(found)


def places(known: NDArray[Any], labels: ArrayLike, where: str) -> NDArray[np.int64]:
    """Return the numbers of labels among known ones, which are sorted; ``where`` is what the messages call these.

    Raises
    ------
    InputError
        On labels that are not among them, or of another type.
    """
    try:
        return _looked_up(known, np.asarray(labels), where)
    except TypeError:
        msg = f"the labels asked for mix types, or are of another type than those of {where}: use one type of label."
        raise InputError(msg) from None


def _looked_up(known: NDArray[Any], labels: NDArray[Any], where: str) -> NDArray[np.int64]:
    fresh, codes = np.unique(labels, return_inverse=True)
    textual = [a.dtype.kind in "US" for a in (known, fresh)]
    if textual[0] != textual[1] and "O" not in (known.dtype.kind, fresh.dtype.kind):
        msg = f"labels of type {fresh.dtype} are not those of {where}, of type {known.dtype}: use one type of label."
        raise InputError(msg)
    at = np.minimum(np.searchsorted(known, fresh), len(known) - 1)
    lost = known[at] != fresh
    if lost.any():
        more = f" and {int(lost.sum()) - 1:,} more" if lost.sum() > 1 else ""
        msg = f"label {fresh[lost].tolist()[0]!r}{more} is missing from {where}: add it there, or leave its rows out."
        raise InputError(msg)
    return np.asarray(at[codes.reshape(labels.shape)], np.int64)
