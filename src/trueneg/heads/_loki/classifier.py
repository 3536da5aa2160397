"""A classifier whose answers respect the distances between labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError
from trueneg.core.rows import checked_rows
from trueneg.heads._loki.predict import expected_squared_distance, frechet_predict
from trueneg.heads._loki.space import MetricLabelSpace
from trueneg.heads._naive_bayes.gaussian import GaussianNaiveBayes, softmax

__all__ = ["GeometryAwareClassifier"]


class GeometryAwareClassifier(ClassifierMixin, BaseEstimator):
    """Any probabilistic classifier, its answer the label at the smallest expected squared distance.

    With a space that holds more labels than the training rows, it predicts labels it was never trained on.

    Parameters
    ----------
    estimator : classifier or None, default=None
        With ``predict_proba``; cloned. None is :class:`~trueneg.heads.GaussianNaiveBayes`.
    space : MetricLabelSpace or None, default=None
        All labels and their distances. None takes the Euclidean distances between the class means of the features:
        then only classes that were seen are predicted.
    temperature : float, default=0.1
        Softness of ``predict_proba`` in units of the mean squared distance between observed labels; bears on no
        prediction.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        All labels of the space, sorted.
    observed_ : ndarray of shape (k,)
        Labels that the estimator gives probabilities of.
    estimator_ : classifier
        The fitted one.
    space_ : MetricLabelSpace
        In use.
    stats_ : ClassStats
        Means of the classes, where ``space`` is None.

    References
    ----------
    Roberts et al. (2023), arXiv 2307.12226.
    """

    stats_: ClassStats

    def __init__(
        self, estimator: Any = None, space: MetricLabelSpace | None = None, *, temperature: float = 0.1
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.temperature = temperature

    def fit(self, X: Any, y: ArrayLike) -> GeometryAwareClassifier:
        """Learn from samples that the estimator takes (features (n, d) where none is given) and labels (n,)."""
        model = GaussianNaiveBayes() if self.estimator is None else clone(self.estimator)
        return self._learn(X, y, model, reset=True)

    def partial_fit(self, X: Any, y: ArrayLike, classes: ArrayLike | None = None) -> GeometryAwareClassifier:
        """Add rows, if the estimator has ``partial_fit``; classes may be new if it takes new ones.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.
        classes : array-like or None, default=None
            Handed to the estimator, where scikit-learn's own need them at the first call.
        """
        if not hasattr(self, "estimator_"):
            model = GaussianNaiveBayes() if self.estimator is None else clone(self.estimator)
            return self._learn(X, y, model, reset=True, step=True, classes=classes)
        return self._learn(X, y, self.estimator_, reset=False, step=True, classes=classes)

    def _learn(
        self, X: Any, y: ArrayLike, model: Any, *, reset: bool, step: bool = False, classes: ArrayLike | None = None
    ) -> GeometryAwareClassifier:
        if not self.temperature > 0:
            msg = f"temperature={self.temperature!r}: give a number above 0."
            raise InputError(msg)
        if not (self.space is None or isinstance(self.space, MetricLabelSpace)):
            msg = f"space is a {type(self.space).__name__}: make one with MetricLabelSpace.from_tree, or leave it out."
            raise InputError(msg)
        if not hasattr(model, "predict_proba"):
            msg = f"{type(model).__name__} has no predict_proba: wrap it, such as in CalibratedClassifierCV."
            raise InputError(msg)
        if self._numeric():
            X, labels = checked_rows(self, X, y, reset=reset)
        else:
            labels = np.asarray(y)
        check_classification_targets(labels)
        if self.space is not None:
            self.space.places(np.unique(labels))  # refuses labels without a distance before anything is learned
        if step:
            if not hasattr(model, "partial_fit"):
                msg = f"{type(model).__name__} has no partial_fit: call fit on all rows."
                raise InputError(msg)
            model.partial_fit(X, labels, **({} if classes is None else {"classes": classes}))
        else:
            model.fit(X, labels)
        if self.space is None:
            seen = ClassStats(tied=True) if reset else self.stats_.copy()
            self.stats_ = seen.update(X, labels)
            self.space_: MetricLabelSpace = MetricLabelSpace.from_embeddings(self.stats_.means, self.stats_.classes)
        else:
            self.space_ = self.space
        self.estimator_, self.observed_, self.classes_ = model, model.classes_, self.space_.labels
        return self

    def _numeric(self) -> bool:
        return self.estimator is None or self.space is None

    def _proba(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self, "estimator_")
        if self._numeric():
            X = checked_rows(self, X, reset=False)
        return np.asarray(self.estimator_.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label at the smallest expected squared distance for each row, (n,)."""
        return frechet_predict(self._proba(X), self.space_, observed=self.observed_)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return ``softmax(-expected squared distance / scale)``, (n, K): a soft form of the rule, not calibrated."""
        far = expected_squared_distance(self._proba(X), self.space_, observed=self.observed_)
        return softmax(-far / self._scale())

    def predict_ahead(self, X: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the predicted labels (n,), and the log odds (n,) of each and the next by :meth:`predict_proba`.

        In blocks of rows: (n, K) probabilities are never held, so that hundreds of thousands of labels can be.
        """
        proba = self._proba(X)
        gap = np.empty(len(proba))
        best = self.space_.nearest(proba, self.space_.places(self.observed_), ahead=gap)
        return np.asarray(self.space_.labels[best]), gap / self._scale()

    def _scale(self) -> float:
        even = np.full((1, len(self.observed_)), 1 / len(self.observed_))
        at = self.space_.places(self.observed_)
        spread = float(expected_squared_distance(even, self.space_, observed=self.observed_)[0, at].mean())
        return self.temperature * (spread if spread > 0 else 1.0)
