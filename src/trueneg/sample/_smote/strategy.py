"""How many rows of each class: ratios, counts, and the percentages of the 2002 paper."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["rows_to_keep", "rows_to_make"]

Counts = NDArray[np.int64]
_OVER = ("auto", "not majority", "minority", "not minority", "all")
_UNDER = ("auto", "not minority", "majority", "not majority", "all")


def rows_to_make(strategy: Any, amount: Any, counts: Counts, classes: NDArray[Any]) -> Counts:
    """Return how many rows each class gets, (K,).

    Parameters
    ----------
    strategy : str, float or dict
        As `sampling_strategy` of the estimators.
    amount : float, dict or None
        The paper's N %, which takes the place of the strategy.
    counts : int64 array of shape (K,)
    classes : array of shape (K,)
    """
    if amount is not None:
        if not (isinstance(strategy, str) and strategy == "auto"):
            raise InputError("amount and sampling_strategy both say how many rows to make: give one of them")
        return _by_percent(amount, counts, classes)
    most = int(counts.max())
    if isinstance(strategy, str):
        return np.where(_named(strategy, _OVER, counts), most - counts, 0)
    if isinstance(strategy, Mapping):
        wanted = _by_class(strategy, classes, "sampling_strategy")
        make = np.where(wanted >= 0, wanted - counts, 0)
        _refuse_below(make, wanted, counts, classes)
        return make
    ratio = _ratio(strategy, len(classes))
    make = np.where(np.arange(len(counts)) == counts.argmax(), 0, (most * ratio).astype(np.int64) - counts)
    if make.min() < 0:
        have = counts.min() / most
        msg = f"sampling_strategy={strategy} is below the present ratio {have:.4g}: raise it, or use UnderSampler"
        raise InputError(msg)
    return make


def rows_to_keep(strategy: Any, percent: Any, counts: Counts, classes: NDArray[Any]) -> Counts:
    """Return how many rows each class keeps, (K,); ``percent`` is the paper's U %, in place of the strategy."""
    least = int(counts.min())
    if percent is not None:
        if not (isinstance(strategy, str) and strategy == "auto"):
            raise InputError("percent and sampling_strategy both say how many rows to keep: give one of them")
        return under_percent(percent, counts, counts, "percent")
    if isinstance(strategy, str):
        return np.where(_named(strategy, _UNDER, counts), least, counts)
    if isinstance(strategy, Mapping):
        wanted = _by_class(strategy, classes, "sampling_strategy")
        keep = np.where(wanted >= 0, wanted, counts)
        above = np.flatnonzero(keep > counts)
        if len(above):
            c = above[0]
            msg = f"class {classes[c]!r} has {counts[c]} rows and {keep[c]} are to be kept: use OverSampler or SMOTE"
            raise InputError(msg)
        return keep
    ratio = _ratio(strategy, len(classes))
    keep = np.where(np.arange(len(counts)) == counts.argmin(), counts, (least / ratio).astype(np.int64))
    if (keep > counts).any():
        have = least / counts.max()
        msg = f"sampling_strategy={strategy} is below the present ratio {have:.4g}: raise it, or use SMOTE"
        raise InputError(msg)
    return keep


def under_percent(percent: Any, before: Counts, after: Counts, name: str) -> Counts:
    """Return what each class keeps so that the smallest one's rows are U % of it; no class grows.

    Parameters
    ----------
    percent : float
        U, above 0.
    before, after : int64 arrays of shape (K,)
        Rows of each class in the input, which say which is the smallest, and now.
    name : str
        Of the parameter, for the message.
    """
    if not _is_number(percent) or not 0 < percent < np.inf:
        raise InputError(f"{name}={percent!r} must be a percentage above 0: 100 makes the classes equal")
    least = before.argmin()
    return np.where(before > before[least], np.minimum(after, round(after[least] * 100 / percent)), after)


def _by_percent(amount: Any, counts: Counts, classes: NDArray[Any]) -> Counts:
    """Return N / 100 rows for each row of the smallest class, or of the classes named."""
    if isinstance(amount, Mapping):
        share = _by_class(amount, classes, "amount").astype(np.float64)
    else:
        share = np.full(len(counts), -1.0)
        share[counts.argmin()] = amount if _is_number(amount) else np.nan
    given = share[share != -1]
    if not ((given > 0) & (given < np.inf)).all() or (given[given > 100] % 100).any():
        msg = f"amount={amount!r} must be a percentage: up to 100 for a share of the rows, above it a multiple of 100"
        raise InputError(msg)
    return np.where(share > 0, np.rint(counts * share / 100), 0).astype(np.int64)


def _named(strategy: str, known: tuple[str, ...], counts: Counts) -> NDArray[np.bool_]:
    """Return which classes a word means; among equals the first is the majority, or the minority."""
    if strategy not in known:
        msg = f"sampling_strategy={strategy!r} is unknown: choose from {', '.join(known)}, a ratio or a dict"
        raise InputError(msg)
    at = np.arange(len(counts))
    if strategy == "auto":
        strategy = known[1]
    if strategy == "all":
        return np.ones(len(counts), dtype=bool)
    chosen = at == (counts.argmax() if strategy.endswith("majority") else counts.argmin())
    return ~chosen if strategy.startswith("not") else chosen


def _by_class(wanted: Mapping[Any, Any], classes: NDArray[Any], name: str) -> Counts:
    """Return the number given for each class, -1 for a class that is not named."""
    out = np.full(len(classes), -1, dtype=np.int64)
    known = {label: at for at, label in enumerate(classes.tolist())}
    for label, value in wanted.items():
        key = label.item() if isinstance(label, np.generic) else label
        if key not in known:
            msg = f"{name} names class {label!r}, which y does not have; it has {', '.join(map(repr, known))}"
            raise InputError(msg)
        if not _is_number(value) or value < 0 or value != int(value):
            raise InputError(f"{name}[{label!r}]={value!r} must be a whole number, 0 or more")
        out[known[key]] = int(value)
    return out


def _ratio(strategy: Any, n_classes: int) -> Any:
    if not _is_number(strategy) or not 0 < strategy <= 1:
        msg = f"sampling_strategy={strategy!r} must be a word, a dict of rows a class, or a ratio in (0, 1]"
        raise InputError(msg)
    if n_classes != 2:
        msg = (
            f"sampling_strategy={strategy} is a ratio of two classes and y has {n_classes}: give a dict of rows a class"
        )
        raise InputError(msg)
    return np.float64(strategy)


def _refuse_below(make: Counts, wanted: Counts, counts: Counts, classes: NDArray[Any]) -> None:
    below = np.flatnonzero(make < 0)
    if len(below):
        c = below[0]
        msg = f"class {classes[c]!r} has {counts[c]} rows already and {wanted[c]} are asked: use UnderSampler for fewer"
        raise InputError(msg)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
