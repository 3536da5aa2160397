"""What resampling does to probabilities, and how to undo it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from trueneg.core.errors import InputError
from trueneg.sample._smote.estimators import SMOTE
from trueneg.sample._smote.labels import gather, read_labels

__all__ = ["ResampledClassifier", "prior_corrected"]

_TINY = 1e-12


def prior_corrected(proba: ArrayLike, *, prior: ArrayLike, resampled: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities that a model fitted on resampled rows means for the original class shares.

    Parameters
    ----------
    proba : array-like of shape (n, K), or (n,) of the positive class
        What the model says.
    prior : array-like of shape (K,), or the positive class's share
        Class shares before resampling, or those where the model will be used.
    resampled : array-like of shape (K,), or the positive class's share
        Class shares of the rows it was fitted on.

    Returns
    -------
    ndarray of the shape of `proba`
        ``q_c`` in proportion to ``p_c * prior_c / resampled_c``.

    Notes
    -----
    Exact where resampling is a shift of the prior: replication, under-sampling, and SMOTE for a logistic regression. A
    flexible model sees through SMOTE in part, and the formula then corrects too much: recalibrate on untouched rows.
    Source: Saerens, Latinne and Decaestecker (2002), section 2.2.
    """
    p = np.asarray(proba, dtype=np.float64)
    both = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    shares = []
    for name, given in (("prior", prior), ("resampled", resampled)):
        share = np.asarray(given, dtype=np.float64)
        share = np.array([1 - share, share]) if share.ndim == 0 else share
        if share.shape != both.shape[1:] or not (share >= 0).all() or not np.isclose(share.sum(), 1):
            raise InputError(f"{name} must be {both.shape[1]} class shares that add up to 1, in the order of proba")
        shares.append(share)
    if (shares[1] == 0).any():
        raise InputError("resampled has a share of 0: a class that the model never saw cannot be corrected")
    out = both * (shares[0] / shares[1])
    total = out.sum(axis=1, keepdims=True)
    # Underflow of every class leaves what the model said.
    out = np.where(total > 0, out / np.where(total > 0, total, 1), both)
    return out[:, 1] if p.ndim == 1 else out


class ResampledClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Fit a classifier on resampled rows, and give probabilities for the rows as they were.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, default=None
        None takes ``LogisticRegression(max_iter=1000)``.
    sampler : sampler, default=None
        Anything with ``fit_resample``; None takes ``SMOTE``.
    correction : {"prior", "recalibrate", None}, default="prior"
        "prior" divides the change of the class shares out, which is right for linear models. "recalibrate" fits a
        logistic map on out-of-fold scores of rows that no sampler touched, for models of any kind; it costs `cv` more
        fits. None leaves the probabilities of the resampled shares.
    cv : int, default=5
        Folds of the recalibration; groups stay whole.
    random_state : int, RandomState or None, default=None
        For the folds, and for a sampler or estimator whose own is None.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    estimator_, sampler_ : the fitted ones
    prior_, resampled_prior_ : ndarray of shape (K,)
        Class shares before and after resampling, by weight where weights are given.
    calibrator_ : LogisticRegression, for ``correction="recalibrate"``

    Notes
    -----
    ``predict`` follows the corrected probabilities, so that it gives up most of the recall that resampling bought: that
    recall is a threshold, better set by your costs than by a sampler.
    """

    def __init__(
        self,
        estimator: Any = None,
        sampler: Any = None,
        *,
        correction: str | None = "prior",
        cv: int = 5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sampler = sampler
        self.correction = correction
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None) -> ResampledClassifier:  # noqa: N803
        """Resample, fit, and prepare the correction.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n, d)
        y : array-like of shape (n,)
        groups, sample_weight : array-like of shape (n,), optional
            Handed to the sampler; the weights of the resampled rows to the estimator.
        """
        from sklearn.utils import check_random_state

        if self.correction not in ("prior", "recalibrate", None):
            raise InputError(f"correction={self.correction!r} is unknown: choose 'prior', 'recalibrate' or None")
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        labels = read_labels(y)
        sample_weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.sampler_, self.estimator_, self.resampled_prior_ = self._fit_one(X, y, groups, sample_weight)
        self.classes_ = self.estimator_.classes_
        if not np.array_equal(self.classes_, labels.classes):
            raise InputError("the sampler left a class without rows: the estimator cannot learn it")
        self.prior_ = _shares(labels.codes, len(labels.classes), sample_weight)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.sampler_, name):
                setattr(self, name, getattr(self.sampler_, name))
        if self.correction == "recalibrate":
            self._recalibrate(X, y, labels.codes, groups, sample_weight)
        return self

    def _fit_one(self, X: Any, y: Any, groups: Any, weight: Any) -> tuple[Any, Any, NDArray[np.float64]]:  # noqa: N803
        """Resample and fit clones."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=1000) if self.estimator is None else clone(self.estimator)
        if not is_classifier(model) or not hasattr(model, "predict_proba"):
            raise InputError(f"estimator={type(model).__name__} has no predict_proba: give a probabilistic classifier")
        sampler = SMOTE() if self.sampler is None else clone(self.sampler)
        for part in (model, sampler):
            if part.get_params(deep=False).get("random_state", 0) is None:
                part.set_params(random_state=self._seed)
        given = {"groups": groups, "sample_weight": weight}
        rows, target = sampler.fit_resample(X, y, **{k: v for k, v in given.items() if v is not None})
        codes = read_labels(target)
        if weight is not None and not hasattr(sampler, "sample_weight_"):
            raise InputError(f"{type(sampler).__name__} does not carry sample_weight: give a sampler of trueneg.sample")
        new = sampler.sample_weight_ if weight is not None else None
        if new is not None and not has_fit_parameter(model, "sample_weight"):
            msg = f"{type(model).__name__} takes no sample_weight, so it would be dropped: give another estimator"
            raise InputError(msg)
        model.fit(rows, target, **({} if new is None else {"sample_weight": new}))
        return sampler, model, _shares(codes.codes, len(codes.classes), new)

    def _recalibrate(self, X: Any, y: Any, codes: NDArray[np.int64], groups: Any, weight: Any) -> None:  # noqa: N803
        """Map out-of-fold scores of untouched rows to their labels."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        kind: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = min(self.cv, int(np.bincount(codes).min()))
        if folds < 2:
            raise InputError("correction='recalibrate' needs two rows a class for its folds: use 'prior'")
        scores = np.empty((len(codes), len(self.classes_)))
        splitter = kind(folds, shuffle=True, random_state=self._seed)
        for train, test in splitter.split(np.zeros(len(codes)), codes, groups):
            if len(np.unique(codes[train])) < len(self.classes_):
                msg = "correction='recalibrate': one group holds all rows of a class; use 'prior', or fewer folds"
                raise InputError(msg)
            part = [None if a is None else gather(a, train) for a in (X, y, groups, weight)]
            scores[test] = self._fit_one(*part)[1].predict_proba(gather(X, test))
        # Nearly unpenalised: two numbers are estimated for two classes.
        self.calibrator_ = LogisticRegression(C=1e4, max_iter=1000)
        self.calibrator_.fit(_log_odds(scores), codes, sample_weight=weight)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return class probabilities, (n, K), for the class shares there were before resampling."""
        check_is_fitted(self, "estimator_")
        proba = self.estimator_.predict_proba(X)
        if self.correction == "prior":
            return prior_corrected(proba, prior=self.prior_, resampled=self.resampled_prior_)
        if self.correction == "recalibrate":
            return np.asarray(self.calibrator_.predict_proba(_log_odds(proba)))
        return np.asarray(proba)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the most probable label of each row, (n,)."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        """Take what the estimator takes."""
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        inner = None if self.estimator is None else get_tags(self.estimator).input_tags
        tags.input_tags.sparse = inner is None or inner.sparse
        tags.input_tags.allow_nan = inner is not None and inner.allow_nan
        return tags


def _shares(codes: NDArray[np.int64], n_classes: int, weight: Any) -> NDArray[np.float64]:
    """Return class shares by weight, (K,)."""
    w = None if weight is None else np.asarray(weight, dtype=np.float64)
    count = np.bincount(codes, weights=w, minlength=n_classes).astype(np.float64)
    return count / count.sum()


def _log_odds(proba: NDArray[Any]) -> NDArray[np.float64]:
    """Return log-odds of two classes, (n, 1), or logarithms of more, (n, K)."""
    p = np.clip(np.asarray(proba, dtype=np.float64), _TINY, 1)
    return np.log(p[:, [1]] / p[:, [0]]) if p.shape[1] == 2 else np.log(p)
