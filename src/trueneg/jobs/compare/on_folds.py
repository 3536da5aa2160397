"""The figures of the test folds, as their labels are given and corrected for label errors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, corrected_resampled_t, matched
from trueneg.jobs.compare.differences import LEVEL, Row, judged, paired
from trueneg.jobs.compare.metrics import Scorer, shown_metrics
from trueneg.judge.noisy_metrics import METRICS as OF_COUNTS
from trueneg.judge.noisy_metrics import NoiseRates, corrected_confusion, corrected_metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.jobs.compare.engine import Result, Runner

    Cell = tuple[int, int]

ANSWERED = (1.0, 0.95, 0.9, 0.8)
ALARMS = 0.01  # of the negative rows, a budget
_SIGNED = ("mcc", "kappa", "youden_j")


class OnFolds:
    """The figures of the test folds, as their labels are given."""

    def __init__(self, runner: Runner, rows: list[Row]) -> None:
        self.runner, self.rows, self.judged = runner, rows, judged(rows)
        self.cells: dict[str, dict[Cell, Result]] = {row.name: {} for row in rows}
        # In one order, whichever thread came first, so that sums end on the same bits.
        for (name, r, f), result in sorted(runner.results.items(), key=lambda item: item[0]):
            self.cells[name][r, f] = result
        sizes = [(len(train), len(test)) for folds in runner.splits for train, test in folds]
        self.n_train, self.n_test = (float(v) for v in np.mean(sizes, axis=0))

    def fill(self) -> None:
        """Put every figure of the test folds into the rows."""
        task = self.runner.task
        kinds = {"binary": task.binary, "costs": task.costs is not None, "negative": task.negative is not None}
        names = dict.fromkeys([self.runner.metric, *shown_metrics(**kinds)])
        scorers = {cell: self._scorer(cell) for cell in self.cells["nothing"]}
        for name in names:
            values = {
                row.name: {
                    cell: scorers[cell].value(name, x.predicted)
                    for cell, x in self.cells[row.name].items()
                    if cell in scorers
                }
                for row in self.judged
            }
            for row in self.judged:
                self._put(row.value, row.difference, name, values[row.name], self._base(row, values))
        self._abstaining()
        if task.binary:
            self._at_matched()
            self._corrected()

    def _abstaining(self) -> None:
        """The share of errors among the most certain rows of each test fold; no label chooses them."""
        task = self.runner.task
        for share in ANSWERED:
            errors: dict[str, dict[Cell, float]] = {}
            for row in self.rows:
                errors[row.name] = {}
                for cell, x in self.cells[row.name].items():
                    test = self.runner.splits[cell[0]][cell[1]][1]
                    kept = x.predicted.most_certain(share)
                    errors[row.name][cell] = float((x.predicted.decision[kept] != task.codes[test][kept]).mean())
            for row in self.rows:
                own, base = errors[row.name], self._base(row, errors)
                value: dict[str, Any] = {}
                difference: dict[str, Any] = {}
                self._put(value, difference, "error", own, base)
                if value:
                    row.abstaining[share] = value["error"]
                if difference:
                    row.abstaining_difference[share] = difference["error"]

    @staticmethod
    def _base(row: Row, values: dict[str, dict[Cell, float]]) -> dict[Cell, float]:
        """What a remedy is compared with; *nothing* with nothing."""
        return {} if row.name == "nothing" else values["nothing"]

    def _scorer(self, cell: Cell) -> Scorer:
        task, test = self.runner.task, self.runner.splits[cell[0]][cell[1]][1]
        return Scorer(task.codes[test], len(task.classes), task.positive, task.negative, task.costs_of(test))

    def _put(self, value: Any, difference: Any, name: str, own: dict[Cell, float], base: dict[Cell, float]) -> None:
        """Put the mean of a figure and its paired difference to *nothing*, over the folds that define it."""
        fine = [v for v in own.values() if math.isfinite(v)]
        if len(fine) >= 2:
            sizes = {"n_train": self.n_train, "n_test": self.n_test}
            value[name] = _within(corrected_resampled_t(fine, level=LEVEL, **sizes), name)
        both = [own[c] - base[c] for c in own if c in base and math.isfinite(own[c]) and math.isfinite(base[c])]
        if len(both) >= 2:
            difference[name] = paired(
                both, self.n_train, self.n_test, len(self.runner.task), compared=len(self.judged) - 1
            )

    def _at_matched(self) -> None:
        """What the ranking gives at the rate, alarms and recall of the tuned threshold, and at 1 % false positives."""
        task = self.runner.task
        at: dict[str, dict[str, dict[Cell, float]]] = {"recall": {}, "precision": {}, "fpr": {}, "budget": {}}
        for row in self.judged:
            for out in at.values():
                out[row.name] = {}
            for cell, tuned in self.cells["tuned-threshold"].items():
                if cell not in self.cells[row.name] or cell not in self.cells["nothing"]:
                    continue
                test = self.runner.splits[cell[0]][cell[1]][1]
                truth = (task.codes[test] == task.positive).astype(int)
                alarm = tuned.predicted.decision == task.positive
                scores = [self.cells[n][cell].predicted.score for n in ("nothing", row.name)]
                fpr = float(alarm[truth == 0].mean())
                at["recall"][row.name][cell] = 1 - matched(scores[0], scores[1], truth, at="fpr", value=fpr).b.fnr
                at["precision"][row.name][cell] = matched(
                    scores[0], scores[1], truth, at="alarms", value=float(alarm.sum())
                ).b.precision
                at["budget"][row.name][cell] = 1 - matched(scores[0], scores[1], truth, at="fpr", value=ALARMS).b.fnr
                missed = float(1 - alarm[truth == 1].mean())
                at["fpr"][row.name][cell] = matched(scores[0], scores[1], truth, at="fnr", value=missed).b.fpr
        for name, of_rows in at.items():
            for row in self.judged:
                self._put(row.matched, row.matched_difference, name, of_rows[row.name], self._base(row, of_rows))

    def _corrected(self) -> None:
        """The metric against the truth, where the rates of label errors are known."""
        rates, _ = noise_rates(self.runner)
        metric, task = self.runner.metric, self.runner.task
        if rates is None or metric not in OF_COUNTS:
            return
        counts: dict[str, dict[Cell, NDArray[np.float64]]] = {}
        for row in self.judged:
            counts[row.name] = {}
            for cell, x in self.cells[row.name].items():
                test = self.runner.splits[cell[0]][cell[1]][1]
                doubted = np.flatnonzero(~task.trusted[test])  # the rates are those of labels that nobody verified
                scorer = Scorer(task.codes[test][doubted], 2, task.positive)
                counts[row.name][cell] = scorer.counts(x.predicted.decision[doubted])
        for row in self.judged:
            own = counts[row.name]
            if len(own) < 2:
                continue
            pooled = np.sum(list(own.values()), axis=0) / max(len(self.runner.splits), 1)
            whole = corrected_metrics(np.rint(pooled), None, rates, metrics=metric, level=LEVEL, random_state=0)
            row.corrected = whole[metric]
            value = {c: float(OF_COUNTS[metric](corrected_confusion(n, rates)[0])) for c, n in own.items()}
            base = {c: float(OF_COUNTS[metric](corrected_confusion(n, rates)[0])) for c, n in counts["nothing"].items()}
            both = [value[c] - base[c] for c in value if c in base and math.isfinite(value[c] - base[c])]
            if len(both) >= 2 and row.name != "nothing":
                row.corrected_difference = paired(
                    both, self.n_train, self.n_test, len(task), compared=len(self.judged) - 1
                )


def noise_rates(runner: Runner) -> tuple[NoiseRates | None, str]:
    """Return the rates to correct the metric by, or None, and the reason in words."""
    task, metric = runner.task, runner.metric
    if not task.binary:
        return None, "not corrected for label errors: the correction here is for two classes of which one is positive"
    if metric not in OF_COUNTS:
        return None, f"not corrected for label errors: {metric} is no function of the four counts"
    if task.rates is None and (task.answers >= 0).any():
        return None, (
            "not corrected for label errors: the answers of a review tell how many labels are wrong, not that the "
            "errors are independent of the predictions; TN301 of the audit corrects the audit's own model by them"
        )
    if task.rates is None:
        return None, (
            "not corrected for label errors: no rates are known; "
            "audit with --miss-rate and --false-alarm-rate, or review a sample"
        )
    try:
        return NoiseRates(*task.rates), (
            f"corrected for {100 * task.rates[0]:g} % of the positives and {100 * task.rates[1]:g} % of the negatives "
            "labelled wrong, taken as exact and as independent of the prediction"
        )
    except InputError as error:
        return None, f"not corrected for label errors: {error}"


def _within(estimate: Estimate, metric: str) -> Estimate:
    """Cut an interval at the ends of the figure's own range."""
    least = -1.0 if metric in _SIGNED else 0.0
    most = math.inf if metric in ("cost", "log_loss") else 1.0
    return replace(estimate, low=max(least, estimate.low), high=min(most, estimate.high))
