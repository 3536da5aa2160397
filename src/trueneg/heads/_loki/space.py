"""Labels and the distances between them: a tree, vectors or a matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.tree import Tree, as_numbers, places, read_edges, read_tree, sorted_labels
from trueneg.heads._loki.moments import lanes, second_moments

__all__ = ["EmbeddingSpace", "MatrixSpace", "MetricLabelSpace", "TreeSpace"]

_BLOCK = 1 << 22  # cells of a block of results, 32 MiB in float64
# Expected distances closer than this share of the row's largest are equal: the first label in order is taken.
_TIE = 1e-12
_MOST_IN_GRAPH = 20_000
# Below this a probability moves no sum; left in, numbers too small for float32 slow a product down forty times.
_NOTHING = 1e-30


class MetricLabelSpace(ABC):
    """Labels with a distance; make one with ``from_tree``, ``from_graph``, ``from_embeddings`` or ``from_matrix``.

    Attributes
    ----------
    labels : ndarray of shape (K,)
        All labels that can be predicted, sorted.
    """

    labels: NDArray[Any]

    # -- making one ------------------------------------------------------------------------------------------------

    @staticmethod
    def from_tree(edges: ArrayLike, *, lengths: ArrayLike | None = None, labels: ArrayLike | None = None) -> TreeSpace:
        """Take the lengths of paths in a tree as distances; O(N) memory, never a matrix.

        Parameters
        ----------
        edges : array-like of shape (N - 1, 2)
            Pairs of labels, in any order and direction. They must join all N labels without a cycle.
        lengths : array-like of shape (N - 1,) or None, default=None
            Above 0; 1 for every edge by default.
        labels : array-like of shape (K,) or None, default=None
            The vertices that may be predicted; all of them by default, inner ones too. Leaves alone make a phylogeny.

        Returns
        -------
        TreeSpace
            The space.

        Raises
        ------
        InputError
            On a cycle, parts that nothing joins, an edge listed twice, a length that is not above 0, unknown labels.
        """
        vertices, tree = read_tree(edges, lengths)
        if labels is None:
            return TreeSpace(vertices, tree, tree.place)
        chosen = sorted_labels(labels, "labels")
        at = tree.place[places(vertices, chosen, "the tree")]
        # What hangs off the paths between labels bears on nothing.
        member = np.zeros(len(vertices), bool)
        member[at] = True
        kept = np.flatnonzero(tree.spanned(member))
        number = np.full(len(vertices), -1, np.int64)
        number[kept] = np.arange(len(kept))
        below = tree.ends[(number[tree.ends] >= 0).all(axis=1)]
        part = Tree.of(number[below], tree.length[below[:, 0]], len(kept))
        return TreeSpace(chosen, part, part.place[number[at]])

    @staticmethod
    def from_graph(
        edges: ArrayLike, *, lengths: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> MatrixSpace:
        """Take shortest paths in a connected graph, walked in both directions, as distances.

        For label systems where a label has several parents. Memory is K^2: at most 20,000 labels.

        Parameters
        ----------
        edges, lengths, labels
            As in :meth:`from_tree`; cycles are allowed, and of edges listed twice the shortest counts.

        Returns
        -------
        MatrixSpace
            Of all shortest paths between the labels.
        """
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import dijkstra

        vertices, ends, length = read_edges(edges, lengths)
        chosen = vertices if labels is None else sorted_labels(labels, "labels")
        if len(chosen) > _MOST_IN_GRAPH:
            msg = f"a graph of {len(chosen):,} labels has that number squared of distances: name at most 20,000."
            raise InputError(msg)
        at = places(vertices, chosen, "the graph")
        pairs = np.sort(ends, axis=1)
        order = np.lexsort((length, pairs[:, 1], pairs[:, 0]))
        pairs, length = pairs[order], length[order]
        first = np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)]
        shape = (len(vertices), len(vertices))
        graph = csr_array((length[first], (pairs[first, 0], pairs[first, 1])), shape=shape)
        out = np.empty((len(at), len(at)))
        step = max(1, _BLOCK // len(vertices))  # a row reaches all vertices, of which few may be labels
        for start in range(0, len(at), step):
            part = slice(start, start + step)
            out[part] = dijkstra(graph, directed=False, indices=at[part])[:, at]
        return MatrixSpace(chosen, out)

    @staticmethod
    def from_embeddings(embeddings: ArrayLike, labels: ArrayLike) -> EmbeddingSpace:
        """Take Euclidean distances between one vector a label; no matrix of distances is made.

        Parameters
        ----------
        embeddings : array-like of shape (K, d)
            Finite; float32 is kept. Scale rows to length 1 first where the cosine is meant.
        labels : array-like of shape (K,)
            Their labels, each once.

        Returns
        -------
        EmbeddingSpace
            The space.
        """
        vectors = as_numbers(embeddings, "embeddings")
        names, order = _named(labels, len(vectors) if vectors.ndim else 0)
        if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
            msg = f"embeddings has shape {vectors.shape}: give finite numbers of shape (K, d)."
            raise InputError(msg)
        return EmbeddingSpace(names, vectors[order])

    @staticmethod
    def from_matrix(distances: ArrayLike, labels: ArrayLike) -> MatrixSpace:
        """Take any symmetric matrix of distances (not squared).

        Parameters
        ----------
        distances : array-like of shape (K, K)
            Finite, 0 on the diagonal, 0 or more elsewhere.
        labels : array-like of shape (K,)
            Labels of its rows, each once.

        Returns
        -------
        MatrixSpace
            The space.
        """
        d = as_numbers(distances, "distances").astype(np.float64, copy=False)
        names, order = _named(labels, len(d) if d.ndim else 0)
        if d.shape != (len(names), len(names)) or not np.isfinite(d).all() or (d < 0).any():
            msg = f"distances has shape {d.shape}: give finite numbers of 0 or more, one row and one column a label."
            raise InputError(msg)
        if not np.allclose(d, d.T) or np.diagonal(d).any():
            raise InputError(
                "distances must be symmetric with zeros on the diagonal: take (D + D.T) / 2 if it is noise."
            )
        return MatrixSpace(names, d[np.ix_(order, order)])

    # -- asking it -------------------------------------------------------------------------------------------------

    def places(self, labels: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of labels among ``labels``, (n,); InputError where one is missing."""
        return places(self.labels, labels, "the metric")

    def distances(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """Return the distance of each label in ``a`` from that in ``b``, both (n,)."""
        first, second = self.places(a), self.places(b)
        if first.shape != second.shape or first.ndim != 1:
            msg = f"{first.shape} labels cannot be paired with {second.shape}: give two lists of one length."
            raise InputError(msg)
        return self._paired(first, second)

    def squared_distances(self, labels: ArrayLike) -> NDArray[np.float64]:
        """Return squared distances of all K labels (rows) from some k (columns), (K, k)."""
        at = self.places(labels)
        out = np.empty((len(self.labels), len(at)))
        for part, cells in self.blocks(np.eye(len(at)), at):
            out[:, part] = cells.T
        return np.maximum(out, 0.0)

    @abstractmethod
    def blocks(self, weights: NDArray[Any], at: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield slices of rows and ``sum_l p_l d(y, l)^2`` for all labels y, (rows, K)."""

    @abstractmethod
    def _paired(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]: ...

    def nearest(
        self, weights: NDArray[Any], at: NDArray[np.int64], *, ahead: NDArray[np.float64] | None = None
    ) -> NDArray[np.int64]:
        """Return the number of the Frechet mean of each row of weights, (n,); the first of equals.

        ``ahead`` (n,), where given, is filled with how much larger the expected squared distance of the next label is.
        """
        out = np.empty(len(weights), np.int64)
        for part, cells in self.blocks(weights, at):
            low, high = cells.min(axis=1, keepdims=True), cells.max(axis=1, keepdims=True)
            out[part] = (cells <= low + _TIE * np.maximum(high, 0)).argmax(axis=1)
            if ahead is not None:
                next_one = np.partition(cells, 1, axis=1)[:, 1] if cells.shape[1] > 1 else low[:, 0]
                ahead[part] = next_one - low[:, 0]
        return out


class TreeSpace(MetricLabelSpace):
    """Labels at vertices of a tree; see :meth:`MetricLabelSpace.from_tree`."""

    def __init__(self, labels: NDArray[Any], tree: Tree, at: NDArray[np.int64]) -> None:
        self.labels, self.tree, self.at = labels, tree, at

    @property
    def complete(self) -> bool:
        """Whether every vertex of the tree is a label."""
        return len(self.labels) == len(self.tree.parent)

    def blocks(self, weights: NDArray[Any], at: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Two passes over the tree for a few samples at a time."""
        step = lanes(len(self.tree.parent))
        for start in range(0, len(weights), step):
            part = slice(start, start + step)
            yield part, second_moments(self.tree, self.at[at], _mass(weights[part]))[self.at].T

    def _paired(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.tree.distances(self.at[a], self.at[b])


class EmbeddingSpace(MetricLabelSpace):
    """Labels at points; the Frechet mean is the label nearest to the expected point."""

    def __init__(self, labels: NDArray[Any], vectors: NDArray[Any]) -> None:
        self.labels = labels
        # Around their mean the terms that cancel are small.
        self.vectors = vectors - vectors.mean(axis=0, dtype=np.float64).astype(vectors.dtype)
        self.square = np.einsum("ij,ij->i", self.vectors, self.vectors)

    def blocks(self, weights: NDArray[Any], at: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Two products a block, of which the first gives the expected points."""
        step = max(16, _BLOCK // len(self.labels))
        for start in range(0, len(weights), step):
            part = slice(start, start + step)
            p = _mass(weights[part]).astype(self.vectors.dtype)
            cells = (p @ self.vectors[at]) @ (-2 * self.vectors.T)
            cells += p.sum(axis=1, keepdims=True) * self.square
            cells += (p @ self.square[at])[:, None]
            yield part, cells

    def _paired(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        gap = self.vectors[a].astype(np.float64) - self.vectors[b]
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", gap, gap)))


class MatrixSpace(MetricLabelSpace):
    """Labels with a matrix of distances; one product of the weights and the squares."""

    def __init__(self, labels: NDArray[Any], matrix: NDArray[np.float64]) -> None:
        self.labels, self.matrix = labels, matrix

    def blocks(self, weights: NDArray[Any], at: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Squares of the observed rows alone are formed."""
        squares = np.square(self.matrix[at])
        step = max(16, _BLOCK // len(self.labels))
        for start in range(0, len(weights), step):
            part = slice(start, start + step)
            yield part, _mass(weights[part]) @ squares

    def _paired(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.matrix[a, b]


# -- private -------------------------------------------------------------------------------------------------------


def _mass(proba: NDArray[Any]) -> NDArray[np.float64]:
    """Return a block of probabilities in float64, those of nothing as zero; the input as a whole is never copied."""
    mass = proba.astype(np.float64)
    mass[mass < _NOTHING] = 0.0
    return mass


def _named(labels: ArrayLike, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return labels sorted and the order that sorts them; each once, n of them."""
    given = np.asarray(labels)
    names = sorted_labels(given, "labels")
    if given.shape != (n,) or len(names) != n or not n:
        msg = f"labels has shape {given.shape} with {len(names):,} different ones: give each of the {n:,} rows its own."
        raise InputError(msg)
    return names, np.argsort(given, kind="stable")
