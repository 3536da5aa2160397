"""Decision scores given as ``proba``: what becomes of them, and when they are refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from trueneg.core.errors import InputError
from trueneg.data._sniff.scores import FOLDS, are_scores, from_scores
from trueneg.data.readers import read_frame
from trueneg.data.sniff import roles


def _scored(n=4000, seed=0, slope=1.7, offset=-2.0):
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 2, n)
    return score, rng.random(n) < expit(slope * score + offset)


def _of(matrix, codes, groups=None):
    return from_scores(np.asarray(matrix).reshape(len(codes), -1), np.asarray(codes), groups, where="t", name="s")


def test_probabilities_are_those_that_made_the_labels():
    """Where Platt's rule holds, the scores must come back as the very probabilities behind the labels."""
    score, y = _scored(20_000)
    p = _of(score, y.astype(int))
    np.testing.assert_allclose(p[:, 1], expit(1.7 * score - 2), atol=0.02)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_each_fold_is_the_best_map_of_the_others():
    """Against a general optimiser: no row's probability may come from a worse fit, or from its own fold."""
    score, y = _scored(500)
    groups = np.arange(500)
    p = _of(score, y.astype(int), groups)[:, 1]
    for f in range(FOLDS):
        train, test = groups % FOLDS != f, groups % FOLDS == f
        n1, n0 = y[train].sum(), (~y[train]).sum()
        target = np.where(y[train], (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

        def loss(b, train=train, target=target):
            z = b[0] * score[train] + b[1]
            return -(target * log_expit(z) + (1 - target) * log_expit(-z)).sum()

        best = minimize(loss, [1.0, 0.0], tol=1e-10).x
        np.testing.assert_allclose(p[test], expit(best[0] * score[test] + best[1]), atol=1e-4)


def test_a_row_does_not_judge_itself():
    """Out of fold means that a label, right or wrong, leaves its own row's probability alone."""
    score, y = _scored(300)
    groups = np.arange(300) // 3
    before = _of(score, y.astype(int), groups)
    flipped = y.astype(int)
    flipped[30:33] = 1 - flipped[30:33]
    after = _of(score, flipped, groups)
    np.testing.assert_array_equal(after[30:33], before[30:33])
    assert not np.array_equal(after, before)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e12), shift=st.floats(-5, 5), seed=st.integers(0, 99))
def test_unit_and_origin_of_a_score_mean_nothing(scale, shift, seed):
    """A margin in other units is the same margin."""
    score, y = _scored(200, seed)
    plain = _of(score, y.astype(int))
    np.testing.assert_allclose(_of((score + shift) * scale, y.astype(int)), plain, atol=1e-6)


def test_two_columns_are_read_as_log_odds():
    """Logits, one a class, mean their difference; columns named by class may come in any order."""
    score, y = _scored(400)
    base = np.random.default_rng(1).normal(size=400)
    both = _of(np.column_stack([base, base + score]), y.astype(int))
    np.testing.assert_allclose(both, _of(score, y.astype(int)), atol=1e-9)
    frame = pd.DataFrame({"y": np.where(y, "yes", "no"), "p_yes": base + score, "p_no": base})
    table = read_frame(frame)
    found = roles(table, label="y", positive="yes", proba=["p_yes", "p_no"])
    np.testing.assert_allclose(found.proba_matrix(table), both, atol=1e-9)


def test_separated_classes_and_unjudged_rows():
    """A perfect ranking must stay finite and in order, and a row without a label gets a probability as well."""
    score = np.linspace(-3, 3, 101)
    codes = (score > 0).astype(int)
    codes[::10] = -1
    p = _of(score, codes)[:, 1]
    assert np.isfinite(p).all()
    assert ((p > 0) & (p < 1)).all()
    assert np.all(np.diff(p[::10]) > 0)


def test_the_audit_is_told():
    """Whoever gave scores must read that they were calibrated on the labels, and that TN303 cannot count for them."""
    score, y = _scored(200)
    found = roles(read_frame(pd.DataFrame({"y": y.astype(int), "margin": score})), label="y", proba="margin")
    (note,) = [n for n in found.notes if "scores" in n]
    assert "out of fold" in note
    assert "TN303" in note
    assert "'1'" in note
    assert len([n for n in found.notes if n == note]) == 1


def test_a_slip_in_probabilities_is_no_score():
    """One value of 1.5 among a thousand probabilities is an error to be told, not a reason to rescale them all."""
    p = np.random.default_rng(0).random((1000, 1))
    assert not are_scores(p)
    p[3] = 1.5
    assert not are_scores(p)
    table = read_frame(pd.DataFrame({"y": np.arange(1000) % 2, "p": p[:, 0]}))
    with pytest.raises(InputError, match=r"row 4 has the probability 1.5.*correct them"):
        roles(table, label="y", proba="p")


def test_scores_that_cannot_be_read_are_refused_with_the_cure():
    """Scores that fall with the positive class, that are all the same, or of several classes need the user."""
    score, y = _scored(200)
    for bad in (-score, np.full(200, 7.0)):
        with pytest.raises(InputError, match=r"do not rise with the positive class; give scores that grow with it"):
            roles(read_frame(pd.DataFrame({"y": y.astype(int), "s": bad})), label="y", proba="s")
    many = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=["p_a", "p_b", "p_c"])
    many["y"] = np.array(["a", "b", "c"] * 30)
    with pytest.raises(InputError, match="softmax"):
        roles(read_frame(many), label="y", proba="p_*")
    several = pd.DataFrame({"y_a": [0, 1] * 9, "y_b": [1, 0, 0] * 6, "s_a": np.arange(18.0), "s_b": np.arange(18.0)})
    with pytest.raises(InputError, match="expit"):
        roles(read_frame(several), label="y_*", proba="s_a,s_b")
