"""Labels of rows, checked, and the answer "none of these" among them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from trueneg.core.errors import InputError
from trueneg.core.rows import array_of

__all__ = ["are_known", "checked_labels", "plain", "say_unknown", "unknown_of"]

_MISSING = ("NAType", "NaTType")  # of pandas, which need not be there


def plain(label: Any) -> Any:
    """Return a label as Python writes it: 9, not np.int64(9)."""
    return label.item() if isinstance(label, np.generic) else label


def checked_labels(y: ArrayLike, rows: Any) -> NDArray[Any]:
    """Return one label a row (n,), of one type, none missing.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any one type; tensors and columns of frames as well.
    rows : sized of length n
        What they belong to.

    Raises
    ------
    InputError
        On a label that is missing, or texts among numbers.
    ValueError
        Of scikit-learn: on another shape or length, or numbers that are no classes.
    """
    raw = _raw(y)
    _refuse_missing(raw)
    if raw.dtype.kind == "O" and len({isinstance(v, str) for v in raw.ravel().tolist()}) > 1:
        raise InputError("y mixes texts and other labels: 1 and '1' would become one class; use one type of label.")
    labels = np.asarray(column_or_1d(np.asarray(y) if isinstance(y, list | tuple) else raw, warn=True))
    check_consistent_length(rows, labels)
    check_classification_targets(labels)
    return labels


def are_known(y: ArrayLike, n: int, classes: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are of known classes (n,); any other one stands for a row of none.

    Raises
    ------
    InputError
        On another length, a label that is missing (such a row is neither known nor unknown), or texts where classes
        are numbers and the other way round.
    """
    labels = _raw(y)
    if labels.shape != (n,):
        msg = f"X has {n} rows and y has shape {labels.shape}: give one label a row."
        raise InputError(msg)
    _refuse_missing(labels)
    values, own = labels.tolist(), set(classes.tolist())
    texts = {isinstance(v, str) for v in values}
    if texts and texts.isdisjoint({isinstance(c, str) for c in own}):
        one, other = ("texts", "not") if True in texts else ("no texts", "texts")
        msg = f"y holds {one} and the classes are {other} ({plain(classes[0])!r}): give labels of the classes' type."
        raise InputError(msg)
    return np.fromiter((v in own for v in values), dtype=bool, count=n)


def unknown_of(classes: NDArray[Any], label: Any) -> Any:
    """Return the label of "none of these", or refuse one that is a class or does not fit.

    Parameters
    ----------
    classes : ndarray of shape (K,)
        The known ones.
    label : object or "auto"
        "auto": -1 for numbers, or one less than the lowest class where -1 is a class; else "unknown", with underscores
        where that is a class.

    Raises
    ------
    InputError
        Where the label is a class, no number where classes are numbers, or no text or number where they are texts.
    """
    kind, known = classes.dtype.kind, classes.tolist()
    if isinstance(label, str) and label == "auto":
        if kind in "iuf" or (kind == "O" and all(isinstance(c, int | float) for c in known)):
            return -1 if -1 not in known else min(known) - 1
        label = "unknown"
        while label in known:
            label += "_"
        return label
    fits = True
    if kind in "iu":
        fits = isinstance(label, Integral | Real) and not isinstance(label, bool) and float(label).is_integer()
        fits = fits and -(2**63) <= label < 2**63
    elif kind == "f":
        fits = isinstance(label, Real) and not isinstance(label, bool)
    elif kind == "U":
        fits = isinstance(label, str | int | float)
    if not fits:
        want = {"i": "a whole number", "u": "a whole number", "f": "a number"}.get(kind, "a text")
        msg = f"unknown_label={label!r} does not fit classes such as {known[0]!r}: give {want} that is no class."
        raise InputError(msg)
    if (str(label) if kind == "U" else label) in known:
        msg = f"unknown_label={label!r} is one of the classes: choose another one."
        raise InputError(msg)
    return label


def say_unknown(labels: NDArray[Any], unknown: NDArray[np.bool_], classes: NDArray[Any], label: Any) -> NDArray[Any]:
    """Return labels (n,) with the unknown label where ``unknown`` is true, of the labels' type where it can be.

    Parameters
    ----------
    labels, unknown, classes
        Answers (n,), which of them to withdraw (n,), and the known classes (K,).
    label : object or "auto"
        As in :func:`unknown_of`.
    """
    label, kind = unknown_of(classes, label), classes.dtype.kind
    if kind == "U":
        out = labels.astype(f"<U{max(classes.dtype.itemsize // 4, len(str(label)))}")
        out[unknown] = str(label)
        return out
    if kind in "iu" and not np.iinfo(labels.dtype).min <= label <= np.iinfo(labels.dtype).max:
        labels = labels.astype(np.int64)
    elif kind not in "iufO":  # flags, dates
        labels = labels.astype(object)
    out = labels.copy()
    out[unknown] = label
    return out


def _raw(y: ArrayLike) -> NDArray[Any]:
    # NumPy makes texts of a list with a text in it: None and 1 would be classes "None" and "1".
    return np.asarray(array_of(y), dtype=object if isinstance(y, list | tuple) else None)


def _refuse_missing(labels: NDArray[Any]) -> None:
    if labels.dtype.kind == "f":
        gone = np.isnan(labels)
    elif labels.dtype.kind in "mM":
        gone = np.isnat(labels)
    elif labels.dtype.kind == "O":
        flags = [
            v is None or type(v).__name__ in _MISSING or (isinstance(v, float) and v != v)  # noqa: PLR0124 - NaN
            for v in labels.ravel().tolist()
        ]
        gone = np.array(flags, dtype=bool).reshape(labels.shape)
    else:
        return
    if gone.any():
        first, more = int(np.argwhere(gone)[0, 0]), int(gone.sum()) - 1
        msg = f"y holds no label in row {first}{f' and {more:,} more' if more else ''}: leave such rows out."
        raise InputError(msg)
