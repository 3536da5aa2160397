"""Labels of any container: checked, coded, and given back in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from trueneg.core.errors import InputError

__all__ = ["Labels", "gather", "longer_index", "read_labels"]


@dataclass
class Labels:
    """Labels as given, and as positions in the sorted classes.

    Parameters
    ----------
    given : any container of n labels
    codes : int64 array of shape (n,)
    classes : array of shape (K,)
    """

    given: Any
    codes: NDArray[np.int64]
    classes: NDArray[Any]

    def of(self, kept: NDArray[np.int64], parents: NDArray[np.int64]) -> Any:
        """Return the labels of the kept rows and of children of `parents`, in the container given."""
        if isinstance(self.given, np.ndarray):
            out = np.empty((len(kept) + len(parents), *self.given.shape[1:]), dtype=self.given.dtype)
            for part, rows in ((out[: len(kept)], kept), (out[len(kept) :], parents)):
                np.take(self.given, rows, axis=0, out=part, mode="clip")  # "raise" would buffer a copy
            return out
        out = gather(self.given, np.concatenate([kept, parents]))
        if hasattr(out, "index") and hasattr(out, "iloc"):
            out.index = longer_index(self.given.index, kept, len(parents))
        return out


def read_labels(y: Any) -> Labels:
    """Check labels and code them.

    Raises
    ------
    InputError
        For continuous targets, several labels a row, a missing label, or one class only.
    """
    if y is None:
        raise InputError("a sampler requires y to be passed, but the target y is None")
    given = y.toarray() if sparse.issparse(y) else y
    plain = hasattr(given, "to_numpy") and not hasattr(given, "to_pylist")
    values = np.asarray(given.to_numpy() if plain else given)
    if values.ndim == 2 and values.shape[1] > 1:
        values = _one_against_rest(values)
    values = column_or_1d(values, warn=True)
    if not len(values):
        raise InputError("y is empty: nothing can be sampled from 0 rows")
    blank = _missing(values)
    if blank.any():
        msg = f"y row {blank.argmax()} has no label (NaN or None): drop unlabelled rows before resampling"
        raise InputError(msg)
    check_classification_targets(values)
    try:
        classes, codes = _coded(values)
    except TypeError as error:
        raise InputError("y mixes labels that cannot be sorted, as numbers and strings: make them one type") from error
    if len(classes) < 2:
        raise InputError(f"y holds 1 class only, {classes[0]!r}: there is no other class to balance it against")
    return Labels(given, codes, classes)


def _coded(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sorted classes and the position of each label among them; without a sort for small whole numbers."""
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < 1 << 16:
            codes = values.astype(np.int64)
            codes -= low
            present = np.bincount(codes) > 0
            np.take(np.cumsum(present) - 1, codes, out=codes, mode="clip")
            return (np.flatnonzero(present) + low).astype(values.dtype), codes
    classes, inverse = np.unique(values, return_inverse=True)
    return classes, inverse.astype(np.int64, copy=False)


def _one_against_rest(values: NDArray[Any]) -> NDArray[np.int64]:
    """Take a table with one 1 a row as classes; several labels a row are refused."""
    kind = type_of_target(values)
    if kind != "multilabel-indicator" or (values.sum(axis=1) != 1).any():
        msg = (
            "Multilabel and multioutput targets are not supported: a child lies between rows of one class, and here "
            "a row has several labels or none. Resample for one label at a time, or weigh the labels in the loss"
        )
        raise InputError(msg)
    return values.argmax(axis=1)


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.array([v is None or v != v for v in values.tolist()], dtype=bool)
    return np.zeros(len(values), dtype=bool)


def gather(values: Any, rows: NDArray[np.int64]) -> Any:
    """Take rows of a list, array, matrix, Series or frame, in its own type."""
    if isinstance(values, (list, tuple)):
        items = list(values)
        return [items[row] for row in rows.tolist()]
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if sparse.issparse(values):
        return values.tocsr()[rows]
    if isinstance(values, np.ndarray):
        return values[rows]
    if hasattr(values, "to_pylist"):  # Arrow
        return values.take(rows)
    import narwhals as nw

    frame = nw.from_native(values, allow_series=True, eager_only=True, pass_through=True)
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        return frame[rows].to_native()
    return np.asarray(values)[rows]


def longer_index(index: Any, kept: NDArray[np.int64], n_new: int) -> Any:
    """Return the pandas index of kept rows, gone on with for made ones.

    Whole numbers go on after the largest; texts go on as "made 0", "made 1" ...; with another kind of index the whole
    output is numbered anew (``sample_indices_`` tells the rows).
    """
    import pandas as pd

    old = index.take(kept)
    if not n_new:
        return old
    if isinstance(index, pd.RangeIndex) and len(kept) == len(index) and index.step == 1:
        return pd.RangeIndex(index.start, index.stop + n_new, name=index.name)
    if index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype):
        new: Any = np.arange(n_new) + int(index.max()) + 1
    elif index.nlevels == 1 and pd.api.types.is_string_dtype(index.dtype):
        new = [f"made {i}" for i in range(n_new)]
    else:
        return pd.RangeIndex(len(kept) + n_new)
    return old.append(pd.Index(new, dtype=index.dtype, name=index.name))
