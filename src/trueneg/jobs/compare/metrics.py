"""The figures of a comparison, from what is kept of each row."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.costs import CostMatrix, RowCosts
from trueneg.core.errors import InputError
from trueneg.core.intervals import sweep
from trueneg.judge.noisy_metrics import METRICS as OF_COUNTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALWAYS = ("log_loss", "brier", "ece")
LOWER_IS_BETTER = frozenset({"cost", *ALWAYS})
BINS = 15
_FLOOR = 1e-6
_WORDS = {"log_loss": "log loss", "ece": "ECE", "brier": "Brier", "mcc": "MCC", "auroc": "AUROC", "auprc": "AUPRC"}


@dataclass(frozen=True, eq=False)
class Predicted:
    """What is kept of the predictions of some rows.

    Attributes
    ----------
    decision : (m,) int64
        Decided codes.
    given : (m,) float32
        Probability of the given class.
    top, right : (m,) float32 and (m,) float32
        Probability of the likeliest class, and whether it is the given one; of the positive class, where one is asked.
    brier : (m,) float32
        Squared distance of the probabilities from the given class, halved: of two classes ``(p - y) ** 2``.
    score : (m,) float32
        Probability of the positive class; empty where none is asked about.
    certain : (m,) float32
        How sure an answer is, of a remedy that says so itself; empty where it is the likeliest class's probability.
    """

    decision: NDArray[np.int64]
    given: NDArray[np.float32]
    top: NDArray[np.float32]
    right: NDArray[np.float32]
    brier: NDArray[np.float32]
    score: NDArray[np.float32]
    certain: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        proba: NDArray[np.float64],
        decision: NDArray[np.int64],
        y: NDArray[np.int64],
        positive: int | None,
        *,
        certain: NDArray[np.float64] | None = None,
    ) -> Predicted:
        """Reduce probabilities (m, K) of rows labelled y (m,)."""
        rows = np.arange(len(y))
        brier = ((proba**2).sum(axis=1) - 2 * proba[rows, y] + 1) / 2
        if positive is None:
            top, right = proba.max(axis=1), proba.argmax(axis=1) == y
            score = np.empty(0)
        else:
            top, right, score = proba[:, positive], y == positive, proba[:, positive]
        columns = (proba[rows, y], top, right, brier, score, np.empty(0) if certain is None else certain)
        return cls(decision, *(np.asarray(c, np.float32) for c in columns))

    def most_certain(self, share: float) -> NDArray[np.int64]:
        """Return the rows whose answers are surest; this share, the first of equals."""
        if len(self.certain):
            certain = self.certain
        else:
            certain = np.maximum(self.score, 1 - self.score) if len(self.score) else self.top
        return np.argsort(-certain, kind="stable")[: max(1, round(share * len(certain)))]

    def take(self, rows: NDArray[Any]) -> Predicted:
        """Return some of the rows."""
        parts: Any = (self.decision, self.given, self.top, self.right, self.brier, self.score, self.certain)
        return Predicted(*(part[rows] if len(part) else part for part in parts))


@dataclass(frozen=True, eq=False)
class Scorer:
    """The figures of predictions of rows labelled y (m,).

    Parameters
    ----------
    y : (m,) int64
    n_classes : int
    positive, negative : int or None
    costs : CostMatrix, RowCosts or None
        Of these rows.
    """

    y: NDArray[np.int64]
    n_classes: int
    positive: int | None
    negative: int | None = None
    costs: CostMatrix | RowCosts | None = None

    def value(self, name: str, predicted: Predicted, weight: NDArray[np.float64] | None = None) -> float:
        """Return a figure; NaN where it is undefined on these rows."""
        w = np.ones(len(self.y)) if weight is None else weight
        if name == "log_loss":
            return float(w @ -np.log(np.maximum(predicted.given, _FLOOR)) / w.sum())
        if name == "brier":
            return float(w @ predicted.brier / w.sum())
        if name == "ece":
            return _ece(predicted.top, predicted.right, w)
        if name == "cost":
            return self._cost(predicted.decision, w)
        if self.positive is None:
            return self._of_classes(name, predicted.decision, w)
        if name in ("auroc", "auprc"):
            return _area(name, (self.y == self.positive).astype(int), predicted.score, w)
        value = float(OF_COUNTS[name](self.counts(predicted.decision, w)))
        # Deciding the same for every row tells nothing: MCC is then 0 by convention.
        return 0.0 if name == "mcc" and np.isnan(value) else value

    def counts(self, decision: NDArray[np.int64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return TP, FP, FN, TN, (4,)."""
        cell = 2 * (self.y == self.positive) + (decision == self.positive)
        n = np.bincount(cell, weights=weight, minlength=4)
        return np.array([n[3], n[1], n[2], n[0]], dtype=np.float64)

    def _cost(self, decision: NDArray[np.int64], w: NDArray[np.float64]) -> float:
        if isinstance(self.costs, RowCosts):
            fn, fp = self.costs.arrays(len(self.y))
        elif self.costs is not None:
            fn, fp = (np.full(len(self.y), c) for c in (self.costs.fn, self.costs.fp))
        else:
            return float("nan")
        truth = self.y == self.positive
        paid = np.where(truth == (decision == self.positive), 0.0, np.where(truth, fn, fp))
        return float(w @ paid / w.sum())

    def _of_classes(self, name: str, decision: NDArray[np.int64], w: NDArray[np.float64]) -> float:
        k = self.n_classes
        table = np.bincount(self.y * k + decision, weights=w, minlength=k * k).reshape(k, k).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(_CLASSES[name](table, self.negative))


def _macro(table: NDArray[np.float64], what: str) -> float:
    """Mean over the classes that have rows here; a class never decided has precision 0."""
    there = table.sum(axis=1) > 0
    right = np.diag(table)
    recall = right / table.sum(axis=1)
    if what == "recall":
        return float(recall[there].mean())
    if what == "precision":
        return float(np.nan_to_num(right / table.sum(axis=0))[there].mean())
    return float((2 * right / (table.sum(axis=0) + table.sum(axis=1)))[there].mean())


def _micro_f1(table: NDArray[np.float64], negative: int | None) -> float:
    """F1 over all classes but the negative one: a positive called by another positive's name is both errors."""
    kept = np.arange(len(table)) != negative
    return float(2 * np.diag(table)[kept].sum() / (table[kept].sum() + table[:, kept].sum()))


def _mcc(table: NDArray[np.float64], _: int | None) -> float:
    given, decided, n = table.sum(axis=1), table.sum(axis=0), table.sum()
    top = np.trace(table) * n - given @ decided
    below = np.sqrt(n**2 - decided @ decided) * np.sqrt(n**2 - given @ given)
    return float(top / below) if below > 0 else 0.0


def _kappa(table: NDArray[np.float64], _: int | None) -> float:
    n = table.sum()
    chance = float(table.sum(axis=1) @ table.sum(axis=0)) / n**2
    return float((np.trace(table) / n - chance) / (1 - chance))


_CLASSES: dict[str, Callable[[NDArray[np.float64], int | None], float]] = {
    "macro_f1": lambda t, _: _macro(t, "f1"),
    "macro_precision": lambda t, _: _macro(t, "precision"),
    "balanced_accuracy": lambda t, _: _macro(t, "recall"),
    "accuracy": lambda t, _: float(np.trace(t) / t.sum()),
    "mcc": _mcc,
    "kappa": _kappa,
    "micro_f1": _micro_f1,
}


def _ece(top: NDArray[Any], right: NDArray[Any], w: NDArray[np.float64]) -> float:
    """Mean distance of probability and share in 15 bins of about equal weight; ties stay together."""
    order = np.argsort(top, kind="stable")
    reached = np.cumsum(w[order])
    values = top[order]
    # A bin is that of the last row of equal probability, so that the order of the rows never matters.
    last = np.searchsorted(values, values, side="right") - 1
    bins = np.minimum((reached[last] / reached[-1] * BINS - 1e-9).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=w[order] * (values - right[order]), minlength=BINS)
    return float(np.abs(gap).sum() / reached[-1])


def _area(name: str, truth: NDArray[np.int64], score: NDArray[Any], w: NDArray[np.float64]) -> float:
    if not 0 < w @ truth < w.sum():
        return float("nan")
    points = sweep(truth, score, sample_weight=w)
    tp, fp = points.tp / points.positives, points.fp / points.negatives
    if name == "auroc":
        return float(np.trapezoid(tp, fp))
    alarms = np.maximum(points.tp + points.fp, 1e-300)
    return float(np.diff(tp) @ (points.tp / alarms)[1:])


def known_metrics(*, binary: bool, costs: bool, negative: bool) -> tuple[str, ...]:
    """Name the figures that these data have, the ones of the table first."""
    if binary:
        names = [*OF_COUNTS, "auroc", "auprc", *ALWAYS]
        return tuple([*names, "cost"] if costs else names)
    return (*(n for n in _CLASSES if n != "micro_f1" or negative), *ALWAYS)


def shown_metrics(*, binary: bool, costs: bool, negative: bool) -> tuple[str, ...]:
    """Name the figures that the table shows beside the chosen one."""
    if binary:
        return ("precision", "recall", "specificity", "mcc", "auroc", "auprc", *ALWAYS, *(("cost",) if costs else ()))
    return ("macro_f1", "balanced_accuracy", "accuracy", *(("micro_f1",) if negative else ()), *ALWAYS)


def settle_metric(name: str | None, *, binary: bool, costs: bool, negative: bool) -> str:
    """Return the figure that decides: the one named, else the cost, else MCC, of several classes macro F1.

    MCC keeps the order of models where labels are wrong at rates that depend on the class alone.
    """
    known = known_metrics(binary=binary, costs=costs, negative=negative)
    if name is None:
        return ("cost" if costs else "mcc") if binary else "macro_f1"
    wanted = name.strip().lower().replace("-", "_")
    if wanted in known:
        return wanted
    if wanted == "cost":
        raise InputError("the metric 'cost' needs --cost-fn and --cost-fp, and two classes of which one is positive")
    near = difflib.get_close_matches(wanted, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    raise InputError(f"no metric is called {name!r}; {hint}")


def called(metric: str) -> str:
    """Return a metric as the page names it."""
    return _WORDS.get(metric, metric.replace("_", " "))
