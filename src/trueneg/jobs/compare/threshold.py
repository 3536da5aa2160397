"""Moving the operating point, calibrating, and the head that is no base learner: the remedies that change no row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.costs import RowCosts, threshold_by_cost
from trueneg.core.intervals import sweep
from trueneg.jobs.compare.fold import Model, full
from trueneg.jobs.compare.metrics import Predicted, Scorer
from trueneg.judge.noisy_metrics import METRICS as OF_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trueneg.jobs.compare.fold import Fold

POWERS = np.linspace(0.0, 1.25, 26)
FEW_SHOTS = 20


def class_weights(fold: Fold) -> Model:
    """Weigh each class's rows so that all classes weigh the same: ``n / (K n_class)``."""
    counts = np.bincount(fold.y, minlength=fold.n_classes)
    weight = len(fold.y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return fold.model(fold.X, fold.y, weight[fold.y])


def tuned_threshold(fold: Fold) -> Model:
    """Train as usual; choose where to decide on out-of-fold probabilities of the training rows."""
    if fold.positive is None:
        return _tuned_power(fold)
    positive = fold.positive
    threshold = best_threshold(fold, fold.proba[:, positive])

    def decide(proba: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.where(proba[:, positive] >= threshold, positive, 1 - positive)

    return fold.model(decide=decide, note=f"threshold {threshold:.3g}")


def best_threshold(fold: Fold, score: NDArray[np.float64]) -> float:
    """Return the threshold that is best for the fold's metric on its own rows; for one without a threshold, MCC."""
    truth = (fold.y == fold.positive).astype(np.int64)
    if fold.costs is not None and fold.metric in ("cost", "auroc", "auprc", "log_loss", "brier", "ece"):
        costs = fold.costs
        if isinstance(costs, RowCosts):
            costs = RowCosts(*costs.arrays(len(truth)))
        return threshold_by_cost(truth, score, costs).threshold
    points = sweep(truth, score)
    counts = np.column_stack([points.tp, points.fp, points.positives - points.tp, points.negatives - points.fp])
    name = fold.metric if fold.metric in OF_COUNTS else "mcc"
    if name in ("precision", "recall", "specificity"):
        name = "f1"  # best alone by one alarm, or by alarming always
    value = np.nan_to_num(OF_COUNTS[name](counts), nan=0.0)
    at = int(np.argmax(value))
    if not 0 < at < len(points.threshold) - 1:
        return float(points.threshold[at])
    # Half way to the next score, so that a test row a hair below is not lost.
    return float((points.threshold[at] + points.threshold[at + 1]) / 2)


def _tuned_power(fold: Fold) -> Model:
    """Of several classes: decide by ``p / share**a``, a chosen out of fold; 0 is the likeliest class."""
    share = np.bincount(fold.y, minlength=fold.n_classes) / len(fold.y)
    scorer = Scorer(fold.y, fold.n_classes, None, fold.negative)
    metric = fold.metric if fold.metric not in ("log_loss", "brier", "ece") else "macro_f1"
    values = []
    for power in POWERS:
        decision = _by_power(fold.proba, share, power)
        values.append(scorer.value(metric, Predicted.of(fold.proba, decision, fold.y, None)))
    power = float(POWERS[int(np.nanargmax(values))])
    return fold.model(decide=lambda proba: _by_power(proba, share, power), note=f"p / share ** {power:.2g}")


def _by_power(proba: NDArray[np.float64], share: NDArray[np.float64], power: float) -> NDArray[np.int64]:
    return (proba / np.maximum(share, 1e-12) ** power).argmax(axis=1)


def calibrated(fold: Fold) -> Model:
    """Train as usual; calibrate on out-of-fold probabilities of the training rows."""
    turn = calibration(fold.proba, fold.y)
    predict = fold.learner.fit(fold.X, fold.y)
    return Model(lambda view: turn(predict(view.X)), len(fold.y))


def calibration(
    proba: NDArray[np.float64], y: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Fit Platt's sigmoid of the log odds of each class, and return the function that turns probabilities (m, K).

    Of two classes one sigmoid; of more, one a class, brought to a sum of 1.
    """
    from sklearn.linear_model import LogisticRegression

    k = proba.shape[1]
    columns = [1] if k == 2 else list(range(k))
    fitted: list[Any] = []
    for c in columns:
        truth = y == c
        if 0 < truth.sum() < len(y):
            fitted.append(LogisticRegression(C=1e6, max_iter=200).fit(_odds(proba[:, c]), truth))
        else:
            fitted.append(None)

    def turn(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        out = raw.copy()
        for c, model in zip(columns, fitted, strict=True):
            if model is not None:
                out[:, c] = model.predict_proba(_odds(raw[:, c]))[:, 1]
        if k == 2:
            out[:, 0] = 1 - out[:, 1]
        return out / np.maximum(out.sum(axis=1, keepdims=True), 1e-300)

    return turn


def _odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))[:, None]


def naive_bayes(fold: Fold) -> Model:
    """Put Gaussian naive Bayes in the place of the base learner, on the dense form of the rows."""
    from trueneg.heads import GaussianNaiveBayes

    head = GaussianNaiveBayes().fit(fold.dense, fold.y)
    return Model(lambda view: full(head.predict_proba(view.dense), head.classes_, fold.n_classes), len(fold.y))


def teen(fold: Fold) -> Model:
    """Put prototypes in the place of the base learner: the class mean nearest by cosine, on centred dense rows.

    Classes of at most 20 training rows come as new ones, beside two base classes or more: TEEN moves their means
    towards the base classes that they resemble.
    """
    from trueneg.heads import PrototypeClassifier

    centre = fold.dense.mean(axis=0)
    rows = fold.dense - centre
    counts = np.bincount(fold.y, minlength=fold.n_classes)
    few = (counts <= FEW_SHOTS) & (counts > 0)
    if (counts > FEW_SHOTS).sum() < 2:
        few[:] = False
    rare = few[fold.y]
    head = PrototypeClassifier().fit(rows[~rare], fold.y[~rare])
    if rare.any():
        head.partial_fit(rows[rare], fold.y[rare])
    return Model(
        lambda view: full(head.predict_proba(view.dense - centre), head.classes_, fold.n_classes),
        len(fold.y),
        note=_new_classes(int(few.sum())),
    )


def _new_classes(few: int) -> str:
    if not few:
        return ""
    return (
        f"{few} class{'es' if few > 1 else ''} of at most {FEW_SHOTS} rows as {'new ones' if few > 1 else 'a new one'}"
    )


def loki(fold: Fold) -> Model:
    """Put Loki in the place of the base learner: naive Bayes, its answer nearest to all classes by their means."""
    from trueneg.heads import GaussianNaiveBayes, GeometryAwareClassifier

    head = GeometryAwareClassifier(GaussianNaiveBayes(var_smoothing=1e-3)).fit(fold.dense, fold.y)
    return Model(lambda view: full(head.predict_proba(view.dense), head.classes_, fold.n_classes), len(fold.y))


def tsetlin(fold: Fold) -> Model:
    """Put a Tsetlin machine in the place of the base learner: words present or not, other columns cut into steps."""
    from scipy.sparse import issparse

    from trueneg.heads import TsetlinMachineClassifier

    sparse = issparse(fold.X)
    head = TsetlinMachineClassifier(n_clauses=200, threshold=800, random_state=fold.seed)
    head.fit(fold.X > 0 if sparse else fold.dense, fold.y)
    return Model(
        lambda view: full(head.predict_proba(view.X > 0 if sparse else view.dense), head.classes_, fold.n_classes),
        len(fold.y),
        note=str(head.readability_),
    )
