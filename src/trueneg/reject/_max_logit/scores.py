"""Familiarity from the logits of a classifier: largest logit, largest probability, energy."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.rows import note_labels
from trueneg.reject.base import BaseRejecter
from trueneg.reject.labels import checked_labels

__all__ = ["SCORES", "EnergyDetector", "MSPDetector", "MaxLogitDetector", "energy", "max_logit", "max_softmax"]

_CELLS = 1 << 15  # of a block, 256 KiB


def max_logit(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the largest logit of each row (n,): how strongly the best class is there, whatever the others say."""
    return np.asarray(logits.max(axis=1), dtype=np.float64) / temperature


def max_softmax(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the logarithm of the largest probability of each row (n,): its order, without saturation at 1."""
    return -np.log1p(_others(logits, temperature)[1])


def energy(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return ``T log sum exp(z / T)`` of each row (n,), minus the free energy."""
    top, others = _others(logits, temperature)
    return temperature * (top + np.log1p(others))


def _others(logits: NDArray[Any], temperature: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return z / T of the best class, and the sum of the other classes' exponentials relative to its own, (n,) each.

    In float64 and in blocks that stay in cache; without the best class's own 1, a sum of 1e-17 is not lost.
    """
    n, k = logits.shape
    top, sums = np.empty(n), np.empty(n)
    step = max(1, _CELLS // max(1, k))
    for start in range(0, n, step):
        part = slice(start, start + step)
        z = logits[part] / np.float64(temperature)
        rows, best = np.arange(len(z)), z.argmax(axis=1)
        top[part] = z[rows, best]
        z -= top[part][:, None]
        np.exp(z, out=z)
        z[rows, best] = 0.0
        sums[part] = z.sum(axis=1)
    return top, sums


SCORES = {"max_logit": max_logit, "msp": max_softmax, "energy": energy}


class _LogitDetector(BaseRejecter):
    """What the three share: X holds logits, a column a class in the order of ``classes_``."""

    _score: str

    def __init__(self, *, temperature: float = 1.0, unknown_label: Any = "auto") -> None:
        self.temperature = temperature
        self.unknown_label = unknown_label

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Any:
        """Take note of the classes; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n, K)
            Logits, a column a class in sorted order of the labels; scores of any classifier before its softmax.
        y : array-like of shape (n,) or None, default=None
            Labels, all K classes among them; None: classes are 0 to K - 1.

        Returns
        -------
        detector
            Itself, without a threshold.

        Raises
        ------
        InputError
            On fewer than two columns, NaN, or another number of classes than columns.
        """
        rows = self._logits(X, reset=True)
        if not isinstance(self.temperature, Real) or not self.temperature > 0:
            msg = f"temperature={self.temperature!r}: give a number above 0."
            raise InputError(msg)
        self._known(np.arange(rows.shape[1]) if y is None else checked_labels(y, rows), len(rows))
        note_labels(self, y)
        if len(self.classes_) != rows.shape[1]:
            one = "one class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            msg = (
                f"X has {rows.shape[1]} columns and y {one}: X must hold the logits of a classifier, a column for each "
                "class in sorted order, and y all of them."
            )
            raise InputError(msg)
        return self

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what JSON can hold, and the arrays; the threshold is kept beside them, or set again."""
        return {"temperature": self.temperature, "unknown_label": self.unknown_label}, {"classes": self.classes_}

    @classmethod
    def from_state(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
        """Return the detector that :meth:`to_state` wrote."""
        model = cls(**about)
        model.classes_, model.n_features_in_ = arrays["classes"], len(arrays["classes"])
        return model

    def _logits(self, X: ArrayLike, *, reset: bool = False) -> NDArray[Any]:
        rows = self._rows(X, reset=reset)
        if rows.shape[1] < 2:
            msg = (
                f"X has {rows.shape[1]} feature(s), and logits have a column for each of 2 classes or more: of a "
                "binary margin m give [-m / 2, m / 2]."
            )
            raise InputError(msg)
        return rows

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        logits = self._logits(X)
        return SCORES[self._score](logits, self.temperature), logits.argmax(axis=1)


class MaxLogitDetector(_LogitDetector):
    """Largest logit as familiarity: the score of choice for open-set recognition (MLS).

    A softmax divides by how large the other logits are, and throws away the length of the features, which is what
    shrinks on unknown classes. The largest logit keeps it.

    Parameters
    ----------
    temperature : float, default=1.0
        Divides logits; it moves the threshold, never the order.
    unknown_label : object, default="auto"
        What ``predict`` answers below the threshold.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        In the order of the columns.
    threshold_ : Threshold
        After ``calibrate``.

    References
    ----------
    Vaze, Han, Vedaldi and Zisserman (2022), "Open-Set Recognition: a Good Closed-Set Classifier is All You Need?",
    arXiv 2110.06207; Hendrycks et al. (2022), arXiv 1911.11132.
    """

    _score = "max_logit"


class MSPDetector(_LogitDetector):
    """Largest softmax probability as familiarity: the baseline, as its logarithm, so that it does not saturate.

    Parameters
    ----------
    temperature : float, default=1.0
        Divides logits before the softmax.
    unknown_label : object, default="auto"
        What ``predict`` answers below the threshold.

    References
    ----------
    Hendrycks and Gimpel (2017), arXiv 1610.02136.
    """

    _score = "msp"


class EnergyDetector(_LogitDetector):
    """``T log sum exp(z / T)`` as familiarity: nearly the largest logit, smoother.

    Parameters
    ----------
    temperature : float, default=1.0
        T.
    unknown_label : object, default="auto"
        What ``predict`` answers below the threshold.

    References
    ----------
    Liu, Wang, Owens and Li (2020), "Energy-based Out-of-distribution Detection", arXiv 2010.03759.
    """

    _score = "energy"
