"""Repairs of labels: each cleaner with each action, the reviewer's answers, and removal by chance as a control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.compare.fold import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.core.suspects import Decision
    from trueneg.jobs.compare.fold import Fold

LEAST = 0.5


def ranker(fold: Fold, action: str) -> Model:
    """Act on the rows that the suspect ranking holds for wrong with probability one half or more."""
    decision = _ranked(fold).suspects_.decide(action, min_probability=LEAST)
    return _acted(fold, decision)


def confident(fold: Fold, action: str) -> Model:
    """Act on the rows that confident learning names; downweighted to the probability of the label they carry."""
    from trueneg.clean import ConfidentLearning

    found = ConfidentLearning().fit(
        None, fold.y, pred_proba=fold.proba, trusted=fold.trusted, classes=np.arange(fold.n_classes)
    )
    if action == "downweight":
        weight = np.ones(len(fold.y))
        weight[found.suspect_rows_] = found.label_quality_[found.suspect_rows_]
        return _weighted(fold, weight, len(found.suspect_rows_))
    return _acted(fold, found.suspects_.decide(action))


def neighbors(fold: Fold, action: str) -> Model:
    """Act on the negatives that neighbours speak against: trusted rows where there are ten or more, else positives."""
    from trueneg.clean import NeighborNegativeCleaner

    extrinsic = fold.trusted.sum() >= 10 and len(np.unique(fold.y[fold.trusted])) > 1
    cleaner = NeighborNegativeCleaner(
        strategy="extrinsic" if extrinsic else "intrinsic",
        action=action,
        negative_label=fold.negative,
        random_state=fold.seed,
    )
    # Codes of its own, since it takes a class without rows for none.
    present = np.unique(fold.y)
    cleaner.fit(
        None,
        fold.y,
        embeddings=fold.dense,
        groups=fold.groups,
        trusted=fold.trusted,
        pred_proba=None if extrinsic else fold.proba[:, present],
    )
    rows = cleaner.suspects_
    if action == "downweight":
        return _weighted(fold, cleaner.sample_weight_, len(rows))
    if action == "reannotate":
        y = fold.y.copy()
        y[rows] = cleaner.neighbors_["proposed"]
        return fold.model(fold.X, y, note=f"{len(rows)} labels changed")
    return _without(fold, rows)


def reviewed(fold: Fold) -> Model:
    """Give the rows that a person judged the label that the person gave them."""
    y = np.where(fold.answers >= 0, fold.answers, fold.y)
    return fold.model(fold.X, y, note=f"{int((y != fold.y).sum())} labels changed")


def random_removal(fold: Fold) -> Model:
    """Remove as many rows as the ranking would, of the same given classes, by chance: the control of the cleaners."""
    decision = _ranked(fold).suspects_.decide("eliminate", min_probability=LEAST)
    rng = np.random.default_rng(fold.seed)
    removed = []
    for code, n in enumerate(np.bincount(fold.y[~decision.keep], minlength=fold.n_classes)):
        rows = np.flatnonzero((fold.y == code) & ~fold.trusted)
        removed.append(rng.choice(rows, min(int(n), len(rows)), replace=False))
    return _without(fold, np.concatenate(removed))


def _ranked(fold: Fold) -> Any:
    from trueneg.clean import SuspectRanker

    def fit() -> Any:
        which: Any = "all" if fold.negative is None else [fold.negative]
        return SuspectRanker(suspect_classes=which).fit(
            None,
            fold.y,
            pred_proba=fold.proba,
            neighbors=fold.neighbors,
            trusted=fold.trusted,
            classes=np.arange(fold.n_classes),
        )

    return fold.once("ranking", fit)


def _acted(fold: Fold, decision: Decision) -> Model:
    if decision.action == "eliminate":
        return _without(fold, np.flatnonzero(~decision.keep))
    if decision.action == "downweight":
        return _weighted(fold, decision.weight, int((decision.weight < 1).sum()))
    y = decision.labels(fold.y)
    return fold.model(fold.X, y, note=f"{int((y != fold.y).sum())} labels changed")


def _without(fold: Fold, rows: NDArray[np.int64]) -> Model:
    kept = np.ones(len(fold.y), bool)
    kept[rows] = False
    return fold.model(fold.X[kept], fold.y[kept], note=f"{len(rows)} rows removed")


def _weighted(fold: Fold, weight: NDArray[np.float64], n: int) -> Model:
    return fold.model(fold.X, fold.y, np.maximum(weight, 1e-6), note=f"{n} rows weighted down")
