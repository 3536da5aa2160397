"""Out-of-fold probabilities by the better of two default models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.folds import drawn, grouped_folds
from trueneg.jobs.audit.learners import boosting_model, fit_threads, linear_model
from trueneg.jobs.audit.represent import MAX_ONE_HOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.represent import Representation


def out_of_fold(
    data: Representation,
    codes: np.ndarray,
    n_classes: int,
    *,
    groups: np.ndarray | None,
    random_state: int,
    progress: Callable[[str], None],
    folds: int = 5,
) -> tuple[np.ndarray, str]:
    """Return probabilities (n, K) of models that never saw the row or its group, and the model's name.

    Rows without a label (code -1) train nothing; they get the mean of the fold models' predictions.
    """
    labelled = np.flatnonzero(codes >= 0)
    y = codes[labelled]
    # Rows of equal content stay in one fold, or the model would have seen the row it judges.
    together = data.duplicate_of if groups is None else groups
    smallest = int(np.bincount(y, minlength=n_classes)[np.unique(y)].min())
    folds = max(2, min(folds, smallest, len(np.unique(together[labelled]))))
    split = grouped_folds(y, together[labelled], folds, random_state)
    name, make, inputs = _choose(data, codes, labelled, random_state)
    proba = np.zeros((len(codes), n_classes), np.float32)
    others = np.flatnonzero(codes < 0)
    for number, (train, test) in enumerate(split):
        progress(f"out-of-fold probabilities ({name}), fold {number + 1} of {folds}")
        with fit_threads(len(train)):
            model = make().fit(inputs[labelled[train]], y[train])
        seen = model.classes_
        proba[np.ix_(labelled[test], seen)] = model.predict_proba(inputs[labelled[test]])
        if others.size:
            proba[np.ix_(others, seen)] += model.predict_proba(inputs[others]) / folds
    proba /= proba.sum(axis=1, keepdims=True)
    return proba, name


def _choose(data: Representation, codes: np.ndarray, labelled: np.ndarray, seed: int) -> tuple[str, Any, Any]:
    """Boosting or a linear model, by log loss on a held-out part of at most 20,000 rows."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    def boosting() -> Any:
        return boosting_model(codes[labelled], seed)

    def linear() -> Any:
        return linear_model(data.linear)

    candidates = [("logistic regression", linear, data.linear)]
    n_classes = len(np.unique(codes[labelled]))
    if data.table is not None and n_classes <= MAX_ONE_HOT and data.table.shape[1] * n_classes <= 2000:
        candidates.append(("histogram gradient boosting", boosting, data.table))
    if len(candidates) == 1:
        return candidates[0]
    some = drawn(codes, labelled, np.random.default_rng(seed))
    counts = np.bincount(codes[some])
    some = some[counts[codes[some]] >= 4]
    train, test = train_test_split(some, test_size=0.25, stratify=codes[some], random_state=seed)
    losses = []
    for _, make, inputs in candidates:
        with fit_threads(len(train)):
            model = make().fit(inputs[train], codes[train])
        proba = model.predict_proba(inputs[test]).astype(float)
        proba /= proba.sum(axis=1, keepdims=True)
        losses.append(log_loss(codes[test], proba, labels=model.classes_))
    return candidates[int(np.argmin(losses))]
