"""Out-of-fold probabilities by the better of two default models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.folds import drawn, grouped_folds, possible_folds
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
    folds = possible_folds(y, together[labelled], folds)
    split = grouped_folds(y, together[labelled], folds, random_state)
    name, make, inputs = _choose(data, codes, labelled, random_state)
    return fold_probabilities(make, inputs, codes, labelled, split, n_classes, name, progress), name


def fold_probabilities(
    make: Callable[[], Any],
    inputs: Any,
    codes: np.ndarray,
    labelled: np.ndarray,
    split: list[tuple[np.ndarray, np.ndarray]],
    n_classes: int,
    say: str,
    progress: Callable[[str], None],
) -> np.ndarray:
    """Return probabilities (n, K) of models that were each fitted without the rows of one fold; rows sum to one."""
    y, others = codes[labelled], np.flatnonzero(codes < 0)
    out = np.zeros((len(codes), n_classes), np.float32)
    for number, (train, test) in enumerate(split):
        progress(f"out-of-fold probabilities ({say}), fold {number + 1} of {len(split)}")
        seen = np.unique(y[train])
        if len(seen) == 1:  # the other class is in this fold alone: what is left knows nothing else
            out[labelled[test], seen] = 1
            out[others, seen] += np.float32(1 / len(split))
            continue
        with fit_threads(len(train)):
            model = make().fit(inputs[labelled[train]], y[train])
        out[np.ix_(labelled[test], seen)] = model.predict_proba(inputs[labelled[test]])
        if others.size:
            out[np.ix_(others, seen)] += model.predict_proba(inputs[others]) / len(split)
    out /= np.maximum(out.sum(axis=1, keepdims=True), 1e-12)
    return out


def families(
    data: Representation, y: np.ndarray, n_classes: int
) -> list[tuple[str, Callable[[int], Callable[[], Any]], Any]]:
    """Return the kinds of model that fit this table: name, what makes one by a seed, and what it learns from."""

    def boosting(seed: int) -> Callable[[], Any]:
        return lambda: boosting_model(y, seed)

    def linear(_: int) -> Callable[[], Any]:
        return lambda: linear_model(data.linear)

    found: list[tuple[str, Callable[[int], Callable[[], Any]], Any]] = [("logistic regression", linear, data.linear)]
    if data.table is not None and n_classes <= MAX_ONE_HOT and data.table.shape[1] * n_classes <= 2000:
        found.append(("histogram gradient boosting", boosting, data.table))
    return found


def _choose(data: Representation, codes: np.ndarray, labelled: np.ndarray, seed: int) -> tuple[str, Any, Any]:
    """Boosting or a linear model, by log loss on a held-out part of at most 20,000 rows."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    y = codes[labelled]
    candidates = [(name, make(seed), inputs) for name, make, inputs in families(data, y, len(np.unique(y)))]
    if len(candidates) == 1:
        return candidates[0]
    some = drawn(codes, labelled, np.random.default_rng(seed))
    counts = np.bincount(codes[some])
    some = some[counts[codes[some]] >= 4]
    if len(np.unique(codes[some])) < 2:  # too few rows to choose by
        return candidates[0]
    train, test = train_test_split(some, test_size=0.25, stratify=codes[some], random_state=seed)
    losses = []
    for _, make, inputs in candidates:
        with fit_threads(len(train)):
            model = make().fit(inputs[train], codes[train])
        proba = model.predict_proba(inputs[test]).astype(float)
        proba /= proba.sum(axis=1, keepdims=True)
        losses.append(log_loss(codes[test], proba, labels=model.classes_))
    return candidates[int(np.argmin(losses))]
