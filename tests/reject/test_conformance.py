"""Every public rejecter obeys scikit-learn's conventions and the Rejecter shape; found by discovery."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

import trueneg.reject as reject
from trueneg.reject import BaseRejecter
from trueneg.testing import check_rejecter, rejecter_checks
from trueneg.testing import rejecter as checks

REJECTERS = [
    kind
    for kind in (getattr(reject, name) for name in reject.__all__)
    if isinstance(kind, type) and issubclass(kind, BaseRejecter) and kind is not BaseRejecter
]
# Those that learn from familiar rows alone, those the checks cannot make without arguments (with the test that runs
# the checks on them instead), and settings that make a default cheap enough to run here.
ONE_CLASS: set[str] = {"HyperbolicOneClass"}
LOGITS = ("EnergyDetector", "MSPDetector", "MaxLogitDetector")
ELSEWHERE: dict[str, str] = {
    "FeatureEnsembleDetector": "tests/reject/test_mahalanobis.py: it takes a base, and validation rows in fit",
    **dict.fromkeys(LOGITS, "tests/reject/test_max_logit.py: X holds logits, a column a class"),
    "IntrusionRejecter": "tests/reject/test_intrusion.py: it must be told which label is normal",
}
CHEAP: dict[str, dict] = {
    "OpenSetClassifier": {"estimator": LogisticRegression(), "threshold": None},
    "HyperbolicOneClass": {"hidden": (32, 8), "noise_scale": 9.0, "epochs": 4, "batch_size": 32},
}


class Nearest(BaseRejecter):
    """A sound rejecter, the smallest there is: minus the distance to the nearest class mean."""

    def __init__(self, *, unknown_label="auto"):
        self.unknown_label = unknown_label

    def fit(self, X, y=None):
        X = self._rows(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
            check_classification_targets(column_or_1d(y, warn=True))
        place = self._known(y, len(X))
        self.means_ = np.array([X[place == k].mean(axis=0) for k in range(len(self.classes_))])
        return self

    def _judge(self, X):
        X = self._rows(X)
        d = np.linalg.norm(X[:, None] - self.means_, axis=2)
        return -d.min(axis=1), d.argmin(axis=1)


def made(kind):
    """Return one, cheap enough to be fitted often."""
    return kind(**CHEAP.get(kind.__name__, {}))


DIRECT = [kind for kind in REJECTERS if kind.__name__ not in ELSEWHERE]


def calibrated(kind):
    """The same rejecter with a threshold after ``fit``, so that scikit-learn's checks can call ``predict``."""

    class Calibrated(kind):
        def fit(self, X, y=None):
            super().fit(X, y)
            return self.calibrate(X, target_tpr=0.9)

    Calibrated.__name__ = Calibrated.__qualname__ = f"Calibrated{kind.__name__}"
    globals()[Calibrated.__name__] = Calibrated  # where pickle looks for it
    return Calibrated(**CHEAP.get(kind.__name__, {}))


@parametrize_with_checks([calibrated(kind) for kind in [Nearest, *DIRECT]])
def test_scikit_learn_conventions(estimator, check):
    """Pipelines, clones and searches of scikit-learn can use every rejecter."""
    check(estimator)


@pytest.mark.parametrize("check", list(rejecter_checks()), ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", [Nearest, *DIRECT], ids=lambda k: k.__name__)
def test_rejecter_shape(kind, check):
    """Any rejecter can stand where another one stood."""
    check(made(kind), one_class=kind.__name__ in ONE_CLASS)


def test_the_smallest_rejecter_passes_without_labels():
    """The checks ask for nothing that a rejecter without classes cannot have."""
    check_rejecter(Nearest(), one_class=True)


class LowIsFamiliar(Nearest):
    def _judge(self, X):
        score, place = super()._judge(X)
        return -score, place


class SetsAThreshold(Nearest):
    def fit(self, X, y=None):
        super().fit(X, y)
        return self.calibrate(X, target_tpr=0.95)


class ReadsTheBatch(Nearest):
    def _judge(self, X):
        score, place = super()._judge(X)
        return score - np.mean(score), place


class DrawsGlobally(Nearest):
    def fit(self, X, y=None):
        super().fit(X, y)
        self.means_ = self.means_ + 1e-3 * np.random.normal(size=self.means_.shape)  # noqa: NPY002
        return self


class TakesNan(Nearest):
    def _judge(self, X):
        return super()._judge(np.nan_to_num(check_array(X, ensure_all_finite=False)))


class Keeps(Nearest):
    def _known(self, y, n):
        kept = self.__dict__.get("threshold_")
        place = super()._known(y, n)
        if kept is not None:
            self.threshold_ = kept
        return place


class WritesIntoX(Nearest):
    def fit(self, X, y=None):
        super().fit(X, y)
        np.asarray(X)[0] += 1
        return self


class KeepsTooFew(Nearest):
    def calibrate(self, X, y=None, **aims):
        super().calibrate(X, y, **aims)
        self.threshold_ = type(self.threshold_)(float(self.threshold_) + 0.4, "", self.threshold_.tpr)
        return self


class CountsTheUnlabelled(Nearest):
    def calibrate(self, X, y=None, **aims):
        y = None if y is None else [99 if v is None or v != v else v for v in np.asarray(y).tolist()]
        return super().calibrate(X, y, **aims)


class NeedsRows(Nearest):
    def _judge(self, X):
        return super()._judge(check_array(X))


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (LowIsFamiliar, checks.check_scores),
        (SetsAThreshold, checks.check_fit),
        (ReadsTheBatch, checks.check_scores),
        (DrawsGlobally, checks.check_deterministic),
        (TakesNan, checks.check_bad_input),
        (Keeps, checks.check_fit_forgets),
        (WritesIntoX, checks.check_inputs_unchanged),
        (KeepsTooFew, checks.check_target_tpr),
        (CountsTheUnlabelled, checks.check_missing_labels),
        (NeedsRows, checks.check_no_rows),
    ],
)
def test_a_broken_rejecter_is_caught(broken, check):
    """Each check bites: the defect it is named for makes it fail."""
    with pytest.raises((AssertionError, ValueError)):
        check(broken())
