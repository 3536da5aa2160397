"""Figures as functions of how often each row counts, so that a whole bootstrap is one matrix of counts.

``figure(counts)`` takes ``counts`` (b, n), how often each of n rows is in each of b resamples, and gives (b,): what the
figure would be on those rows. Ones give the figure itself. Each equals what scikit-learn or scipy say of the repeated
rows; none sorts more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]

__all__ = ["Figure", "average_precision", "macro_f1", "mean", "pearson", "spearman", "v_measure"]


def mean(values: ArrayLike) -> Figure:
    """Mean of the values, shape (n,): accuracy where they are 0 and 1, or a mean over queries."""
    value = np.asarray(values, dtype=np.float64)
    return lambda counts: counts @ value / counts.sum(axis=1)


def macro_f1(truth: ArrayLike, said: ArrayLike, n_labels: int) -> Figure:
    """F1 averaged over the labels that are there or were said.

    Parameters
    ----------
    truth, said : (n,) int
        Codes from 0.
    n_labels : int
    """
    true, guess = np.asarray(truth, dtype=np.int64), np.asarray(said, dtype=np.int64)
    held, given = _one_hot(true, n_labels), _one_hot(guess, n_labels)
    hit = _one_hot(np.where(true == guess, true, n_labels), n_labels + 1)

    def figure(counts: Floats) -> Floats:
        both = counts @ held + counts @ given
        there = both > 0
        f1 = np.divide(2 * (counts @ hit)[:, :n_labels], both, out=np.zeros_like(both), where=there)
        return np.asarray(f1.sum(axis=1) / there.sum(axis=1))

    return figure


def average_precision(score: ArrayLike, positive: ArrayLike) -> Figure:
    """Area under precision and recall as steps; equal scores are one step, and without a positive it is 0.

    Parameters
    ----------
    score : (n,) float
        Larger is more positive.
    positive : (n,) bool
    """
    value, yes = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
    order = np.argsort(-value, kind="stable")
    start = _starts(value[order])
    hit = yes[order]

    def figure(counts: Floats) -> Floats:
        sorted_counts = counts[:, order]
        found = np.add.reduceat(sorted_counts * hit, start, axis=1)
        seen = np.cumsum(np.add.reduceat(sorted_counts, start, axis=1), axis=1)
        hits = np.cumsum(found, axis=1)
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        total = hits[:, -1]
        return np.divide((precision * found).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)

    return figure


def v_measure(label: ArrayLike, cluster: ArrayLike) -> Figure:
    """Harmonic mean of homogeneity and completeness.

    Parameters
    ----------
    label, cluster : (n,) int
        Codes from 0.

    References
    ----------
    Rosenberg and Hirschberg (2007), "V-measure: a conditional entropy-based external cluster evaluation measure".
    """
    row, column = np.asarray(label, dtype=np.int64), np.asarray(cluster, dtype=np.int64)
    n_rows, n_columns = int(row.max()) + 1, int(column.max()) + 1
    cell = _one_hot(row * n_columns + column, n_rows * n_columns)

    def figure(counts: Floats) -> Floats:
        joint = np.asarray(counts @ cell).reshape(len(counts), n_rows, n_columns) / counts.sum(axis=1)[:, None, None]
        by_row, by_column = joint.sum(axis=2), joint.sum(axis=1)
        rows, columns, both = _entropy(by_row), _entropy(by_column), _entropy(joint.reshape(len(joint), -1))
        shared = np.maximum(rows + columns - both, 0)
        homogeneity = np.divide(shared, rows, out=np.ones_like(shared), where=rows > 1e-15)
        completeness = np.divide(shared, columns, out=np.ones_like(shared), where=columns > 1e-15)
        total = homogeneity + completeness
        return np.divide(2 * homogeneity * completeness, total, out=np.zeros_like(total), where=total > 0)

    return figure


def pearson(x: ArrayLike, y: ArrayLike) -> Figure:
    """Pearson's correlation, 0 where one side is constant: a constant tells nothing of the other."""
    a, b = (_centred(v) for v in (x, y))
    return lambda counts: _correlation(counts, a, b)


def spearman(x: ArrayLike, y: ArrayLike) -> Figure:
    """Pearson's correlation of midranks, which are counted anew in each resample."""
    a, b = _midranks(x), _midranks(y)
    return lambda counts: _correlation(counts, a(counts), b(counts))


def _midranks(values: ArrayLike) -> Figure:
    """Return what gives the midrank of every row as (b, n), by one sort for all resamples."""
    value = np.asarray(values, dtype=np.float64)
    order = np.argsort(value, kind="stable")
    start = _starts(value[order])
    group = np.empty(len(value), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(start)), np.diff([*start, len(value)]))

    def ranks(counts: Floats) -> Floats:
        size = np.add.reduceat(counts[:, order], start, axis=1)
        middle = np.cumsum(size, axis=1) - (size - 1) / 2
        return middle[:, group]

    return ranks


def _correlation(counts: Floats, a: Floats, b: Floats) -> Floats:
    n = counts.sum(axis=1, keepdims=True)
    a = a - (counts * a).sum(axis=1, keepdims=True) / n
    b = b - (counts * b).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((counts * a * a).sum(axis=1) * (counts * b * b).sum(axis=1))
    least = 1e-12 * n[:, 0]
    shared = (counts * a * b).sum(axis=1)
    return np.divide(shared, spread, out=np.zeros_like(spread), where=spread > least)


def _centred(values: ArrayLike) -> Floats:
    """Scale to a spread of 1, so that what counts as constant depends on no unit."""
    value = np.asarray(values, dtype=np.float64)
    value = value - value.mean()
    size = float(np.abs(value).max(initial=0.0))
    return value / size if size > 1e-12 else np.zeros_like(value)


def _entropy(p: Floats) -> Floats:
    log = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(-(p * log).sum(axis=1))


def _starts(ordered: Floats) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _one_hot(code: NDArray[np.int64], width: int) -> Any:
    from scipy.sparse import csr_array

    n = len(code)
    return csr_array((np.ones(n), code, np.arange(n + 1)), shape=(n, width))
