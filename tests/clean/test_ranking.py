"""The suspect ranking: no regret from bad neighbours, calibrated and monotone, edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score

from trueneg.clean import _inputs as inputs
from trueneg.clean._ranking import estimator, weights
from trueneg.clean._ranking.evidence import Evidence
from trueneg.clean.ranking import SuspectRanker
from trueneg.core.errors import InputError


def world(seed, n=3000, n_classes=5, noise=0.15, strength=2.0, knows=0.7):
    """Draw labels with errors, honest probabilities, and neighbours of the true class."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, n_classes, n)
    y = np.where(rng.random(n) < noise, rng.integers(0, n_classes, n), true)
    z = rng.normal(size=(n, n_classes))
    z[np.arange(n), true] += strength
    proba = np.exp(z)
    proba /= proba.sum(axis=1, keepdims=True)
    mates = [np.flatnonzero(true == k) for k in range(n_classes)]
    near = np.stack([rng.choice(mates[c], 10) for c in true])
    near = np.where(rng.random(near.shape) < knows, near, rng.integers(0, n, near.shape))
    return y, proba, near, true


@pytest.mark.parametrize("seed", range(3))
def test_neighbours_help_and_shuffled_ones_cost_nothing(seed):
    """Knowing neighbours raise the ranking; permuted ones get no weight and leave it as it was."""
    y, proba, near, true = world(seed)
    wrong = y != true
    plain = SuspectRanker().fit(None, y, pred_proba=proba)
    helped = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    shuffled = np.random.default_rng(seed).permutation(near.ravel()).reshape(near.shape)
    fooled = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=shuffled)
    base = average_precision_score(wrong, plain.score_)
    assert average_precision_score(wrong, helped.score_) > base + 0.01
    assert average_precision_score(wrong, fooled.score_) > base - 0.01
    assert abs(fooled.b_) < 0.1 * helped.b_


def test_newton_reaches_the_maximum():
    """Five steps end where a general optimiser of the stated objective ends."""
    y, proba, near, _ = world(11, n=600)
    evidence = Evidence(proba, y.astype(np.int32), near, None)
    log_p, lift = (f.astype(np.float64) for f in evidence.of(slice(0, 600)))

    def negative(theta):
        z = theta[0] * log_p + theta[1] * lift + theta[2] * evidence.log_share
        fit = z[np.arange(600), y] - np.log(np.exp(z).sum(axis=1))
        return -fit.sum() + ((theta[0] - 1) ** 2 + theta[1] ** 2 + theta[2] ** 2) / 2

    best = minimize(negative, [1.0, 0.0, 0.0], method="BFGS").x
    model = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    assert np.allclose([model.a_, model.b_, model.c_], best, atol=2e-3)


def test_lift_counts_only_who_may_vote():
    """The lift equals a row-by-row count without the row itself, its group and unlabelled rows."""
    y, proba, near, _ = world(4, n=200)
    y[::7] = -1
    groups = np.arange(200) // 3
    near[::5, 2:] = -1
    near[:, 0] = np.arange(200)
    evidence = Evidence(proba, y.astype(np.int32), near, groups)
    share = np.bincount(y[y >= 0], minlength=5) / (y >= 0).sum()
    _, lift = evidence.of(slice(50, 90))
    for i in range(50, 90):
        votes = [y[j] for j in near[i] if j >= 0 and j != i and groups[j] != groups[i] and y[j] >= 0]
        for k in range(5):
            wanted = np.log((votes.count(k) + 0.5) / (len(votes) * share[k] + 0.5))
            assert lift[i - 50, k] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("restricted", ["all", [0]])
def test_probability_rises_with_the_score_and_adds_up(restricted):
    """Within the rows that may be wrong the probability orders as the score and sums to the total."""
    y, proba, near, _ = world(5)
    model = SuspectRanker(suspect_classes=restricted).fit(None, y, pred_proba=proba, neighbors=near)
    rows = np.arange(len(y)) if restricted == "all" else np.flatnonzero(y == 0)
    order = np.argsort(model.score_[rows])
    score, probability = model.score_[rows][order], model.probability_[rows][order]
    assert (np.diff(probability)[np.diff(score) > 1e-6] > 0).all()
    assert model.probability_.sum() == pytest.approx(model.total_, rel=1e-4)
    assert ((model.probability_ >= 0) & (model.probability_ <= 1)).all()
    assert (model.label_quality_ == 1 - model.probability_).all()


def test_probability_is_calibrated_and_better_than_self_confidence():
    """Errors arrive about as often as predicted, which 1 - self-confidence misses by far."""
    y, proba, near, true = world(6, n=8000)
    model = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    wrong = (y != true).astype(float)
    naive = 1 - proba[np.arange(len(y)), y]
    assert ((model.probability_ - wrong) ** 2).mean() < 0.6 * ((naive - wrong) ** 2).mean()
    assert 0.5 < model.total_ / wrong.sum() < 2


def test_only_declared_classes_are_suspects():
    """With a declared direction, no other label is named, given a probability or counted."""
    y, proba, near, _ = world(7)
    names = np.array(list("abcde"))[y]
    model = SuspectRanker(suspect_classes=["c"]).fit(None, names, pred_proba=proba, neighbors=near)
    assert set(names[model.suspect_rows_]) == {"c"}
    assert (model.probability_[names != "c"] == 0).all()
    off = model.joint_[:2] - np.diag(np.diagonal(model.joint_))[:2]
    assert (off == 0).all()


def test_piece_size_changes_nothing(monkeypatch):
    """Small pieces, and q made twice instead of kept, give the same ranking and probabilities."""
    y, proba, near, _ = world(8, n=1500)
    first = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    monkeypatch.setattr(inputs, "_BLOCK_CELLS", 200)
    monkeypatch.setattr(estimator, "KEEP_BYTES", 0)
    monkeypatch.setattr(weights, "_PIECES_BYTES", 0)
    second = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    assert np.allclose(first.score_, second.score_, atol=1e-5)
    assert np.allclose(first.probability_, second.probability_, atol=1e-5)
    assert (first.proposed_ == second.proposed_).all()


def test_sampled_probabilities_stay_near_the_full_fit(monkeypatch):
    """Above the row limit the sampled fit gives the total of the full fit within two percent."""
    y, proba, near, _ = world(9, n=12_000)
    full = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    monkeypatch.setattr(estimator, "FIT_ROWS", 4000)
    part = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    assert part.total_ == pytest.approx(full.total_, rel=0.02)
    assert part.probability_.sum() == pytest.approx(part.total_, rel=0.02)


def test_unlabelled_rows_only_get_a_proposal():
    """Rows without a label are proposed their likeliest class and leave the others unchanged."""
    y, proba, _, _ = world(10, n=800)
    plain = SuspectRanker().fit(None, y, pred_proba=proba)
    more = SuspectRanker().fit(
        None, np.concatenate([y, np.full(60, -1)]), pred_proba=np.concatenate([proba, proba[:60]])
    )
    assert np.allclose(more.score_[:800], plain.score_, atol=1e-6)
    assert np.isnan(more.score_[800:]).all()
    assert np.isnan(more.probability_[800:]).all()
    assert (more.proposed_[800:] == proba[:60].argmax(axis=1)).all()
    assert more.suspect_rows_.max() < 800


def test_class_without_rows_and_tiny_class():
    """A class nobody was given and one of two rows break nothing, and the tiny ones are named."""
    y, proba, near, _ = world(12, n=800)
    y[y == 4] = 0
    y[np.flatnonzero(y == 3)[2:]] = 1
    model = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    assert model.few_classes_.tolist() == [3, 4]
    assert np.isfinite(model.probability_).all()
    assert np.allclose(model.transition_.sum(axis=0), 1)


def test_suspects_are_in_rank_order():
    """The shared table holds the ranked rows, their labels and what is proposed instead."""
    pytest.importorskip("trueneg.core.suspects")
    y, proba, near, _ = world(13, n=800)
    model = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    table = model.suspects_
    assert (np.asarray(table.row) == model.suspect_rows_).all()
    assert (np.diff(np.asarray(table.probability)) <= 0).all()
    assert (np.asarray(table.candidate) == y[model.suspect_rows_]).all()
    assert (np.asarray(table.proposed_candidate) != y[model.suspect_rows_]).all()
    assert (model.score_ > 0).sum() <= len(model.suspect_rows_)
    assert "more" in model.reason(int(model.suspect_rows_[0]))


def test_neighbours_are_found_in_x():
    """Given X and no neighbours, the ranker finds them and uses them."""
    pytest.importorskip("trueneg.core.neighbors")
    y, proba, _, true = world(14, n=600)
    embedding = np.eye(5)[true] + 0.2 * np.random.default_rng(0).normal(size=(600, 5))
    model = SuspectRanker().fit(embedding, y, pred_proba=proba)
    assert model.b_ > 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pred_proba": np.full((100, 5), np.nan)}, "NaN"),
        ({"pred_proba": np.full((100, 5), 0.3)}, "add up to one"),
        ({"pred_proba": np.full((99, 5), 0.2)}, "99 rows"),
        ({"neighbors": np.full((100, 3), 100)}, "outside"),
        ({"neighbors": np.zeros((100, 3))}, "row numbers"),
        ({"groups": np.zeros(3)}, "groups"),
        ({"in_sample": True}, "out-of-fold"),
        ({"suspect_classes": ["x"]}, "no labels"),
    ],
)
def test_unusable_input_is_refused(change, words):
    """Input that would rank nonsense is refused with the cure in the message."""
    y, proba, near, _ = world(15, n=100)
    options = {"pred_proba": np.eye(5)[y] if change.pop("in_sample", False) else proba, "neighbors": near}
    model = SuspectRanker(suspect_classes=change.pop("suspect_classes", "all"))
    with pytest.raises(InputError, match=words):
        model.fit(None, y, **{**options, **change})


def test_trusted_rows_stay_in_the_fit_and_leave_the_suspects():
    """Trusting rows moves no score: they still weigh and vote, but are no suspects, not even in the total."""
    y, proba, near, _ = world(21)
    plain = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near)
    trusted = np.zeros(len(y), dtype=bool)
    trusted[plain.suspect_rows_[::2]] = True
    model = SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near, trusted=trusted)
    np.testing.assert_array_equal(model.score_, plain.score_)
    np.testing.assert_array_equal(model.joint_, plain.joint_)
    assert (model.probability_[trusted] == 0).all()
    assert (model.probability_[~trusted] > 0).all()
    assert set(plain.suspect_rows_[1::2]) <= set(model.suspect_rows_)
    assert not trusted[model.suspects_.row].any()
    assert model.total_ < plain.total_
    assert model.probability_.sum() == pytest.approx(model.total_, rel=1e-3)
    assert "trusted" in model.reason(int(plain.suspect_rows_[0]))


def test_all_trusted_leaves_nothing_to_do():
    """Where every label is known to be right there is no suspect, and no row is dropped."""
    y, proba, _, _ = world(22, n=400)
    model = SuspectRanker()
    _, labels = model.fit_resample(None, y, pred_proba=proba, trusted=np.ones(len(y), dtype=bool))
    assert len(model.suspects_) == 0
    assert model.total_ == 0
    assert (model.label_quality_ == 1).all()
    np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize("limit", [0.5, 0.9])
def test_resampling_acts_on_the_probable_errors_only(limit):
    """Rows below the limit keep place and label; the others go, or take the proposed label."""
    y, proba, near, true = world(23)
    X = np.arange(2 * len(y)).reshape(-1, 2)
    dropper = SuspectRanker(min_probability=limit)
    rows, labels = dropper.fit_resample(X, y, pred_proba=proba, neighbors=near)
    bad = dropper.probability_ >= limit
    assert 0 < bad.sum() < len(dropper.suspect_rows_)
    np.testing.assert_array_equal(dropper.sample_indices_, np.flatnonzero(~bad))
    np.testing.assert_array_equal(rows, X[~bad])
    np.testing.assert_array_equal(labels, y[~bad])
    assert (labels == true[~bad]).mean() > (y == true).mean()
    renamer = SuspectRanker(min_probability=limit, action="reannotate")
    rows, labels = renamer.fit_resample(X, y, pred_proba=proba, neighbors=near)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(labels, np.where(bad, renamer.proposed_, y))


@pytest.mark.parametrize(
    ("options", "given", "words"),
    [
        ({"action": "flag"}, {}, "action='flag'"),
        ({"min_probability": 1.5}, {}, "min_probability=1.5"),
        ({}, {"trusted": np.ones(5, dtype=bool)}, "trusted must be 400 booleans"),
        ({}, {"trusted": np.zeros(400, dtype=int)}, "trusted must be 400 booleans"),
    ],
)
def test_unusable_options_are_refused(options, given, words):
    """A misspelt action, an impossible limit or row numbers as a mask must not pass silently."""
    y, proba, _, _ = world(24, n=400)
    with pytest.raises(InputError, match=words):
        SuspectRanker(**options).fit_resample(None, y, pred_proba=proba, **given)
