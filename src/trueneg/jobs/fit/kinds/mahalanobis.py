"""Mahalanobis: the nearest class, or none where the row is far from all."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied

__all__ = ["Mahalanobis"]

_NUMBER = re.compile(r"^class (\d+) ")


class Mahalanobis(Kind):
    """Distances to class means under one covariance; of images at each stage of the encoder, none of them weighed."""

    column = "score"
    rejects = True
    stages = True

    def __init__(self, setting: Setting) -> None:
        from trueneg.reject import MahalanobisDetector

        super().__init__(setting)
        self.model = applied(MahalanobisDetector(), setting.params, but=("net", "layers", "widths", "eps", "input_std"))

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn means and the covariance of each layer."""
        if len(self.widths) > 1:
            self.model.set_params(widths=list(self.widths))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            self.model.fit(X, y)
        named = (_NUMBER.sub(lambda m: f"class {classes[int(m[1])]!r} ", str(one.message)) for one in said)
        self.told.extend(named)

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of known rows to keep is kept."""
        self.model.calibrate(X, target_tpr=self.setting.keep)
        return f"threshold {self.model.threshold_}"

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the nearest class, or that it is none, and the score."""
        scores = self.model.score_samples(X)
        labels = np.asarray(classes, dtype=object)[self.model.closest_class(X)]
        unknown = self.unknown_among(classes)
        labels[~(scores >= float(self.model.threshold_))] = unknown
        return Answer(labels, scores, unknown)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the detector's own arrays."""
        return {}, self.model.to_state()

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Mahalanobis:
        """Return the fitted rejecter."""
        from trueneg.reject import MahalanobisDetector

        found = cls(Setting())
        found.model = MahalanobisDetector.from_state(arrays)
        return found
