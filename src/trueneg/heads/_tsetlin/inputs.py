"""Parameters and rows as the user gave them, checked and brought into the machine's form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin.binarize import cuts_of, thermometer

__all__ = ["canonical", "check_parameters", "cuts_for", "feature_names", "jobs", "reached", "row_weights", "seed_of"]

_AUTO_CUTS = 8
_WHOLE = {
    "n_clauses": (1, 2**24),
    "threshold": (1, 2**30),
    "max_included_literals": (1, 2**31),
    "n_state_bits": (2, 16),
    "mask_bits": (1, 20),
    "max_iter": (1, 2**31),
    "n_iter_no_change": (1, 2**31),
}
_OPTIONAL = {"threshold", "max_included_literals", "mask_bits"}
_CHOICES = {"negative_sampling": ("uniform", "focused"), "clauses": ("class", "shared")}
_FLAGS = ("weighted", "boost_true_positive", "feature_negation", "early_stopping", "warm_start")


def check_parameters(given: dict[str, Any]) -> None:
    """Raise InputError for the first parameter that is out of range."""
    for name, (low, high) in _WHOLE.items():
        value = given[name]
        if value is None and name in _OPTIONAL:
            continue
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
            also = " or None" if name in _OPTIONAL else ""
            msg = f"{name}={value!r} must be a whole number from {low} to {high}{also}."
            raise InputError(msg)
    for name, choices in _CHOICES.items():
        if given[name] not in choices:
            msg = f"{name}={given[name]!r}: choose {' or '.join(map(repr, choices))}."
            raise InputError(msg)
    for name in _FLAGS:
        if not isinstance(given[name], bool | np.bool_):
            msg = f"{name}={given[name]!r} must be True or False."
            raise InputError(msg)
    _check_numbers(given)
    _check_together(given)


def _check_numbers(given: dict[str, Any]) -> None:
    s = given["specificity"]
    if not isinstance(s, int | float | np.number) or not 1.0 <= s <= 2**19:
        msg = f"specificity={s!r} must be a number from 1 to {2**19}: 1 / s is the chance to forget a literal."
        raise InputError(msg)
    for name in ("clause_drop", "literal_drop"):
        if not isinstance(given[name], int | float | np.number) or not 0.0 <= given[name] < 1.0:
            msg = f"{name}={given[name]!r} must be a share from 0 up to, not including, 1."
            raise InputError(msg)
    if (
        not isinstance(given["validation_fraction"], int | float | np.number)
        or not 0.0 < given["validation_fraction"] < 1.0
    ):
        msg = f"validation_fraction={given['validation_fraction']!r} must be a share between 0 and 1."
        raise InputError(msg)
    how = given["binarize"]
    if how not in ("auto", "presence") and (not isinstance(how, Integral) or isinstance(how, bool) or how < 1):
        msg = f"binarize={how!r}: choose 'auto', 'presence', or the number of cuts a feature, from 1 up."
        raise InputError(msg)


def _check_together(given: dict[str, Any]) -> None:
    if given["clauses"] == "shared" and not given["weighted"]:
        raise InputError("clauses='shared' learns by its weights: set weighted=True, or clauses='class'.")
    device = given["device"]
    if device is not None and (given["clauses"] == "shared" or given["negative_sampling"] == "focused"):
        raise InputError("device= learns each class by itself: leave it None with a shared pool or focused sampling.")
    if device is not None and not isinstance(device, str):
        msg = f"device={device!r} must be None or the name of a torch device, such as 'cuda'."
        raise InputError(msg)
    digits = given["mask_bits"]
    if digits is not None and 1.0 / given["specificity"] < 2.0 ** -(digits + 1):
        msg = f"mask_bits={digits} cannot tell 1 / {given['specificity']:g} from 0: raise it, or leave it None."
        raise InputError(msg)


def jobs(n_jobs: int | None) -> int:
    """Return how many threads to use: 1 for None, all for -1."""
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        msg = f"n_jobs={n_jobs!r} must be None, a number of threads, or -1 for all."
        raise InputError(msg)
    count = os.cpu_count() or 1
    return int(n_jobs) if n_jobs > 0 else max(1, count + 1 + int(n_jobs))


def seed_of(random_state: Any) -> int:
    """Return a seed for all of a machine's chance from an int, Generator, RandomState or None."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**62))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if random_state is None:
        return int(np.random.default_rng().integers(2**62))
    if not isinstance(random_state, Integral) or random_state < 0:
        msg = f"random_state={random_state!r} must be a whole number from 0 up, a Generator, a RandomState or None."
        raise InputError(msg)
    return int(random_state)


def canonical(X: Any) -> Any:
    """Return rows whose sparse form names each place once, and hold no negative value there."""
    if not sp.issparse(X):
        return X
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if X.nnz and X.data.min() < 0:
        raise InputError(
            "a sparse matrix counts or marks what is there, but X has negative values: pass it as a dense array, "
            "or make its features binary first (Binarizer)."
        )
    return X


def cuts_for(X: Any, binarize: str | int) -> list[NDArray[np.float64]] | None:
    """Return the cuts of each column; None where a value above zero says "present".

    ``"auto"`` takes presence for sparse rows and for dense ones of zeros and ones, else 8 cuts a column.
    """
    if binarize == "presence" or (binarize == "auto" and (sp.issparse(X) or _binary(X))):
        return None
    if sp.issparse(X):
        raise InputError("cuts need a dense X: use binarize='presence' for sparse rows, or X.toarray().")
    n_cuts = _AUTO_CUTS if binarize == "auto" else int(binarize)
    columns = X.astype(np.float64, copy=False)
    return [cuts_of(columns[:, j], n_cuts, "quantile") for j in range(X.shape[1])]


def reached(X: Any, cuts: list[NDArray[np.float64]] | None, *, told: bool) -> Any:
    """Return binary features; without cuts X itself, whose dense values must be 0 and 1 unless presence was asked for.

    ``told``: whether presence was asked for, or the rows fitted were sparse.
    """
    if cuts is not None:
        dense = X.toarray() if sp.issparse(X) else X
        return thermometer(dense.astype(np.float64, copy=False), cuts)
    if not told and not sp.issparse(X) and not _binary(X):
        raise InputError(
            "the machine was fitted on features of 0 and 1, and X holds other values: make them binary in the same "
            "way, or fit with binarize='presence'."
        )
    return X


def _binary(X: NDArray[Any]) -> bool:
    return X.dtype == bool or bool(((X == 0) | (X == 1)).all())


def feature_names(names: Sequence[str], cuts: list[NDArray[np.float64]] | None) -> list[str]:
    """Return what each binary feature says."""
    if cuts is None:
        return [str(name) for name in names]
    return [f"{name} >= {cut:.6g}" for name, own in zip(names, cuts, strict=True) for cut in own]


def row_weights(n: int, sample_weight: Any, class_weight: Any, classes: NDArray[Any], y: NDArray[Any]) -> Any:
    """Return the weight of each row, from both kinds of weights, (n,); None where there are none."""
    if sample_weight is None and class_weight is None:
        return None
    weight = np.ones(n)
    if sample_weight is not None:
        from sklearn.utils.validation import _check_sample_weight

        weight = _check_sample_weight(sample_weight, np.empty((n, 1)), dtype=np.float64, ensure_non_negative=True)
    if class_weight is not None:
        if y.ndim > 1:
            raise InputError("class_weight knows one class a row: with several labels a row give sample_weight.")
        own = compute_class_weight(class_weight, classes=classes, y=y)
        weight = weight * own[np.searchsorted(classes, y)]
    if not weight.max() > 0:
        raise InputError("sample_weight is zero for every row: at least one row must count.")
    return weight
