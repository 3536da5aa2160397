"""Claim: the confident joint finds class-dependent label noise, and pruning by it beats disagreement with the model."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun
from trueneg.data.registry import folder

__all__ = ["ConfidentLearningClaim", "matrix_gap", "planted"]

_CLASSES = 10
_PARTNERS = {8: 5, 9: 3, 1: 7, 3: 9, 2: 7, 5: 8, 0: 8, 7: 1, 6: 5, 4: 9}


@lru_cache(maxsize=4)
def planted(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return out-of-fold probabilities (n, 10), given labels and truth of pendigits with planted flips.

    Each digit gets its own rate between 2 and 38 %; three flips of four go to one look-alike digit,
    the rest anywhere. The model is a linear one on squared features, trained on the given labels.
    """
    from sklearn.datasets import load_svmlight_file
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    path = folder("uci") / "pendigits"
    X, digit = load_svmlight_file(str(path))
    truth = digit.astype(np.int64)
    if np.unique(truth).tolist() != list(range(_CLASSES)):
        raise ClaimNotRun(f"{path.name} does not hold the ten digits; fetch the data set uci again")
    rng = np.random.default_rng(seed)
    given = _flipped(truth, rng)
    steps = (StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler())
    model = make_pipeline(*steps, LogisticRegression(C=0.01, max_iter=60, tol=1e-3))
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    features = X.toarray().astype(np.float32)
    return cross_val_predict(model, features, given, cv=folds, method="predict_proba"), given, truth


def _flipped(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip labels at a rate of their class, mostly to one other class."""
    rate = rng.permutation(np.linspace(0.02, 0.38, _CLASSES))
    flip = rng.random(len(truth)) < rate[truth]
    anywhere = (truth + rng.integers(1, _CLASSES, len(truth))) % _CLASSES
    partner = np.array([_PARTNERS[c] for c in range(_CLASSES)])[truth]
    other = np.where(rng.random(len(truth)) < 0.75, partner, anywhere)
    return np.where(flip, other, truth)


def matrix_gap(estimated: np.ndarray, given: np.ndarray, truth: np.ndarray) -> float:
    """Mean over true classes of the total variation between estimated and planted P(given | true)."""
    counts = np.zeros(estimated.shape)
    np.add.at(counts, (given, truth), 1)
    return float(np.abs(estimated - counts / counts.sum(axis=0)).sum(axis=0).mean() / 2)


def _found(mask: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Precision and recall of a mask of suspects."""
    hits = float((mask & wrong).sum())
    precision, recall = hits / max(int(mask.sum()), 1), hits / max(int(wrong.sum()), 1)
    return precision, recall


def _one_threshold(proba: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Do the same with one threshold for all classes: (noise matrix, suspect mask). The sabotage."""
    from trueneg.clean.confident_learning import ConfidentLearning

    rows, counts = np.arange(len(given)), np.bincount(given, minlength=_CLASSES)
    confident = np.where(proba >= proba[rows, given].mean(), proba, 0.0)
    use, guess = confident.max(axis=1) > 0, confident.argmax(axis=1)
    joint = np.zeros((_CLASSES, _CLASSES))
    np.add.at(joint, (given[use], guess[use]), 1)
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    model = ConfidentLearning().fit(None, given, pred_proba=proba)
    model.confident_joint_ = np.rint(joint).astype(np.int64)
    mask = model._pruned(proba, given.astype(np.int32), counts, proba.argmax(axis=1) != given)
    return joint / np.maximum(joint.sum(axis=0), 1), mask


class ConfidentLearningClaim:
    """The estimated noise matrix is near the planted one, and pruning by it is more precise than disagreement."""

    id = "confident-learning"
    system = "clean.confident_learning"
    paper = "Northcutt, Jiang, Chuang, Confident Learning, JAIR 70 (2021), arXiv 1911.00068"
    statement = (
        "pendigits, a fifth of the labels flipped at class-dependent rates: the estimated P(given | true) is within "
        "0.027 total variation of the planted one, and pruning by noise rate has precision 0.04 or more above "
        "disagreement with the model, at recall 0.85 or more"
    )
    control = "one threshold for all classes"
    GAP, PRECISION, RECALL = 0.027, 0.04, 0.85

    def run(self, seed: int) -> Evidence:
        """Estimate and prune with class thresholds, with one threshold, and on shuffled probabilities."""
        from trueneg.clean.confident_learning import ConfidentLearning

        proba, given, truth = planted(seed)
        wrong, rng = given != truth, np.random.default_rng(seed)
        disagree = _found(proba.argmax(axis=1) != given, wrong)
        model = ConfidentLearning().fit(None, given, pred_proba=proba)
        shuffled = ConfidentLearning().fit(None, given, pred_proba=proba[rng.permutation(len(given))])
        found = {
            "ours": (model.noise_matrix_, model.suspect_mask_),
            "one threshold": _one_threshold(proba, given),
            "shuffled": (shuffled.noise_matrix_, shuffled.suspect_mask_),
        }
        measured: dict[str, float | str] = {"share of labels wrong": round(float(wrong.mean()), 4)}
        measured["gap of the identity"] = round(matrix_gap(np.eye(_CLASSES), given, truth), 4)
        for part, value in zip(("precision", "recall"), disagree, strict=True):
            measured[f"{part}, disagreement"] = round(value, 4)
        verdicts = {}
        for name, (matrix, mask) in found.items():
            gap, (precision, recall) = matrix_gap(matrix, given, truth), _found(mask, wrong)
            measured |= {f"gap, {name}": round(gap, 4), f"precision, {name}": round(precision, 4)}
            measured[f"recall, {name}"] = round(recall, 4)
            near, precise = gap <= self.GAP, precision - disagree[0] >= self.PRECISION
            verdicts[name] = bool(near and precise and recall >= self.RECALL)
        return Evidence(verdicts["ours"], verdicts["one threshold"] or verdicts["shuffled"], measured)
