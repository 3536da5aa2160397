"""Naive Bayes: a Gaussian a class, on words and steps or on embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, ahead, applied, stats_from, stats_of

__all__ = ["NaiveBayes", "bayes_from"]

_ROWS = 4096  # dense rows at a time


class NaiveBayes(Kind):
    """Log odds of Gaussians."""

    reads = "either"

    def __init__(self, setting: Setting) -> None:
        from trueneg.heads import GaussianNaiveBayes

        super().__init__(setting)
        self.model = applied(GaussianNaiveBayes(), setting.params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from sparse or dense rows, block by block."""
        for start in range(0, X.shape[0], _ROWS):
            part = slice(start, start + _ROWS)
            self.model.partial_fit(_dense(X[part]), y[part])
            if progress is not None:
                progress("rows", min(start + _ROWS, X.shape[0]), X.shape[0])

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return labels, and log odds of the best class above the next one's."""
        known, blocks = np.asarray(classes, dtype=object)[self.model.classes_], range(0, max(1, X.shape[0]), _ROWS)
        found = [ahead(self.model.predict_log_proba(_dense(X[start : start + _ROWS]))) for start in blocks]
        return Answer(known[np.concatenate([best for best, _ in found])], np.concatenate([gap for _, gap in found]))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return settings and class statistics."""
        about, arrays = stats_of(self.model.stats_)
        return {"params": self.model.get_params(deep=False), "stats": about}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NaiveBayes:
        """Return the fitted head."""
        found = cls(Setting())
        found.model = bayes_from(about["params"], about["stats"], arrays)
        return found


def bayes_from(params: Mapping[str, Any], about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return a fitted Gaussian naive Bayes of its statistics."""
    from trueneg.heads import GaussianNaiveBayes

    stats = stats_from(about, arrays)
    model = GaussianNaiveBayes(**params)
    model.n_features_in_ = stats.means.shape[1]
    return model._fold(stats)


def _dense(rows: Any) -> NDArray[np.float32]:
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float32)
