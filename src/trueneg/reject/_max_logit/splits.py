"""Which unknown classes are near the known ones: semantic-shift splits, and the published ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.tree import places, read_tree, sorted_labels

__all__ = ["SemanticSplit", "read_ssb_split", "semantic_shift_split", "tree_distance"]


@dataclass(frozen=True)
class SemanticSplit:
    """Known classes, and unknown ones by how near they are to them.

    Attributes
    ----------
    known : ndarray of shape (K,)
        Labels.
    bins : dict of str to ndarray
        Unknown labels, from the farthest ("easy") to the nearest ("hard").
    distance : dict of object to float
        Of each unknown label to the known ones; empty where a published split was read.
    """

    known: NDArray[Any]
    bins: dict[str, NDArray[Any]]
    distance: dict[Any, float]


def semantic_shift_split(
    distance: ArrayLike,
    known: Sequence[Any] | NDArray[Any],
    n_bins: int = 3,
    *,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    nearest: int = 1,
) -> SemanticSplit:
    """Sort unknown classes into bins of about equal size by their distance to the known classes.

    Any metric on labels will do: one of a tree of concepts (:func:`tree_distance`), distances of attributes or of
    embeddings of the names. It must not come from the model that is tested.

    Parameters
    ----------
    distance : array-like of shape (L, L)
        Between labels, 0 or more, symmetric.
    known : sequence
        Known labels, two or more.
    n_bins : int, default=3
        2 gives "easy" and "hard", 3 "medium" between them, more "bin 1" (farthest) to "bin n".
    labels : sequence of length L or None, default=None
        Names of the rows of ``distance``; None: 0 to L - 1.
    nearest : int, default=1
        The distance of a class is the mean of those to so many nearest known classes.

    Returns
    -------
    SemanticSplit
        Ties are broken by the order of ``labels``.

    Raises
    ------
    InputError
        On a matrix that is no metric table, labels that are not in it, or fewer unknown classes than bins.
    """
    D = np.asarray(distance, dtype=np.float64)
    names = np.arange(len(D)) if labels is None else np.asarray(labels)
    if D.ndim != 2 or D.shape != (len(names), len(names)):
        msg = f"distance has shape {D.shape} for {len(names)} labels: give one row and one column a label."
        raise InputError(msg)
    if not np.isfinite(D).all() or (D < 0).any() or not np.allclose(D, D.T):
        raise InputError("distance must be finite, 0 or more, and symmetric: a NaN often marks a label in no tree.")
    if len(set(names.tolist())) < len(names):
        raise InputError("labels holds a label twice: give each row of the metric a name of its own.")
    own = np.asarray(known)
    lost = [k for k in own.tolist() if k not in set(names.tolist())]
    if lost:
        msg = f"known class {lost[0]!r} is not among the {len(names)} labels of the metric: add it, or leave it out."
        raise InputError(msg)
    inside = np.isin(names, own)
    out = np.flatnonzero(~inside)
    if (
        inside.sum() < 2
        or not isinstance(n_bins, int)
        or n_bins < 1
        or len(out) < n_bins
        or not 1 <= nearest <= inside.sum()
    ):
        msg = (
            f"{int(inside.sum())} known and {len(out)} unknown classes for n_bins={n_bins}, nearest={nearest}: give 2 "
            "known classes, an unknown one a bin, and no more nearest than known ones."
        )
        raise InputError(msg)
    gaps = np.sort(D[np.ix_(out, np.flatnonzero(inside))], axis=1)[:, :nearest].mean(axis=1)
    order = np.argsort(-gaps, kind="stable")
    titles = {1: ["all"], 2: ["easy", "hard"], 3: ["easy", "medium", "hard"]}.get(n_bins) or [
        f"bin {i + 1}" for i in range(n_bins)
    ]
    parts = np.array_split(order, n_bins)
    bins = {title: names[out[part]] for title, part in zip(titles, parts, strict=True)}
    return SemanticSplit(names[inside], bins, dict(zip(names[out].tolist(), gaps.tolist(), strict=True)))


def tree_distance(
    edges: ArrayLike,
    labels: Sequence[Any] | NDArray[Any],
    *,
    measure: Literal["wu_palmer", "path", "leaves"] = "wu_palmer",
) -> NDArray[np.float64]:
    """Return the distances of labels in a tree of concepts, for :func:`semantic_shift_split`.

    Parameters
    ----------
    edges : array-like of shape (m, 2)
        Parent and child of each edge; one root, and one parent for every other concept.
    labels : sequence of length L
        Concepts of the tree, inner ones too.
    measure : {"wu_palmer", "path", "leaves"}, default="wu_palmer"
        "wu_palmer": 1 - 2 depth(c) / (depth(a) + depth(b)), c the lowest concept above both, the root of depth 1.
        "path": edges on the way. "leaves": log of the number of leaves below c, 0 of a label to itself. A tree that is
        finer in some places puts labels there far from everything by path: dogs from dogs, in WordNet.

    Returns
    -------
    ndarray of float64 of shape (L, L)
        Symmetric, 0 on the diagonal.

    Raises
    ------
    InputError
        On a cycle, parts that nothing joins, an edge listed twice, a concept with several parents, or a label that is
        not in the tree; in the words of :meth:`trueneg.heads.MetricLabelSpace.from_tree`.

    References
    ----------
    Wu and Palmer (1994), "Verb semantics and lexical selection", section 4.
    """
    if measure not in ("wu_palmer", "path", "leaves"):
        msg = f"measure={measure!r}: choose 'wu_palmer', 'path' or 'leaves'."
        raise InputError(msg)
    names, tree = read_tree(edges, directed=True)
    sorted_labels(labels, "labels")  # refuses none, and what is missing or mixed
    if np.ndim(labels) != 1:
        msg = f"labels has shape {np.shape(labels)}: give one list of labels."
        raise InputError(msg)
    at = tree.place[places(names, labels, "the tree")]
    lowest = np.stack([tree.meeting(np.full_like(at, one), at) for one in at])
    both, shared = np.add.outer(tree.depth[at], tree.depth[at]), tree.depth[lowest]
    if measure == "wu_palmer":
        return np.asarray(1 - 2 * (shared + 1) / (both + 2))  # the root is of depth 1 there
    if measure == "path":
        return np.asarray(both - 2 * shared)
    found = np.log(tree.members_below(tree.childless)[lowest])
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def read_ssb_split(path: str | Path) -> SemanticSplit:
    """Read a split of the Semantic Shift Benchmark: JSON with ``known_classes`` and ``unknown_classes`` by difficulty.

    Parameters
    ----------
    path : path
        Such as ``cub_ssb_splits.json`` of the authors' repository.

    Returns
    -------
    SemanticSplit
        "easy", "medium" and "hard", as far as the file has them; "all" where it has one list.

    Raises
    ------
    InputError
        Where the file is none, a list is empty or holds other than names and numbers, or a class is in two lists.
    """
    where = Path(path)
    try:
        stored = json.loads(where.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        msg = f"{where} cannot be read as JSON ({type(error).__name__}): name a split of the Semantic Shift Benchmark."
        raise InputError(msg) from error
    try:
        known, others = stored["known_classes"], stored["unknown_classes"]
        parts = [("all", others)] if isinstance(others, list) else [(k.lower(), v) for k, v in others.items()]
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{where} has no 'known_classes' and 'unknown_classes' by difficulty: it is no split of that benchmark."
        raise InputError(msg) from error
    lists = [known, *(classes for _, classes in parts)]
    if len(parts) < 1 or not all(isinstance(x, list) and x and all(type(c) in (str, int) for c in x) for x in lists):
        msg = f"{where}: known and unknown classes must be lists of names or numbers, none empty: the file is damaged."
        raise InputError(msg)
    seen: set[str] = set()
    for c in (str(c) for part in lists for c in part):
        if c in seen:
            msg = f"{where}: class {c} is in two lists, or in one twice: the file is damaged."
            raise InputError(msg)
        seen.add(c)
    by = dict(parts)
    if len(by) < len(parts):
        msg = f"{where}: a difficulty is there twice, in capitals and small: the file is damaged."
        raise InputError(msg)
    names = {"easy": 0, "medium": 1, "hard": 2}
    ordered = sorted(by, key=lambda k: (names.get(k, 3), k))
    return SemanticSplit(np.array(known), {k: np.array(by[k]) for k in ordered}, {})
