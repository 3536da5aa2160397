"""A fitted detector as arrays, and back: no pickle, and without the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError
from trueneg.reject._mahalanobis.gaussian import Gaussians
from trueneg.reject.threshold import Threshold

__all__ = ["detector_of", "ensemble_of", "ensemble_state_of", "state_of"]

_SCHEMA = "trueneg/mahalanobis/1"
_ENSEMBLE = "trueneg/mahalanobis-ensemble/1"
_STORED = ("shrinkage", "cut", "eps", "input_std", "dtype", "batch_size", "unknown_label")


def state_of(detector: Any) -> dict[str, NDArray[Any]]:
    """Return what was learned; InputError where labels or the unknown label need pickle."""
    about = {
        "schema": _SCHEMA,
        "params": {name: _json(getattr(detector, name)) for name in _STORED},
        "layers": detector.layers_,
        "widths": [s.n_features for s in detector.stats_] if detector.net is None else None,
        "threshold": _threshold_of(detector),
    }
    state = {"about": _written(about)}
    if detector.classes_.dtype.kind == "O":
        raise InputError("labels of mixed or object type cannot be stored without pickle: use texts or numbers.")
    for j, stats in enumerate(detector.stats_):
        state |= {f"{j}/{name}": getattr(stats, name) for name in ("classes", "counts", "means", "scatter")}
        g = detector.gaussians_[j]
        state |= {f"{j}/{name}": getattr(g, name) for name in ("center", "matrix")}
    return state


def _json(value: Any) -> Any:
    return np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic | tuple) else value


def detector_of(kind: type[Any], state: Any, net: Any) -> Any:
    """Return a detector of this class; InputError where the arrays are none."""
    with _reading("detector"):
        about = _about(state, _SCHEMA)
        if (about["widths"] is None) != (net is not None):
            more = "give net=" if net is None else "leave net out"
            msg = f"this detector was {'' if net is None else 'not '}learned with a network: {more}."
            raise InputError(msg)
        layers = about["layers"] if net is not None else None
        found = kind(net, layers=layers, widths=about["widths"], **about["params"])
        found.layers_, found.batches_, found.stats_, found.gaussians_ = about["layers"], 1, [], []
        for j in range(len(found.layers_)):
            stats = ClassStats(spread="full", tied=True)
            for name in ("classes", "counts", "means", "scatter"):
                setattr(stats, name, np.asarray(state[f"{j}/{name}"]))
            center, matrix = np.asarray(state[f"{j}/center"]), np.asarray(state[f"{j}/matrix"])
            means = ((stats.means - center.astype(float)) @ matrix.astype(float)).astype(matrix.dtype)
            found.stats_.append(stats)
            found.gaussians_.append(Gaussians(center, matrix, means, len(center) - matrix.shape[1]))
        found.classes_ = found.stats_[0].classes
        found.n_features_in_ = sum(s.n_features for s in found.stats_)
        _restore_threshold(found, about["threshold"])
    return found


def ensemble_state_of(model: Any) -> dict[str, NDArray[Any]]:
    """Return what an ensemble learned: the state of its base, and the weights of the layers."""
    about = {
        "schema": _ENSEMBLE,
        "params": {
            name: _json(getattr(model, name)) for name in ("calibrate_on", "eps_grid", "fgsm_eps", "unknown_label")
        },
        "eps": model.eps_,
        "bias": model.model_.bias,
        "validation": [[eps, value] for eps, value in model.validation_.items()],
        "threshold": _threshold_of(model),
    }
    own = {name: np.asarray(getattr(model.model_, name)) for name in ("center", "scale", "weights")}
    return {"about": _written(about), **own, **{f"base/{k}": v for k, v in state_of(model.base_).items()}}


def ensemble_of(kind: type[Any], state: Any, net: Any, base: type[Any], layers: type[Any]) -> Any:
    """Return an ensemble of this class; InputError where the arrays are none."""
    with _reading("ensemble"):
        about = _about(state, _ENSEMBLE)
        own = {name.removeprefix("base/"): state[name] for name in state if name.startswith("base/")}
        fitted = detector_of(base, own, net)
        found = kind(fitted, **about["params"])
        found.base_, found.classes_, found.eps_ = fitted, fitted.classes_, float(about["eps"])
        found.validation_ = {float(eps): float(value) for eps, value in about["validation"]}
        found.model_ = object.__new__(layers)
        for name in ("center", "scale", "weights"):
            setattr(found.model_, name, np.asarray(state[name]))
        found.model_.bias, found.weights_ = float(about["bias"]), found.model_.weights
        _restore_threshold(found, about["threshold"])
    return found


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Say in a line that arrays are not what they should be."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        msg = f"this is no stored {what} ({type(error).__name__}): fit it again, and store it with to_state."
        raise InputError(msg) from error


def _about(state: Any, schema: str) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(str(state["about"]))
    if about["schema"] != schema:
        raise KeyError("schema")
    return about


def _written(about: dict[str, Any]) -> NDArray[Any]:
    try:
        return np.array(json.dumps(about, allow_nan=False))
    except TypeError:
        raise InputError("only an unknown_label that is a text, a number or None can be stored.") from None


def _threshold_of(model: Any) -> dict[str, Any] | None:
    kept: Threshold | None = getattr(model, "threshold_", None)
    return None if kept is None else kept.to_dict()


def _restore_threshold(model: Any, kept: dict[str, Any] | None) -> None:
    if kept is not None:
        model.threshold_ = Threshold.from_dict(kept)
