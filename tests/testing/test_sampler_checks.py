"""The checks of the Sampler shape pass a sound sampler and catch each defect."""

# ruff: noqa: D102 - the methods of the samplers below are those of the shape

from __future__ import annotations

import warnings

import numpy as np
import pytest

from trueneg.sample import SMOTE
from trueneg.testing import check_sampler
from trueneg.testing import sampler as checks


class Base(SMOTE):
    """A sound sampler that the broken ones below differ from in one way."""


class ForgetsGroups(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        out = super().fit_resample(X, y, sample_weight=sample_weight)
        self.groups_ = None if groups is None else self.plan_.carry(groups)
        return out


class DropsWeights(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        out = super().fit_resample(X, y, groups=groups)
        self.sample_weight_ = np.ones(len(out[1]))
        return out


class OneStream(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        out = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        if len(np.unique(y)) == 4:
            made = y[self.parents_[:, 0]]
            self.weights_[made == 3] = self.weights_[made == 1]
        return out


class DrawsGlobally(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        X, y = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        order = np.random.permutation(len(self.parents_))  # noqa: NPY002
        self.parents_, self.weights_ = self.parents_[order], self.weights_[order]
        return X, y


class SwapsParents(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        out = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        self.parents_ = self.parents_[:, ::-1]
        return out


class MadeFirst(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        X, y = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        self.sample_indices_ = self.sample_indices_[::-1].copy()
        return X[::-1].copy(), y[::-1].copy()


class Widens(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        X, y = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        return (X.astype(float) if isinstance(X, np.ndarray) else X), y


class IsSilent(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)


class NumbersAnew(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        X, y = super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)
        if hasattr(X, "reset_index"):
            return X.reset_index(drop=True), y.reset_index(drop=True)
        return X, y


class TakesFirstLabel(Base):
    def fit_resample(self, X, y, *, groups=None, sample_weight=None):
        y = np.asarray(y)[:, 0] if np.ndim(y) == 2 else y
        return super().fit_resample(X, y, groups=groups, sample_weight=sample_weight)


def test_a_sound_sampler_passes():
    """What the broken ones below differ from passes as a whole."""
    check_sampler(Base())


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (ForgetsGroups, checks.check_groups),
        (DropsWeights, checks.check_sample_weight),
        (OneStream, checks.check_streams),
        (DrawsGlobally, checks.check_deterministic),
        (SwapsParents, checks.check_children),
        (MadeFirst, checks.check_output),
        (Widens, checks.check_types),
        (IsSilent, checks.check_nothing_silent),
        (NumbersAnew, checks.check_frames),
        (TakesFirstLabel, checks.check_refusals),
    ],
)
def test_a_broken_sampler_is_caught(broken, check):
    """Each check bites: the defect it is named for makes it fail."""
    with pytest.raises(AssertionError):
        check(broken())
