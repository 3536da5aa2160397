"""Out-of-fold probabilities of every label, and the nearest judged rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.learners import linear_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.represent import Representation


N_NEIGHBORS = 10
MAX_NEIGHBOR_QUERIES = 20_000
STRENGTHS = (0.01, 0.1, 1.0, 10.0)
CHOOSE_ON = 20_000
CHOOSE_CLASSES = 20


def out_of_fold_cells(
    features: Any,
    codes: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int = 0,
    folds: int = 5,
    progress: Callable[[str], None] | None = None,
) -> np.ndarray:
    """Return probabilities (n, K) float32 of "present" from models that never saw the row or its group.

    Parameters
    ----------
    features : matrix of shape (n, p)
        May be sparse.
    codes : int array of shape (n, K)
        1 present, 0 absent, -1 unjudged (left out of the fit of its class).
    groups : int array of shape (n,)
        Rows of one group stay in one fold.
    seed : int, default 0
    folds : int, default 5
    progress : callable, optional

    Returns
    -------
    float32 array of shape (n, K)
        A class without both states in a fold's training part gets its smoothed share there.
    """
    fold = _deal(codes, groups, folds, seed)
    strength = _strength(features, codes, fold)
    out = np.empty(codes.shape, np.float32)
    for f in range(folds):
        if progress is not None:
            progress(f"out-of-fold probabilities, fold {f + 1} of {folds}")
        train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if not test.size:
            continue
        inputs, asked = features[train], features[test]
        for c in range(codes.shape[1]):
            out[test, c] = _one_class(inputs, codes[train, c], asked, strength)
    return out


def _one_class(inputs: Any, y: np.ndarray, asked: Any, strength: float) -> np.ndarray:
    """Probabilities of one class on ``asked`` from its judged rows in ``inputs``."""
    known = y >= 0
    n, positive = int(known.sum()), int((y == 1).sum())
    if positive in (0, n):
        return np.full(asked.shape[0], (positive + 0.5) / (n + 1.0))
    model = linear_model(inputs, strength=strength)
    proba: np.ndarray = model.fit(inputs if n == len(y) else inputs[known], y[known]).predict_proba(asked)
    return proba[:, 1]


def _strength(features: Any, codes: np.ndarray, fold: np.ndarray) -> float:
    """Choose one C for all classes by log loss on the first fold, on at most 20,000 rows and 20 classes.

    Standardised columns want a strong penalty, TF-IDF a weak one, and too weak a one leaves probabilities that
    rank missing labels badly (scene with a fifth hidden: average precision .29 with C=1, .49 with C=.01). One
    of four values chosen with the first fold in view is too little a choice to leak its labels.
    """
    rows = np.arange(len(codes))[:: max(1, len(codes) // CHOOSE_ON)]
    train, test = rows[fold[rows] != 0], rows[fold[rows] == 0]
    some = np.argsort(-(codes == 1).sum(axis=0), kind="stable")
    some = some[:: max(1, len(some) // CHOOSE_CLASSES)][:CHOOSE_CLASSES]
    if not train.size or not test.size:
        return 1.0
    inputs, asked = features[train], features[test]
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for c in some:
            p = np.clip(_one_class(inputs, codes[train, c], asked, strength), 1e-6, 1 - 1e-6)
            y = codes[test, c]
            loss -= float(np.log(p[y == 1]).sum() + np.log(1 - p[y == 0]).sum())
        losses.append(loss)
    return STRENGTHS[int(np.argmin(losses))]


def _deal(codes: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row; groups are dealt out in order of their rarest label, to spread rare classes."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    counts = (codes == 1).sum(axis=0)
    rarity = np.empty(len(counts), np.int64)
    rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    rarest = np.where(codes[first] == 1, rarity, len(counts)).min(axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), rarest))
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % folds
    return fold[group]


def nearest_judged(
    data: Representation, codes: np.ndarray, groups: np.ndarray, notes: list[str], say: Callable[[str], None]
) -> np.ndarray | None:
    """Ids (n, 10) of the nearest rows with a judged cell, own row and group excluded, -1 where there is none."""
    from trueneg.core.neighbors import top_k

    n = len(codes)
    if n > MAX_NEIGHBOR_QUERIES:
        notes.append(
            f"neighbours were not used for the ranking: {n:,} rows are more than the "
            f"{MAX_NEIGHBOR_QUERIES:,} queries an audit makes"
        )
        return None
    judged = np.flatnonzero((codes >= 0).any(axis=1))
    if judged.size < 2:
        return None
    say("nearest judged rows")
    place = np.full(n, -1, np.int64)
    place[judged] = np.arange(judged.size)
    _, found = top_k(
        data.embedding,
        data.embedding[judged],
        N_NEIGHBORS,
        exclude=place,
        query_groups=groups,
        pool_groups=groups[judged],
    )
    return np.where(found >= 0, judged[np.maximum(found, 0)], -1)
