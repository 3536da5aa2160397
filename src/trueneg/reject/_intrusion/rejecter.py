"""Detectors together: each one's score becomes a conformal p-value, and their sum keeps to an alarm budget."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from trueneg.core.errors import InputError
from trueneg.core.rows import array_of, as_given, labels_as_given, note_labels
from trueneg.reject._intrusion.budget import AlarmBudget, AlarmMeter, exact_share, flows_needed
from trueneg.reject._intrusion.conformal import combined, p_values
from trueneg.reject._intrusion.detectors import detectors_of, from_arrays, to_arrays
from trueneg.reject._intrusion.flows import FlowEncoder
from trueneg.reject.base import BaseRejecter
from trueneg.reject.threshold import Threshold

__all__ = ["IntrusionRejecter"]

Progress = Callable[[str, int, int], None]
_NORMAL = ("normal", "benign", "BENIGN", "Normal", "Benign")
_SCHEMA = "trueneg/intrusion/2"
_ROWS = 65_536


class IntrusionRejecter(BaseRejecter):
    """Raises alarms on network flows, no more false ones than a budget allows.

    Rows to learn from are split: detectors learn from most; of the normal flows held out, one half turns the score of
    each detector into a conformal p-value (the share of normal flows that look as strange), the other sets the
    threshold by :class:`AlarmBudget`. The score of a flow is the sum of the logarithms of its p-values: detectors that
    know attacks and detectors that saw normal traffic only have the same scale and are wrong in different places.

    **A threshold set on the traffic learned from does not hold elsewhere** (measured: 3 to 9 times the budget for
    detectors that learned from attacks). Call :meth:`recalibrate` with clean flows of the network to be watched.

    Parameters
    ----------
    detectors : sequence of str or estimators, or None, default=None
        "forest" and "deep" (a network) learn from attacks; "isolation" and "autoencoder" from normal flows alone; or
        classifiers and outlier detectors of scikit-learn. None is forest and isolation, or without attacks isolation.
        ("forest", "autoencoder", "isolation") did best on NSL-KDD; it needs torch.
    combine : {"p-values", "max"}, default="p-values"
        Sum the logarithms of the p-values, or take the most alarming one alone.
    rate : float, default=0.01
        Share of normal flows that may raise an alarm.
    confidence : float or None, default=0.95
        With which the rate is kept; None for the plain quantile. See :class:`AlarmBudget`.
    held_out : float, default=0.3
        Share of the rows that detectors do not learn from.
    encoder : FlowEncoder, "auto" or None, default="auto"
        Turns tables into numbers; None takes X as ready features.
    normal : object, default="auto"
        The label of normal flows; "auto" finds "normal", "benign", 0 or False in y.
    unknown_label : object, default="auto"
        What ``predict`` says of an alarm: "attack" for labels of text, -1 otherwise.
    random_state : int, Generator or None, default=None
        Of the split and of the detectors.

    Attributes
    ----------
    threshold_ : Threshold
        ``score < threshold_`` is an alarm; minus infinity (no alarm) where there were too few flows for the confidence.
    budget_ : AlarmBudget or None
        Behind the threshold, with what was achieved and its bound.
    detectors_ : dict
        By name, fitted.
    reference_ : ndarray of shape (n_reference, n_detectors)
        Sorted scores of normal flows held out.
    known_ : ndarray
        Labels of attacks learned from.
    normal_ : object
        The label of normal flows.
    unseen_before_ : float
        Upper exact bound of the share of normal flows with a category not learned from, by those held out.

    Notes
    -----
    ``score_samples`` is 0 at most: log p-values of the detectors, summed or the smallest. Flows stranger than all of
    the reference have equal p-values; their scores go on by how far beyond they lie.

    References
    ----------
    Al Jallad, Aljnidi and Desouki (2020), "Anomaly detection optimization using big data and deep learning to reduce
    false-positive", Journal of Big Data 7:68.
    """

    def __init__(
        self,
        detectors: Any = None,
        *,
        combine: Literal["p-values", "max"] = "p-values",
        rate: float = 0.01,
        confidence: float | None = 0.95,
        held_out: float = 0.3,
        encoder: Any = "auto",
        normal: Any = "auto",
        unknown_label: Any = "auto",
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.detectors, self.combine, self.rate, self.confidence = detectors, combine, rate, confidence
        self.held_out, self.encoder, self.normal = held_out, encoder, normal
        self.unknown_label, self.random_state = unknown_label, random_state

    def fit(self, X: Any, y: ArrayLike | None = None, *, progress: Progress | None = None) -> IntrusionRejecter:
        """Learn from flows.

        Parameters
        ----------
        X : frame, Arrow table or array of shape (n, d)
            Flows, in any order.
        y : array-like of shape (n,) or None, default=None
            The label of normal flows, or the type of attack; None where all flows are normal.
        progress : callable or None, default=None
            Called with a text, what is done, and the total.

        Returns
        -------
        IntrusionRejecter
        """
        self._checked()
        note_labels(self, y)
        X, y = array_of(X), array_of(y)
        if issparse(X):
            raise InputError("X is sparse: give flows as a dense array, X.toarray(), or a table.")
        labels = self._labels(X, y)
        attack = np.zeros(_length(X), dtype=bool) if labels is None else self._attacks(labels)
        self.classes_ = np.array([self.normal_])
        rng = np.random.default_rng(self.random_state)
        learn, reference, budget = self._split(attack, rng)
        self.encoder_ = None
        if self.encoder is not None:
            self.encoder_ = FlowEncoder() if isinstance(self.encoder, str) else clone(self.encoder)
            self.encoder_.fit(_take(X, learn))
        rows, unseen = self._encoded(X)
        self.n_features_in_ = rows.shape[1] if self.encoder_ is None else self.encoder_.n_features_in_
        seed = int(rng.integers(2**31))
        self.detectors_ = detectors_of(self.detectors, bool(attack.any()), seed)
        for done, (name, detector) in enumerate(self.detectors_.items()):
            if progress is not None:
                progress(name, done, len(self.detectors_))
            detector.fit(rows[learn], attack[learn])
        scores = self._raw(rows[np.concatenate([reference, budget])])
        self.reference_ = np.sort(scores[: len(reference)], axis=0)
        strange = unseen[np.concatenate([reference, budget])]
        self.unseen_before_ = exact_share(int(strange.sum()), len(strange)).high
        self._set(combined(scores[len(reference) :], self.reference_, self.combine), warn=True)
        return self

    def score_counted(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the scores, and which flows hold a category that was never learned; one pass, in blocks of rows."""
        check_is_fitted(self, "reference_")
        rows, unseen = self._encoded(X)
        return combined(self._raw(rows), self.reference_, self.combine), unseen

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Return conformal p-values (n, n_detectors): of normal flows like the reference, a share of a is below a."""
        check_is_fitted(self, "reference_")
        return p_values(self._raw(self._encoded(X)[0]), self.reference_)

    def alarms(self, X: Any) -> Any:
        """Return which flows raise an alarm (n,)."""
        return as_given(self._alarms(X), X)

    def _alarms(self, X: Any) -> NDArray[np.bool_]:
        return self._judged(X)[0] < float(self._threshold())

    def predict(self, X: Any) -> Any:
        """Return the label of normal flows, or ``unknown_label`` for an alarm (n,)."""
        return labels_as_given(self, self.say(self._alarms(X)), X)

    def say(self, alarms: NDArray[np.bool_]) -> NDArray[Any]:
        """Return alarms (n,) as labels."""
        unknown = self.unknown_label
        if isinstance(unknown, str) and unknown == "auto":
            unknown = "attack" if isinstance(self.normal_, str) else -1
        values = [unknown, int(self.normal_) if isinstance(self.normal_, bool | np.bool_) else self.normal_]
        text = any(isinstance(v, str) for v in values)
        return np.array(values, dtype=object if text else None)[np.where(alarms, 0, 1)]

    def recalibrate(
        self, X: Any, y: ArrayLike | None = None, *, rate: float | None = None, confidence: Any = "same"
    ) -> IntrusionRejecter:
        """Set the threshold on clean flows of the network that is watched; the detectors stay as they are.

        Parameters
        ----------
        X : frame, Arrow table or array of shape (n, d)
            Flows that were not learned from and hold no attack: attacks among them lower the threshold.
        y : array-like of shape (n,) or None, default=None
            Where given, rows that are not normal are left out.
        rate : float or None, default=None
            A new budget; None keeps it.
        confidence : float, None or "same", default="same"
            A new confidence.

        Returns
        -------
        IntrusionRejecter

        Raises
        ------
        InputError
            For too few flows: 299 are needed for 1 % with 95 %.
        """
        scores = self._judged(X)[0]
        if y is not None:
            labels = np.asarray(array_of(y))
            if labels.shape != scores.shape:
                msg = f"X has {len(scores)} rows and y has shape {labels.shape}: give one label a row."
                raise InputError(msg)
            scores = scores[labels == self.normal_]
            if not len(scores):
                msg = f"no row of y is {self.normal_!r}: a threshold is set on normal flows; leave y out if all are."
                raise InputError(msg)
        before = self.rate, self.confidence
        self.rate = self.rate if rate is None else rate
        if not (isinstance(confidence, str) and confidence == "same"):
            self.confidence = confidence
        try:
            return self.recalibrate_scores(scores)
        except InputError:
            self.rate, self.confidence = before  # what was refused leaves the model as it was
            raise

    def recalibrate_scores(self, scores: ArrayLike) -> IntrusionRejecter:
        """Set the threshold by the scores (n,) of clean flows, where they were made batch by batch."""
        check_is_fitted(self, "reference_")
        self._set(np.asarray(scores, dtype=np.float64), warn=False)
        return self

    def meter(self) -> AlarmMeter:
        """Return a meter for a stream: alarms and unseen categories against what was before."""
        return AlarmMeter(self.rate, self.unseen_before_)

    def save(self, folder: str | Path) -> None:
        """Write ``intrusion.json`` and ``intrusion.npz`` into a folder that exists; no pickle."""
        check_is_fitted(self, "reference_")
        folder = Path(folder)
        arrays: dict[str, NDArray[Any]] = {"reference": self.reference_}
        kept = []
        for i, (name, detector) in enumerate(self.detectors_.items()):
            about, own = to_arrays(name, detector)
            kept.append(about)
            arrays |= {f"{i}/{field}": value for field, value in own.items()}
        stored = {
            "schema": _SCHEMA,
            "params": {k: getattr(self, k) for k in ("combine", "rate", "confidence", "held_out", "unknown_label")},
            "normal": self.normal_,
            "known": self.known_.tolist(),
            "threshold": float(self.threshold_) if np.isfinite(self.threshold_) else None,
            "unseen_before": self.unseen_before_,
            "features": self.n_features_in_,
            "encoder": None if self.encoder_ is None else self.encoder_.to_dict(),
            "detectors": kept,
        }
        text = json.dumps(stored, ensure_ascii=False, indent=1, allow_nan=False)
        np.savez_compressed(folder / "intrusion.npz", **arrays)  # type: ignore[arg-type]
        (folder / "intrusion.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> IntrusionRejecter:
        """Read what :meth:`save` wrote; InputError where it is damaged."""
        folder = Path(folder)
        try:
            stored = json.loads((folder / "intrusion.json").read_text(encoding="utf-8"))
            if stored["schema"] != _SCHEMA:
                msg = f"{folder} holds an intrusion detector of another version: fit it again."
                raise InputError(msg)
            found = cls(tuple(d["name"] for d in stored["detectors"]), **stored["params"], normal=stored["normal"])
            with np.load(folder / "intrusion.npz", allow_pickle=False) as arrays:
                found.reference_ = arrays["reference"]
                found.detectors_ = {}
                for i, about in enumerate(stored["detectors"]):
                    own = {k.partition("/")[2]: arrays[k] for k in arrays.files if k.startswith(f"{i}/")}
                    found.detectors_[about["name"]] = from_arrays(about, own)
            found.normal_, found.known_ = stored["normal"], np.array(stored["known"], dtype=object)
            found.threshold_ = Threshold(-np.inf if stored["threshold"] is None else stored["threshold"], "as saved")
            found.classes_ = np.array([found.normal_])
            found.unseen_before_, found.n_features_in_ = stored["unseen_before"], stored["features"]
            found.encoder_ = None if stored["encoder"] is None else FlowEncoder.from_dict(stored["encoder"])
            found.budget_ = None
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{folder} holds no intrusion detector ({type(error).__name__}): fit it again."
            raise InputError(msg) from error
        return found

    def _checked(self) -> None:
        if self.combine not in ("p-values", "max"):
            msg = f"combine={self.combine!r}: choose 'p-values' or 'max'."
            raise InputError(msg)
        if not 0 < self.held_out < 1:
            msg = f"held_out={self.held_out!r}: give a share between 0 and 1; the threshold needs rows of its own."
            raise InputError(msg)

    def _labels(self, X: Any, y: ArrayLike | None) -> NDArray[Any] | None:
        if y is None:
            self.normal_ = "normal" if isinstance(self.normal, str) and self.normal == "auto" else self.normal
            self.known_ = np.array([], dtype=object)
            return None
        labels = column_or_1d(np.asarray(y), warn=True)
        n = _length(X)
        if len(labels) != n:
            msg = f"X has {n} rows and y {len(labels)}: give one label a row."
            raise InputError(msg)
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise InputError("y holds NaN or infinity: leave those rows out, or label them.")
        return labels

    def _attacks(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        values = set(labels.tolist())
        if isinstance(self.normal, str) and self.normal == "auto":
            here = [v for v in _NORMAL if v in values] or [v for v in values if not isinstance(v, str) and v == 0]
            if not here:
                shown = ", ".join(sorted(map(repr, values))[:5])
                msg = f"which label means a normal flow? y holds {shown}: name it with normal=... (--set normal=...)"
                raise InputError(msg)
            self.normal_ = here[0]
        elif self.normal in values:
            self.normal_ = self.normal
        else:
            msg = f"normal={self.normal!r} is no label in y: without normal flows there is nothing to hold alarms to."
            raise InputError(msg)
        attack = labels != self.normal_
        self.known_ = np.array(sorted(values - {self.normal_}, key=str), dtype=object)
        return np.asarray(attack, dtype=bool)

    def _split(
        self, attack: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return rows to learn from, and two sets of normal rows: for the p-values and for the threshold."""
        order = rng.permutation(np.flatnonzero(~attack))
        out = max(2, round(self.held_out * len(order)))
        if len(order) - out < 2:
            msg = f"{len(order)} normal flows (n_samples={len(attack)}) are too few to learn from: give 4 or more."
            raise InputError(msg)
        bad = rng.permutation(np.flatnonzero(attack))
        keep = len(bad) if len(bad) < 4 else len(bad) - round(self.held_out * len(bad))
        learn = np.sort(np.concatenate([order[out:], bad[:keep]]))
        return learn, np.sort(order[: out // 2]), np.sort(order[out // 2 : out])

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        scores = self.score_counted(X)[0]
        return scores, np.zeros(len(scores), np.int64)

    def _encoded(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        X = array_of(X)
        if self.encoder_ is not None:
            return self.encoder_.transform_counted(X)
        rows = check_array(X, dtype=np.float32)
        if hasattr(self, "n_features_in_") and rows.shape[1] != self.n_features_in_:
            msg = f"X has {rows.shape[1]} features, but IntrusionRejecter is expecting {self.n_features_in_} features"
            raise InputError(msg)
        return rows, np.zeros(len(rows), dtype=bool)

    def _raw(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        out = np.empty((len(rows), len(self.detectors_)))
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            for j, detector in enumerate(self.detectors_.values()):
                out[start : start + _ROWS, j] = detector.score_samples(part)
        return out

    def _set(self, scores: NDArray[np.float64], *, warn: bool) -> None:
        needed = 1 if self.confidence is None else flows_needed(self.rate, self.confidence)
        if warn and len(scores) < needed:
            self.budget_, self.threshold_ = None, Threshold(-np.inf, "too few flows")
            msg = (
                f"{len(scores)} normal flows were held out, and {needed} are needed to keep {self.rate:g} with "
                f"confidence {self.confidence:g}: no alarm is raised until recalibrate() gets that many clean flows"
            )
            warnings.warn(msg, UserWarning, stacklevel=3)
            return
        self.budget_ = AlarmBudget(self.rate, self.confidence).fit(scores)
        kept = exact_share(len(scores) - int((scores < self.budget_.threshold_).sum()), len(scores))
        self.threshold_ = Threshold(self.budget_.threshold_, f"target_tpr={1 - self.rate:g}", kept)


def _length(X: Any) -> int:
    if hasattr(X, "num_rows"):
        return int(X.num_rows)
    return int(X.shape[0]) if hasattr(X, "shape") and len(X.shape) else len(X)


def _take(X: Any, rows: NDArray[np.int64]) -> Any:
    if hasattr(X, "num_rows"):
        return X.take(rows)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]
