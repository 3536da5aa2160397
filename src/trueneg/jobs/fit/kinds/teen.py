"""Prototypes by cosine, the centre of the embeddings taken off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, ahead, applied, stats_from, stats_of

__all__ = ["Teen"]


class Teen(Kind):
    """Cosines with prototypes."""

    def __init__(self, setting: Setting) -> None:
        from trueneg.heads import PrototypeClassifier

        super().__init__(setting)
        self.model = applied(PrototypeClassifier(), setting.params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn the centre and the prototypes."""
        self.centre = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.model.fit(X - self.centre, y)

    def add(self, X: Any, y: NDArray[np.int64]) -> None:
        """Add rows; class numbers not seen before are new classes."""
        self.model.partial_fit(X - self.centre, y)

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return labels, and the cosine of the best prototype above the next one's."""
        cosines = self.model.decision_function(X - self.centre)
        if cosines.ndim == 1:
            cosines = np.stack([np.zeros(len(cosines)), cosines], axis=1)
        best, gap = ahead(cosines)
        return Answer(np.asarray(classes, dtype=object)[self.model.classes_[best]], gap)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return settings, class statistics, the base classes and the centre."""
        about, arrays = stats_of(self.model.stats_)
        arrays |= {"base": self.model.base_classes_, "centre": self.centre}
        return {"params": self.model.get_params(deep=False), "stats": about}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Teen:
        """Return the fitted head; its ``partial_fit`` goes on."""
        found = cls(Setting(params=about["params"]))
        model = found.model
        model.stats_ = stats_from(about["stats"], arrays)
        model.classes_, model.base_classes_ = model.stats_.classes, arrays["base"]
        model.n_features_in_, found.centre = model.stats_.means.shape[1], arrays["centre"]
        model._calibrate()
        return found
