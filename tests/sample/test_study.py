"""Probabilities after resampling, and the ROC curve that resampling draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from trueneg.core.errors import InputError
from trueneg.sample import SMOTE, OverSampler, ResampledClassifier, UnderSampler, prior_corrected, roc_by_sampling
from trueneg.sample._smote.roc import upper_hull


def _logit(n, seed, intercept=-3.0):
    """Draw rows whose true probability is a logistic function."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    p = 1 / (1 + np.exp(-(intercept + X @ [1.5, -1.0])))
    return X, (rng.random(n) < p).astype(int), p


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_prior_correction_is_bayes_rule_and_undoes_itself(prior, resampled):
    """Posterior under one prior from likelihoods, moved to another and back, for several classes."""
    prior, resampled = (np.array(a) / np.sum(a) for a in (prior, resampled))
    likelihood = np.random.default_rng(0).random((20, 3)) + 0.01

    def posterior(share):
        joint = likelihood * share
        return joint / joint.sum(axis=1, keepdims=True)

    moved = prior_corrected(posterior(resampled), prior=prior, resampled=resampled)
    np.testing.assert_allclose(moved, posterior(prior))
    np.testing.assert_allclose(prior_corrected(moved, prior=resampled, resampled=prior), posterior(resampled))


def test_two_classes_may_be_given_by_the_positive_alone():
    """The short form is the long one's second column, and bad shares are refused."""
    p = np.array([0.0, 0.2, 0.5, 1.0])
    both = prior_corrected(np.c_[1 - p, p], prior=[0.9, 0.1], resampled=[0.5, 0.5])
    np.testing.assert_allclose(prior_corrected(p, prior=0.1, resampled=0.5), both[:, 1])
    with pytest.raises(InputError, match="add up to 1"):
        prior_corrected(p, prior=[0.5, 0.6], resampled=0.5)
    with pytest.raises(InputError, match="never saw"):
        prior_corrected(p, prior=0.5, resampled=0.0)


@pytest.mark.parametrize("sampler", [SMOTE(), OverSampler(), UnderSampler()], ids=str)
def test_a_linear_model_is_calibrated_again(sampler):
    """Resampling lifts every probability; the correction brings the mean back to the prevalence."""
    X, y, p = _logit(8000, 0)
    test, _, truth = _logit(4000, 1)
    bias = {}
    for correction in (None, "prior", "recalibrate"):
        model = ResampledClassifier(LogisticRegression(), sampler, correction=correction, random_state=0).fit(X, y)
        bias[correction] = model.predict_proba(test)[:, 1].mean() - truth.mean()
    assert bias[None] > 0.15
    assert abs(bias["prior"]) < 0.01
    assert abs(bias["recalibrate"]) < 0.01
    assert p.mean() < 0.2


@pytest.mark.slow
def test_recalibration_repairs_a_forest_that_prior_correction_does_not():
    """A flexible model is no prior shift: out-of-fold recalibration must give the better log loss."""
    X, y, _ = _logit(3000, 2)
    test, truth, _ = _logit(3000, 3)
    loss = {}
    for correction in (None, "prior", "recalibrate"):
        model = ResampledClassifier(
            RandomForestClassifier(60, min_samples_leaf=3), correction=correction, random_state=0
        ).fit(X, y)
        loss[correction] = log_loss(truth, model.predict_proba(test)[:, 1])
    assert loss["recalibrate"] < loss["prior"]
    assert loss["recalibrate"] < loss[None]


def test_weights_and_groups_reach_the_sampler_and_are_never_dropped():
    """Groups stay whole in the sampler; an estimator that would drop the weights is refused."""
    X, y, _ = _logit(600, 4)
    groups = np.arange(600) // 6
    weight = np.random.default_rng(0).random(600) + 0.5
    for correction in ("prior", "recalibrate"):
        model = ResampledClassifier(correction=correction, random_state=0)
        model.fit(X, y, groups=groups, sample_weight=weight)
        own = groups[model.sampler_.parents_]
        assert (own[:, 0] == own[:, 1]).all()
        assert model.sampler_.sample_weight_ is not None
        assert model.prior_[1] == pytest.approx(weight[y == 1].sum() / weight.sum())
    with pytest.raises(InputError, match="takes no sample_weight"):
        ResampledClassifier(KNeighborsClassifier()).fit(X, y, sample_weight=weight)
    with pytest.raises(InputError, match="no predict_proba"):
        ResampledClassifier(Perceptron()).fit(X, y)
    with pytest.raises(InputError, match="correction='both'"):
        ResampledClassifier(correction="both").fit(X, y)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12))
def test_the_hull_is_the_convex_hull(points):
    """Area and corners against Qhull on the points with (0, 0), (1, 1) and the floor (1, 0)."""
    given_points = np.array(points) / 8
    hull = upper_hull(*given_points.T)
    every = np.r_[given_points, [[0, 0], [1, 1], [1, 0]]]
    assert np.trapezoid(hull[:, 1], hull[:, 0]) == pytest.approx(ConvexHull(every).volume)
    assert (np.diff(hull[:, 0]) >= 0).all()
    above = np.interp(given_points[:, 0], *_steps(hull))
    assert (above >= given_points[:, 1] - 1e-9).all()


def _steps(hull):
    """Return the hull as a function: at a vertical edge its upper end."""
    keep = np.r_[np.diff(hull[:, 0]) > 0, True]
    return hull[keep, 0], hull[keep, 1]


def test_the_curve_rises_with_the_level_and_says_how_sure_it_is():
    """More positives a negative move the tree toward the upper right; the hull is no smaller than the curve."""
    X, y, _ = _logit(1500, 5, intercept=-2)
    levels = (100, 300, 1000)
    for sampler in (None, SMOTE(amount=200)):
        roc = roc_by_sampling(DecisionTreeClassifier(), X, y, levels=levels, sampler=sampler, cv=4, random_state=0)
        assert roc.fpr.shape == roc.tpr.shape == (4, 3)
        assert (np.diff(roc.fpr.mean(axis=0)) > 0).all()
        assert roc.hull_area.value >= roc.area.value - 1e-12
        assert roc.hull_area.low < roc.hull_area.value < roc.hull_area.high
        again = roc_by_sampling(DecisionTreeClassifier(), X, y, levels=levels, sampler=sampler, cv=4, random_state=0)
        np.testing.assert_array_equal(again.tpr, roc.tpr)


def test_a_curve_that_cannot_be_drawn_is_refused():
    """Three classes, no level, fewer positives than folds: one line each."""
    X, y, _ = _logit(200, 6)
    for labels, given_to, words in (
        (np.arange(200) % 3, {}, "two classes"),
        (y, {"levels": (0, 5)}, "above 0"),
        ((np.arange(200) < 4).astype(int), {}, "fewer than the 10 folds"),
        (y, {"sampler": OverSampler(), "cv": 2}, "no parameter `under`"),
    ):
        with pytest.raises(InputError, match=words):
            roc_by_sampling(DecisionTreeClassifier(), X, labels, **given_to)
