"""Which labels can be predicted at all from some observed ones, and which label to observe next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.compiled import compiled_or_none
from trueneg.core.errors import InputError
from trueneg.core.tree import Tree
from trueneg.heads._loki.space import MetricLabelSpace, TreeSpace

__all__ = ["is_locus_cover", "locus", "locus_cover", "next_class"]

_MOST = 2000  # labels of a space that needs a linear program each
_TRIES = 64  # random weights a label of the observed set, tried before the programs

Progress = Callable[[int, int], None] | None


def locus(space: MetricLabelSpace, classes: ArrayLike, *, progress: Progress = None) -> NDArray[Any]:
    """Return all labels that are a Frechet mean of the classes under some weights: what a model of them can predict.

    Parameters
    ----------
    space : MetricLabelSpace
        All labels and their distances.
    classes : array-like of shape (k,)
        Observed labels.
    progress : callable or None, default=None
        Called with ``(done, total)`` where linear programs are solved.

    Returns
    -------
    ndarray
        Sorted; ``classes`` are among them.

    Raises
    ------
    InputError
        On unknown labels, none at all, or more than 2,000 labels in a space that is no complete tree.

    Notes
    -----
    In a tree whose every vertex is a label these are the vertices on paths between classes, found in O(N). Elsewhere
    each label that random weights do not reach is a linear program: are there weights under which none is nearer?
    """
    member = _members(space, classes)
    if isinstance(space, TreeSpace) and space.complete:
        inside = np.zeros(len(member), bool)
        inside[space.at] = member
        return np.asarray(space.labels[space.tree.spanned(inside)[space.at]])
    if len(space.labels) > _MOST:
        msg = (
            f"the locus among {len(space.labels):,} labels takes a linear program each: only a tree whose every "
            "vertex is a label is quick; keep to 2,000 labels otherwise."
        )
        raise InputError(msg)
    return np.asarray(space.labels[_by_programs(space, member, progress)])


def is_locus_cover(space: MetricLabelSpace, classes: ArrayLike, *, progress: Progress = None) -> bool:
    """Whether a model of the classes can predict every label of the space."""
    return len(locus(space, classes, progress=progress)) == len(space.labels)


def locus_cover(space: MetricLabelSpace, *, progress: Progress = None) -> NDArray[Any]:
    """Return labels that make every other one predictable.

    Parameters
    ----------
    space : MetricLabelSpace
        All labels and their distances.
    progress : callable or None, default=None
        Called with ``(labels in the locus, all labels)``.

    Returns
    -------
    ndarray
        Sorted. Of a tree whose every vertex is a label, its leaves: the smallest cover there is. Of another space,
        what :func:`next_class` picks until all is covered: a cover, not always the smallest.
    """
    if isinstance(space, TreeSpace) and space.complete:
        return np.asarray(space.labels[_leaves(space.tree)[space.at]])
    picked = list(next_class(space, [], n=2))
    while (found := len(locus(space, picked))) < len(space.labels):
        if progress is not None:
            progress(found, len(space.labels))
        picked += list(next_class(space, picked))
    return np.sort(np.asarray(picked, dtype=space.labels.dtype))


def next_class(space: MetricLabelSpace, classes: ArrayLike, *, n: int = 1, progress: Progress = None) -> NDArray[Any]:
    """Return the labels to observe next: each the farthest from the locus of those before it.

    Parameters
    ----------
    space : MetricLabelSpace
        All labels and their distances.
    classes : array-like of shape (k,)
        Observed labels; empty to begin, with the two ends of a longest path.
    n : int, default=1
        How many.
    progress : callable or None, default=None
        Called with ``(picked, n)``, outside trees.

    Returns
    -------
    ndarray
        In the order of picking; fewer than n where the locus covers all before.

    Notes
    -----
    In a tree, farthest first from a growing subtree is the decomposition into longest paths: all N picks in
    O(N log N). There, distances are those to the paths between classes, also where inner vertices are no labels.
    Elsewhere each pick computes the locus (see :func:`locus`).

    References
    ----------
    Roberts et al. (2023), arXiv 2307.12226, whose selection computes all distances anew at each step.
    """
    if not isinstance(n, int | np.integer) or n < 1:
        msg = f"n={n}: ask for at least one class."
        raise InputError(msg)
    given = np.asarray(classes)
    start = np.zeros(len(space.labels), bool) if not given.size else _members(space, given)
    if isinstance(space, TreeSpace):
        order = _longest_paths(space, start)[:n]
        return np.asarray(space.labels[order])
    picked: list[int] = []
    while len(picked) < n:
        best = _farthest(space, start)
        if best is None:
            break
        start[best] = True
        picked.append(best)
        if progress is not None:
            progress(len(picked), n)
    return np.asarray(space.labels[np.array(picked, np.int64)])


# -- trees ---------------------------------------------------------------------------------------------------------


def _leaves(tree: Tree) -> NDArray[np.bool_]:
    n = len(tree.parent)
    edges = np.bincount(tree.ends.ravel(), minlength=n)
    return edges <= 1


def _longest_paths(space: TreeSpace, member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return numbers of labels, each farthest from the paths between members and those before it."""
    number = np.full(len(space.tree.parent), -1, np.int64)  # of the label at each place
    number[space.at] = np.arange(len(space.at))
    first: list[int] = []
    inside = np.zeros(len(number), bool)
    inside[space.at] = member
    if not member.any():
        # The farthest leaf from anywhere is one end of a longest path; the other one is then the first pick.
        depth = np.where(number >= 0, space.tree.depth, -1.0)
        end = int(_first_best(depth, number))
        inside[end] = True
        first = [int(number[end])]
    inside = space.tree.spanned(inside)
    turned = Tree.of(space.tree.ends, space.tree.length[1:], len(number), root=int(np.flatnonzero(inside)[0]))
    core = inside[turned.vertex]
    own = turned.length.copy()
    # The locus is one point: within it no way counts.
    own[1:][core[1:] & core[turned.parent[1:]]] = 0.0
    tip, way = number[turned.vertex], np.zeros(len(own))
    paths = compiled_or_none(_paths_loop) or _paths_loop
    paths(turned.parent, own, np.zeros(len(own)), np.full(len(own), -1), tip, way)
    chains = np.flatnonzero(way > 0)
    order = chains[np.lexsort((tip[chains], -way[chains]))]
    return np.concatenate([np.array(first, np.int64), tip[order]])


def _first_best(score: NDArray[np.float64], number: NDArray[np.int64]) -> int:
    ties = np.flatnonzero(score == score.max())
    return int(ties[np.argmin(number[ties])])


def _paths_loop(parent, own, height, heavy, end, way):  # noqa: ANN001, ANN202 - compiled
    """Carry the farthest leaf of each subtree up; where several meet, all paths but the longest end.

    ``height`` is the longest way down from a place, ``heavy`` the child it takes and ``end`` the label there;
    ``way[i]`` is the length of the path of place i that ends at its parent, 0 where it goes on upwards.
    """
    for i in range(len(parent) - 1, 0, -1):
        p = parent[i]
        length = height[i] + own[i]
        rival = heavy[p]
        if rival < 0 or length > height[p] or (length == height[p] and end[i] < end[rival]):
            if rival >= 0:
                way[rival] = height[p]
            height[p] = length
            heavy[p] = i
            end[p] = end[i]
        else:
            way[i] = length
    if heavy[0] >= 0:
        way[heavy[0]] = height[0]


# -- other spaces --------------------------------------------------------------------------------------------------


def _members(space: MetricLabelSpace, classes: ArrayLike) -> NDArray[np.bool_]:
    given = np.asarray(classes)
    if not given.size:
        raise InputError("classes is empty: name at least one observed label.")
    member = np.zeros(len(space.labels), bool)
    member[space.places(given)] = True
    return member


def _by_programs(space: MetricLabelSpace, member: NDArray[np.bool_], progress: Progress) -> NDArray[np.bool_]:
    """Return which labels are a Frechet mean of the members under some weights, (K,)."""
    from scipy.optimize import linprog

    squares = space.squared_distances(space.labels[member])
    squares /= max(float(squares.max()), np.finfo(float).tiny)
    k = squares.shape[1]
    tries = np.random.default_rng(0).dirichlet(np.full(k, min(1.0, 2.0 / k)), min(_TRIES * k, _MOST))
    reached = member.copy()
    reached[(tries @ squares.T).argmin(axis=1)] = True
    left = np.flatnonzero(~reached)
    for done, y in enumerate(left.tolist()):
        limits = squares[y] - np.delete(squares, y, axis=0)
        found = linprog(np.zeros(k), limits, np.zeros(len(limits)), np.ones((1, k)), [1.0], method="highs")
        reached[y] = found.status == 0
        if progress is not None:
            progress(done + 1, len(left))
    return reached


def _farthest(space: MetricLabelSpace, member: NDArray[np.bool_]) -> int | None:
    """Return the number of the label farthest from the locus of the members; None where it covers all."""
    if not member.any():
        far = space.squared_distances(space.labels[:1])[:, 0]
        return int(far.argmax())
    inside = space.places(locus(space, space.labels[member]))
    far = space.squared_distances(space.labels[inside]).min(axis=1)
    far[inside] = -1.0
    best = int(far.argmax())
    return best if far[best] >= 0 else None
