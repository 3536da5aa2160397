"""An estimator to and from a file: its machine, its parameters, and what it learned about classes and features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin.files import read_machine, write_machine

__all__ = ["load", "save"]


def save(model: Any, path: Path) -> None:
    """Write a fitted estimator."""
    params = model.get_params(deep=False)
    if not isinstance(params["random_state"], int | np.integer | None):
        params["random_state"] = None  # its numbers were drawn already: the seed that counts is kept below
    weights = params.pop("class_weight")
    header = {
        "params": {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()},
        "class_weight": weights
        if weights is None or isinstance(weights, str)
        else [[_plain(k), float(v)] for k, v in weights.items()],
        "seed": model.seed_,
        "multilabel": model.multilabel_,
        "told": bool(model._told),
        "n_features_in": model.n_features_in_,
        "names": None if not hasattr(model, "feature_names_in_") else [str(n) for n in model.feature_names_in_],
        "labels": "text" if model.classes_.dtype.kind == "O" else "array",
        "cuts": model.cuts_ is not None,
    }
    classes = model.classes_
    if classes.dtype.kind == "O":
        if not all(isinstance(c, str) for c in classes):
            raise InputError("labels of mixed types cannot be saved: make them all text or all numbers.")
        classes = classes.astype(str)
    arrays = {"classes": classes}
    if model.cuts_ is not None:
        arrays["cut_values"] = np.concatenate([np.zeros(0), *model.cuts_])
        arrays["cut_counts"] = np.array([len(c) for c in model.cuts_], dtype=np.int64)
    write_machine(path, model.machine_, header, arrays)


def load(model: Any, path: Path) -> Any:
    """Fill an unfitted estimator from a file."""
    machine, header, arrays = read_machine(path)
    try:
        weights = header["class_weight"]
        weights = dict(weights) if isinstance(weights, list) else weights
        model.set_params(**header["params"], class_weight=weights)
        classes = arrays["classes"]
        model.classes_ = classes.astype(object) if header["labels"] == "text" else classes
        model.machine_, model.seed_, model.n_iter_ = machine, int(header["seed"]), machine.passes
        model.multilabel_, model._told = bool(header["multilabel"]), bool(header["told"])
        model.n_features_in_, model.history_ = int(header["n_features_in"]), []
        model.cuts_ = None
        if header["cuts"]:
            model.cuts_ = np.split(arrays["cut_values"], np.cumsum(arrays["cut_counts"])[:-1])
        if header["names"] is not None:
            model.feature_names_in_ = np.array(header["names"], dtype=object)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged ({type(error).__name__}): save the machine again."
        raise InputError(msg) from error
    return model


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
