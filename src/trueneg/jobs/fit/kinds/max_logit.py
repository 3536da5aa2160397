"""Open-set recognition: logistic regression, and none of the classes where its largest logit is low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, check_names

__all__ = ["MaxLogit"]

_SCORES = ("detector", "temperature")


class MaxLogit(Kind):
    """A linear classifier on standardised features as an OpenSetClassifier; kept as its weights."""

    column = "score"
    rejects = True

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        check_names(setting.params, ("C", *_SCORES))
        self.made(setting.params)

    def made(self, params: Mapping[str, Any]) -> Any:
        """Return the classifier, unfitted."""
        from sklearn.linear_model import LogisticRegression

        from trueneg.reject import OpenSetClassifier

        inner = LogisticRegression(C=float(params.get("C", 1.0)), max_iter=1000)
        own = {name: params[name] for name in _SCORES if name in params}
        return OpenSetClassifier(inner, threshold=None, random_state=self.setting.seed, **own)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn the scale of each feature, then the weights."""
        self.shift, spread = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
        self.scale = np.where(spread > 0, spread, 1.0)
        self.model = self.made(self.setting.params).fit(self._scaled(X), y)

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of known rows to keep is kept."""
        self.model.calibrate(self._scaled(X), target_tpr=self.setting.keep)
        self.threshold = float(self.model.threshold_)
        return f"threshold {self.model.threshold_}"

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the class of the largest logit, or that it is none, and the score."""
        rows = self._scaled(X)
        scores = self.model.score_samples(rows)
        labels = np.asarray(classes, dtype=object)[self.model.estimator_.predict(rows)]
        unknown = self.unknown_among(classes)
        labels[~(scores >= self.threshold)] = unknown
        return Answer(labels, scores, unknown)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the weights, the scale and the threshold."""
        inner = self.model.estimator_
        arrays = {"weights": inner.coef_, "intercept": inner.intercept_, "classes": inner.classes_}
        return {"params": self.setting.params, "threshold": self.threshold}, {
            **arrays,
            "shift": self.shift,
            "scale": self.scale,
        }

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> MaxLogit:
        """Return the fitted rejecter."""
        found = cls(Setting(params=about["params"]))
        found.shift, found.scale, found.threshold = arrays["shift"], arrays["scale"], about["threshold"]
        model = found.made(about["params"])
        inner = model.estimator
        inner.coef_, inner.intercept_, inner.classes_ = arrays["weights"], arrays["intercept"], arrays["classes"]
        inner.n_features_in_ = inner.coef_.shape[1]
        model.estimator_, model.classes_, model.n_features_in_ = inner, inner.classes_, inner.n_features_in_
        found.model = model
        return found

    def _scaled(self, X: Any) -> NDArray[np.float64]:
        return (np.asarray(X, dtype=np.float64) - self.shift) / self.scale
