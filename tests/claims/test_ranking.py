"""The ranking's and confident learning's claims: their own measures against brute force, and how they fail."""

import sys

import numpy as np
import pytest

from trueneg.claims.confident_learning import ConfidentLearningClaim, matrix_gap
from trueneg.claims.evidence import run_claim
from trueneg.claims.ranking import (
    SuspectsCalibrated,
    SuspectsRank,
    _peer_scores,
    _Setting,
    calibration_error,
    neighbor_votes,
)
from trueneg.core.errors import ClaimNotRun


def _setting(n=60, n_classes=4, k=5):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(n_classes), n)
    given = rng.permutation(np.arange(n) % n_classes)
    return _Setting(proba, rng.integers(0, n, (n, k)), given, given)


def test_calibration_error_is_the_weighted_gap_of_each_bin():
    """The figure behind the claim is the textbook one."""
    rng = np.random.default_rng(1)
    stated = np.append(rng.random(500), [0.0, 1.0])
    wrong = rng.random(502) < stated**2
    expected = 0.0
    for low in range(10):
        inside = (stated >= low / 10) & ((stated < (low + 1) / 10) | (low == 9))
        expected += inside.mean() * abs(stated[inside].mean() - wrong[inside].mean())
    assert calibration_error(stated, wrong) == pytest.approx(expected)


def test_neighbor_votes_count_the_given_labels():
    """The opponent gets the evidence of the very neighbours that the ranker sees."""
    at = _setting()
    votes = neighbor_votes(at.near, at.given, 4)
    assert np.allclose(votes.sum(axis=1), 1)
    row = np.array([(at.given[at.near[7]] == c).sum() for c in range(4)])
    assert np.allclose(votes[7] * (5 + 0.2) - 0.05, row)


def test_matrix_gap_is_zero_for_the_planted_matrix_and_one_for_a_disjoint_one():
    """The distance of two noise matrices runs from 0 to 1."""
    truth = np.repeat([0, 1], 10)
    given = truth.copy()
    given[:3] = 1
    planted = np.array([[0.7, 0.0], [0.3, 1.0]])
    assert matrix_gap(planted, given, truth) == pytest.approx(0.0)
    assert matrix_gap(np.eye(2)[::-1], truth, truth) == pytest.approx(1.0)


def test_without_cleanlab_the_claim_says_how_to_get_it(monkeypatch):
    """A missing peer is "not run" with the cure, never a pass."""
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(ClaimNotRun, match="pip install"):
        _peer_scores(_setting())


@pytest.mark.parametrize("claim", [SuspectsRank, SuspectsCalibrated, ConfidentLearningClaim])
def test_without_data_a_claim_is_not_run(claim, monkeypatch):
    """Missing data is reported with the variable to set."""
    from trueneg.claims import confident_learning, ranking

    for cached in (ranking._newsgroups, ranking._texts, confident_learning.planted):
        cached.cache_clear()
    monkeypatch.delenv("TRUENEG_DATA", raising=False)
    row = run_claim(claim(), seeds=1)
    assert row["holds"] is None
    assert "TRUENEG_DATA" in row["not_run"]
