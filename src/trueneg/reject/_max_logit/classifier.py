"""Any classifier, with "none of these" among its answers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from trueneg.core.errors import InputError
from trueneg.reject._max_logit.scores import SCORES
from trueneg.reject.base import BaseRejecter

__all__ = ["OpenSetClassifier"]


class OpenSetClassifier(BaseRejecter):
    """A scikit-learn classifier or a torch network that answers ``unknown_label`` where no class is there.

    Parameters
    ----------
    estimator : classifier or torch.nn.Module
        A classifier with ``decision_function`` or ``predict_proba``; a clone is fitted. A network is taken as trained,
        its columns in sorted order of the labels.
    detector : {"max_logit", "msp", "energy"}, default="max_logit"
        What familiarity is; not called score, which is what scikit-learn calls. Of probabilities the logarithms are
        taken for logits: then "max_logit" and "msp" are the same, and "energy" says nothing.
    threshold : str or None, default="tpr95"
        "tpr" and the percentage of known rows to keep: set in ``fit`` on rows held out of it. None leaves it to
        ``calibrate``, which also takes unknown rows and costs.
    calibration : float, default=0.2
        Share of the rows of each class that ``fit`` holds out for the threshold, where there is one. A network takes
        all rows of ``fit`` for it: give rows that it was not trained on.
    temperature : float, default=1.0
        Divides logits.
    unknown_label : object, default="auto"
        "unknown" for texts, else -1 or one less than the lowest class.
    device : str, default="cpu"
        Where a network computes.
    random_state : int, Generator or None, default=None
        Seed of what is held out.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        Known classes.
    estimator_ : classifier or torch.nn.Module
        Fitted.
    threshold_ : Threshold
        With its rates.

    Raises
    ------
    InputError
        On one class, a threshold of another form, too few rows to hold some of each class out, or an estimator with
        neither scores nor probabilities.

    References
    ----------
    Vaze, Han, Vedaldi and Zisserman (2022), arXiv 2110.06207.
    """

    estimator_: Any

    def __init__(
        self,
        estimator: Any,
        *,
        detector: str = "max_logit",
        threshold: str | None = "tpr95",
        calibration: float = 0.2,
        temperature: float = 1.0,
        unknown_label: Any = "auto",
        device: str = "cpu",
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.estimator = estimator
        self.detector = detector
        self.threshold = threshold
        self.calibration = calibration
        self.temperature = temperature
        self.unknown_label = unknown_label
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> OpenSetClassifier:
        """Fit the classifier and, where there is one, set the threshold on rows held out.

        Parameters
        ----------
        X : array-like of shape (n, d), or (n, ...) for a network
            Rows of known classes.
        y : array-like of shape (n,)
            Labels, two or more.
        """
        target = self._aim()
        rows = self._taken(X, reset=True)
        if y is None:
            raise InputError("requires y to be passed, but the target y is None: an open-set classifier needs labels.")
        check_consistent_length(rows, y)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        place = self._known(labels, len(rows))
        if len(self.classes_) < 2:
            msg = f"y has one class ({self.classes_[0]!r}): a classifier needs two; for one use HyperbolicOneClass."
            raise InputError(msg)
        if self._is_network():
            self.estimator_ = self.estimator
            width = self.logits(rows[:2]).shape[1]
            if width != len(self.classes_):
                msg = f"the network gives {width} logits and y has {len(self.classes_)} classes: give rows of all."
                raise InputError(msg)
            return self if target is None else self.calibrate(rows, target_tpr=target)
        out = np.zeros(len(rows), bool) if target is None else self._held_out(place)
        self.estimator_ = clone(self.estimator).fit(rows[~out], labels[~out])
        return self if target is None else self.calibrate(rows[out], target_tpr=target)

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of the classes (n, K) that familiarity is read from."""
        check_is_fitted(self, "estimator_")
        rows = self._taken(X)
        if self._is_network():
            from trueneg.core.training import outputs

            found = outputs(self.estimator_, rows, device=self.device)
        elif hasattr(self.estimator_, "decision_function"):
            found = np.asarray(self.estimator_.decision_function(rows))
        else:
            found = np.log(np.maximum(self.estimator_.predict_proba(rows), np.finfo(np.float64).tiny))
        if found.ndim == 1:
            found = np.stack([-found / 2, found / 2], axis=1)
        return np.asarray(found, dtype=np.float64)

    # -- private ---------------------------------------------------------------------------------------------------

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        logits = self.logits(X)
        return SCORES[self.detector](logits, self.temperature), logits.argmax(axis=1)

    def _aim(self) -> float | None:
        if self.detector not in SCORES or not self.temperature > 0:
            msg = f"detector={self.detector!r}, temperature={self.temperature!r}: choose {', '.join(SCORES)}; T > 0."
            raise InputError(msg)
        scored = self._is_network() or any(hasattr(self.estimator, n) for n in ("decision_function", "predict_proba"))
        if not scored:
            kind = type(self.estimator).__name__
            msg = f"{kind} has neither decision_function nor predict_proba: take a classifier that scores its classes."
            raise InputError(msg)
        if self.threshold is None:
            return None
        found = re.fullmatch(r"tpr(\d+(?:\.\d+)?)", str(self.threshold))
        if found is None or not 0 < float(found[1]) < 100:
            msg = (
                f"threshold={self.threshold!r}: write 'tpr95' for 95 % of the known rows, or None and then call "
                "calibrate(), which takes target_fpr and costs with unknown rows."
            )
            raise InputError(msg)
        return float(found[1]) / 100

    def _is_network(self) -> bool:
        # Without importing torch: a module of torch says so by its class.
        return any(k.__module__ == "torch.nn.modules.module" for k in type(self.estimator).__mro__)

    def _taken(self, X: Any, *, reset: bool = False) -> NDArray[Any]:
        if not self._is_network():
            return self._rows(X, reset=reset, dtype=[np.float64, np.float32])
        rows = np.asarray(X)
        if rows.dtype.kind not in "biuf" or rows.ndim < 2 or not np.isfinite(rows).all():
            msg = f"X has shape {rows.shape} and type {rows.dtype}: a network takes finite numbers of shape (n, ...)."
            raise InputError(msg)
        return rows

    def _held_out(self, place: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows the threshold is set on: the same share of each class, one or more."""
        counts = np.bincount(place)
        if not 0 < self.calibration < 1 or counts.min() < 2:
            few = self.classes_[int(counts.argmin())]
            msg = (
                f"calibration={self.calibration!r} of the rows, and class {few!r} has {counts.min()}: hold out a share "
                "between 0 and 1 of 2 rows or more a class, or set threshold=None and call calibrate()."
            )
            raise InputError(msg)
        order = np.random.default_rng(self.random_state).permutation(len(place))
        order = order[np.argsort(place[order], kind="stable")]
        rank = np.empty(len(place), np.int64)
        rank[order] = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        some = np.clip(np.round(self.calibration * counts), 1, counts - 1)
        return np.asarray(rank < some[place])
