"""What the cleaners that read probabilities share: labels and probabilities checked, repairs applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core.suspects import Decision

_BLOCK_CELLS = 1 << 18
_ACTIONS = ("eliminate", "reannotate")


def encode_labels(y: Any, n_classes: int, *, classes: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Turn labels of any type into the column numbers of the probabilities.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels; ``-1``, ``None`` and NaN mean "no label".
    n_classes : int
        Columns of the probabilities.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None: integers within 0..K-1 are columns themselves, any
        other labels are taken in sorted order and must then be exactly ``n_classes`` many.

    Returns
    -------
    codes : ndarray of shape (n,), int32, -1 where there is no label
    classes : ndarray of shape (n_classes,)
    """
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"y has shape {labels.shape}; give one label a row")
    if classes is None and labels.dtype.kind in "iu" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if low >= -1 and high < n_classes:
            return _two_or_more(labels.astype(np.int32), np.arange(n_classes))
    if labels.dtype.kind == "b" and n_classes == 2 and classes is None:
        return _two_or_more(labels.astype(np.int32), np.array([False, True]))
    missing = _missing(labels, keep_minus_one=classes is not None)
    known = labels[~missing] if missing.any() else labels
    if known.dtype.kind == "f" and classes is None and known.size and np.all(known == np.floor(known)):
        known = known.astype(np.int64)
        if known.min() >= 0 and known.max() < n_classes:
            codes = np.full(len(labels), -1, dtype=np.int32)
            codes[~missing] = known
            return _two_or_more(codes, np.arange(n_classes))
    try:
        found, inverse = np.unique(known, return_inverse=True)
    except TypeError:
        raise InputError("y mixes types that cannot be ordered; convert the labels to one type") from None
    codes = np.full(len(labels), -1, dtype=np.int32)
    if classes is None:
        if len(found) != n_classes:
            raise InputError(
                f"y has {len(found)} different labels but pred_proba has {n_classes} columns; "
                "give classes=, the label of each column in order"
            )
        codes[~missing] = inverse
        return _two_or_more(codes, found)
    codes[~missing] = _positions(found, classes, n_classes)[inverse]
    return _two_or_more(codes, np.asarray(classes))


def _missing(labels: np.ndarray, *, keep_minus_one: bool) -> np.ndarray:
    """Mark the rows that carry no label; -1 is a label only where the caller listed it."""
    if labels.dtype.kind == "O":
        nothing = np.equal(labels, np.array(None, dtype=object)).astype(bool) | np.not_equal(labels, labels).astype(
            bool
        )
        return nothing if keep_minus_one else nothing | np.equal(labels, -1).astype(bool)
    if labels.dtype.kind == "f":
        return np.isnan(labels) if keep_minus_one else np.isnan(labels) | (labels == -1)
    if labels.dtype.kind == "i" and not keep_minus_one:
        return labels == -1
    return np.zeros(len(labels), dtype=bool)


def _positions(found: np.ndarray, classes: Any, n_classes: int) -> np.ndarray:
    """Return the column of each label found, or say which label has none."""
    names = np.asarray(classes).tolist()
    if len(names) != n_classes:
        raise InputError(f"classes= names {len(names)} labels but pred_proba has {n_classes} columns")
    place = {name: column for column, name in enumerate(names)}
    if len(place) != n_classes:
        raise InputError("classes= names a label twice; every column needs its own label")
    # -1 may be "no label" beside explicit classes that do not list it.
    unknown = [name for name in found.tolist() if name not in place and name != -1]
    if unknown:
        raise InputError(f"y holds the label {unknown[0]!r}, which classes= does not name")
    return np.array([place.get(name, -1) for name in found.tolist()], dtype=np.int32)


def _two_or_more(codes: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse labels of a single class: nothing can then be contradicted."""
    if codes.size == 0:
        raise InputError("y is empty; there is no label to judge")
    if len(classes) < 2:
        raise InputError("pred_proba has one column; give the probabilities of at least two classes")
    known = codes[codes >= 0]
    if known.size == 0 or known.min() == known.max():
        raise InputError(
            "fewer than two classes have labelled rows (-1 means unlabelled); "
            "if -1 is a class of yours, say so with classes=[-1, 1]"
        )
    return codes, classes


def check_probabilities(pred_proba: Any, n: int) -> np.ndarray:
    """Return the probabilities as an array, uncopied, after checking shape and type.

    Parameters
    ----------
    pred_proba : array-like of shape (n, K)
        float32, float64 or float16, in memory or memory-mapped.
    n : int
        Rows of y.

    Returns
    -------
    ndarray of shape (n, K)
    """
    proba = np.asarray(pred_proba)
    if proba.ndim != 2:
        raise InputError(f"pred_proba has shape {proba.shape}; give one column a class")
    if len(proba) != n:
        raise InputError(f"pred_proba has {len(proba)} rows but y has {n}; they must describe the same rows")
    if proba.dtype.kind != "f":
        raise InputError(f"pred_proba holds {proba.dtype}; give probabilities as floats")
    return proba


def blocks(n: int, n_classes: int) -> list[slice]:
    """Cut the rows into pieces of about two MiB of float64, the working memory of a pass."""
    step = max(1, _BLOCK_CELLS // max(n_classes, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def tolerance(dtype: np.dtype) -> float:
    """Allow for what half precision loses when a thousand entries are added."""
    return 2e-2 if dtype.itemsize == 2 else 1e-3


def refuse_row(row: int, proba: np.ndarray) -> None:
    """Say what is wrong with the first unusable row."""
    values = np.asarray(proba[row], dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"pred_proba has NaN or infinity in row {row}; drop the row or predict it again")
    if values.min() < 0:
        raise InputError(f"pred_proba has a negative value in row {row}; give probabilities, not scores")
    raise InputError(
        f"pred_proba of row {row} sums to {values.sum():.4g}, not to one; give probabilities (for "
        "multi-label scores, judge each class on its own)"
    )


def refuse_in_sample(mean_confidence: float, n_classes: int) -> None:
    """Refuse probabilities of a model that has seen the labels (more than two classes only).

    With two classes and rare positives a mean above .999 is what an honest model gives.
    """
    if n_classes > 2 and mean_confidence > 0.999:
        raise InputError(
            f"the mean probability of the given labels is {mean_confidence:.5f}: these look like predictions on the "
            "training rows; use out-of-fold ones, e.g. cross_val_predict(..., method='predict_proba')"
        )


def trusted_flags(trusted: Any, n: int) -> np.ndarray:
    """Return trusted as a mask of the rows."""
    flags = np.asarray(trusted)
    if flags.shape != (n,) or flags.dtype.kind != "b":
        raise InputError(f"trusted must be {n} booleans, one a row; it has shape {flags.shape} and type {flags.dtype}")
    return flags


def check_action(action: Any) -> None:
    """Refuse an action that changes no training rows, or none at all."""
    if not isinstance(action, str) or action not in _ACTIONS:
        raise InputError(f"action={action!r} is unknown; choose from {', '.join(_ACTIONS)}")


def resampled(X: Any, y: Any, decision: Decision, classes: np.ndarray) -> tuple[Any, np.ndarray]:
    """Apply a decision about the rows to copies of X and y.

    Parameters
    ----------
    X : array, sparse matrix or frame of n rows, or None
    y : array-like of shape (n,)
    decision : trueneg.core.suspects.Decision
    classes : ndarray of shape (K,)
        The label of each code.

    Returns
    -------
    X_clean : same kind as X
        X itself where every row is kept.
    y_clean : ndarray
    """
    from sklearn.utils import _safe_indexing

    labels = np.array(y)
    rows = np.flatnonzero(decision.new_label >= 0)
    new = classes[decision.new_label[rows]]
    if len(rows):
        wide = labels.copy()
        wide[rows] = new
        # A label that y never held may not fit its type: longer text is cut, large numbers wrap.
        if not np.array_equal(wide[rows], new):
            wide = labels.astype(np.promote_types(labels.dtype, new.dtype))
            wide[rows] = new
        labels = wide
    if X is None or decision.keep.all():
        return X, labels[decision.keep]
    rows_of = X.tocsr() if hasattr(X, "tocsr") else X
    kept = np.flatnonzero(decision.keep)
    return _safe_indexing(rows_of, kept), labels[kept]
