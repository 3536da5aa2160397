"""The suspect ranking's claims: a declared direction is the largest gain, useless neighbours cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence


def _pendigits(seed: int, *, hidden: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, given labels and truth: 8s against the rest, thinned to 5 %, a share of them hidden."""
    from sklearn.datasets import load_svmlight_file

    from trueneg.data.registry import folder

    X, digit = load_svmlight_file(str(folder("uci") / "pendigits"))
    rng = np.random.default_rng(seed)
    truth = digit == (8 if (digit == 8).any() else digit.max())
    positives = np.flatnonzero(truth)
    keep = np.ones(len(truth), bool)
    keep[rng.choice(positives, len(positives) - round(0.05 * (~truth).sum()), replace=False)] = False
    X, truth = np.asarray(X.todense(), np.float32)[keep], truth[keep]
    given = truth.copy()
    positives = np.flatnonzero(truth)
    given[rng.choice(positives, round(hidden * len(positives)), replace=False)] = False
    return X, given.astype(int), truth.astype(int)


def _evidence(X: np.ndarray, given: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold probabilities of a linear model and the ten nearest rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from trueneg.core.neighbors import top_k

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    proba = cross_val_predict(model, X, given, cv=folds, method="predict_proba").astype(np.float32)
    _, near = top_k(X, X, 10, exclude=np.arange(len(X)))
    return proba, near


def _average_precision(rows: np.ndarray, wrong: np.ndarray, scores: np.ndarray) -> float:
    """AP of "the given label is wrong" over all rows; rows that were not suspected come last."""
    from sklearn.metrics import average_precision_score

    ranked = np.full(len(wrong), -np.inf)
    ranked[rows] = scores[rows]
    finite = np.isfinite(ranked)
    ranked[~finite] = (ranked[finite].min() if finite.any() else 0.0) - 1.0
    return float(average_precision_score(wrong, ranked))


class SuspectsDirection:
    """Declaring that only negatives can be wrong beats every score that was not told so."""

    id = "suspects-direction"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "pendigits, 5 % positives, a quarter of them hidden: because the user declared the direction, "
        "AP of the false negatives rises by 0.20 or more over self-confidence on all rows"
    )
    control = "direction reversed"
    GAIN = 0.20

    def run(self, seed: int) -> Evidence:
        """Rank with the direction, without, and reversed."""
        from trueneg.clean.ranking import SuspectRanker

        X, given, truth = _pendigits(seed)
        proba, near = _evidence(X, given, seed)
        wrong = given != truth
        everything = np.arange(len(given))
        plain = _average_precision(everything, wrong, 1 - proba[everything, given])
        found: dict[str, float] = {}
        for name, suspect in (("declared", 0), ("reversed", 1)):
            ranker: Any = SuspectRanker(suspect_classes=[suspect]).fit(None, given, pred_proba=proba, neighbors=near)
            found[name] = _average_precision(np.flatnonzero(given == suspect), wrong, ranker.score_)
        return Evidence(
            found["declared"] - plain >= self.GAIN,
            found["reversed"] - plain >= self.GAIN,
            {"AP self-confidence": plain, "AP declared": found["declared"], "AP reversed": found["reversed"]},
        )


class SuspectsNoRegret:
    """Neighbours that know nothing cost nothing; neighbours that know something help."""

    id = "suspects-no-regret"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "pendigits, a quarter of the positives hidden: real neighbours gain 0.01 AP or more over the "
        "probabilities alone, and permuted ones cost at most 0.01"
    )
    control = "neighbours permuted"
    GAIN, REGRET = 0.01, 0.01

    def run(self, seed: int) -> Evidence:
        """Rank with real, permuted and no neighbours."""
        from trueneg.clean.ranking import SuspectRanker

        X, given, truth = _pendigits(seed)
        proba, near = _evidence(X, given, seed)
        wrong = given != truth
        permuted = near[np.random.default_rng(seed).permutation(len(near))]
        found: dict[str, float] = {}
        for name, ids in (("none", None), ("real", near), ("permuted", permuted)):
            ranker: Any = SuspectRanker(suspect_classes=[0]).fit(None, given, pred_proba=proba, neighbors=ids)
            found[name] = _average_precision(np.flatnonzero(given == 0), wrong, ranker.score_)
        gain, regret = found["real"] - found["none"], found["none"] - found["permuted"]
        return Evidence(
            gain >= self.GAIN and regret <= self.REGRET,
            -regret >= self.GAIN,
            {"AP probabilities alone": found["none"], "AP real": found["real"], "AP permuted": found["permuted"]},
        )
