"""Where labels and models disagree, and the control that every cleaning must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from trueneg.clean._neighbors.folds import without_label
from trueneg.clean._neighbors.given import mask
from trueneg.core.errors import InputError


def random_removal(
    y: Any,
    n_removed: int,
    *,
    negative_label: Any,
    side: str = "negatives",
    trusted: Any = None,
    random_state: Any = None,
) -> np.ndarray:
    """Draw as many rows at random: the control that a cleaning method must beat.

    Parameters
    ----------
    y : array, shape (n,)
    n_removed : int
        As many as the method removed.
    negative_label : label
    side : {"negatives", "positives"}, default "negatives"
        Which rows to draw from; "positives" is the control of ``positive_side=True``.
    trusted : mask or row numbers, optional
        Rows that are never drawn.
    random_state : int, RandomState or None, default None

    Returns
    -------
    ndarray of int64, shape (n_removed,)
        Rows to remove, sorted.
    """
    y = np.asarray(y)
    if side not in ("negatives", "positives"):
        msg = f"side={side!r} is unknown: choose 'negatives' or 'positives'"
        raise InputError(msg)
    asked = (y == negative_label) if side == "negatives" else (y != negative_label) & ~without_label(y, negative_label)
    pool = np.flatnonzero(asked & ~mask(trusted, len(y)))
    if not 0 <= n_removed <= len(pool):
        which = "" if side == "negatives" else "not "
        msg = f"cannot remove {n_removed} {side}: {len(pool)} rows are {which}{negative_label!r} and not trusted"
        raise InputError(msg)
    return np.sort(check_random_state(random_state).choice(pool, n_removed, replace=False))


def _kinds(y: np.ndarray, predicted: np.ndarray, negative: Any) -> dict[str, Any]:
    wrong = y != predicted
    counts = {
        "positive_to_negative": int((wrong & (predicted == negative)).sum()),
        "negative_to_positive": int((wrong & (y == negative)).sum()),
        "positive_to_other_positive": int((wrong & (y != negative) & (predicted != negative)).sum()),
    }
    total = int(wrong.sum())
    touching = counts["positive_to_negative"] + counts["negative_to_positive"]
    return {"errors": total, **counts, "share_touching_negative": touching / total if total else 0.0}


def characterise(
    y_true: Any, predictions_by_model: Mapping[str, Any] | Sequence[Any], negative_label: Any
) -> dict[str, Any]:
    """Say where the disagreement between labels and models sits.

    Parameters
    ----------
    y_true : array, shape (n,)
        Labels as given.
    predictions_by_model : mapping of name -> array (n,), or a sequence of arrays
        Out-of-sample predictions; two model families or more make the agreement part useful.
    negative_label : label

    Returns
    -------
    dict
        ``models[name]``: ``errors``, ``positive_to_negative``, ``negative_to_positive``,
        ``positive_to_other_positive``, ``share_touching_negative``, and ``by_class`` (share of the
        errors on each positive class, as label or as prediction, that touch the negative class).
        ``pairs[a, b]``: ``agreement`` (share of all rows), ``both_wrong``, ``same_wrong`` (rows
        where both give the same other label: the first to re-check), ``same_wrong_touching_negative``.
    """
    y = np.asarray(y_true)
    if not isinstance(predictions_by_model, Mapping):
        predictions_by_model = {f"model {i + 1}": p for i, p in enumerate(predictions_by_model)}
    given = {name: np.asarray(p) for name, p in predictions_by_model.items()}
    for name, predicted in given.items():
        if predicted.shape != y.shape:
            msg = f"predictions of {name!r} have shape {predicted.shape}, y_true {y.shape}: one label a row"
            raise InputError(msg)
    out: dict[str, Any] = {"models": {}, "pairs": {}}
    for name, predicted in given.items():
        by_class = {}
        for label in np.unique(np.concatenate([y, predicted])):
            if label != negative_label:
                on = (y != predicted) & ((y == label) | (predicted == label))
                touching = on & ((y == negative_label) | (predicted == negative_label))
                by_class[str(label)] = float(touching.sum() / on.sum()) if on.any() else 0.0
        out["models"][name] = {**_kinds(y, predicted, negative_label), "by_class": by_class}
    for a, b in combinations(given, 2):
        same = (given[a] == given[b]) & (given[a] != y)
        touching = same & ((y == negative_label) | (given[a] == negative_label))
        out["pairs"][a, b] = {
            "agreement": float((given[a] == given[b]).mean()) if len(y) else 0.0,
            "both_wrong": int(((given[a] != y) & (given[b] != y)).sum()),
            "same_wrong": int(same.sum()),
            "same_wrong_touching_negative": int(touching.sum()),
        }
    return out
