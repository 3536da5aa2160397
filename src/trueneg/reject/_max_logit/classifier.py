"""Any classifier, with "none of these" among its answers."""

from __future__ import annotations

import re
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from trueneg.core.errors import InputError
from trueneg.core.rows import array_of, as_given, note_labels
from trueneg.reject._max_logit.scores import SCORES
from trueneg.reject.base import BaseRejecter
from trueneg.reject.labels import are_known, checked_labels, plain

__all__ = ["OpenSetClassifier"]


class OpenSetClassifier(BaseRejecter):
    """A scikit-learn classifier or a torch network that answers ``unknown_label`` where no class is there.

    Parameters
    ----------
    estimator : classifier or torch.nn.Module
        A classifier with ``decision_function`` or ``predict_proba``, pipelines among them; a clone is fitted, to X as
        it is: frames, texts, sparse rows and, where it takes them, missing values. A network is taken as trained, its
        columns in sorted order of the labels.
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

    def fit(
        self, X: Any, y: ArrayLike, *, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> OpenSetClassifier:
        """Fit the classifier and, where there is one, set the threshold on rows held out.

        Parameters
        ----------
        X : array-like, frame, sparse matrix or texts of n rows, or (n, ...) for a network
            Rows of known classes, as the classifier takes them.
        y : array-like of shape (n,)
            Labels, two or more.
        sample_weight : array-like of shape (n,) or None, default=None
            Handed to the classifier's ``fit``.
        groups : array-like of shape (n,) or None, default=None
            Rows that belong together: they are held out together, and the threshold's interval resamples them.
        """
        target = self._aim()
        rows = self._taken(X, reset=True)
        if y is None:
            raise InputError("requires y to be passed, but the target y is None: an open-set classifier needs labels.")
        n = _count(rows)
        labels = checked_labels(y, range(n))
        place = self._known(labels, n)
        note_labels(self, y)
        if len(self.classes_) < 2:
            one = plain(self.classes_[0])
            msg = f"y has one class ({one!r}): a classifier needs two; for one use HyperbolicOneClass."
            raise InputError(msg)
        weight, own = _column(sample_weight, n, "sample_weight"), _column(groups, n, "groups")
        if self._is_network():
            self.estimator_ = self.estimator
            width = self._logits(rows[:2]).shape[1]
            if width != len(self.classes_):
                msg = f"the network gives {width} logits and y has {len(self.classes_)} classes: give rows of all."
                raise InputError(msg)
            return self if target is None else self.calibrate(rows, target_tpr=target, groups=own)
        out = np.zeros(n, bool) if target is None else self._held_out(place, own)
        self._fit_inner(
            _safe_indexing(rows, np.flatnonzero(~out)), labels[~out], None if weight is None else weight[~out]
        )
        if target is None:
            return self
        held = None if own is None else own[out]
        return self.calibrate(_safe_indexing(rows, np.flatnonzero(out)), target_tpr=target, groups=held)

    def logits(self, X: Any) -> Any:
        """Return the scores of the classes (n, K) that familiarity is read from; a tensor where X is one."""
        return as_given(self._logits(X), X)

    def _logits(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "estimator_")
        k = len(self.classes_)
        if isinstance(X, list) and not X:
            return np.empty((0, k))
        rows = self._taken(X)
        if not _count(rows):
            return np.empty((0, k))
        if self._is_network():
            from trueneg.core.training import outputs

            return np.asarray(outputs(self.estimator_, rows, device=self.device), dtype=np.float64)
        if hasattr(self.estimator_, "decision_function"):
            found = np.asarray(self.estimator_.decision_function(rows), dtype=np.float64)
        else:
            found = np.log(np.maximum(self.estimator_.predict_proba(rows), np.finfo(np.float64).tiny))
        if found.ndim == 1 and k == 2:
            found = np.stack([-found / 2, found / 2], axis=1)
        if found.shape != (_count(rows), k):
            kind = type(self.estimator_).__name__
            msg = (
                f"{kind} gives scores of shape {found.shape} for {k} classes: take a classifier with one score a class."
            )
            raise InputError(msg)
        return np.asarray(found, dtype=np.float64)

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of right answers; a row whose label is no class is right where it is refused.

        Parameters
        ----------
        X, y
            Rows and their labels.
        sample_weight : array-like of shape (n,) or None, default=None
            Of the rows.
        """
        said = np.asarray(array_of(self.predict(X)))
        known = are_known(y, len(said), self.classes_)
        truth = np.asarray(array_of(y), dtype=object)
        right = np.where(known, said.astype(object) == truth, ~np.isin(said, self.classes_))
        return float(np.average(right, weights=_column(sample_weight, len(said), "sample_weight")))

    def __sklearn_tags__(self) -> Any:
        """Say what the classifier inside takes."""
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__") and not isinstance(self.estimator, type):
            inner = get_tags(self.estimator).input_tags
            tags.input_tags.sparse, tags.input_tags.allow_nan = inner.sparse, inner.allow_nan
        return tags

    # -- private ---------------------------------------------------------------------------------------------------

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        logits = self._logits(X)
        return SCORES[self.detector](logits, self.temperature), logits.argmax(axis=1)

    def _aim(self) -> float | None:
        if self.detector not in SCORES or not isinstance(self.temperature, Real) or not self.temperature > 0:
            msg = f"detector={self.detector!r}, temperature={self.temperature!r}: choose {', '.join(SCORES)}; T > 0."
            raise InputError(msg)
        if isinstance(self.estimator, type):
            msg = f"estimator is the class {self.estimator.__name__}: give an instance of it."
            raise InputError(msg)
        scored = self._is_network() or any(hasattr(self.estimator, n) for n in ("decision_function", "predict_proba"))
        if not scored:
            kind = type(self.estimator).__name__
            msg = f"{kind} has neither decision_function nor predict_proba: take a classifier that scores its classes."
            raise InputError(msg)
        inner = {} if self._is_network() or not hasattr(self.estimator, "get_params") else self.estimator.get_params()
        if any(v == "ovo" for k, v in inner.items() if k.endswith("decision_function_shape")):
            raise InputError("decision_function_shape='ovo' scores pairs of classes: set it to 'ovr'.")
        if self.threshold is None:
            return None
        found = re.fullmatch(r"tpr(\d+(?:\.\d+)?)", str(self.threshold))
        if found is None or not 0 < float(found[1]) <= 100:
            msg = (
                f"threshold={self.threshold!r}: write 'tpr95' for 95 % of the known rows, or None and then call "
                "calibrate(), which takes target_fpr and costs with unknown rows."
            )
            raise InputError(msg)
        return float(found[1]) / 100

    def _is_network(self) -> bool:
        # Without importing torch: a module of torch says so by its class.
        return any(k.__module__ == "torch.nn.modules.module" for k in type(self.estimator).__mro__)

    def _taken(self, X: Any, *, reset: bool = False) -> Any:
        """Return rows of numbers, checked; others as they are, for the classifier to check."""
        if not self._is_network():
            if not _numbers(X):
                return X.tocsr() if issparse(X) else X  # rows of any sparse form can then be picked
            nan = hasattr(self.estimator, "__sklearn_tags__") and get_tags(self.estimator).input_tags.allow_nan
            return self._rows(X, reset=reset, **({"ensure_all_finite": "allow-nan"} if nan else {}))
        rows = np.asarray(array_of(X))
        if rows.dtype.kind not in "biuf" or rows.ndim < 2 or not np.isfinite(rows).all():
            msg = f"X has shape {rows.shape} and type {rows.dtype}: a network takes finite numbers of shape (n, ...)."
            raise InputError(msg)
        return rows

    def _fit_inner(self, rows: Any, labels: NDArray[Any], weight: NDArray[Any] | None) -> None:
        """Fit a clone; what it says of rows that were not checked here is told in one line."""
        inner, more = clone(self.estimator), {}
        if weight is not None:
            if not has_fit_parameter(inner, "sample_weight"):
                msg = f"{type(inner).__name__} takes no sample_weight in fit: leave it out, or take another classifier."
                raise InputError(msg)
            more = {"sample_weight": weight}
        try:
            self.estimator_ = inner.fit(rows, labels, **more)
        except (ValueError, TypeError) as error:
            if _numbers(rows):
                raise
            msg = f"{type(inner).__name__} does not learn from these rows: {str(error).splitlines()[0]}"
            raise InputError(msg) from error
        for name in ("n_features_in_", "feature_names_in_"):
            if not _numbers(rows) and hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))

    def _held_out(self, place: NDArray[np.int64], groups: NDArray[Any] | None) -> NDArray[np.bool_]:
        """Return which rows the threshold is set on: the same share of each class, one or more; groups whole."""
        counts = np.bincount(place)
        share = isinstance(self.calibration, Real) and 0 < self.calibration < 1
        few = plain(self.classes_[int(counts.argmin())])
        if not share or counts.min() < 2:
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
        out = np.asarray(rank < some[place])
        if groups is None:
            return out
        # A group goes where its first row went, so that no twin of a held-out row is learned from.
        _, first, of = np.unique(groups, return_index=True, return_inverse=True)
        out = np.asarray(out[first][of.reshape(-1)])
        if not out.any() or len(np.unique(place[~out])) < len(counts):
            raise InputError("groups are too few to hold some out and learn each class from others: give more groups.")
        return out


def _numbers(X: Any) -> bool:
    """Tell whether X is an array, a tensor or lists of numbers: what is checked here and not by the classifier."""
    if issparse(X) or hasattr(X, "columns"):
        return False
    if hasattr(X, "detach"):
        return True
    rows = np.asarray(X) if not isinstance(X, np.ndarray) else X
    return rows.dtype.kind not in "US" and not (rows.dtype.kind == "O" and any(isinstance(v, str) for v in rows.flat))


def _count(rows: Any) -> int:
    return int(rows.shape[0]) if hasattr(rows, "shape") else len(rows)


def _column(values: ArrayLike | None, n: int, name: str) -> NDArray[Any] | None:
    if values is None:
        return None
    found = np.asarray(array_of(values))
    if found.shape != (n,):
        msg = f"{name} has shape {found.shape}: give one for each of the {n} rows."
        raise InputError(msg)
    return found
