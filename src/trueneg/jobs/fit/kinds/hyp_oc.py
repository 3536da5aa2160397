"""Hyp-OC: one class is learned, all others are "none of it"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied

__all__ = ["HypOc"]

_FAMILIAR = ("real", "live", "bonafide", "genuine", "normal")


class HypOc(Kind):
    """Learns rows of the familiar class alone; the others set nothing, and are measured on."""

    column = "score"
    rejects = True

    def __init__(self, setting: Setting) -> None:
        from trueneg.reject.hyp_oc import HyperbolicOneClass

        super().__init__(setting)
        params = dict(setting.params)
        self.familiar = params.pop("familiar", None)
        if isinstance(params.get("hidden"), list):
            params["hidden"] = tuple(params["hidden"])
        self.model = applied(
            HyperbolicOneClass(random_state=setting.seed), params, but=("encoder", "trained", "progress")
        )

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from rows of the familiar class."""
        if self.familiar is None:
            self.familiar = next((name for name in _FAMILIAR if name in classes), None)
        if str(self.familiar) not in classes:
            msg = f"which class is familiar? there are {', '.join(classes[:8])}: name it with --set familiar=CLASS"
            raise InputError(msg)
        self.familiar = str(self.familiar)
        if progress is not None:
            self.model.set_params(progress=lambda done, total: progress("epochs", done, total))
        self.model.fit(X[y == classes.index(self.familiar)])
        self.model.set_params(progress=None)

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of familiar rows to keep is kept."""
        self.model.calibrate(X[y == classes.index(str(self.familiar))], target_tpr=self.setting.keep)
        self.threshold = float(self.model.threshold_)
        return f"threshold {self.model.threshold_}"

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the familiar class or what it is not, and the score."""
        scores = self.model.score_samples(X)
        others = [name for name in classes if name != self.familiar]
        unknown = others[0] if len(others) == 1 else self.unknown_among(classes)
        said = np.array([unknown, self.familiar], dtype=object)
        return Answer(said[(scores >= self.threshold).astype(np.int64)], scores, unknown)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the head's own state and the threshold."""
        about, arrays = self.model.to_state()
        return {"state": about, "threshold": self.threshold, "familiar": self.familiar}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> HypOc:
        """Return the fitted rejecter."""
        from trueneg.reject.hyp_oc import HyperbolicOneClass

        found = cls(Setting())
        found.model = HyperbolicOneClass.from_state(about["state"], arrays)
        found.threshold, found.familiar = about["threshold"], about["familiar"]
        return found
