"""The figures of a comparison against hand computations and against other programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

import trueneg
from trueneg.core.intervals import matched
from trueneg.jobs.compare.differences import Difference, Row, paired, rows_needed
from trueneg.jobs.compare.metrics import Predicted, Scorer
from trueneg.jobs.compare.remedies import Remedy
from trueneg.jobs.compare.summary import judge


def test_corrected_t_by_hand():
    """The interval, the p-value and the rows needed are those of Nadeau and Bengio's formula written out."""
    d = np.array([0.03, 0.01, 0.05, -0.01, 0.02, 0.04, 0.00, 0.03, 0.02, 0.01])
    found = paired(d, 800, 200, 1000)
    error = math.sqrt(d.var(ddof=1) * (1 / 10 + 200 / 800))
    t = stats.t(9)
    assert found.estimate.value == pytest.approx(0.02)
    assert found.estimate.low == pytest.approx(0.02 - t.ppf(0.975) * error)
    assert found.p == pytest.approx(2 * t.sf(0.02 / error))
    assert found.needed == math.ceil(1000 * ((t.ppf(0.975) + t.ppf(0.8)) * error / 0.02) ** 2)


@pytest.mark.parametrize("compared", [1, 5, 30])
def test_rows_needed_never_contradict_the_verdict(compared):
    """What Holm's first step does not tell apart must be said to need more rows than there were."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        found = paired(rng.normal(0.02, 0.02, 10), 800, 200, 1000, compared=compared)
        if found.needed is not None and found.p * compared >= 0.05:
            assert found.needed > 1000


def test_rows_needed_are_rounded_up_and_capped():
    """Two digits are all that is known, and twelve billion rows say no more than ten million."""
    shown = [rows_needed(Difference(None, 0.5, n)) for n in (None, 7, 99, 8_414, 12_639_852_711)]
    assert shown == ["", "about 7", "about 99", "about 8,500", "over 10,000,000"]


def test_a_difference_of_nothing_needs_no_number_of_rows():
    """Two equal remedies are the same, and no sample size will tell them apart."""
    found = paired(np.zeros(10), 80, 20, 100)
    assert (found.p, found.needed, found.estimate.value) == (1.0, None, 0.0)
    assert paired(np.full(10, 0.1), 80, 20, 100).p == 0.0


def test_holm_is_applied_to_all_remedies_together():
    """One of twenty idle remedies has a p-value of 5 % by chance; it must not be called better."""
    rng = np.random.default_rng(0)
    rows = [Row("nothing", "nothing", "baseline")]
    for i in range(20):
        row = Row(f"idle {i}", f"idle {i}", "own")
        row.difference["mcc"] = paired(rng.normal(0.02 if i == 0 else 0, 0.02, 10), 80, 20, 100)
        rows.append(row)
    least = min(r.difference["mcc"].p for r in rows[1:])
    judge(rows, "mcc", on_trusted=False)
    assert min(r.p_adjusted for r in rows[1:]) == pytest.approx(min(1, 20 * least))
    assert not any(r.verdict == "better" for r in rows[2:])


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_scikit_learn(seed):
    """Written anew for weights and kept arrays, the figures must be those that everybody knows, weighted or not."""
    rng = np.random.default_rng(seed)
    n = 300
    y = (rng.random(n) < 0.3).astype(int)
    score = np.clip(np.round(rng.beta(2, 3, n) * 0.7 + 0.2 * y, 2), 0.01, 0.99)
    proba = np.column_stack([1 - score, score])
    decision = (score >= 0.45).astype(int)
    w = rng.integers(0, 4, n).astype(float)
    scorer = Scorer(y, 2, 1)
    kept = Predicted.of(proba, decision, y, 1)
    known = {
        "mcc": sk.matthews_corrcoef(y, decision, sample_weight=w),
        "f1": sk.f1_score(y, decision, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decision, sample_weight=w),
        "auroc": sk.roc_auc_score(y, score, sample_weight=w),
        "auprc": sk.average_precision_score(y, score, sample_weight=w),
        "log_loss": sk.log_loss(y, score, sample_weight=w),
        "brier": sk.brier_score_loss(y, score, sample_weight=w),
    }
    for name, value in known.items():
        assert scorer.value(name, kept, w) == pytest.approx(value, abs=1e-6), name


def test_metrics_of_several_classes_equal_scikit_learn():
    """Macro figures, MCC, kappa and the F1 over positive classes are those of scikit-learn."""
    rng = np.random.default_rng(0)
    n, k = 400, 4
    y = rng.integers(0, k, n)
    proba = rng.dirichlet(np.ones(k), n) * 0.6
    proba[np.arange(n), y] += 0.4 * (rng.random(n) < 0.6)
    proba /= proba.sum(axis=1, keepdims=True)
    decision = proba.argmax(axis=1)
    kept = Predicted.of(proba, decision, y, None)
    scorer = Scorer(y, k, None, negative=0)
    known = {
        "macro_f1": sk.f1_score(y, decision, average="macro"),
        "macro_precision": sk.precision_score(y, decision, average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decision),
        "micro_f1": sk.f1_score(y, decision, average="micro", labels=[1, 2, 3]),
        "mcc": sk.matthews_corrcoef(y, decision),
        "kappa": sk.cohen_kappa_score(y, decision),
        "log_loss": sk.log_loss(y, proba),
    }
    for name, value in known.items():
        assert scorer.value(name, kept) == pytest.approx(value, abs=1e-5), name


def test_calibration_error_sees_a_shifted_prior_and_not_a_calibrated_model():
    """The figure that resampling breaks must be near zero where probabilities are right, large where they are not."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 4, 20_000)
    y = (rng.random(20_000) < p).astype(int)
    scorer = Scorer(y, 2, 1)
    odds = p / (1 - p) * 9
    values = []
    for q in (p, odds / (1 + odds)):
        kept = Predicted.of(np.column_stack([1 - q, q]), (q >= 0.5).astype(int), y, 1)
        values.append(scorer.value("ece", kept))
    assert values[0] < 0.01
    assert values[1] > 0.15


@pytest.fixture(scope="module")
def compared(make):
    """One comparison with trusted rows and a known rate of misses."""
    rng = np.random.default_rng(5)
    frame = make(700, missed=0.2, checked=(rng.random(700) < 0.3).tolist())
    return trueneg.compare(
        frame,
        label="label",
        positive="yes",
        trusted="checked",
        miss_rate=0.2,
        metric="f1",
        remedies="smote,smote-prior,random-under,ranker-eliminate",
    )


def test_the_tuned_threshold_gains_nothing_at_its_own_operating_point(compared):
    """It moves the point and nothing else; at a matched point the gain is zero, not small."""
    row = compared["tuned-threshold"]
    for name in ("recall", "precision"):
        estimate = row.matched_difference[name].estimate
        assert (estimate.value, estimate.low, estimate.high) == (0.0, 0.0, 0.0)
    assert row.difference["log_loss"].estimate.value == 0
    assert row.difference["recall"].estimate.value > 0


def test_resampling_costs_log_loss_and_prior_correction_gives_it_back(compared):
    """That resampling breaks probabilities is shown for every remedy, and the repair is measured as well."""
    plain, fixed = (compared[n].difference["log_loss"].estimate for n in ("smote", "smote-prior"))
    assert plain.low > 0
    assert fixed.value < plain.value / 4
    assert "spoils the probabilities" in compared.report["advice"][0]["text"]


def test_correction_for_label_errors_is_shown_where_it_holds_and_refused_where_not(compared, make):
    """F1 under known misses is corrected upwards; without rates, or of no counts, the reason is given."""
    row = compared["nothing"]
    assert row.corrected.value > row.value["f1"].value
    assert compared["smote"].corrected_difference is not None
    said = {tip["title"]: tip["text"] for tip in compared.report["advice"]}
    assert "taken as exact" in said["Label errors"]
    frame = make(200)
    for options, reason in (({}, "no rates are known"), ({"miss_rate": 0.1, "metric": "auprc"}, "four counts")):
        other = trueneg.compare(frame, label="label", positive="yes", remedies=[], folds=3, repeats=1, **options)
        text = {tip["title"]: tip["text"] for tip in other.report["advice"]}["Label errors"]
        assert reason in text
        assert other["nothing"].corrected is None


def test_trusted_rows_decide_where_there_are_enough(compared):
    """Their labels are known to be right, those of the test folds are what is doubted."""
    assert compared.report["setup"]["verdict from"] == "trusted rows"
    assert compared.report["input"]["trusted"] > 150
    assert compared["nothing"].trusted["f1"].n == compared.report["input"]["trusted"]
    assert "bootstrap" in compared["smote"].trusted_difference["f1"].estimate.method


def test_trusted_figures_by_hand(make):
    """A trusted row's figure is that of its out-of-fold predictions, mean of the repeats; groups are drawn whole."""
    from trueneg.jobs.compare.engine import Kept, Result, Runner
    from trueneg.jobs.compare.on_trusted import OnTrusted
    from trueneg.jobs.compare.plan import folds_of
    from trueneg.jobs.compare.task import make_task, open_source

    n = 400
    rng = np.random.default_rng(0)
    frame = make(n, block=[f"b{i // 8}" for i in range(n)], checked=(np.arange(n) % 2 == 0).tolist())
    source = open_source(frame, None, {"label": "label", "positive": "yes", "group": "block", "trusted": "checked"})
    task = make_task(source, seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    splits = [folds_of(task, 4, r, 0) for r in range(2)]
    remedies = [Remedy(name, name, lambda fold: fold.model()) for name in ("nothing", "other")]
    runner = Runner(task, remedies, splits, "linear", "accuracy", 0, Kept(None), lambda *_: None, 1)
    # All rows of a block are right or wrong together.
    wrong = {
        (name, r): np.repeat(rng.random(n // 8) < share, 8)
        for name, share in (("nothing", 0.4), ("other", 0.2))
        for r in (0, 1)
    }
    for (name, r), bad in wrong.items():
        decided = np.where(bad, 1 - task.codes, task.codes)
        for f, (_, test) in enumerate(splits[r]):
            p = np.eye(2)[decided[test]] * 0.8 + 0.1
            kept = Predicted.of(p, decided[test], task.codes[test], task.positive)
            runner.results[name, r, f] = Result(kept, 0.0, 1, math.nan, "")
    rows = [Row(name, name, "own") for name in ("nothing", "other")]
    OnTrusted(runner, rows).fill()
    by_hand = np.mean([1 - wrong["other", r][task.trusted].mean() for r in (0, 1)])
    assert rows[1].trusted["accuracy"].value == pytest.approx(by_hand)
    found = rows[1].trusted_difference["accuracy"].estimate
    gap = np.mean([(wrong["nothing", r][task.trusted].mean() - wrong["other", r][task.trusted].mean()) for r in (0, 1)])
    assert found.value == pytest.approx(gap)
    assert found.n == n // 8
    # Standard error of a mean over 50 blocks of the mean of two repeats, not over 200 rows.
    blocks = np.mean([wrong["nothing", r].astype(float) - wrong["other", r] for r in (0, 1)], axis=0)[::8]
    assert (found.high - found.low) / 3.92 == pytest.approx(blocks.std(ddof=1) / math.sqrt(50), rel=0.2)


def test_costs_decide_where_they_are_given(make):
    """With costs the figure is the mean cost a row, lower is better, and the tuned threshold is that of the costs."""
    out = trueneg.compare(
        make(500, rate=0.15), label="label", positive="yes", cost_fn=20, cost_fp=1, remedies=[], repeats=1
    )
    assert out.report["setup"] | {"metric": "cost", "better": "lower"} == out.report["setup"]
    assert out["tuned-threshold"].difference["cost"].estimate.value < 0
    assert out["tuned-threshold"].verdict == "better"
    assert out.winner == "tuned-threshold"
    assert "TunedThreshold" in out.report["next"]


def test_too_little_data_is_said_with_the_rows_needed(make):
    """Eighty rows tell nothing apart; the answer is how many would."""
    out = trueneg.compare(make(80, shift=0.6), label="label", positive="yes", remedies=["naive-bayes"], folds=4)
    assert out.winner is None
    assert "No difference can be told" in out.report["summary"] or "Nothing beats nothing" in out.report["summary"]
    assert any(row.difference["mcc"].needed for row in out.rows[1:] if row.difference)


def test_matched_recall_by_hand(make):
    """Recall at the tuned threshold's false-positive rate is what ``core.intervals.matched`` gives fold by fold."""
    from trueneg.jobs.compare.engine import Kept, Runner
    from trueneg.jobs.compare.on_folds import OnFolds
    from trueneg.jobs.compare.plan import folds_of
    from trueneg.jobs.compare.remedies import chosen
    from trueneg.jobs.compare.task import make_task, open_source

    source = open_source(make(300), None, {"label": "label", "positive": "yes"})
    task = make_task(source, seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    splits = [folds_of(task, 3, 0, 0)]
    runner = Runner(task, chosen("naive-bayes"), splits, "linear", "mcc", 0, Kept(None), lambda *_: None, 1)
    runner.rest({}, None)
    rows = [Row(r.name, r.title, r.kind) for r in runner.remedies]
    OnFolds(runner, rows).fill()
    recall = []
    for f, (_, test) in enumerate(splits[0]):
        y = (task.codes[test] == task.positive).astype(int)
        nothing, tuned, bayes = (
            runner.results[n, 0, f].predicted for n in ("nothing", "tuned-threshold", "naive-bayes")
        )
        fpr = (tuned.decision == task.positive)[y == 0].mean()
        points = matched(nothing.score, bayes.score, y, at="fpr", value=float(fpr))
        recall.append(1 - points.b.fnr)
    row = next(r for r in rows if r.name == "naive-bayes")
    assert row.matched["recall"].value == pytest.approx(np.mean(recall))
