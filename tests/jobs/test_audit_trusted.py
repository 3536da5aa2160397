"""Trusted rows: probabilities recalibrated by them, metrics measured on them, and no promise beyond that."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

import trueneg
from trueneg.core.intervals import bootstrap
from trueneg.jobs.audit import measured
from trueneg.jobs.audit import run as audit_run
from trueneg.jobs.audit.measured import trusted_classes, trusted_two_class
from trueneg.jobs.audit.trust import ece, fit_scaling, fit_transition, scaled


def _world(seed, n=4000, k=2, rate=0.3, sharp=1.0, share=0.1, prior=0.3):
    """Return a table with label errors on rows that are not trusted, the truth, and the trusted mask."""
    rng = np.random.default_rng(seed)
    trusted = rng.random(n) < share
    if k == 2:
        truth = (rng.random(n) < prior).astype(int)
        x = rng.normal(size=(n, 3)) + sharp * truth[:, None] * np.array([1, 0.6, 0])
        wrong = (truth == 1) & (rng.random(n) < rate) & ~trusted
        given_label = np.where(wrong, 0, truth)
    else:
        truth = rng.integers(0, k, n)
        x = sharp * rng.normal(size=(k, 5))[truth] + rng.normal(size=(n, 5))
        wrong = (rng.random(n) < rate) & ~trusted
        given_label = np.where(wrong, (truth + 1 + rng.integers(0, k - 1, n)) % k, truth)
    columns = {f"x{j}": x[:, j] for j in range(x.shape[1])}
    return pa.table(columns | {"y": [f"c{v}" for v in given_label], "ok": trusted}), truth, wrong, trusted


def _audited(table, **options):
    """Return the audit and its inner state."""
    seen = []
    original = audit_run._table

    def spy(table, context, *rest, **more):
        seen.append(context)
        return original(table, context, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_run, "_table", spy)
        result = trueneg.audit(table, label="y", trusted="ok", **options)
    return result, seen[0]


def _found(result, code):
    return next(f for f in result.findings if f.code == code)


def _ece(p, wrong):
    return ece(p, wrong.astype(float))


@pytest.mark.parametrize(
    ("options", "code", "suspect", "asked"),
    [
        ({"rate": 0.4}, "TN201", 0, {"positive": "c1"}),
        ({"k": 5, "rate": 0.2, "sharp": 1.5}, "TN203", None, {}),
        ({"k": 5, "rate": 0.3, "sharp": 0.8, "seed": 1}, "TN203", None, {}),
    ],
)
def test_the_probability_of_a_wrong_label_improves_where_the_model_is_off(options, code, suspect, asked):
    """Trained on labels with many errors the model's probability is off; a tenth of trusted rows mends half of that."""
    table, _, wrong, _ = _world(**{"seed": 0, **options})
    _, context = _audited(table, select=[code], **asked)
    found = context.suspicion(code)
    before = context.ranker(suspect).probability_[found.row]
    assert _ece(found.base, wrong[found.row]) < 0.5 * _ece(before, wrong[found.row])


def test_given_probabilities_that_are_far_too_sure_are_mended_for_the_truth():
    """Odds cubed by the user's model: against trusted labels the error falls, measured on rows left out of the fit."""
    table, _, _, _ = _world(0, rate=0.4)
    _, context = _audited(table, select=["TN101"], positive="c1")
    odds = (context.probability[:, 1] / context.probability[:, 0]).astype(float) ** 3
    result, _ = _audited(
        table.append_column("p", pa.array(odds / (1 + odds))), select=["TN303"], positive="c1", proba=["p"]
    )
    found = _found(result, "TN303")
    before, after = found.details["against trusted labels"], found.details["recalibrated, against trusted labels"]
    assert after["value"] < 0.3 * before["value"]
    assert after["high"] < before["low"]
    assert "once recalibrated by the other trusted rows" in found.message


def test_trusted_rows_promise_no_coverage():
    """They say which labels are right, not how often annotators err: a total has its proper name and no interval."""
    table, _, _, trusted = _world(0)
    result, _ = _audited(table, positive="c1")
    found = _found(result, "TN201")
    assert found.estimate is None
    assert f"recalibrated by {trusted.sum():,} trusted rows" in found.message
    assert "model-based" not in found.message
    assert "no interval" in found.message
    assert "random part of the table" in found.details["probability"]
    assert result.report["next"].startswith("trueneg review")


def test_trusted_rows_that_cannot_calibrate_change_nothing_and_are_told():
    """A dozen rows, one class, or every verified positive and no negative: the words stay model-based, and say why."""
    table, truth, wrong, _ = _world(0)
    row = np.arange(len(truth))
    few, one_class = row < 12, (truth == 0) & (row % 3 == 0)
    chosen = ~wrong & ((truth == 1) | (row % 20 == 0))
    cases = ((few, "12 trusted rows do not"), (one_class, "two classes with"), (chosen, "are no random part"))
    for mask, said in cases:
        plain = table.set_column(table.column_names.index("ok"), "ok", pa.array(mask))
        result, _ = _audited(plain, positive="c1", select=["TN201", "TN303"])
        assert "model-based" in _found(result, "TN201").message
        assert any(said in line for line in result.report["input"]["saw"])
        assert said in _found(result, "TN303").message


def test_metrics_on_trusted_rows_stand_beside_all_rows():
    """Against labels as they are precision looks worse than it is; the trusted rows, a random tenth, tell the truth."""
    table, truth, _, trusted = _world(0, rate=0.4, n=6000)
    result, context = _audited(table, positive="c1", select=["TN301"])
    rows = _found(result, "TN301").details["metrics"]
    positive = context.probability[:, 1] >= 0.5
    assert rows["precision"]["trusted rows"] == pytest.approx(truth[positive & trusted].mean(), abs=1e-4)
    assert rows["precision"]["observed"] < rows["precision"]["trusted low"]
    assert {"auroc", "auprc", "log_loss", "f1", "mcc"} <= {k for k, v in rows.items() if "trusted rows" in v}
    assert f"on the {trusted.sum():,} trusted rows f1 is" in _found(result, "TN301").message


@pytest.mark.slow
def test_intervals_on_trusted_rows_cover(monkeypatch):
    """Over many random choices of 300 trusted rows the intervals hold the figures of all rows as often as they say."""
    monkeypatch.setattr(measured, "AREA_DRAWS", 2)
    rng = np.random.default_rng(0)
    truth = (rng.random(20_000) < 0.2).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=20_000) + 2.5 * truth - 1.5)))
    names = ("precision", "recall", "f1", "mcc", "accuracy")
    whole = trusted_two_class(truth, scores, groups=None, n_boot=10, seed=0)
    held = []
    for seed in range(150):
        some = rng.choice(20_000, 300, replace=False)
        made = trusted_two_class(truth[some], scores[some], groups=None, n_boot=400, seed=seed)
        held.append([made[k].low <= whole[k].value <= made[k].high for k in names])
    assert np.mean(held, axis=0).min() > 0.88
    assert np.mean(held) > 0.91


def test_several_classes_are_measured_on_trusted_rows_too():
    """Nothing is corrected with several classes, and what trusted rows show must not be withheld for that."""
    table, truth, _, trusted = _world(0, k=5, rate=0.25, sharp=1.2)
    result, context = _audited(table, select=["TN301"])
    found = _found(result, "TN301")
    predicted = context.probability.argmax(axis=1)
    assert found.estimate.value == pytest.approx((predicted == truth)[trusted].mean())
    assert found.estimate.low <= (predicted == truth).mean() <= found.estimate.high
    assert found.details["metrics"]["accuracy"]["observed"] < found.estimate.low
    plain, _ = _audited(table, select=["TN301"])
    assert _found(plain, "TN301").status == "advice"


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_equal_those_of_the_plain_bootstrap(grouped):
    """Counts are resampled in place of rows for speed; rows and groups drawn one by one give the same interval."""
    rng = np.random.default_rng(0)
    n = 900
    groups = np.sort(rng.integers(0, 60, n)) if grouped else None
    shift = rng.normal(size=60)[groups] if grouped else 0.0
    truth = (rng.random(n) < 0.3).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + 2 * truth - 1 + shift)))
    made = trusted_two_class(truth, scores, groups=groups, n_boot=4000, seed=0)["recall"]
    plain = bootstrap(
        lambda t, s: float((s[t == 1] >= 0.5).mean()), truth, scores, n_boot=4000, groups=groups, random_state=1
    )
    assert made.value == pytest.approx(plain.value)
    assert made.low == pytest.approx(plain.low, abs=0.01)
    assert made.high == pytest.approx(plain.high, abs=0.01)
    assert made.n == plain.n
    assert made.method.endswith("of groups") == grouped


@pytest.mark.parametrize("grouped", [False, True])
def test_areas_and_log_loss_are_those_of_scikit_learn_on_the_same_draws(grouped):
    """Rows are sorted once and counted in each draw, for speed; sorting every draw anew gives the same intervals."""
    rng = np.random.default_rng(1)
    truth = (rng.random(200) < 0.2).astype(int)
    scores = np.round(1 / (1 + np.exp(-(rng.normal(size=200) + 2 * truth - 1))), 2)  # ties
    scores[:2] = 0, 1
    groups = np.sort(rng.integers(0, 15, 200)) if grouped else None
    made = trusted_two_class(truth, scores, groups=groups, n_boot=40, seed=3)
    for name, metric in (("auroc", roc_auc_score), ("auprc", average_precision_score), ("log_loss", log_loss)):
        plain = bootstrap(metric, truth, np.clip(scores, 1e-6, 1 - 1e-6), n_boot=40, groups=groups, random_state=3)
        assert made[name].value == pytest.approx(plain.value)
        assert (made[name].low, made[name].high) == pytest.approx((plain.low, plain.high))
        assert (made[name].n, made[name].method) == (plain.n, plain.method)


def test_many_classes_keep_the_accuracy():
    """A confusion table of 200 classes a resample would not fit; the accuracy needs only right and wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 200, 500)
    predicted = np.where(rng.random(500) < 0.7, truth, (truth + 1) % 200)
    made = trusted_classes(truth, predicted, 200, groups=None, n_boot=500, seed=0)
    assert list(made) == ["accuracy"]
    assert made["accuracy"].low < 0.7 < made["accuracy"].high


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.floats(0.4, 2.0))
def test_scaling_recovers_the_slope_and_shift_that_made_the_labels(seed, k, slope):
    """With thousands of rows the penalty is outweighed: probabilities come out as those that drew the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(6000, k)) * 1.5
    shift = rng.normal(size=k) * 0.5
    true = scaled(logits, np.concatenate([[slope], shift]))
    labels = (true.cumsum(axis=1) < rng.random(6000)[:, None]).sum(axis=1).clip(0, k - 1)
    found = scaled(logits, fit_scaling(logits, labels))
    assert np.abs(found - true).mean() < 0.02


@pytest.mark.parametrize("suspect", [None, 0])
def test_error_rates_are_recovered_when_the_truth_is_known_in_probability(suspect):
    """The EM over given labels finds P(given | true); a declared direction leaves every other label right."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 30_000)
    logits = 2.0 * np.eye(3)[truth] + rng.normal(size=(30_000, 3))
    known = scaled(logits, np.concatenate([[2.0], np.zeros(3)]))  # unit normals around 2: the posterior is exact
    rates = np.array([[0.9, 0.2, 0.05], [0.05, 0.8, 0.1], [0.05, 0.0, 0.85]])
    if suspect == 0:
        rates = np.array([[1.0, 0.2, 0.1], [0.0, 0.8, 0.0], [0.0, 0.0, 0.9]])
    labels = (rates.cumsum(axis=0).T[truth] < rng.random(30_000)[:, None]).sum(axis=1).clip(0, 2)
    found = fit_transition(known, labels, suspect)
    np.testing.assert_allclose(found, rates, atol=0.02)
    np.testing.assert_allclose(found.sum(axis=0), 1.0)
    if suspect == 0:
        assert (found[1:][:, 0] == 0).all()
