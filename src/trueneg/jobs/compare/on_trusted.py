"""The figures of the trusted rows, which decide where there are enough of them."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import bootstrap
from trueneg.jobs.compare.differences import LEVEL, POWER, Difference, Row, judged, needed
from trueneg.jobs.compare.metrics import Predicted, Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.jobs.compare.engine import Runner

FEWEST = 50
_BOOT = 500


class OnTrusted:
    """The figures of the trusted rows, each predicted by models that saw neither it nor its group."""

    def __init__(self, runner: Runner, rows: list[Row]) -> None:
        self.runner, self.rows = runner, judged(rows)
        task = runner.task
        self.places = np.flatnonzero(task.trusted)
        self.scorer = Scorer(
            task.codes[self.places], len(task.classes), task.positive, task.negative, task.costs_of(self.places)
        )

    def fill(self) -> None:
        """Put the figures of the trusted rows into the rows, where there are 50 or more of them."""
        codes = self.runner.task.codes[self.places]
        if len(self.places) < FEWEST or len(np.unique(codes)) < 2:
            return
        whole = {row.name: self._repeats(row.name) for row in self.rows}
        if not whole["nothing"]:
            return
        for row in self.rows:
            for metric in dict.fromkeys([self.runner.metric, "log_loss"]):
                self._one(row, metric, whole[row.name], whole["nothing"])

    def _repeats(self, name: str) -> dict[int, Any]:
        """Predictions of the trusted rows by repeat, where all its folds are there."""
        out = {}
        place = np.full(len(self.runner.task), -1)
        place[self.places] = np.arange(len(self.places))
        for repeat, folds in enumerate(self.runner.splits):
            found = [self.runner.results.get((name, repeat, f)) for f in range(len(folds))]
            if any(x is None for x in found):
                continue
            parts, order = [], []
            for (_, test), x in zip(folds, found, strict=True):
                here = np.flatnonzero(place[test] >= 0)
                parts.append(x.predicted.take(here))  # type: ignore[union-attr]
                order.append(place[test[here]])
            back = np.argsort(np.concatenate(order))
            names = ("decision", "given", "top", "right", "brier", "score", "certain")
            joined = [np.concatenate([getattr(p, n) for p in parts]) for n in names]
            out[repeat] = Predicted(*(a[back] if len(a) else a for a in joined))
        return out

    def _one(self, row: Row, metric: str, own: dict[int, Any], base: dict[int, Any]) -> None:
        common = sorted(own.keys() & base.keys())
        if not common:
            return
        n = len(self.places)
        index = np.arange(n)

        def mean(of: dict[int, Any], picked: NDArray[np.int64]) -> float:
            weight = np.bincount(picked, minlength=n).astype(float)
            return float(np.mean([self.scorer.value(metric, of[r], weight) for r in common]))

        groups = self.runner.task.groups[self.places]
        options: Any = {
            "n_boot": _BOOT,
            "level": LEVEL,
            "random_state": self.runner.seed,
            "groups": groups if len(np.unique(groups)) < n else None,
        }
        try:
            row.trusted[metric] = bootstrap(lambda picked: mean(own, picked), index, **options)
            if row.name == "nothing":
                return
            estimate = bootstrap(lambda picked: mean(own, picked) - mean(base, picked), index, **options)
        except InputError:
            return  # undefined on most resamples: too few rows of one class
        error = (estimate.high - estimate.low) / (2 * NormalDist().inv_cdf(0.5 + LEVEL / 2))
        if error <= 0:
            row.trusted_difference[metric] = Difference(estimate, 1.0 if estimate.value == 0 else 0.0, None)
            return
        normal = NormalDist()
        p = 2 * normal.cdf(-abs(estimate.value) / error)
        quantiles = normal.inv_cdf(1 - (1 - LEVEL) / (2 * (len(self.rows) - 1))) + normal.inv_cdf(POWER)
        row.trusted_difference[metric] = Difference(estimate, p, needed(estimate.value, error, quantiles, n))
