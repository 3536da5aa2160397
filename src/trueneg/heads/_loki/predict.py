"""Predictions: the label with the smallest expected squared distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap
from trueneg.heads._loki.space import MetricLabelSpace

__all__ = ["expected_squared_distance", "frechet_predict", "squared_distance_error"]


def frechet_predict(proba: ArrayLike, space: MetricLabelSpace, *, observed: ArrayLike | None = None) -> NDArray[Any]:
    """Predict, for each row of probabilities, the label at the smallest expected squared distance.

    The labels with a probability may be a few of many: the answer may be one that no row was ever trained on. Where
    all distances are equal, it is the most probable label.

    Parameters
    ----------
    proba : array-like of shape (n, k)
        Probabilities of the observed labels, of any classifier. How sure they are matters: calibrate them first.
    space : MetricLabelSpace
        All K labels and their distances.
    observed : array-like of shape (k,) or None, default=None
        The labels of the columns, such as ``classes_`` of the classifier; all of ``space.labels`` by default.

    Returns
    -------
    ndarray of shape (n,)
        Labels of the space; the first in order of equals.

    Raises
    ------
    InputError
        Where rows are no probabilities, or a label is missing from the metric.

    Notes
    -----
    A sample costs O(N) in a tree of N vertices, O((k + K) d) among vectors of d features, O(k K) with a matrix.

    References
    ----------
    Roberts, Li, Adila, Cromp, Huang, Zhao and Sala (2023), arXiv 2307.12226.
    """
    weights, at = _checked(proba, space, observed)
    return np.asarray(space.labels[space.nearest(weights, at)])


def expected_squared_distance(
    proba: ArrayLike, space: MetricLabelSpace, *, observed: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return ``sum_l p_l d(y, l)^2`` for every row and every label y of the space, (n, K).

    Parameters
    ----------
    proba, space, observed
        As in :func:`frechet_predict`.

    Returns
    -------
    ndarray of float64 of shape (n, K)
        Columns in the order of ``space.labels``.
    """
    weights, at = _checked(proba, space, observed)
    out = np.empty((len(weights), len(space.labels)))
    for part, cells in space.blocks(weights, at):
        out[part] = cells
    return np.maximum(out, 0.0)


def squared_distance_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    space: MetricLabelSpace,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
) -> Estimate:
    """Return the mean squared distance of predictions from the truth, with a bootstrap interval.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels of the space.
    space : MetricLabelSpace
        Their distances.
    groups : array-like of shape (n,) or None, default=None
        Rows of a group are resampled together.
    level : float, default=0.95
        Coverage.
    random_state : int, Generator or None, default=None
        Seed of the resamples.

    Returns
    -------
    Estimate
        In squared units of the metric; 0 is perfect.
    """
    far = np.square(space.distances(y_true, y_pred))
    return bootstrap(lambda d: float(np.mean(d)), far, groups=groups, level=level, random_state=random_state)


def _checked(
    proba: ArrayLike, space: MetricLabelSpace, observed: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if not isinstance(space, MetricLabelSpace):
        msg = f"space is a {type(space).__name__}: make one with MetricLabelSpace.from_tree, or another of its makers."
        raise InputError(msg)
    p = np.asarray(proba)
    labels = space.labels if observed is None else np.asarray(observed)
    if p.ndim != 2 or p.dtype.kind not in "biuf" or p.shape[1] != len(labels) or not len(labels):
        msg = f"proba has shape {p.shape}: give one row a sample, one column for each of the {len(labels):,} labels."
        raise InputError(msg)
    at = space.places(labels)
    if len(np.unique(at)) < len(at):
        raise InputError("observed names a label twice: add up its columns first.")
    total = p.sum(axis=1, dtype=np.float64)
    bad = ~(np.abs(total - 1) <= 1e-3) | (p.min(axis=1) < 0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = f"row {i} of proba sums to {total[i]:.3g} or goes below 0: turn scores into probabilities (softmax)."
        raise InputError(msg)
    return p, at
