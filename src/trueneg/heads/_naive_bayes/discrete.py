"""Naive Bayes on features that take a few values each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from trueneg.core.class_stats import merge_labels
from trueneg.core.errors import InputError
from trueneg.core.rows import as_given, checked_rows, labels_as_given
from trueneg.heads._naive_bayes.gaussian import class_priors, softmax

__all__ = ["DiscreteNaiveBayes"]

_BLOCK = 1 << 19
# Classes, weight of each, values of each feature, weight of each value in each class.
_Counts = tuple[NDArray[Any], NDArray[np.float64], list[NDArray[Any]], list[NDArray[np.float64]]]


class DiscreteNaiveBayes(ClassifierMixin, BaseEstimator):
    """Naive Bayes that counts how often each feature takes each value in each class.

    Values may be any numbers (0/1 flags, codes, counts); each distinct one is a category, and new ones may come with
    later rows. A value never seen tells nothing: it leaves the row's other features to decide.

    Parameters
    ----------
    alpha : float, default=1.0
        Added to every count (Laplace), above 0: one row that lacks a value must not make it impossible.
    priors : None, "uniform" or array-like of shape (n_classes,), default=None
        Class probabilities in the order of ``classes_``; None takes the shares of the training rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    class_count_ : ndarray of shape (n_classes,)
        Weight of each class.
    categories_ : list of ndarray
        Values seen, a sorted array for each feature.
    category_count_ : list of ndarray of shape (n_values, n_classes)
        Weight of each value in each class.

    Notes
    -----
    Memory: one count for each pair of value and class. Continuous features have as many values as rows: use
    :class:`GaussianNaiveBayes`, or bin them first. Predicting is one sparse product.

    References
    ----------
    Zheng et al. (2023), arXiv 2302.02334, section 3 (discrete features); the counts are the usual ones.
    """

    def __init__(self, *, alpha: float = 1.0, priors: ArrayLike | str | None = None) -> None:
        self.alpha = alpha
        self.priors = priors

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> DiscreteNaiveBayes:
        """Count the rows (n, d) with labels (n,) and weights (n,); earlier rows are forgotten."""
        return self._learn(X, y, sample_weight, reset=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> DiscreteNaiveBayes:
        """Add rows; classes and values may be new. ``classes`` names labels to expect and is never needed."""
        return self._learn(X, y, sample_weight, reset=not hasattr(self, "categories_"), classes=classes)

    def merge(self, other: DiscreteNaiveBayes) -> DiscreteNaiveBayes:
        """Add the counts of another fitted head on the same features."""
        check_is_fitted(self, "categories_")
        check_is_fitted(other, "categories_")
        if len(self.categories_) != len(other.categories_):
            msg = f"counts of {len(other.categories_)} features cannot be merged with those of {len(self.categories_)}."
            raise InputError(msg)
        theirs = (other.classes_, other.class_count_, list(other.categories_), list(other.category_count_))
        return self._fold(_joined(self._seen(), theirs))

    def _learn(
        self, X: ArrayLike, y: ArrayLike, weight: ArrayLike | None, *, reset: bool, classes: ArrayLike | None = None
    ) -> DiscreteNaiveBayes:
        if not (np.isfinite(self.alpha) and self.alpha > 0):
            msg = f"alpha={self.alpha!r}: give a number above 0; 1 is usual."
            raise InputError(msg)
        rows, y = checked_rows(self, X, y, reset=reset, dtype="numeric")
        check_classification_targets(y)
        w = np.ones(len(rows)) if weight is None else np.asarray(weight, np.float64)
        w = np.full(len(rows), float(w)) if w.ndim == 0 else w
        if w.shape != (len(rows),):
            msg = f"sample_weight has shape {w.shape}: give one weight a row, shape ({len(rows)},)."
            raise InputError(msg)
        if not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
            raise InputError("sample_weight is negative, not finite, or zero for every row: give weights of 0 or more.")
        fresh, codes = np.unique(y, return_inverse=True)
        # A row of weight 0 names its class; its values were not seen.
        counted = w > 0
        rows, codes, w = rows[counted], codes.reshape(-1)[counted], w[counted]
        values: list[NDArray[Any]] = []
        counts: list[NDArray[Any]] = []
        for column in rows.T:
            seen, at = np.unique(column, return_inverse=True)
            cell = at.reshape(-1) * len(fresh) + codes
            values.append(seen)
            counts.append(np.bincount(cell, weights=w, minlength=len(seen) * len(fresh)).reshape(-1, len(fresh)))
        nothing = [np.empty(0) for _ in values], [np.zeros((0, 0)) for _ in values]
        before: _Counts = (np.empty(0), np.zeros(0), *nothing) if reset else self._seen()
        if classes is not None:
            expected = np.unique(np.asarray(classes))
            empty = [np.zeros((len(v), len(expected))) for v in values]
            before = _joined(before, (expected, np.zeros(len(expected)), values, empty))
        weights: NDArray[Any] = np.bincount(codes, weights=w, minlength=len(fresh))
        return self._fold(_joined(before, (fresh, weights, values, counts)))

    def _seen(self) -> _Counts:
        return self.classes_, self.class_count_, self.categories_, self.category_count_

    def _fold(self, counts: _Counts) -> DiscreteNaiveBayes:
        """Turn counts into the numbers of the decision; nothing has changed where the priors do not fit."""
        self.class_prior_ = class_priors(self.priors, counts[1])
        self.classes_, self.class_count_, self.categories_, self.category_count_ = counts
        with np.errstate(divide="ignore"):
            self._offset = np.log(np.where(self.class_count_ > 0, self.class_prior_, 0.0))
        tables = [np.log(c + self.alpha) - np.log((c + self.alpha).sum(axis=0)) for c in self.category_count_]
        self._table = np.concatenate(tables)
        self._start = np.cumsum([0, *(len(t) for t in tables)])
        return self

    def _scores(self, X: NDArray[Any]) -> NDArray[np.float64]:
        from scipy.sparse import csr_array

        columns, known = np.empty(X.shape, np.int64), np.empty(X.shape, bool)
        for j, values in enumerate(self.categories_):
            at = np.minimum(np.searchsorted(values, X[:, j]), len(values) - 1)
            columns[:, j], known[:, j] = at + self._start[j], values[at] == X[:, j]
        indptr = np.r_[0, np.cumsum(known.sum(axis=1))]
        picked = csr_array((np.ones(indptr[-1]), columns[known], indptr), shape=(len(X), len(self._table)))
        return np.asarray(picked @ self._table) + self._offset

    def predict_joint_log_proba(self, X: ArrayLike) -> Any:
        """Return log P(class, row), (n, K); -inf for a class of which no row has come."""
        return as_given(self._joint(X), X)

    def _joint(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self, "categories_")
        rows: NDArray[Any] = checked_rows(self, X, reset=False, dtype="numeric")
        step = max(256, _BLOCK // max(1, rows.shape[1]))
        return np.concatenate([self._scores(rows[i : i + step]) for i in range(0, len(rows), step)])

    def predict(self, X: ArrayLike) -> Any:
        """Return the most probable label of each row, (n,); the first of equals."""
        best = self._joint(X).argmax(axis=1)
        return labels_as_given(self, self.classes_[best], X)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return class probabilities, (n, K)."""
        return as_given(softmax(self._joint(X)), X)


def _joined(one: _Counts, two: _Counts) -> _Counts:
    """Add up two counts, each over classes and values of its own; neither is changed."""
    classes = merge_labels(one[0], two[0])
    place = [np.searchsorted(classes, part[0]) for part in (one, two)]
    total = np.zeros(len(classes))
    for at, part in zip(place, (one, two), strict=True):
        total[at] += part[1]
    values, counts = [], []
    for j, (known, fresh) in enumerate(zip(one[2], two[2], strict=True)):
        union = np.union1d(known, fresh) if len(known) else fresh
        table = np.zeros((len(union), len(classes)))
        for at, part in zip(place, (one, two), strict=True):
            if len(part[2][j]):
                table[np.ix_(np.searchsorted(union, part[2][j]), at)] += part[3][j]
        values.append(union)
        counts.append(table)
    return classes, total, values, counts
