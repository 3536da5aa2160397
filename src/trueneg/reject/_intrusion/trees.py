"""Forests as flat arrays: fitted by scikit-learn, scored without it, kept without pickle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.compiled import compiled_or_none
from trueneg.core.errors import InputError

__all__ = ["FlowForest", "FlowIsolation", "Trees"]


_NODE = np.dtype([("feature", "i4"), ("threshold", "f4"), ("left", "i4"), ("value", "f4")])


class Trees:
    """Trees laid end to end; a row's score is the mean of the leaves it falls into.

    A row goes to the node ``left`` where its value of ``feature`` is at most ``threshold``, else to the one after it;
    ``feature`` is -1 at a leaf, which holds ``value``. A node is 16 bytes and its children are neighbours, so that a
    step down costs one line of the cache.

    Parameters
    ----------
    nodes : structured ndarray of shape (n_nodes,)
        Feature, threshold, left, value.
    roots : ndarray of int32, shape (n_trees,)
        Where each tree starts.
    """

    def __init__(self, nodes: NDArray[Any], roots: NDArray[np.int32]) -> None:
        self.nodes, self.roots = nodes, roots

    @classmethod
    def of(cls, fitted: list[Any], columns: list[NDArray[np.int64]] | None, leaf: Any) -> Trees:
        """Take fitted scikit-learn trees; ``columns`` are the features each one saw, ``leaf(tree)`` its node values."""
        parts, roots, at = [], [], 0
        for i, tree in enumerate(fitted):
            inner = tree.tree_
            order, place = _siblings(inner)
            split = inner.children_left[order] >= 0
            feature = np.maximum(inner.feature[order], 0)
            nodes = np.zeros(len(order), _NODE)
            nodes["feature"] = np.where(split, feature if columns is None else np.asarray(columns[i])[feature], -1)
            # Rows are float32: with the float32 next below, "x <= threshold" is the same in both widths.
            cut = inner.threshold[order]
            low = cut.astype(np.float32)
            nodes["threshold"] = np.where(low > cut, np.nextafter(low, np.float32(-np.inf)), low)
            nodes["left"] = np.where(split, place[inner.children_left[order]] + at, 0)
            nodes["value"] = np.asarray(leaf(inner))[order]
            parts.append(nodes)
            roots.append(at)
            at += len(order)
        return cls(np.concatenate(parts), np.array(roots, dtype=np.int32))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, by field."""
        return {**{name: self.nodes[name].copy() for name in _NODE.names or ()}, "roots": self.roots}

    @classmethod
    def from_arrays(cls, arrays: Any) -> Trees:
        """Return the trees that :meth:`to_arrays` took apart."""
        nodes = np.zeros(len(arrays["left"]), _NODE)
        for name in _NODE.names or ():
            nodes[name] = arrays[name]
        return cls(nodes, arrays["roots"])

    def mean(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean leaf of each row (n,); numba where it is there, else level by level in NumPy."""
        X = np.ascontiguousarray(X, dtype=np.float32)
        found: NDArray[np.float32] = (compiled_or_none(_walk) or _levels)(X, self.nodes, self.roots)
        return found


def _siblings(tree: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes so that children are neighbours, level by level, and the place of each node in that order."""
    levels, here = [np.zeros(1, np.int64)], np.zeros(1, np.int64)
    while True:
        here = here[tree.children_left[here] >= 0]
        if not len(here):
            break
        here = np.stack([tree.children_left[here], tree.children_right[here]], axis=1).ravel()
        levels.append(here)
    order = np.concatenate(levels)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return order, place


def _levels(X: NDArray[np.float32], nodes: NDArray[Any], roots: NDArray[np.int32]) -> NDArray[np.float32]:
    total = np.zeros(len(X))
    for root in roots:
        node = np.full(len(X), root)
        going = np.arange(len(X))
        while len(going):
            here = nodes[node[going]]
            inner = here["feature"] >= 0
            going, here = going[inner], here[inner]
            node[going] = here["left"] + (X[going, here["feature"]] > here["threshold"])
        total += nodes["value"][node]
    return (total / len(roots)).astype(np.float32)


def _walk(X, nodes, roots):  # noqa: ANN001, ANN202 - compiled
    n, block = X.shape[0], 128
    out = np.empty(n, np.float32)
    total = np.zeros(block, np.float64)
    node = np.empty(block, np.int32)
    going = np.empty(block, np.int32)
    for start in range(0, n, block):
        size = min(block, n - start)
        total[:] = 0.0
        for root in roots:
            # The rows of a block go down together: the loads of one step do not wait for each other.
            for i in range(size):
                node[i], going[i] = root, i
            left = size
            while left:
                kept = 0
                for k in range(left):
                    i = going[k]
                    here = nodes[node[i]]
                    if here.feature < 0:
                        total[i] += here.value
                    else:
                        node[i] = here.left + np.int32(X[start + i, here.feature] > here.threshold)
                        going[kept] = i
                        kept += 1
                left = kept
        for i in range(size):
            out[start + i] = total[i] / len(roots)
    return out


class FlowForest:
    """A random forest on attacks and normal flows.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    max_depth : int or None, default=None
        Of a tree.
    n_jobs : int or None, default=None
        Threads of the fit.
    random_state : int or None, default=None
        Of all chance.
    """

    needs_attacks = True

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_depth: int | None = None,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators, self.max_depth = n_estimators, max_depth
        self.n_jobs, self.random_state = n_jobs, random_state

    def fit(self, X: NDArray[np.float32], attack: NDArray[np.bool_], *, progress: Any = None) -> FlowForest:
        """Learn from rows (n, d) and which of them are attacks (n,)."""
        from sklearn.ensemble import RandomForestClassifier

        if not (attack.any() and (~attack).any()):
            raise InputError("a forest needs both attacks and normal flows; without attacks use 'isolation'.")
        model = RandomForestClassifier(
            self.n_estimators, max_depth=self.max_depth, n_jobs=self.n_jobs, random_state=self.random_state
        ).fit(X, attack)
        self.trees_ = Trees.of(model.estimators_, None, lambda t: t.value[:, 0, 0] / t.value[:, 0].sum(axis=1))
        return self

    def score_samples(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the trees' mean probability of normal (n,)."""
        return self.trees_.mean(X)


class FlowIsolation:
    """An isolation forest on normal flows alone: what random cuts set apart early is unfamiliar.

    Parameters
    ----------
    n_estimators : int, default=200
        Trees.
    max_samples : int, default=256
        Rows a tree sees.
    n_jobs, random_state
        As in :class:`FlowForest`.
    """

    needs_attacks = False

    def __init__(
        self,
        *,
        n_estimators: int = 200,
        max_samples: int = 256,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators, self.max_samples = n_estimators, max_samples
        self.n_jobs, self.random_state = n_jobs, random_state

    def fit(self, X: NDArray[np.float32], attack: Any = None, *, progress: Any = None) -> FlowIsolation:
        """Learn from normal rows (n, d); rows that are attacks are left out."""
        from sklearn.ensemble import IsolationForest

        rows = X if attack is None else X[~np.asarray(attack, dtype=bool)]
        model = IsolationForest(
            n_estimators=self.n_estimators,
            max_samples=min(self.max_samples, len(rows)),
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        ).fit(rows)
        self.usual_ = _path(min(self.max_samples, len(rows)))
        self.trees_ = Trees.of(model.estimators_, model.estimators_features_, _lengths)
        return self

    def score_samples(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return minus the anomaly score of Liu, Ting and Zhou (2008), in [-1, 0), (n,)."""
        return -np.exp2(-self.trees_.mean(X) / np.float32(self.usual_ or 1.0))


def _path(n: float) -> float:
    """Return the mean depth of a search that fails in a random tree of n rows."""
    if n <= 2:
        return 1.0 if n == 2 else 0.0
    return 2.0 * (math.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n


def _lengths(tree: Any) -> NDArray[np.float64]:
    """Return the depth of each node, and what a leaf of several rows would have gone on for."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        if tree.children_left[node] >= 0:
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return depth + np.array([_path(n) for n in tree.n_node_samples])
