"""Samplers obey scikit-learn's and imbalanced-learn's conventions."""

from __future__ import annotations

import imblearn.utils.estimator_checks as imblearn_checks
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import trueneg.sample as sample
from trueneg.sample import SMOTE, SMOTENC, BorderlineSMOTE, OverSampler, ResampledClassifier, UnderSampler
from trueneg.testing import DEGENERATE, check_degenerate, sampler_checks

PUBLIC = [getattr(sample, name) for name in sample.__all__]
SAMPLERS = [kind for kind in PUBLIC if isinstance(kind, type) and hasattr(kind, "fit_resample")]


def _small(kind):
    """Return an instance that the checks can run: deterministic, and with columns named where they must be."""
    return SMOTENC(categorical_features=[0], random_state=0) if kind is SMOTENC else kind(random_state=0)


def _scikit_learn(estimator):
    if isinstance(estimator, SMOTENC):
        return {"check_fit2d_1feature": "one column cannot be both nominal and numeric"}
    return {}


WAYS = [
    *[_small(kind) for kind in SAMPLERS],
    SMOTE(gap="attribute"),
    SMOTE(allocation="random", k_neighbors=2),
    SMOTE(amount=200, under=100),
    BorderlineSMOTE(kind="borderline-2"),
    OverSampler(allocation="random"),
    UnderSampler(percent=80),
    SMOTENC(categorical_features=[True, False, False, False], k_neighbors=3),
]


@pytest.mark.parametrize("check", list(sampler_checks()), ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", WAYS, ids=str)
def test_sampler_shape(estimator, check):
    """Any sampler can stand where another one stood: a comparison of remedies relies on no more than the shape."""
    check(estimator)


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("estimator", WAYS, ids=str)
@pytest.mark.filterwarnings("ignore::trueneg.sample.SamplingWarning")
def test_degenerate_tables_are_answered_or_refused(estimator, case):
    """No row, one class, copies only, whole numbers, one group: an answer or one line, never a traceback."""
    check_degenerate(lambda c: clone(estimator).fit_resample(c.X, c.y, groups=c.groups), case)
    check_degenerate(lambda c: clone(estimator).fit_resample(c.X, c.positive), case)


def test_discovery_finds_the_samplers():
    """A discovery that finds nothing would make every check above pass."""
    assert {"SMOTE", "SMOTENC", "SMOTEN", "ADASYN", "OverSampler", "UnderSampler"} <= {k.__name__ for k in SAMPLERS}


CLASSIFIERS = [
    ResampledClassifier(random_state=0),
    ResampledClassifier(sampler=OverSampler(), correction="recalibrate", random_state=0),
]


@parametrize_with_checks([_small(kind) for kind in SAMPLERS], expected_failed_checks=_scikit_learn, xfail_strict=True)
def test_scikit_learn_conventions(estimator, check):
    """Clones, searches and pipelines of scikit-learn can use every sampler."""
    check(estimator)


def _imbalanced_learn(estimator):
    if isinstance(estimator, SMOTENC):
        return {"check_samplers_nan": "its only column is nominal"}
    return {}


@imblearn_checks.parametrize_with_checks([_small(kind) for kind in SAMPLERS], expected_failed_checks=_imbalanced_learn)
def test_imbalanced_learn_conventions(estimator, check):
    """Every sampler can stand in a pipeline of imbalanced-learn, as its own conformance checks say."""
    check(estimator)


_COUNTS = "a sampler counts rows and a child has two parents: a weight of 2 is not the same as two rows"


def _weights(estimator):
    return {f"check_sample_weight_equivalence_on_{kind}_data": _COUNTS for kind in ("dense", "sparse")}


@parametrize_with_checks(CLASSIFIERS, expected_failed_checks=_weights, xfail_strict=True)
def test_a_resampled_classifier_is_a_classifier(estimator, check):
    """The wrapper can stand wherever a classifier of scikit-learn stands."""
    check(estimator)
