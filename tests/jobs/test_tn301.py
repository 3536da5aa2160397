"""TN301: corrected figures with intervals at given rates, model-based ones without, and what is not corrected."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.jobs.audit.checks import tn301_metrics
from trueneg.judge.noisy_metrics import confusion_counts, metric_values


def _context(y, scores, rates, ranking=None):
    """The few attributes of a Context that the check reads; class 1 is the positive one."""
    wrong = np.zeros(y.size) if ranking is None else ranking
    return SimpleNamespace(
        codes=y,
        probability=np.column_stack([1 - scores, scores]),
        positive=1,
        negative=0,
        seed=0,
        noise_rates=rates,
        suspicion=lambda _: SimpleNamespace(over_rows=lambda: wrong, words="model-based"),
        reviewed={},
        trusted=None,
        groups=None,
        n_boot=lambda usual: usual,
    )


def _world(seed, miss=0.3, alarm=0.02, n=6000):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.2).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + 3 * truth - 1.5)))
    flip = rng.random(n) < np.where(truth == 1, miss, alarm)
    return truth, scores, np.where(flip, 1 - truth, truth)


def test_given_rates_correct_towards_the_truth_with_an_interval():
    """At the true rates the intervals must hold the true figures about as often as they say, AUROC included."""
    from sklearn.metrics import roc_auc_score

    hits, total, closer = 0, 0, 0
    for seed in range(15):
        truth, scores, seen = _world(seed)
        rows = tn301_metrics.run(_context(seen, scores, (0.3, 0.02))).details["metrics"]
        true = {k: float(v) for k, v in metric_values(confusion_counts(truth, scores >= 0.5)).items()}
        true["auroc"] = roc_auc_score(truth, scores)
        for name, value in true.items():
            row = rows[name]
            hits, total = hits + (row["low"] <= value <= row["high"]), total + 1
            closer += abs(row["corrected"] - value) < abs(row["observed"] - value)
    assert hits / total >= 0.8
    assert closer / total >= 0.9


def test_the_finding_carries_its_estimate_and_says_what_is_assumed():
    """A figure without an interval, or an interval that hides its assumption, must not reach the report."""
    _, scores, seen = _world(0)
    found = tn301_metrics.run(_context(seen, scores, (0.3, 0.02)))
    assert found.estimate is not None
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert "taken as exact" in found.message
    assert found.details["miss rate"] == 0.3
    assert any("exact rates" in note for note in found.details["notes"])


def test_area_under_precision_recall_is_observed_only():
    """There is no closed form for it: a corrected value would be invented, and it orders models wrongly."""
    _, scores, seen = _world(0)
    for rates in ((0.3, 0.02), None):
        row = tn301_metrics.run(_context(seen, scores, rates)).details["metrics"]["auprc"]
        assert row["observed"] > 0
        assert row["corrected"] is None
        assert not row["keeps the order of models"]


def test_two_models_of_equal_area_come_out_unequal():
    """Why AUPRC has no closed form: under the same label errors, equal true areas show different observed ones."""
    from scipy.optimize import brentq
    from sklearn.metrics import average_precision_score

    truth = np.repeat([1, 0], [100, 900])
    one = np.where(truth == 1, 0.7, 0.05)

    def observed(scores):
        both, weight = np.repeat([1, 0], truth.size), np.concatenate([one, 1 - one])
        return average_precision_score(both, np.tile(scores, 2), sample_weight=weight)

    # Model a: a share of the positives alone on top, the rest tied with all others. Model b: two tied groups.
    top = np.zeros(1000)
    top[:50] = 1.0
    goal = average_precision_score(truth, top)

    def two_groups(share):  # weights stand for fractional rows of the upper group
        weight = np.concatenate([np.full(1000, 1.0), np.full(900, share)])
        labels = np.concatenate([truth, np.zeros(900, int)])
        scores = np.concatenate([np.r_[np.full(100, 1.0), np.zeros(900)], np.full(900, 1.0)])
        weight[100:1000] = 1 - share
        return labels, scores, weight

    def area(share):
        labels, scores, weight = two_groups(share)
        return average_precision_score(labels, scores, sample_weight=weight)

    share = brentq(lambda s: area(s) - goal, 1e-6, 0.999)
    labels, scores, weight = two_groups(share)
    p = np.where(labels == 1, 0.7, 0.05)
    seen_b = average_precision_score(
        np.repeat([1, 0], labels.size), np.tile(scores, 2), sample_weight=np.concatenate([weight * p, weight * (1 - p)])
    )
    assert area(share) == pytest.approx(goal, abs=1e-9)
    assert abs(observed(top) - seen_b) > 0.01


def test_without_rates_no_interval_is_invented():
    """The model-based column must stay marked as such: nothing verified stands behind it."""
    _, scores, seen = _world(1)
    found = tn301_metrics.run(_context(seen, scores, None, ranking=np.where(seen == 0, scores * 0.3, 0.0)))
    assert found.estimate is None
    assert "model-based, no interval" in found.message
    assert "corrected (model-based)" in found.details["metrics"]["auroc"]
    assert "low" not in found.details["metrics"]["f1"]


def test_impossible_rates_are_refused_in_one_line():
    """Rates that sum to one say nothing about the truth; the user must hear it, not read a figure."""
    _, scores, seen = _world(2)
    with pytest.raises(InputError, match="1 or more"):
        tn301_metrics.run(_context(seen, scores, (0.6, 0.4)))


def test_rates_that_do_not_fit_are_said():
    """A false-alarm rate above the observed share of positives leaves no AUROC to correct, and clips the counts."""
    _, scores, seen = _world(3)
    found = tn301_metrics.run(_context(seen, scores, (0.0, 0.5)))
    notes = " ".join(found.details["notes"])
    assert "clipped" in notes
    assert "AUROC is not corrected" in notes
    assert found.details["metrics"]["auroc"]["corrected"] is None


@pytest.mark.parametrize("y", [np.zeros(50, int), np.ones(50, int)])
def test_one_observed_class_does_not_crash(y):
    """An all-negative or all-positive table has undefined metrics, which are left empty."""
    scores = np.random.default_rng(0).random(50)
    found = tn301_metrics.run(_context(y, scores, (0.1, 0.0)))
    assert "auroc" not in found.details["metrics"]
    assert found.status == "advice"


def test_a_whole_audit_carries_both_areas():
    """The check must work on the real context, not only on the test's own."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = pa.table({"x": x, "z": rng.normal(size=300), "y": np.where(x + rng.normal(size=300) > 0.8, "yes", "no")})
    result = trueneg.audit(table, label="y", positive="yes", select=["TN301"])
    found = next(f for f in result.findings if f.code == "TN301")
    assert found.status == "advice", found.message
    assert {"auroc", "auprc"} <= set(found.details["metrics"])
