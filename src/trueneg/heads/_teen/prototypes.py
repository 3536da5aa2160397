"""Prototypes, calibrated by those of the base classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError
from trueneg.core.rows import as_given, checked_rows, labels_as_given

__all__ = ["PrototypeClassifier"]

_BLOCK = 1 << 20  # cells of a block of scores, 8 MiB


class PrototypeClassifier(ClassifierMixin, BaseEstimator):
    """Class means and cosines, the means of new classes calibrated by those of the base classes.

    ``fit`` learns the base classes. ``partial_fit`` adds rows: labels that ``fit`` has not seen are new classes, and
    their prototypes become ``(1 - alpha) * c + alpha * normalise(sum_b w_b c_b)``, with c and c_b of length 1 and
    ``w = softmax(tau * cos(c, c_b))`` over the base classes b. New classes are no anchors of each other, so that the
    order of sessions does not matter.

    Parameters
    ----------
    calibration : {"teen", None}, default="teen"
        None leaves the means as they are.
    alpha : float, default=0.3
        Share of the base classes in a new prototype, 0 to 1. More lowers the confusion of new classes with base ones
        and costs accuracy on base classes; the paper takes 0.1 and 0.5, by data set.
    tau : float, default=16.0
        Sharpness of the weights, above 0: towards 0 all base classes weigh alike and nothing is gained.
    scale : float, default=16.0
        Sharpness of ``predict_proba``, which is a softmax of ``scale`` times the cosines; bears on no prediction.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        Labels, sorted.
    base_classes_ : ndarray of shape (B,)
        Those of ``fit`` (of the first ``partial_fit``, where it comes first), never calibrated.
    prototypes_ : ndarray of float64 of shape (K, d)
        In use, of length 1; of length 0 for a class whose mean is zero.
    stats_ : ClassStats
        Counts and means; means go on with every row.

    Notes
    -----
    Cost: O(n d) to learn, O(n d K) to predict; means are float64, cosines of the type of the rows.
    Embeddings should be centred, or come from a network trained with cosines: a large common direction makes all
    cosines alike.

    References
    ----------
    Wang et al. (2023), arXiv 2312.05229.
    """

    stats_: ClassStats

    def __init__(
        self, *, calibration: str | None = "teen", alpha: float = 0.3, tau: float = 16.0, scale: float = 16.0
    ) -> None:
        self.calibration = calibration
        self.alpha = alpha
        self.tau = tau
        self.scale = scale

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> PrototypeClassifier:
        """Learn the base classes from embeddings (n, d), labels (n,) and weights (n,); earlier rows are forgotten."""
        return self._learn(X, y, sample_weight, reset=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> PrototypeClassifier:
        """Add rows; labels not seen by ``fit`` are new classes, in one call or several, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        classes : array-like or None, default=None
            Ignored; a class is known from its first row on.

        Returns
        -------
        PrototypeClassifier
            Itself.
        """
        return self._learn(X, y, sample_weight, reset=not hasattr(self, "stats_"))

    def leans_on(self, label: Any, *, top: int = 5) -> list[tuple[Any, float]]:
        """Return the base classes that a new class leans on most, with their weights, largest first.

        Parameters
        ----------
        label : object
            A new class.
        top : int, default=5
            How many.

        Returns
        -------
        list of (label, float)
            All weights of a class add up to 1.

        Raises
        ------
        InputError
            On a base class, which leans on none, or an unknown one.
        """
        check_is_fitted(self, "stats_")
        at = int(self.stats_.places(np.array([label]))[0])
        if np.isin(self.classes_[at], self.base_classes_):
            msg = f"{label!r} is a base class and leans on none: ask for one that partial_fit brought."
            raise InputError(msg)
        weights = self._weights(_unit(self.stats_.means[[at]]))[0]
        order = np.argsort(-weights, kind="stable")[:top]
        return list(zip(self.base_classes_[order].tolist(), weights[order].tolist(), strict=True))

    def decision_function(self, X: ArrayLike) -> Any:
        """Return the cosine of each row with each prototype, (n, K); for two classes their difference, (n,)."""
        cosines = self._cosines(X)
        return as_given(cosines[:, 1] - cosines[:, 0] if len(self.classes_) == 2 else cosines, X)

    def predict(self, X: ArrayLike) -> Any:
        """Return the label of the prototype nearest by cosine, (n,); the first of equals."""
        rows = self._rows(X)
        codes = np.empty(len(rows), np.int64)
        for part, cosines in self._blocks(rows):
            codes[part] = cosines.argmax(axis=1)
        return labels_as_given(self, self.classes_[codes], X)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return a softmax of ``scale`` times the cosines, (n, K); not calibrated."""
        return as_given(_softmax(self.scale * self._cosines(X)), X)

    # -- private ---------------------------------------------------------------------------------------------------

    def _learn(self, X: ArrayLike, y: ArrayLike, weight: ArrayLike | None, *, reset: bool) -> PrototypeClassifier:
        if self.calibration not in ("teen", None):
            msg = f"calibration={self.calibration!r}: choose 'teen' or None."
            raise InputError(msg)
        if not 0 <= self.alpha <= 1 or not self.tau > 0 or not self.scale > 0:
            msg = f"alpha={self.alpha!r}, tau={self.tau!r}, scale={self.scale!r}: alpha is 0 to 1, the others above 0."
            raise InputError(msg)
        rows, labels = checked_rows(self, X, y, reset=reset)
        check_classification_targets(labels)
        if weight is not None:
            weight = np.asarray(weight, dtype=np.float64)
            weight = np.full(len(rows), float(weight)) if weight.ndim == 0 else weight
        stats = ClassStats(tied=True) if reset else self.stats_.copy()
        stats.update(rows, labels, sample_weight=weight)
        if not stats.counts.sum() > 0:
            raise InputError("sample_weight is zero for every row: at least one row must count.")
        self.stats_, self.classes_ = stats, stats.classes
        if reset:
            self.base_classes_ = stats.classes
        self._calibrate()
        return self

    def _calibrate(self) -> None:
        means = _unit(self.stats_.means)
        new = ~np.isin(self.classes_, self.base_classes_)
        if self.calibration == "teen" and new.any():
            drawn = _unit(self._weights(means[new]) @ means[~new])
            means[new] = _unit((1 - self.alpha) * means[new] + self.alpha * drawn)
        self.prototypes_ = means

    def _weights(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of the base classes for prototypes of length 1, (rows, B)."""
        base = _unit(self.stats_.means[np.isin(self.classes_, self.base_classes_)])
        return _softmax(self.tau * (unit @ base.T))

    def _cosines(self, X: ArrayLike) -> NDArray[np.float64]:
        rows = self._rows(X)
        out = np.empty((len(rows), len(self.classes_)))
        for part, cosines in self._blocks(rows):
            out[part] = cosines
        return out

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self, "prototypes_")
        return np.asarray(checked_rows(self, X, reset=False))

    def _blocks(self, rows: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield slices of rows and cosines with the prototypes, of the rows' type."""
        prototypes = self.prototypes_.astype(rows.dtype).T
        step = max(256, _BLOCK // max(rows.shape[1], len(self.classes_)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            cosines = _unit(rows[part]) @ prototypes
            # A class without weight has no mean, and is not predicted.
            cosines[:, self.stats_.counts == 0] = -2.0
            yield part, cosines


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows of length 1; a row of zeros stays."""
    # Divided by the largest entry first: squares of tiny or huge numbers leave the range of floats.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(largest > 0, largest, 1).astype(rows.dtype)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    scaled /= np.where(length > 0, length, 1).astype(rows.dtype)
    return np.asarray(scaled)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import softmax

    return np.asarray(softmax(scores, axis=1))
