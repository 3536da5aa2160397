"""Mahalanobis: the nearest class, or none where the row is far from all."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, check_names, nearest_or_none

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate

__all__ = ["Mahalanobis"]

_NUMBER = re.compile(r"^class (\d+) ")
_MOST, _STEPS = 10_000, 200  # rows and steps of the logistic regression beside it
_CELLS = 500_000_000  # rows x features x classes of it: some ten seconds
_EACH = 5  # rows of a class, below which it is told nothing by
_NOT_HERE = ("net", "layers", "widths", "eps", "input_std")


class Mahalanobis(Kind):
    """Distances to class means under one covariance; of images at each stage of the encoder, weighed where asked."""

    column = "score"
    rejects = True
    stages = True

    def __init__(self, setting: Setting) -> None:
        from trueneg.reject import MahalanobisDetector

        super().__init__(setting)
        params = dict(setting.params)
        self.weighs = params.pop("weigh", False)
        if not isinstance(self.weighs, bool):
            msg = f"--set weigh={self.weighs!r}: write true or false"
            raise InputError(msg)
        base = MahalanobisDetector()
        check_names(params, {*base.get_params(deep=False), "weigh"} - {"unknown_label", *_NOT_HERE})
        self.model: Any = base.set_params(**params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn means and the covariance of each layer."""
        if len(self.widths) > 1:
            self.model.set_params(widths=list(self.widths))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            self.model.fit(X, y)
        most = min(_MOST, max(1_000, _CELLS // (self._last(X[:1]).shape[1] * len(classes))))
        chosen = np.sort(np.random.default_rng(self.setting.seed).permutation(len(X))[:most])
        self._some = self._last(X[chosen]), y[chosen]
        named = (_NUMBER.sub(lambda m: f"class {classes[int(m[1])]!r} ", str(one.message)) for one in said)
        self.told.extend(named)

    def weigh(self, known: Any, unknown: Any) -> str:
        """Weigh the layers by a logistic regression, the paper's section 2.2."""
        from trueneg.reject import FeatureEnsembleDetector

        if len(self.widths) < 2:
            raise InputError("--set weigh=true weighs the stages of the image encoder: it needs images")
        self.model = FeatureEnsembleDetector(self.model, random_state=self.setting.seed).fit_layers(
            self.model, known=known, unknown=unknown
        )
        found = ", ".join(f"{w:.2g}" for w in self.model.weights_)
        return f"stages weighed on {len(known):,} rows of known classes and {len(unknown):,} of none: {found}"

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of known rows to keep is kept."""
        self.model.calibrate(X, target_tpr=self.setting.keep)
        return ""

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the nearest class, or that it is none, and the score."""
        return nearest_or_none(self.model, X, classes)

    def beside(
        self, X: Any, scores: NDArray[Any], own: NDArray[np.bool_], groups: NDArray[Any] | None
    ) -> tuple[dict[str, Estimate], list[str]]:
        """Return how a logistic regression's largest probability ranks the rows; of images, on the last features."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from trueneg.core.detection import auroc

        kinds = len(np.unique(self._some[1]))
        if kinds < 2 or len(self._some[1]) < _EACH * kinds:
            return {}, []
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_STEPS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it need not converge to the last digit
            plain.fit(*self._some)
        name = "the softmax of a logistic regression"
        ranked = auroc(own, plain.predict_proba(self._last(X)).max(axis=1))
        told = f"{name} ranks these rows better, the intervals lie apart: use that instead (trueneg fit max_logit)"
        return {f"AUROC of {name}": ranked}, [told] if ranked.low > auroc(own, scores).high else []

    def _last(self, X: Any) -> NDArray[Any]:
        """Return the columns of the last layer."""
        return np.asarray(X)[:, -self.widths[-1] :] if len(self.widths) > 1 else np.asarray(X)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the detector's own arrays."""
        return {"weighed": self.weighs}, self.model.to_state()

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Mahalanobis:
        """Return the fitted rejecter."""
        from trueneg.reject import FeatureEnsembleDetector, MahalanobisDetector

        found = cls(Setting())
        found.weighs = bool(about.get("weighed", False))
        found.model = (FeatureEnsembleDetector if found.weighs else MahalanobisDetector).from_state(arrays)
        return found
