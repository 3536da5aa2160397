"""A weighted tree as flat arrays, and what its edges must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

__all__ = ["Tree", "as_numbers", "compiled", "read_edges", "sorted_labels"]


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Compile a loop where numba is installed; None otherwise."""
    try:
        import numba
    except ImportError:
        return None
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        # Nowhere to keep the compiled code (a read-only home): compile once a process instead.
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


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

    @property
    def ends(self) -> NDArray[np.int64]:
        """Edges as pairs of places, child and parent, (N - 1, 2)."""
        return np.stack([np.arange(1, len(self.parent)), self.parent[1:]], axis=1)

    def levels(self) -> list[slice]:
        """Return the places of each depth, from the root down."""
        edges, last = [0], 0
        while last < len(self.parent) - 1:
            # Children of the places up to `last` are those whose parent is at most `last`.
            edges.append(last + 1)
            last = int(np.searchsorted(self.parent, last, side="right")) - 1
        edges.append(len(self.parent))
        return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def depth(self) -> NDArray[np.float64]:
        """Return the distance of each place from the root, (N,)."""
        out = np.zeros(len(self.parent))
        (compiled(_depth_loop) or _depth_loop)(self.parent, self.length, out)
        return out

    def members_below(self, member: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of members in the subtree of each place, its own included, (N,)."""
        out = member.astype(np.int64)
        (compiled(_count_loop) or _count_loop)(self.parent, out)
        return out

    def spanned(self, member: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which places lie on a path between two members, members included, (N,)."""
        below = self.members_below(member)
        edge = (below > 0) & (below < below[0])  # the edge to the parent joins two members
        edge[0] = False
        out = member | edge
        out[self.parent[edge]] = True
        return np.asarray(out)

    def distances(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the lengths of the paths between the places a and b, both (n,)."""
        a, b, depth, top = a.copy(), b.copy(), self.depth(), self._tops()
        total = depth[a] + depth[b]
        left = np.flatnonzero(top[a] != top[b])
        while len(left):
            # The chain that starts later never starts above the other one: it is climbed, at most log2(N) times.
            up = top[a[left]] > top[b[left]]
            a[left[up]], b[left[~up]] = self.parent[top[a[left[up]]]], self.parent[top[b[left[~up]]]]
            left = left[top[a[left]] != top[b[left]]]
        return np.asarray(np.maximum(total - 2 * depth[np.minimum(a, b)], 0.0))

    def _tops(self) -> NDArray[np.int64]:
        """Return where the chain of each place starts, (N,): a chain goes on to the child with most places below."""
        size = self.members_below(np.ones(len(self.parent), np.bool_))
        rising = 1 + np.argsort(size[1:], kind="stable")
        heavy = np.full(len(self.parent), -1)
        heavy[self.parent[rising]] = rising  # the last one written is the largest
        top = np.arange(len(self.parent))
        (compiled(_top_loop) or _top_loop)(self.parent, heavy, top)
        return top


def _depth_loop(parent, length, depth):  # noqa: ANN001, ANN202 - compiled
    for i in range(1, len(parent)):
        depth[i] = depth[parent[i]] + length[i]


def _top_loop(parent, heavy, top):  # noqa: ANN001, ANN202 - compiled
    for i in range(1, len(parent)):
        if heavy[parent[i]] == i:
            top[i] = top[parent[i]]


def _count_loop(parent, below):  # noqa: ANN001, ANN202 - compiled
    for i in range(len(parent) - 1, 0, -1):
        below[parent[i]] += below[i]


# -- edges ---------------------------------------------------------------------------------------------------------


def read_edges(
    edges: ArrayLike, lengths: ArrayLike | None, *, tree: bool
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """Return vertex labels (N,) sorted, ends (m, 2) as their numbers, and lengths (m,); refuse what is no tree.

    Parameters
    ----------
    edges : array-like of shape (m, 2)
        Labels of the two ends.
    lengths : array-like of shape (m,) or None
        Above 0; None is 1 for every edge.
    tree : bool
        Whether a cycle is refused; what is not connected always is.
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
    _check_connected(vertices, ends, tree)
    return vertices, ends, length


def as_numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Return numbers, float32 as they are and others as float64; InputError on texts and rows of unequal length."""
    try:
        found = np.asarray(values)
        return found if found.dtype == np.float32 else found.astype(np.float64)
    except (TypeError, ValueError):
        msg = f"{what} holds what is no number, or rows of unequal length: give an array of numbers."
        raise InputError(msg) from None


def sorted_labels(labels: NDArray[Any], what: str) -> NDArray[Any]:
    """Return the labels sorted, each once; InputError on missing ones and on types that cannot be sorted."""
    try:
        found = np.unique(labels)
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


def _check_connected(vertices: NDArray[Any], ends: NDArray[np.int64], tree: bool) -> None:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    n = len(vertices)
    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    parts, part = connected_components(graph, directed=False)
    if parts > 1:
        one, other = vertices[[0, np.flatnonzero(part != part[0])[0]]].tolist()
        msg = f"the edges fall into {parts:,} parts: nothing joins {one!r} and {other!r}; add the edges between."
        raise InputError(msg)
    if not tree or len(ends) == n - 1:
        return
    pairs = np.sort(ends, axis=1)
    kept, counts = np.unique(pairs, axis=0, return_counts=True)
    if (counts > 1).any():
        a, b = vertices[kept[np.flatnonzero(counts > 1)[0]]].tolist()
        msg = f"the edge between {a!r} and {b!r} is listed twice: keep one."
        raise InputError(msg)
    before = breadth_first_order(graph, 0, directed=False)[1]
    used = (before[pairs[:, 0]] == pairs[:, 1]) | (before[pairs[:, 1]] == pairs[:, 0])
    a, b = vertices[pairs[np.flatnonzero(~used)[0]]].tolist()
    msg = (
        f"the edges hold a cycle through {a!r} and {b!r}, so they are no tree: keep one parent a label, "
        "or use MetricLabelSpace.from_graph."
    )
    raise InputError(msg)
