"""The error of the rule on random trees: against diameter, rows to learn from, and dimension of the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap
from trueneg.heads._loki.locus import next_class
from trueneg.heads._loki.predict import frechet_predict
from trueneg.heads._loki.space import MetricLabelSpace

__all__ = ["ErrorAt", "error_study", "random_tree"]


@dataclass(frozen=True)
class ErrorAt:
    """The error at one setting.

    Attributes
    ----------
    diameter : int
        Edges of the longest path of the trees.
    n_rows, n_features : int
        Rows to learn from, and their dimension.
    error : Estimate
        Mean squared distance between the predictions of the learned and of the true model, over the trees.
    """

    diameter: int
    n_rows: int
    n_features: int
    error: Estimate


def random_tree(
    n_vertices: int, *, diameter: int | None = None, random_state: int | np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Draw a tree on the vertices 0 to n - 1.

    Parameters
    ----------
    n_vertices : int
        At least 2.
    diameter : int or None, default=None
        Edges of the longest path, 2 or more (1 for two vertices). None hangs each vertex on a random earlier one.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    ndarray of int64 of shape (n_vertices - 1, 2)
        Edges. With a diameter, the vertices 0 to diameter are the longest path; each other one hangs on a random
        vertex that lies far enough from both of its ends.
    """
    if n_vertices < 2:
        raise InputError("a tree needs 2 vertices or more.")
    rng = np.random.default_rng(random_state)
    if diameter is None:
        parents = (rng.random(n_vertices - 1) * np.arange(1, n_vertices)).astype(np.int64)
        return np.stack([parents, np.arange(1, n_vertices)], axis=1)
    if not min(2, n_vertices - 1) <= diameter < n_vertices:
        msg = f"diameter={diameter}: a tree of {n_vertices} vertices has one from 2 to {n_vertices - 1}."
        raise InputError(msg)
    path = np.arange(diameter + 1)
    room = np.zeros(n_vertices, np.int64)  # how deep what hangs on a vertex may be
    room[path] = np.minimum(path, path[::-1])
    edges = [(int(v), int(v) + 1) for v in path[:-1]]
    open_ = [int(v) for v in path if room[v] > 0]
    for v in range(diameter + 1, n_vertices):
        p = open_[int(rng.integers(len(open_)))]
        edges.append((p, v))
        room[v] = room[p] - 1
        if room[v] > 0:
            open_.append(v)
    return np.array(edges, np.int64)


def error_study(
    *,
    diameters: Sequence[int] = (4, 8, 16),
    sizes: Sequence[int] = (50, 200, 800),
    dimensions: Sequence[int] = (2, 8, 32),
    n_vertices: int = 60,
    n_observed: int = 6,
    n_trees: int = 20,
    permute: bool = False,
    random_state: int | np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[ErrorAt]:
    """Measure how far predictions of a learned model are from those of the true one, on random trees.

    Rows are normal; their observed label follows a true softmax regression. One is learned from the rows, and both
    predict the Frechet mean for 500 other rows. Each of the three settings moves alone, the others at their middle.

    Parameters
    ----------
    diameters, sizes, dimensions : sequence of int
        Edges of the longest path, rows to learn from, features.
    n_vertices, n_observed : int, default=60 and 6
        Labels of a tree, and those with probabilities: the first picks of :func:`next_class`.
    n_trees : int, default=20
        Trees a setting; their mean has a bootstrap interval.
    permute : bool, default=False
        Permute the labels that are learned from: what chance alone gives.
    random_state : int, Generator or None, default=None
        Seed.
    progress : callable or None, default=None
        Called with ``(done, total)`` settings.

    Returns
    -------
    list of ErrorAt
        By diameter, then by rows, then by dimension.

    References
    ----------
    Roberts et al. (2023), arXiv 2307.12226.
    """
    if n_trees < 2 or not all((diameters, sizes, dimensions)):
        raise InputError("error_study needs 2 trees or more and one value or more for each setting.")
    rng = np.random.default_rng(random_state)
    middle = [sorted(values)[len(values) // 2] for values in (diameters, sizes, dimensions)]
    settings = [(v, middle[1], middle[2]) for v in diameters]
    settings += [(middle[0], v, middle[2]) for v in sizes]
    settings += [(middle[0], middle[1], v) for v in dimensions]
    out = []
    for diameter, n, d in settings:
        errors = [_error(diameter, n, d, n_vertices, n_observed, permute, rng) for _ in range(n_trees)]
        estimate = bootstrap(lambda e: float(np.mean(e)), np.array(errors), random_state=rng)
        out.append(ErrorAt(diameter, n, d, estimate))
        if progress is not None:
            progress(len(out), len(settings))
    return out


def _error(
    diameter: int, n: int, d: int, n_vertices: int, n_observed: int, permute: bool, rng: np.random.Generator
) -> float:
    from sklearn.linear_model import LogisticRegression

    space = MetricLabelSpace.from_tree(random_tree(n_vertices, diameter=diameter, random_state=rng))
    observed = next_class(space, [], n=n_observed)
    true = 3 * rng.normal(size=(d, len(observed))) / np.sqrt(d)
    X, X_test = rng.normal(size=(n, d)), rng.normal(size=(500, d))
    # Adding Gumbel noise and taking the largest draws from the softmax.
    codes = (X @ true + rng.gumbel(size=(n, len(observed)))).argmax(axis=1)
    if len(np.unique(codes)) < 2:
        codes[:2] = [0, 1]
    if permute:
        codes = rng.permutation(codes)
    model = LogisticRegression(max_iter=500).fit(X, codes)
    proba = np.zeros((len(X_test), len(observed)))
    proba[:, model.classes_] = model.predict_proba(X_test)
    score = X_test @ true
    right = np.exp(score - score.max(axis=1, keepdims=True))
    right /= right.sum(axis=1, keepdims=True)
    predicted = [frechet_predict(p, space, observed=observed) for p in (proba, right)]
    return float(np.square(space.distances(*predicted)).mean())
