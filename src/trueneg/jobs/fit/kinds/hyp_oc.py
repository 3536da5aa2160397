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
_STEPS = 80  # of the optimiser, at least: what the default epochs are with a thousand rows


class HypOc(Kind):
    """Learns rows of the familiar class alone; the others set nothing, and are measured on."""

    column = "score"
    rejects = True
    video_threshold: float | None = None

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
            self.familiar = classes[0] if len(classes) == 1 else next((n for n in _FAMILIAR if n in classes), None)
        if str(self.familiar) not in classes:
            msg = f"which class is familiar? there are {', '.join(classes[:8])}: name it with --set familiar=CLASS"
            raise InputError(msg)
        self.familiar = str(self.familiar)
        if progress is not None:
            self.model.set_params(progress=lambda done, total: progress("epochs", done, total))
        own = X[y == classes.index(self.familiar)]
        self.rows = len(own)
        if "epochs" not in self.setting.params:
            steps = -(-len(own) // int(self.model.batch_size))
            least = -(-_STEPS // max(1, steps))
            if least > self.model.epochs:
                self.model.set_params(epochs=least)
                self.told.append(f"{least} epochs, since {len(own):,} rows of {self.familiar} make few steps each")
        self.model.fit(own)
        self.model.set_params(progress=None)

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of familiar rows to keep is kept."""
        own = X[y == classes.index(str(self.familiar))]
        if not len(own):
            msg = f"no row of {self.familiar} is left to set the threshold on: give more rows, or a larger --held-out"
            raise InputError(msg)
        self.model.calibrate(own, target_tpr=self.setting.keep)
        self.threshold = float(self.model.threshold_)
        return ""

    def calibrate_videos(self, X: Any, y: NDArray[np.int64], videos: NDArray[Any], classes: list[str]) -> str:
        """Set the threshold of whole videos likewise, on the mean scores of their frames."""
        from trueneg.reject import find_threshold

        own = y == classes.index(str(self.familiar))
        mean = self.of_videos(self.model.score_samples(X[own]), videos[own])[1]
        found = find_threshold(mean, None, target_tpr=self.setting.keep)
        self.video_threshold = float(found)
        return f"threshold of videos, from {len(mean)} of {self.familiar}: {found}"

    @staticmethod
    def of_videos(
        scores: NDArray[Any], videos: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64]]:
        """Return the names of videos, sorted, the mean score of each, and how many frames it has."""
        from trueneg.reject.hyp_oc import video_scores

        names, mean = video_scores(scores, videos)
        return names, mean, np.unique(videos, return_counts=True)[1]

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the familiar class or what it is not, and the score."""
        scores = self.model.score_samples(X)
        said, unknown = self.said(scores, classes, self.threshold)
        return Answer(said, scores, unknown)

    def said(self, scores: NDArray[Any], classes: list[str], threshold: float) -> tuple[NDArray[Any], str]:
        """Return the familiar class or what it is not, for each score, and the latter's name."""
        others = [name for name in classes if name != self.familiar]
        unknown = others[0] if len(others) == 1 else self.unknown_among(classes)
        return np.array([unknown, self.familiar], dtype=object)[(scores >= threshold).astype(np.int64)], unknown

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the head's own state and the threshold."""
        about, arrays = self.model.to_state()
        own = {"threshold": self.threshold, "video_threshold": self.video_threshold, "familiar": self.familiar}
        return {"state": about, **own}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> HypOc:
        """Return the fitted rejecter."""
        from trueneg.reject.hyp_oc import HyperbolicOneClass

        found = cls(Setting())
        found.model = HyperbolicOneClass.from_state(about["state"], arrays)
        found.threshold, found.familiar = about["threshold"], about["familiar"]
        found.video_threshold = about.get("video_threshold")
        return found
