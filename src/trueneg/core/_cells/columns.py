"""Columns of labels, ids and numbers, read without losing a value, and written back as they came."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

UNJUDGED = -1
_FAMILIES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (np.bool_, "boolean"),
    (str, "text"),
    (int, "integer"),
    (np.integer, "integer"),
    (float, "float"),
    (np.floating, "float"),
)


def _family(kind: type) -> str:
    """Name the family of a Python or NumPy scalar type, so that ``str`` and ``np.str_`` count as one."""
    return next((name for parent, name in _FAMILIES if issubclass(kind, parent)), kind.__name__)


def _object_column(items: list[Any], name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a list of Python values: find the nulls, refuse mixed types, go native where nothing is lost."""
    n = len(items)
    null = np.zeros(n, dtype=bool)
    for kind in set(map(type, items)):
        if kind.__name__ in {"NoneType", "NAType", "NaTType"}:
            null |= np.fromiter(map(operator.is_, map(type, items), repeat(kind)), dtype=bool, count=n)
    out = np.empty(n, dtype=object)
    out[:] = items
    out[null] = None
    if any(issubclass(kind, (float, np.floating)) for kind in set(map(type, out.tolist()))):
        items = out.tolist()
        null |= np.fromiter(map(operator.ne, items, items), dtype=bool, count=n)
        out[null] = None
    families = {_family(kind) for kind in set(map(type, out[~null].tolist()))}
    if len(families) > 1:
        msg = f"{name} mixes {' and '.join(sorted(families))} values: convert the column to one type"
        raise InputError(msg)
    if not null.any() and families <= {"boolean", "integer", "float"} and n:
        native = {"boolean": np.bool_, "integer": np.int64, "float": np.float64}[families.pop()]
        try:
            return out.astype(native), null
        except OverflowError:  # integers beyond 64 bits stay Python integers
            pass
    return out, null


def boxed(items: list[Any]) -> NDArray[np.object_]:
    """Put values into an object array one each, even where they are sequences themselves."""
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def column_of(values: Any, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a one-dimensional array and its null mask, whatever container the values came in."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        values = values.data if not mask.any() else values.data.astype(object)
        if mask.any():
            values[mask] = None  # a copy: astype made it
    if hasattr(values, "isna") and not isinstance(getattr(values, "dtype", None), np.dtype):
        values = values.astype(object).to_numpy() if values.isna().any() else np.asarray(values)
    nulls = getattr(values, "null_count", 0)
    if (nulls() if callable(nulls) else nulls) > 0:  # integers with nulls would come out as floats
        values = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
    elif hasattr(values, "to_pylist") and not hasattr(values, "__array__"):
        values = values.to_pylist()
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        msg = f"{name} must be a column of values, not {type(values).__name__}"
        raise InputError(msg)
    array = boxed(list(values)) if isinstance(values, (list, tuple, range)) else np.asarray(values)
    if array.ndim != 1:
        msg = f"{name} must be one-dimensional, not of shape {array.shape}: pass one column"
        raise InputError(msg)
    if array.dtype.kind == "O":
        return _object_column(array.tolist(), name)
    if array.dtype.kind == "f":
        return array, np.isnan(array)
    if array.dtype.kind in "Mm":
        return array, np.isnat(array)
    if array.dtype.kind not in "biuUST":
        msg = f"{name} has dtype {array.dtype}, which cannot hold labels or ids: convert it to text or numbers"
        raise InputError(msg)
    return array, np.zeros(len(array), dtype=bool)


def mark_unlabeled(values: NDArray[Any], null: NDArray[np.bool_], unlabeled: Any) -> NDArray[np.bool_]:
    """Add to the null mask the values that the user calls unlabelled."""
    if unlabeled is None or not len(values):
        return null
    number = isinstance(unlabeled, (int, float, np.integer, np.floating))
    if values.dtype.kind == "O":
        same = np.fromiter(map(operator.eq, values.tolist(), repeat(unlabeled)), dtype=bool, count=len(values))
    elif number == (values.dtype.kind in "biuf"):
        same = np.asarray(values == unlabeled, dtype=bool)
    else:
        return null
    return null | same


def factorize(values: NDArray[Any], null: NDArray[np.bool_], name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return codes (n,) into the sorted distinct values, -1 where null, and those values."""
    codes = np.full(len(values), -1, dtype=np.int64)
    if values.dtype.kind != "O":
        ids, inverse = np.unique(values[~null], return_inverse=True)
        codes[~null] = inverse.reshape(-1)
        return codes, ids
    items = values[~null].tolist()
    try:
        ordered = sorted(dict.fromkeys(items))
    except TypeError as error:
        msg = f"{name} holds values that cannot be compared or hashed ({error}): convert them to text or numbers"
        raise InputError(msg) from error
    place = dict(zip(ordered, range(len(ordered)), strict=True))
    codes[~null] = np.fromiter(map(place.__getitem__, items), dtype=np.int64, count=len(items))
    return codes, boxed(ordered)


def unique_ids(values: Any, name: str) -> NDArray[Any]:
    """Read a column of ids, which may hold no null and no value twice; the order is kept."""
    ids, null = column_of(values, name)
    if null.any():
        msg = f"{name} has {int(null.sum())} null ids (first at position {int(null.argmax())}): every id needs a value"
        raise InputError(msg)
    codes, distinct = factorize(ids, null, name)
    if len(distinct) != len(ids):
        twice = distinct[np.bincount(codes).argmax()]
        msg = f"{name} holds {twice!s} more than once: ids must be unique"
        raise InputError(msg)
    return ids


def codes_of(
    values: Any, name: str, *, universe: Any = None, unlabeled: Any = None, nullable: bool = False
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Read a column as codes into its distinct values, or into ``universe`` in that order."""
    column, null = column_of(values, name)
    null = mark_unlabeled(column, null, unlabeled)
    if null.any() and not nullable:
        msg = f"{name} has {int(null.sum())} nulls (first at position {int(null.argmax())}): drop or fill those rows"
        raise InputError(msg)
    codes, ids = factorize(column, null, name)
    if universe is None:
        return codes, ids
    known = unique_ids(universe, f"the known values of {name}")
    place = dict(zip(known.tolist(), range(len(known)), strict=True))
    moved = np.array([place.get(value, -1) for value in ids.tolist()], dtype=np.int64)
    if (moved < 0).any():
        lost = ids[moved < 0]
        msg = (
            f"{name} holds {len(lost)} values that are not among the known ones, such as {lost[0]!s}: add or drop them"
        )
        raise InputError(msg)
    codes[codes >= 0] = moved[codes[codes >= 0]]
    return codes, known


def restore(codes: NDArray[Any], ids: NDArray[Any], unlabeled: Any = None) -> NDArray[Any]:
    """Turn codes back into values; -1 becomes ``unlabeled``, else the null that the dtype has, else None."""
    null = codes < 0
    if not null.any():
        return ids[codes] if len(ids) else ids[:0]
    kind = ids.dtype.kind
    number = isinstance(unlabeled, (int, float, np.integer, np.floating)) and not isinstance(unlabeled, bool)
    if unlabeled is None and kind in "fMm":
        filler = np.array([np.nan if kind == "f" else "NaT"], dtype=ids.dtype)
    elif number and kind in "iuf" and ids.dtype.type(unlabeled) == unlabeled:
        filler = np.array([unlabeled], dtype=ids.dtype)
    elif isinstance(unlabeled, str) and kind == "U":
        filler = np.array([unlabeled])
    else:
        filler, ids = boxed([unlabeled]), boxed(ids.tolist())
    return np.concatenate([ids, filler])[np.where(null, len(ids), codes)]


def verdicts_of(values: Any, name: str, unlabeled: Any = None) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """Read binary labels {0, 1}, {-1, +1} or booleans, null unjudged; -1 is unjudged only with ``unlabeled=-1``.

    Returns the verdicts (n,) and how they were written, for the way back.
    """
    column, null = column_of(values, name)
    null = mark_unlabeled(column, null, unlabeled)
    _, seen = factorize(column, null, name)
    found = set(seen.tolist())
    if not found <= {-1, 0, 1}:
        other = next(value for value in seen.tolist() if value not in {-1, 0, 1})
        msg = f"{name} must be 0 or 1, -1 or +1, or null, but holds {other!s}: turn it into a yes or no first"
        raise InputError(msg)
    if {-1, 0} <= found:
        msg = f"{name} holds -1 beside 0: say unlabeled=-1 if -1 means unlabelled, or unlabeled=0 if 0 does"
        raise InputError(msg)
    negative = -1 if -1 in found else 0
    verdict = np.full(len(column), UNJUDGED, dtype=np.int8)
    verdict[~null] = (column[~null] == 1).astype(np.int8)
    ids = boxed([negative, 1]) if column.dtype.kind == "O" else np.array([negative, 1]).astype(column.dtype)
    if column.dtype.kind == "O" and all(isinstance(value, bool) for value in found):
        ids = boxed([False, True])
    return verdict, {"values": ids, "unlabeled": unlabeled}


def same_length(n: int, **columns: Any) -> None:
    """Refuse columns that are not n long, naming the first."""
    for name, column in columns.items():
        if column is not None and len(column) != n:
            msg = f"{name} has {len(column)} entries where {n} are needed: one for each cell, in the same order"
            raise InputError(msg)


def occurrence(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the entries of each code 0, 1, 2 ... in order of appearance."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, dtype=np.int64)
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return out


def floats_of(values: Any, name: str, *, finite: bool = False) -> NDArray[np.floating[Any]]:
    """Read numbers; float32 stays float32."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            msg = f"{name} must be numbers: {error}"
            raise InputError(msg) from error
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        msg = f"{name} has a null or infinite value (first at position {first}): drop or fill it"
        raise InputError(msg)
    return array


def integers_of(values: Any, name: str) -> NDArray[Any]:
    """Read codes: integers or booleans in one dimension."""
    array = np.asarray(values)
    if array.ndim == 1 and array.size == 0:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        msg = f"{name} must be a one-dimensional array of integer codes, not {array.dtype} of shape {array.shape}"
        raise InputError(msg)
    return array
