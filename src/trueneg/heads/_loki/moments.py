"""Expected squared distance of every vertex of a tree, in two passes.

With ``m0``, ``m1``, ``m2`` the sums of p, p d and p d^2 as seen from a vertex, an edge of length w moves them in closed
form. One pass up sums p and p d below each vertex; one pass down carries the moments of the whole tree from a parent
to its child. No distance between two labels is ever formed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueneg.core.compiled import compiled_or_none
from trueneg.core.tree import Tree

__all__ = ["LANES", "second_moments"]

LANES = 8  # samples that pass through the tree together: one cache line of float64
_BLOCK = 1 << 20  # cells of a block without numba, 8 MiB


def lanes(n_vertices: int) -> int:
    """Return how many samples :func:`second_moments` should be given at once."""
    return LANES if compiled_or_none(_loop) is not None else max(LANES, _BLOCK // n_vertices)


def second_moments(tree: Tree, at: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``sum_l p_l d(v, l)^2`` for every place v, in O(N) a sample.

    Parameters
    ----------
    tree : Tree
        N vertices.
    at : ndarray of int64 of shape (k,)
        Places of the labels with mass, each once.
    weights : ndarray of shape (n, k)
        Mass of each.

    Returns
    -------
    ndarray of float64 of shape (N, n)
        Rounding is some 1e-15 of the largest value of a column.
    """
    mass = np.zeros((len(tree.parent), len(weights)))
    mass[at] = weights.T
    far = np.zeros_like(mass)
    depth = tree.depth[at]
    total, first, second = weights.sum(axis=1), weights @ depth, weights @ np.square(depth)
    loop = compiled_or_none(_loop)
    if loop is None:
        _levels(tree, mass, far, total, first, second)
    else:
        loop(tree.parent, tree.length, mass, far, total, first, second)
    return far


def _loop(parent, length, mass, far, total, first, second):  # noqa: ANN001, ANN202 - compiled
    """Turn ``mass`` into first moments and ``far`` into second ones; what was below is read before it is replaced."""
    n, width = mass.shape
    for i in range(n - 1, 0, -1):
        p, w = parent[i], length[i]
        for j in range(width):
            mass[p, j] += mass[i, j]
            far[p, j] += far[i, j] + w * mass[i, j]
    for j in range(width):
        mass[0, j] = first[j]
        far[0, j] = second[j]
    for i in range(1, n):
        p, w = parent[i], length[i]
        for j in range(width):
            below = far[i, j] + w * mass[i, j]
            far[i, j] = far[p, j] + w * w * total[j] + 2.0 * w * (mass[p, j] - 2.0 * below)
            mass[i, j] = mass[p, j] + w * (total[j] - 2.0 * mass[i, j])


def _levels(
    tree: Tree,
    mass: NDArray[np.float64],
    far: NDArray[np.float64],
    total: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> None:
    """Do the same depth by depth, without numba."""
    levels = tree.levels()[1:]
    for level in reversed(levels):
        parent, w = tree.parent[level], tree.length[level, None]
        start = np.flatnonzero(np.r_[True, parent[1:] != parent[:-1]])
        far[parent[start]] += np.add.reduceat(far[level] + w * mass[level], start, axis=0)
        mass[parent[start]] += np.add.reduceat(mass[level], start, axis=0)
    mass[0], far[0] = first, second
    for level in levels:
        parent, w = tree.parent[level], tree.length[level, None]
        below = far[level] + w * mass[level]
        far[level] = far[parent] + w * w * total + 2.0 * w * (mass[parent] - 2.0 * below)
        mass[level] = mass[parent] + w * (total - 2.0 * mass[level])
