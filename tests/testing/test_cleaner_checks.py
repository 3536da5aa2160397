"""The checks of the Cleaner shape catch each defect they are named for."""

# ruff: noqa: D102 - the methods of the cleaners below are those of the shape

from __future__ import annotations

import numpy as np
import pytest

from trueneg.clean import NeighborNegativeCleaner
from trueneg.testing import check_cleaner
from trueneg.testing import cleaner as checks


class Base(NeighborNegativeCleaner):
    """A sound cleaner that the broken ones below differ from in one way."""

    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        return super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)


class ForgetsTrusted(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        return super().fit(X, y, groups=groups, pred_proba=pred_proba)


class NamesUnlabelled(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)
        blank = np.equal(y, -1) | np.equal(y, None)
        self.suspects_ = np.concatenate([self.suspects_, np.flatnonzero(blank)])
        return self


class RanksByPosition(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)
        self.suspects_ = np.sort(self.suspects_)
        return self


class DrawsGlobally(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)
        self.suspects_ = np.random.permutation(self.suspects_)  # noqa: NPY002
        return self


class WritesIntoProba(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)
        if pred_proba is not None:
            pred_proba /= 2
        return self


class QualityOfSuspectsOnly(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)
        self.label_quality_ = self.label_quality_[self.suspects_]
        return self


class TakesNan(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        pred_proba = None if pred_proba is None else np.nan_to_num(pred_proba)
        return super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)


class ReadsLabelsAsNumbers(Base):
    def fit(self, X, y, *, groups=None, trusted=None, pred_proba=None):
        if np.asarray(y).dtype.kind in "iu":
            pred_proba = None if pred_proba is None else np.roll(pred_proba, int(np.min(y)), axis=1)
        return super().fit(X, y, groups=groups, trusted=trusted, pred_proba=pred_proba)


class MisreportsKept(Base):
    def fit_resample(self, X, y, **given):
        out = super().fit_resample(X, y, **given)
        self.sample_indices_ = np.arange(len(out[1]))
        return out


def test_a_sound_cleaner_passes():
    """What the broken ones below differ from passes as a whole."""
    check_cleaner(Base())


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (ForgetsTrusted, checks.check_trusted),
        (NamesUnlabelled, checks.check_unlabelled),
        (RanksByPosition, checks.check_row_order),
        (DrawsGlobally, checks.check_deterministic),
        (WritesIntoProba, checks.check_inputs_unchanged),
        (QualityOfSuspectsOnly, checks.check_label_quality),
        (TakesNan, checks.check_bad_probabilities),
        (ReadsLabelsAsNumbers, checks.check_label_types),
        (MisreportsKept, checks.check_fit_resample),
    ],
)
def test_a_broken_cleaner_is_caught(broken, check):
    """Each check bites: the defect it is named for makes it fail."""
    with pytest.raises(AssertionError):
        check(broken())
