"""What resampling does to probabilities, how to undo it, and the ROC curve drawn by resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, corrected_resampled_t
from trueneg.sample._smote.estimators import SMOTE, UnderSampler
from trueneg.sample._smote.labels import gather, read_labels

__all__ = ["ResampledClassifier", "RocBySampling", "prior_corrected", "roc_by_sampling"]

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


@dataclass(frozen=True)
class RocBySampling:
    """A ROC curve drawn by under-sampling at rising levels, mean over folds.

    Parameters
    ----------
    levels : list of float
        The paper's U %, rising.
    fpr, tpr : float64 arrays of shape (n_folds, n_levels)
    area : Estimate
        Of the trapezoids through the points, (0, 0) and (1, 1).
    hull_area : Estimate
        Of the upper convex hull of the mean points; its interval is that of the areas of the folds' own hulls, moved to
        it, with the corrected resampled t.
    hull_areas : float64 array of shape (n_folds,)
        Of each fold's own hull, for paired differences.
    n_train, n_test : int
        Rows of a fold.
    """

    levels: list[float]
    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    area: Estimate
    hull_area: Estimate
    hull_areas: NDArray[np.float64]
    n_train: int
    n_test: int

    def hull(self) -> NDArray[np.float64]:
        """Return the corners of the upper convex hull of the mean points, (m, 2): (fpr, tpr), rising."""
        return upper_hull(self.fpr.mean(axis=0), self.tpr.mean(axis=0))


def roc_by_sampling(
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any,
    *,
    levels: Sequence[float] = (10, 25, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000),
    sampler: Any = None,
    cv: int = 10,
    groups: Any = None,
    random_state: Any = None,
) -> RocBySampling:
    """Draw a ROC curve as the 2002 paper does: one classifier a level of under-sampling, no threshold moved.

    Parameters
    ----------
    estimator : classifier
    X : array-like, sparse matrix or frame of shape (n, d)
    y : array-like of shape (n,)
        Two classes; the smaller one is the positive.
    levels : sequence of float
        U %: the positives are U % of the negatives that are left. Levels below what the data has change nothing.
    sampler : sampler with an ``under`` parameter, default=None
        As ``SMOTE(amount=300)``; None under-samples only.
    cv : int, default=10
        Folds, stratified; groups stay whole. Test folds are never resampled.
    groups : array-like of shape (n,), optional
    random_state : int, RandomState or None, default=None

    Returns
    -------
    RocBySampling
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.utils import check_random_state

    labels = read_labels(y)
    if len(labels.classes) != 2:
        raise InputError(f"a ROC curve is of two classes and y has {len(labels.classes)}: take one against the rest")
    if not levels or min(levels) <= 0:
        raise InputError("levels must be percentages above 0")
    counts = np.bincount(labels.codes)
    if counts.min() < cv:
        raise InputError(f"the smaller class has {counts.min()} rows, fewer than the {cv} folds: lower cv")
    positive = labels.codes == counts.argmin()
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    kind: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
    rising = sorted(float(level) for level in levels)
    fpr, tpr, sizes = [], [], []
    folds = kind(cv, shuffle=True, random_state=seed).split(np.zeros(len(positive)), positive, groups)
    for train, test in folds:
        rows, target = gather(X, train), positive[train].astype(np.int64)
        own = None if groups is None else gather(groups, train)
        test_rows, truth = gather(X, test), positive[test]
        points = []
        for level in rising:
            how = _sampler_at(sampler, level, seed)
            model = clone(estimator)
            if model.get_params(deep=False).get("random_state", 0) is None:
                model.set_params(random_state=seed)
            said = model.fit(*how.fit_resample(rows, target, groups=own)).predict(test_rows) == 1
            points.append((said[~truth].mean(), said[truth].mean()))
        fpr.append([p[0] for p in points])
        tpr.append([p[1] for p in points])
        sizes.append((len(train), len(test)))
    return _summed_up(rising, np.array(fpr), np.array(tpr), np.array(sizes))


def _sampler_at(sampler: Any, level: float, seed: int) -> Any:
    """Return the sampler that leaves U % at this level."""
    if sampler is None:
        return UnderSampler(percent=level, random_state=seed)
    how = clone(sampler)
    if "under" not in how.get_params(deep=False):
        raise InputError(f"sampler={type(how).__name__} has no parameter `under`: give SMOTE or a descendant")
    how.set_params(under=level)
    return how.set_params(random_state=seed) if how.get_params(deep=False)["random_state"] is None else how


def _summed_up(
    levels: list[float], fpr: NDArray[np.float64], tpr: NDArray[np.float64], sizes: NDArray[np.int64]
) -> RocBySampling:
    """Take the areas and their intervals."""
    n_train, n_test = (round(s) for s in sizes.mean(axis=0))
    hulls = np.array([_area(upper_hull(f, t)) for f, t in zip(fpr, tpr, strict=True)])
    plain = np.array([_area(_through(f, t)) for f, t in zip(fpr, tpr, strict=True)])
    means = fpr.mean(axis=0), tpr.mean(axis=0)
    out = []
    for areas, value in ((plain, _area(_through(*means))), (hulls, _area(upper_hull(*means)))):
        spread = corrected_resampled_t(areas, n_train=n_train, n_test=n_test)
        shift = value - spread.value
        low, high = np.clip([spread.low + shift, spread.high + shift], 0, 1)
        out.append(Estimate(value, float(low), float(high), spread.level, spread.method, spread.n))
    return RocBySampling(levels, fpr, tpr, out[0], out[1], hulls, n_train, n_test)


def _through(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points in rising order between (0, 0) and (1, 1)."""
    points = np.stack([np.r_[0, fpr, 1], np.r_[0, tpr, 1]], axis=1)
    return points[np.lexsort((points[:, 1], points[:, 0]))]


def upper_hull(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the upper convex hull of points, (0, 0) and (1, 1) among them, (m, 2), rising."""
    corners: list[NDArray[np.float64]] = []
    for point in _through(fpr, tpr):
        while len(corners) > 1:
            one, two = corners[-1] - corners[-2], point - corners[-1]
            if one[0] * two[1] - one[1] * two[0] < 0:
                break
            corners.pop()
        corners.append(point)
    return np.array(corners)


def _area(points: NDArray[np.float64]) -> float:
    return float(np.trapezoid(points[:, 1], points[:, 0]))
