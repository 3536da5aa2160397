"""Intrusion detection: flows in, alarms within a budget out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied

__all__ = ["Intrusion"]


class Intrusion(Kind):
    """Alarms; reads the columns themselves, so that categories never seen are counted."""

    reads = "flows"
    column = "score"
    rejects = True

    def __init__(self, setting: Setting) -> None:
        from trueneg.reject.intrusion import FlowEncoder, IntrusionRejecter

        super().__init__(setting)
        params = dict(setting.params)
        named = params.pop("detectors", None)
        wanted = tuple(named.split(",")) if isinstance(named, str) else named
        if "encoder" in params:
            raise InputError("--set encoder: a table's columns are always encoded; name them with --features")
        model = IntrusionRejecter(wanted, encoder=FlowEncoder(missing="mean"), random_state=setting.seed)
        self.model = applied(model, params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from a table and the numbers of its labels."""
        if self.model.normal == "auto" and "0" in classes and not {"normal", "benign"} & {c.lower() for c in classes}:
            self.model.set_params(normal="0")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*no alarm is raised")  # calibrate tells it
            self.model.fit(X, np.asarray(classes, dtype=object)[y], progress=progress)
        self.familiar, self.encoder = str(self.model.normal_), self.model.encoder_

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Return the threshold's bound; it was set on normal rows that the detectors did not learn from."""
        budget = self.model.budget_
        if budget is None:
            return "too few normal rows were held out to keep the rate: no alarm is raised; give more rows"
        sure = self.model.confidence
        how = "the plain quantile" if sure is None else f"kept with confidence {sure:g}"
        return (
            f"budget: {self.model.rate:g} of normal rows may raise an alarm, {how}, set on {budget.achieved_.n:,} of "
            "them; on other traffic set it anew: trueneg fit intrusion CLEAN --recalibrate MODEL --out NEW"
        )

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the normal label or the alarm, and the score."""
        scores, self.unseen = self.model.score_counted(X)
        return Answer(self.model.say(scores < self.model.threshold_), scores)

    def save(self, folder: Path) -> None:
        """Write the rejecter's own files."""
        self.model.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Intrusion:
        """Read the rejecter's own files."""
        from trueneg.reject.intrusion import IntrusionRejecter

        found = cls(Setting())
        found.model = IntrusionRejecter.load(folder)
        found.encoder = found.model.encoder_
        return found
