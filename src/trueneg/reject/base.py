"""What every rejecter shares: the threshold, set on rows that were not learned from, and the answer "none of these".

A rejecter scores rows, higher for familiar ones, and accepts those at or above its threshold. There is no threshold
until :meth:`BaseRejecter.calibrate` has seen rows: one that was guessed, or taken from the rows learned from, would
promise a rate that does not hold.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from trueneg.core.costs import CostMatrix
from trueneg.core.errors import InputError
from trueneg.core.rows import array_of, as_given, checked_rows, labels_as_given, note_labels
from trueneg.reject.labels import are_known, say_unknown, unknown_of
from trueneg.reject.threshold import Threshold, find_threshold

__all__ = ["BaseRejecter", "NotCalibratedError", "say_unknown"]


class NotCalibratedError(InputError, NotFittedError):  # type: ignore[misc]
    """A rejecter was asked for a decision before it had a threshold."""


class BaseRejecter(BaseEstimator):  # type: ignore[misc]
    """Base of rejecters: a subclass learns and judges; the threshold and the answers are here.

    A subclass takes ``unknown_label="auto"`` among its parameters, sets ``classes_`` in ``fit`` (:meth:`_known` does
    it, one class 1 where there is no y), and answers :meth:`_judge`.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        Known classes; ``[1]`` where labels were not given.
    threshold_ : Threshold
        A float with the rates reached; after :meth:`calibrate`.
    """

    unknown_label: Any
    classes_: NDArray[Any]
    threshold_: Threshold

    @abstractmethod
    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return how familiar each row is (n,), and the number of its class among ``classes_`` (n,)."""

    def score_samples(self, X: Any, *, return_class: bool = False) -> Any:
        """Return how familiar each row is and, where asked for, the known class it is most like.

        Parameters
        ----------
        X : array-like of shape (n, d)
            As in ``fit``.
        return_class : bool, default=False
            Whether to return the class as well; both come of one pass over the rows.

        Returns
        -------
        scores : ndarray or tensor of float64 of shape (n,)
            Higher = more familiar. A tensor on the device of X where X is one; float64 whatever the type of X, since
            in fewer bits a score could fall on the other side of ``threshold_`` (float32 where the device has no
            float64, mps). Without gradients.
        nearest : ndarray or tensor of shape (n,)
            The most likely of ``classes_``, whatever the threshold; only with ``return_class=True``.
        """
        scores, place = self._judged(X)
        given = as_given(scores, X)
        return (given, labels_as_given(self, self.classes_[place], X)) if return_class else given

    def calibrate(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        target_tpr: float | None = None,
        target_fpr: float | None = None,
        costs: CostMatrix | None = None,
        confidence: float | None = None,
        unknown_share: float | None = None,
        groups: ArrayLike | None = None,
        level: float = 0.95,
    ) -> Any:
        """Set ``threshold_`` on rows that were not learned from, by exactly one of three aims.

        Parameters
        ----------
        X : array-like of shape (n, d)
            As in ``fit``.
        y : array-like of shape (n,) or None, default=None
            Labels; a row whose label is none of ``classes_`` is unknown, one without a label is refused. None: all rows
            are known.
        target_tpr, target_fpr, costs, confidence, unknown_share, groups, level
            As in :func:`find_threshold`.

        Returns
        -------
        BaseRejecter
            Itself.
        """
        scores = self._judged(X)[0]
        known = None if y is None else are_known(y, len(scores), self.classes_)
        self.threshold_ = find_threshold(
            scores,
            known,
            target_tpr=target_tpr,
            target_fpr=target_fpr,
            costs=costs,
            confidence=confidence,
            unknown_share=unknown_share,
            groups=groups,
            level=level,
        )
        return self

    def decision_function(self, X: Any) -> Any:
        """Return the score above the threshold (n,), below 0 is unknown; an array or a tensor, as scores are."""
        threshold = self._threshold()
        scores = self._judged(X)[0]
        above = scores - float(threshold) if math.isfinite(threshold) else np.full(len(scores), -float(threshold))
        return as_given(above, X)

    def predict(self, X: Any) -> Any:
        """Return the class of each row, or the unknown label (n,); 1 and -1 where there were no classes.

        A tensor where the labels of ``fit`` were one, on the device of X; where there were none, as X is.

        Raises
        ------
        NotCalibratedError
            Where no threshold was set.
        """
        threshold = self._threshold()
        scores, place = self._judged(X)
        unknown = ~(scores >= float(threshold))
        return labels_as_given(self, say_unknown(self.classes_[place], unknown, self.classes_, self.unknown_label), X)

    def _judged(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        check_is_fitted(self, "classes_")
        scores, place = self._judge(X)
        return np.asarray(scores, dtype=np.float64), place

    def _known(self, y: ArrayLike | None, n: int) -> NDArray[np.int64]:
        """Set ``classes_``, forget the threshold, and return the class number of each row.

        Answers come in the container of ``y``; where that was converted, :func:`note_labels` says so afterwards.
        """
        note_labels(self, y)
        self.__dict__.pop("threshold_", None)
        if y is None:
            self.classes_ = np.array([1])
            return np.zeros(n, np.int64)
        self.classes_, place = np.unique(np.asarray(array_of(y)), return_inverse=True)
        unknown_of(self.classes_, self.unknown_label)  # refused before anything is learned
        return place.reshape(-1).astype(np.int64)

    def _rows(self, X: Any, *, reset: bool = False, **options: Any) -> NDArray[Any]:
        """Return X as finite floats (n, d), of the width of ``fit`` unless ``reset``; no row at all but in ``fit``."""
        rows: NDArray[Any] = checked_rows(self, X, reset=reset, ensure_min_samples=int(reset), **options)
        return rows

    def _threshold(self) -> Threshold:
        check_is_fitted(self, "classes_")
        found: Threshold | None = getattr(self, "threshold_", None)
        if found is None:
            msg = (
                f"this {type(self).__name__} has no threshold: call calibrate(X, y, target_tpr=0.95) with rows it did "
                "not learn from, or use score_samples."
            )
            raise NotCalibratedError(msg)
        return found
