"""Predictions by models that saw neither the row nor its group."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from trueneg.clean._inputs import encode_labels
from trueneg.core.errors import InputError


def folds(cv: Any, codes: np.ndarray, groups: np.ndarray | None, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds that keep a group whole, stratified where every class is large enough."""
    blank = np.zeros(len(codes))
    if not isinstance(cv, (int, np.integer)):
        return list(cv.split(blank, codes, groups) if hasattr(cv, "split") else cv)
    units = len(codes) if groups is None else len(np.unique(groups))
    if cv < 2 or units < cv:
        msg = f"cv={cv} needs 2 or more folds and a {'row' if groups is None else 'group'} for each; there are {units}"
        raise InputError(msg)
    # A class of the caller's list may have no row at all.
    sizes = np.bincount(codes[codes >= 0])
    rare = sizes[sizes > 0].min() < cv
    if groups is None:
        splitter = (KFold if rare else StratifiedKFold)(cv, shuffle=True, random_state=seed)
    elif rare:
        splitter = GroupKFold(cv)
    else:
        splitter = StratifiedGroupKFold(cv, shuffle=True, random_state=seed)
    return list(splitter.split(blank, codes, groups))


def without_label(y: Any, negative_label: Any) -> np.ndarray:
    """Mark the rows that carry no label: None, NaN and, unless it names the negative class, -1."""
    if y.dtype.kind == "f":
        blank = np.isnan(y)
    elif y.dtype.kind == "O":
        blank = np.equal(y, np.array(None)).astype(bool) | np.not_equal(y, y).astype(bool)
    else:
        blank = np.zeros(len(y), dtype=bool)
    if y.dtype.kind in "ifO" and (isinstance(negative_label, str) or negative_label != -1):
        blank |= np.equal(y, -1).astype(bool)
    return blank


def out_of_fold_probabilities(
    estimator: BaseEstimator,
    X: Any,  # noqa: N803 - scikit-learn's name
    y: Any,
    *,
    groups: Any = None,
    classes: Any = None,
    cv: Any = 5,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Predict every row by a small logistic regression that saw neither the row nor its group.

    What :class:`ConfidentLearning` and :class:`SuspectRanker` use where ``pred_proba`` is not given.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set.
    X : array-like of shape (n, d)
        Dense numbers.
    y : array-like of shape (n,)
        Labels; -1, None and NaN mean "no label": such rows are predicted but not learned from.
    groups : array-like of shape (n,), default=None
        Rows of one group share a fold.
    classes : array-like of shape (K,), default=None
        The label of each column to make. None: the sorted labels.
    cv : int or splitter, default=5
        Folds; fewer where there are fewer rows or groups than that.
    seed : int, default=0
        Shuffles the folds.

    Returns
    -------
    pred_proba : ndarray of shape (n, K)
        A class missing from a training part has probability 0 there.
    classes : ndarray of shape (K,)
        The label of each column.
    """
    if X is None:
        msg = "neither X nor pred_proba is given: pass out-of-fold probabilities, or X to compute them from"
        raise InputError(msg)
    try:
        rows = validate_data(estimator, X, dtype=[np.float64, np.float32])
    except ValueError as error:
        msg = (
            f"{str(error).splitlines()[0].rstrip('.')}: give one complete row of numbers for each label, or pred_proba"
        )
        raise InputError(msg) from error
    labels = np.asarray(y)
    if labels.shape != (len(rows),):
        msg = f"X has {len(rows)} rows but y has shape {labels.shape}: give one label a row"
        raise InputError(msg)
    if classes is None:
        labelled = labels[~without_label(labels, None)]
        check_classification_targets(labelled)
        classes = np.unique(labelled)
    if len(classes) < 2:
        msg = f"y holds {len(classes)} class: at least two are needed for a label to be wrong"
        raise InputError(msg)
    codes, classes = encode_labels(labels, len(classes), classes=classes)
    if isinstance(cv, (int, np.integer)):
        cv = min(cv, len(codes) if groups is None else len(np.unique(groups)))
    out = np.zeros((len(codes), len(classes)))
    for train, test in folds(cv, codes, None if groups is None else np.asarray(groups), seed):
        train = train[codes[train] >= 0]
        if len(np.unique(codes[train])) < 2:
            msg = "a training fold holds one class only: give more rows, or pass pred_proba="
            raise InputError(msg)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
        model.fit(rows[train], codes[train])
        out[np.ix_(test, model.classes_)] = model.predict_proba(rows[test])
    return out, classes


def out_of_fold_labels(
    estimator: Any,
    X: Any,  # noqa: N803 - scikit-learn's name
    codes: np.ndarray,
    *,
    groups: np.ndarray | None,
    cv: Any,
    seed: int,
) -> np.ndarray:
    """Predict the class of every row by clones of ``estimator``; rows of code -1 are not learned from."""
    base = estimator if estimator is not None else SGDClassifier(loss="log_loss", alpha=1e-5)
    rows = X.tocsr() if sparse.issparse(X) else X
    take = (lambda i: rows.iloc[i]) if hasattr(rows, "iloc") else (lambda i: np.asarray(rows)[i])
    if sparse.issparse(rows):
        take = rows.__getitem__
    out = np.full(len(codes), -1, dtype=np.int64)
    for train, test in folds(cv, codes, groups, seed):
        model = clone(base)
        if "random_state" in model.get_params() and model.get_params()["random_state"] is None:
            model.set_params(random_state=seed)
        train = train[codes[train] >= 0]
        out[test] = model.fit(take(train), codes[train]).predict(take(test))
    return out
