"""Gaussian naive Bayes whose decision is one matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError
from trueneg.core.rows import as_given, checked_rows, labels_as_given

__all__ = ["GaussianNaiveBayes", "class_priors", "softmax"]

_BLOCK = 1 << 19  # cells of a float64 block, 4 MiB
_UNIT = float(np.finfo(np.float32).eps)  # twice the unit of rounding: on the safe side


class GaussianNaiveBayes(ClassifierMixin, BaseEstimator):
    """Gaussian naive Bayes with the variance shared by the classes, one of each class, or one number a class.

    ``"tied"`` is the model of the paper: each feature has one variance, so that the decision is linear, the exact
    generative twin of softmax regression, with ``coef_`` and ``intercept_``. ``"diag"`` is that of scikit-learn's
    ``GaussianNB`` (a variance for each class and feature), ``"spherical"`` has one variance a class.

    Parameters
    ----------
    covariance_type : {"tied", "diag", "spherical"}, default="tied"
        What shares a variance. Tied needs the fewest rows.
    priors : None, "uniform" or array-like of shape (n_classes,), default=None
        Class probabilities in the order of ``classes_``; None takes the shares of the training rows.
    var_smoothing : float, default=1e-9
        This share of the largest variance of a feature is added to all variances, as in scikit-learn.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    class_prior_ : ndarray of shape (n_classes,)
        Probabilities in use.
    theta_ : ndarray of shape (n_classes, n_features)
        Means.
    var_ : ndarray of shape (n_features,), (n_classes, n_features) or (n_classes,)
        Variances, smoothed: tied, diag, spherical.
    coef_, intercept_ : ndarray of shape (n_classes, n_features) and (n_classes,)
        The linear rule, for ``"tied"`` only.
    stats_ : ClassStats
        What was seen; enough to go on or to merge.

    Notes
    -----
    Cost: fitting O(n d), predicting O(n d K) as one product (a second one for ``"diag"``). All sums are float64;
    memory is that of the parameters, the result and blocks of 4 MiB, whatever the type of X.

    References
    ----------
    Zheng et al. (2023), arXiv 2302.02334, section 3; Ng and Jordan (2001).
    """

    def __init__(
        self, *, covariance_type: str = "tied", priors: ArrayLike | str | None = None, var_smoothing: float = 1e-9
    ) -> None:
        self.covariance_type = covariance_type
        self.priors = priors
        self.var_smoothing = var_smoothing

    # -- learning --------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> GaussianNaiveBayes:
        """Learn from features (n, d), labels (n,) of any type and weights (n,); earlier rows are forgotten."""
        return self._learn(X, y, sample_weight, reset=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> GaussianNaiveBayes:
        """Add rows, one is enough; the result is that of one fit on all rows seen.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. Classes may be new.
        classes : array-like or None, default=None
            Labels to expect. Never needed; a class is not predicted before a row of it has come.

        Returns
        -------
        GaussianNaiveBayes
            Itself.
        """
        return self._learn(X, y, sample_weight, reset=not hasattr(self, "stats_"), classes=classes)

    def merge(self, other: GaussianNaiveBayes) -> GaussianNaiveBayes:
        """Add all that another fitted head of the same ``covariance_type`` has seen, as if fitted on both.

        Raises
        ------
        InputError
            Where the two were collected in other ways, or on other features.
        """
        check_is_fitted(self, "stats_")
        check_is_fitted(other, "stats_")
        names: list[Any] = [getattr(m, "feature_names_in_", None) for m in (self, other)]
        if all(n is not None for n in names) and not np.array_equal(names[0], names[1]):
            raise InputError("the two heads were fitted on features of other names or in another order.")
        return self._fold(self.stats_.copy().merge(other.stats_))

    def _learn(
        self, X: ArrayLike, y: ArrayLike, weight: ArrayLike | None, *, reset: bool, classes: ArrayLike | None = None
    ) -> GaussianNaiveBayes:
        if self.covariance_type not in ("tied", "diag", "spherical"):
            msg = f"covariance_type={self.covariance_type!r}: choose 'tied', 'diag' or 'spherical'."
            raise InputError(msg)
        rows, y = checked_rows(self, X, y, reset=reset)
        check_classification_targets(y)
        tied = self.covariance_type == "tied"
        stats = ClassStats(tied=tied) if reset else self.stats_.copy()
        if stats.tied != tied:
            raise InputError("covariance_type was changed between two calls of partial_fit: call fit instead.")
        if weight is not None:
            weight = np.asarray(weight, dtype=np.float64)
            weight = np.full(len(rows), float(weight)) if weight.ndim == 0 else weight
        if classes is not None:
            stats.expect(classes, rows.shape[1])
        stats.update(rows, y, sample_weight=weight)
        if not stats.counts.sum() > 0:
            raise InputError("sample_weight is zero for every row: at least one row must count.")
        return self._fold(stats)

    def _fold(self, stats: ClassStats) -> GaussianNaiveBayes:
        """Turn statistics into the numbers of the decision; nothing has changed where the priors do not fit."""
        self.class_prior_ = class_priors(self.priors, stats.counts)
        self.stats_ = stats
        self.classes_, self.theta_ = stats.classes, stats.means
        total = float(stats.total_variance().max())
        # Rows that are all alike have no scale of their own; 1 keeps the variances above zero.
        floor = self.var_smoothing * (total if total > 0 else 1.0)
        variance = stats.covariance()
        if self.covariance_type == "spherical":
            variance = variance.mean(axis=1)
        self.var_ = variance + max(floor, np.finfo(float).tiny)
        self._rule()
        return self

    def _rule(self) -> None:
        """Expand (x - m)' V^-1 (x - m) around the grand mean, where the cancelling terms are small."""
        # Any centre does; one that float32 holds exactly lets float32 rows be centred without an error of its own.
        center = self.stats_.grand_mean()
        with np.errstate(over="ignore"):
            rounded = center.astype(np.float32).astype(np.float64)
        self._center = np.where(np.isfinite(rounded), rounded, center)
        means = self.theta_ - self._center
        # A class with no row yet has no mean: finite numbers here, and it is ruled out below.
        empty = self.stats_.counts == 0
        means[empty] = 0.0
        variance = self.var_[:, None] if self.covariance_type == "spherical" else self.var_
        precision = 1.0 / np.broadcast_to(variance, means.shape)
        with np.errstate(divide="ignore"):
            offset = np.log(np.where(empty, 0.0, self.class_prior_))
        self._linear = (means * precision).T.copy()
        self._offset = offset - 0.5 * (np.square(means) * precision).sum(axis=1)
        self._square: NDArray[np.float64] | None = None
        for stale in ("coef_", "intercept_"):
            self.__dict__.pop(stale, None)
        if self.covariance_type == "tied":
            self.coef_ = self._linear.T.copy()
            self.intercept_ = self._offset - self._center @ self._linear
            return
        self._offset += 0.5 * np.log(precision).sum(axis=1)
        self._square = -0.5 * (precision[:, :1] if self.covariance_type == "spherical" else precision).T.copy()

    # -- deciding --------------------------------------------------------------------------------------------------

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self, "stats_")
        return np.asarray(checked_rows(self, X, reset=False))

    def _blocks(self, given: NDArray[Any]) -> Any:
        """Yield slices and log-joints (rows, n_classes), each up to a constant of its row."""
        step = max(256, _BLOCK // max(given.shape[1], len(self.classes_)))
        for start in range(0, len(given), step):
            part = slice(start, min(start + step, len(given)))
            rows = given[part] - self._center
            scores = rows @ self._linear
            if self._square is not None:
                np.square(rows, out=rows)
                if self.covariance_type == "spherical":
                    rows = rows.sum(axis=1, keepdims=True)
                scores += rows @ self._square
            scores += self._offset
            yield part, scores

    def _fast_codes(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Decide float32 rows by a float32 product, and those it leaves in doubt by a float64 one.

        Doubt is a lead over the second class below what rounding can do at most: (d + 4) units for each product, times
        the norms (Cauchy-Schwarz). So every decision is that of float64.
        """
        center = self._center.astype(np.float32)
        step = max(256, _BLOCK // 2 // max(rows.shape[1], len(self.classes_)))
        # A shift common to all classes decides nothing; without it the coefficients, and their rounding, are small.
        terms = [t - t.mean(axis=1, keepdims=True) for t in (self._linear, self._square) if t is not None]
        reach = [(rows.shape[1] + 4) * _UNIT * float(np.sqrt(np.square(t).sum(axis=0).max())) for t in terms]
        small = [t.astype(np.float32) for t in terms]
        offset = self._offset.astype(np.float32)
        seen = self._offset[np.isfinite(self._offset)]
        codes = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), step):
            part = rows[start : start + step] - center
            scores = part @ small[0]
            doubt = reach[0] * np.sqrt(np.einsum("ij,ij->i", part, part))
            if len(small) > 1:
                np.square(part, out=part)
                if self.covariance_type == "spherical":
                    part = part.sum(axis=1, keepdims=True)
                scores += part @ small[1]
                doubt += reach[1] * np.sqrt(np.einsum("ij,ij->i", part, part))
            scores += offset
            best = scores.argmax(axis=1)
            at = np.arange(len(scores))
            top = scores[at, best].copy()
            scores[at, best] = -np.inf
            lead = top - scores.max(axis=1)
            doubt += 4 * _UNIT * (np.abs(top) + np.abs(seen).max(initial=0.0))
            unsure = np.flatnonzero(~(lead > 2 * doubt))
            if len(unsure):
                best[unsure] = self._over_blocks(rows[start + unsure], _first_best, (), np.int64)
            codes[start : start + step] = best
        return codes

    def _over_blocks(self, rows: NDArray[Any], turn: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        out = np.empty((len(rows), *shape), dtype)
        for part, scores in self._blocks(rows):
            out[part] = turn(scores)
        return out

    def decision_function(self, X: ArrayLike) -> Any:
        """Return the log-joint of each class up to a constant of the row, (n, K); its difference, (n,), for two."""
        rows = self._rows(X)
        if len(self.classes_) == 2:
            return as_given(self._over_blocks(rows, lambda s: s[:, 1] - s[:, 0], (), np.float64), X)
        return as_given(self._over_blocks(rows, lambda s: s, (len(self.classes_),), np.float64), X)

    def predict(self, X: ArrayLike) -> Any:
        """Return the most probable label of each row, (n,); the first of equals."""
        rows = self._rows(X)
        if rows.dtype == np.float32 and len(self.classes_) > 1:
            with np.errstate(over="ignore", invalid="ignore"):
                codes = self._fast_codes(rows)
        else:
            codes = self._over_blocks(rows, _first_best, (), np.int64)
        return labels_as_given(self, self.classes_[codes], X)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return class probabilities, (n, K). Correlated features make them too sure: calibrate before use."""
        rows = self._rows(X)
        return as_given(self._over_blocks(rows, softmax, (len(self.classes_),), np.float64), X)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return logarithms of class probabilities, (n, K), exact far below the smallest float."""
        from scipy.special import log_softmax

        rows = self._rows(X)
        return self._over_blocks(rows, lambda s: log_softmax(s, axis=1), (len(self.classes_),), np.float64)


def _first_best(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return scores.argmax(axis=1)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows that add up to one, (n, K)."""
    proba = np.exp(scores - scores.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    return proba


def class_priors(priors: ArrayLike | str | None, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the class probabilities that ``priors`` asks for, (K,)."""
    if priors is None:
        return counts / counts.sum()
    if isinstance(priors, str):
        if priors != "uniform":
            msg = f"priors={priors!r}: give None, 'uniform' or one probability a class."
            raise InputError(msg)
        return np.full(len(counts), 1 / len(counts))
    given = np.asarray(priors, dtype=np.float64)
    if given.shape != counts.shape or not (given >= 0).all() or not np.isclose(given.sum(), 1.0):
        msg = f"priors must be {len(counts)} probabilities that add up to 1, in the order of classes_."
        raise InputError(msg)
    return given
