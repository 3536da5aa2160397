"""The detectors by name, those of scikit-learn wrapped, and each kept as arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.reject._intrusion.nets import FlowNetwork, SparseAutoencoder
from trueneg.reject._intrusion.trees import FlowForest, FlowIsolation, Trees

__all__ = ["DETECTORS", "detectors_of", "from_arrays", "to_arrays"]

DETECTORS: dict[str, type] = {
    "deep": FlowNetwork,
    "forest": FlowForest,
    "autoencoder": SparseAutoencoder,
    "isolation": FlowIsolation,
}


class FromScikitLearn:
    """An estimator of scikit-learn as a detector: a classifier learns from all flows, an outlier detector from normals.

    Parameters
    ----------
    estimator : object
        Cloned and fitted.
    """

    def __init__(self, estimator: Any) -> None:
        from sklearn.base import is_classifier, is_outlier_detector

        self.estimator = estimator
        if not (is_classifier(estimator) or is_outlier_detector(estimator)):
            msg = f"{estimator!r} is no detector: give a classifier, an outlier detector, or {', '.join(DETECTORS)}."
            raise InputError(msg)
        self.needs_attacks = is_classifier(estimator)

    def fit(self, X: NDArray[np.float32], attack: Any = None, *, progress: Any = None) -> FromScikitLearn:
        """Learn from rows (n, d) and which of them are attacks (n,)."""
        from sklearn.base import clone

        model = clone(self.estimator)
        if self.needs_attacks:
            self.model_ = model.fit(X, attack)
        else:
            self.model_ = model.fit(X if attack is None else X[~np.asarray(attack, dtype=bool)])
        return self

    def score_samples(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return familiarity (n,), higher = more normal."""
        model = self.model_
        if not self.needs_attacks:
            return np.asarray((model.score_samples if hasattr(model, "score_samples") else model.decision_function)(X))
        if hasattr(model, "decision_function"):
            return -np.asarray(model.decision_function(X))
        return np.asarray(model.predict_proba(X)[:, 0])


def detectors_of(given: Sequence[Any] | str | None, attacks: bool, seed: int | None) -> dict[str, Any]:
    """Return unfitted detectors by name; None chooses by whether there are attacks to learn from."""
    if given is None:
        given = ("forest", "isolation") if attacks else ("isolation",)
    given = (given,) if isinstance(given, str) or hasattr(given, "fit") else tuple(given)
    if not given:
        msg = f"detectors is empty: name one or more of {', '.join(DETECTORS)}."
        raise InputError(msg)
    found: dict[str, Any] = {}
    for item in given:
        if isinstance(item, str):
            if item not in DETECTORS:
                msg = f"detectors: there is no {item!r}; there are {', '.join(DETECTORS)}."
                raise InputError(msg)
            name, made = item, DETECTORS[item](random_state=seed)
        else:
            # What was handed in stays as it was: a clone of the rejecter must start from nothing.
            name, made = type(item).__name__, copy(item) if hasattr(item, "needs_attacks") else FromScikitLearn(item)
        if made.needs_attacks and not attacks:
            msg = f"detector {name!r} learns from attacks, and there is none: give y with attacks, or use 'isolation'."
            raise InputError(msg)
        while name in found:
            name += "'"
        found[name] = made
    return found


def to_arrays(name: str, detector: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what JSON can hold of a detector, and its arrays."""
    kind = next((k for k, made in DETECTORS.items() if type(detector) is made), None)
    if kind is None:
        msg = f"detector {name!r} cannot be kept without pickle: save {', '.join(DETECTORS)} only."
        raise InputError(msg)
    params = {k: getattr(detector, k) for k in inspect.signature(type(detector)).parameters}
    params = {k: list(v) if isinstance(v, tuple) else v for k, v in params.items()}
    about: dict[str, Any] = {"name": name, "kind": kind, "params": params}
    if hasattr(detector, "trees_"):
        about["usual"] = getattr(detector, "usual_", None)
        return about, detector.trees_.to_arrays()
    arrays = {}
    for i, (weight, bias) in enumerate(detector.layers_):
        arrays[f"weight{i}"], arrays[f"bias{i}"] = weight, bias
    return about, arrays


def from_arrays(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the detector that :func:`to_arrays` took apart."""
    found = DETECTORS[about["kind"]](**about["params"])
    if "roots" in arrays:
        found.trees_ = Trees.from_arrays(arrays)
        if about.get("usual") is not None:
            found.usual_ = about["usual"]
    else:
        found.layers_ = [(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(len(arrays) // 2)]
    return found
