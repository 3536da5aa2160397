"""Figures of detection against scikit-learn, brute force, and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from trueneg.core import detection as d
from trueneg.core.errors import InputError
from trueneg.core.intervals import wilson

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.booleans()), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(r[0] for r in rows) < len(rows)
)
FAST = {"n_boot": 20, "random_state": 0}


def columns(rows):
    """Return the columns of rows."""
    known, scores, right = (np.array(c) for c in zip(*rows, strict=True))
    return known.astype(int), scores.astype(float), right


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_ranking_figures_are_those_of_scikit_learn(rows):
    """AUROC and both AUPR, ties included."""
    known, scores, _ = columns(rows)
    assert np.isclose(d.auroc(known, scores).value, roc_auc_score(known, scores))
    assert np.isclose(d.auroc_of(known, scores), roc_auc_score(known, scores))
    assert np.isclose(d.aupr(known, scores, **FAST).value, average_precision_score(known, scores))
    out = d.aupr(known, scores, positive="unknown", **FAST).value
    assert np.isclose(out, average_precision_score(1 - known, -scores))


@given(ROWS, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
@settings(max_examples=40, deadline=None)
def test_figures_at_thresholds_are_brute_force(rows, tpr):
    """Every threshold tried in turn gives FPR at TPR, detection accuracy, OSCR and EER's threshold."""
    known, scores, right = columns(rows)
    cuts = np.unique(scores)[::-1]
    kept = np.array([(scores[known == 1] >= t).mean() for t in cuts])
    passed = np.array([(scores[known == 0] >= t).mean() for t in cuts])
    correct = np.array([((scores >= t) & right)[known == 1].mean() for t in cuts])
    assert np.isclose(d.fpr_at_tpr(known, scores, tpr=tpr, **FAST).value, passed[kept >= tpr - 1e-12].min())
    best = max(0.5, ((kept + 1 - passed) / 2).max())
    assert np.isclose(d.detection_accuracy(known, scores, **FAST).value, best)
    area, before = 0.0, (0.0, 0.0)
    for x, y in zip(passed, correct, strict=True):
        area += (x - before[0]) * (y + before[1]) / 2
        before = (x, y)
    assert np.isclose(d.oscr(known, scores, right, **FAST).value, area)
    assert np.isclose(d.oscr_curve(known, scores, right).area, area)
    gap = np.abs(passed - (1 - kept))
    assert d.eer_threshold(known, scores) == cuts[gap.argmin()]
    assert min(gap) / 2 <= 1
    assert (np.minimum(passed, 1 - kept)).max() <= d.eer(known, scores, **FAST).value + 1e-9


def test_oscr_of_constant_scores_and_of_a_perfect_classifier():
    """Constant scores are one step; where every answer is right OSCR is AUROC."""
    known = np.repeat([1, 0], 50)
    right = np.arange(100) % 5 > 0
    assert np.isclose(d.oscr(known, np.zeros(100), right, **FAST).value, 0.8 / 2)
    scores = np.random.default_rng(0).normal(size=100) + known
    assert np.isclose(d.oscr(known, scores, np.ones(100, bool), **FAST).value, d.auroc_of(known, scores))


def test_delong_is_the_written_out_variance():
    """The interval of AUROC is DeLong's on the logit scale, computed pair by pair."""
    rng = np.random.default_rng(1)
    known = np.repeat([1, 0], [30, 40])
    scores = np.round(rng.normal(size=70) + known, 1)
    a, b = scores[:30], scores[30:]
    psi = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    half = 1.959964 * np.sqrt(psi.mean(1).var(ddof=1) / 30 + psi.mean(0).var(ddof=1) / 40)
    found = d.auroc(known, scores)
    value = psi.mean()
    ends = np.log(value / (1 - value)) + np.array([-1, 1]) * half / (value * (1 - value))
    assert np.allclose([found.low, found.high], 1 / (1 + np.exp(-ends)), atol=1e-6)


def test_a_perfect_ranking_has_an_interval():
    """With six rows apart AUROC is 1, and its interval does not pretend to certainty."""
    found = d.auroc([1, 1, 1, 0, 0, 0], [3, 4, 5, 0, 1, 2])
    assert found.value == found.high == 1.0
    assert found.low < 0.6


FIGURES = {
    "fpr_at_tpr": d.fpr_at_tpr,
    "detection_accuracy": d.detection_accuracy,
    "eer": d.eer,
    "aupr-in": d.aupr,
    "aupr-out": lambda *rows, **how: d.aupr(*rows, positive="unknown", **how),
    "oscr": lambda known, scores, **how: d.oscr(known, scores, np.ones(len(known), bool), **how),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("grouped", [False, True])
def test_rows_wholly_apart_leave_room_for_what_was_not_seen(name, grouped):
    """No resample of 20 rows a kind knows of the error to come: the interval is that of 0 errors in 20, or 5 groups."""
    known, scores = np.repeat([1, 0], 20), np.r_[np.arange(20) + 100.0, np.arange(20)]
    few = wilson(0, 5 if grouped else 20)
    groups = np.arange(40) // 4 if grouped else None
    found = FIGURES[name](known, scores, groups=groups, n_boot=60, random_state=0)
    best = 0.0 if name in ("fpr_at_tpr", "eer") else 1.0
    assert found.value == pytest.approx(best, abs=1e-12)
    assert found.high - found.low == pytest.approx(few.high, abs=1e-9)
    assert "Wilson" in found.method


def test_two_detectors_that_never_err_are_not_said_to_be_equal():
    """Both are right on 20 rows a kind, and each may be wrong on the next one; one and the same is equal to itself."""
    rng = np.random.default_rng(0)
    known = np.repeat([1, 0], 20)
    a, b = rng.random(40) + 5 * known, rng.random(40) + 5 * known
    for metric in ("auroc", "fpr_at_tpr"):
        gap = d.compare_detectors(known, a, b, metric=metric, n_boot=20, random_state=0)
        assert gap.value == pytest.approx(0.0)
        assert gap.low < -0.1
        assert gap.high > 0.1
        same = d.compare_detectors(known, a, 2 * a + 1, metric=metric, n_boot=20, random_state=0)
        assert same.low == same.high == 0.0
    worse = d.compare_detectors(known, a, -a, n_boot=20, random_state=0)
    assert worse.low < worse.value == pytest.approx(1.0)


def test_an_infinite_score_is_above_or_below_all_others():
    """A log-probability of minus infinity is a score: refusing it would leave out the surest detections."""
    known, scores = np.array([1, 1, 1, 0, 0, 0]), np.array([np.inf, 2.0, 1.0, 1.5, -np.inf, -np.inf])
    finite = np.array([9.0, 2.0, 1.0, 1.5, -9.0, -9.0])
    for figure in (d.auroc, *FIGURES.values()):
        how = {"random_state": 0} | ({} if figure is d.auroc else {"n_boot": 20})
        assert figure(known, scores, **how) == figure(known, finite, **how)
    assert d.eer_threshold([1, 0], [np.inf, 0.0]) == np.inf


def test_tensors_of_any_type_are_read():
    """Scores come from a network with gradients and in half precision."""
    torch = pytest.importorskip("torch")
    known, scores = torch.tensor([1, 1, 0, 0]), torch.tensor([2.0, 1.0, 1.5, 0.0], requires_grad=True)
    assert d.auroc_of(known, scores) == d.auroc_of(known, scores.bfloat16()) == 0.75
    assert d.oscr(known, scores, known == 1, n_boot=5, random_state=0).value == 0.75


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "sep"), [(30, 30, 1.5), (50, 300, 2.5), (50, 50, 3.5)])
def test_intervals_of_good_detectors_hold_the_truth(n, m, sep):
    """Detection accuracy, whose threshold is chosen, held it in 76 of 100 samples, AUROC and AUPR near 1 in 81."""
    from scipy.stats import norm

    truth = {"accuracy": norm.cdf(sep / 2), "auroc": norm.cdf(sep / np.sqrt(2))}
    many = np.repeat([1, 0], [n * 2000, m * 2000])
    truth["aupr"] = average_precision_score(many, np.random.default_rng(1).normal(size=len(many)) + sep * many)
    rng, hits = np.random.default_rng(0), dict.fromkeys(truth, 0)
    known = np.repeat([1, 0], [n, m])
    for _ in range(200):
        scores = rng.normal(size=n + m) + sep * known
        accuracy = d.detection_accuracy(known, scores, n_boot=100, random_state=rng)
        aupr = d.aupr(known, scores, n_boot=100, random_state=rng)
        for name, e in (("accuracy", accuracy), ("auroc", d.auroc(known, scores)), ("aupr", aupr)):
            hits[name] += e.low <= truth[name] <= e.high
    assert min(hits.values()) >= 0.88 * 200


@pytest.mark.slow
def test_intervals_cover_about_as_often_as_they_say():
    """95 % intervals of AUROC and FPR at TPR hold the truth in 90 % or more of many samples."""
    from scipy.stats import norm

    truth = {"auroc": norm.cdf(1.5 / np.sqrt(2)), "fpr": norm.sf(norm.ppf(0.2) + 1.5)}
    rng, hits, n = np.random.default_rng(0), {"auroc": 0, "fpr": 0}, 300
    known = np.repeat([1, 0], 150)
    for _ in range(n):
        scores = rng.normal(size=300) + 1.5 * known
        for name, e in (
            ("auroc", d.auroc(known, scores)),
            ("fpr", d.fpr_at_tpr(known, scores, tpr=0.8, n_boot=300, random_state=rng)),
        ):
            hits[name] += e.low <= truth[name] <= e.high
    assert min(hits.values()) >= 0.90 * n


def test_groups_widen_the_interval():
    """Frames of one video say less than as many videos."""
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(40), 25)
    known = (video < 20).astype(int)
    scores = (rng.normal(size=40) + 0.8 * (np.arange(40) < 20))[video] + 0.1 * rng.normal(size=1000)
    plain = d.auroc(known, scores)
    grouped = d.auroc(known, scores, groups=video, random_state=0)
    assert grouped.high - grouped.low > 2 * (plain.high - plain.low)
    assert grouped.n == 40
    rates = d.attack_rates(known, scores, threshold=0.4, groups=video, n_boot=200, random_state=0)
    alone = d.attack_rates(known, scores, threshold=0.4)
    assert rates.hter.value == alone.hter.value
    assert rates.hter.high - rates.hter.low > 2 * (alone.hter.high - alone.hter.low)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_report_is_its_five_figures(grouped):
    """One resample serves all figures: each has the value it has alone, and, drawn alike, the same interval."""
    rng = np.random.default_rng(3)
    known = rng.random(400) < 0.3
    scores = np.round(rng.normal(size=400) + known, 1)
    shared = {"groups": rng.integers(0, 30, 400) if grouped else None, "n_boot": 60, "random_state": 0}
    found = d.novelty_report(known, scores, **shared)
    alone = {
        "auroc": d.auroc(known, scores, **shared),
        "fpr95": d.fpr_at_tpr(known, scores, **shared),
        "detection_accuracy": d.detection_accuracy(known, scores, **shared),
        "aupr_in": d.aupr(known, scores, **shared),
        "aupr_out": d.aupr(known, scores, positive="unknown", **shared),
    }
    for name, estimate in alone.items():
        got = getattr(found, name)
        assert got.value == pytest.approx(estimate.value, abs=1e-12)
        assert (got.method, got.n, got.level) == (estimate.method, estimate.n, estimate.level)
        # Alone, the rows of the unknown ones are drawn first: another draw.
        if name != "aupr_out" or grouped:
            assert (got.low, got.high) == pytest.approx((estimate.low, estimate.high), abs=1e-12)


def test_attack_rates_are_the_standard_ones():
    """APCER is of the worst attack type, BPCER of real rows, ACER and HTER are means of two."""
    known = np.array([1] * 4 + [0] * 6)
    scores = np.array([0.9, 0.8, 0.4, 0.7, 0.6, 0.1, 0.2, 0.9, 0.8, 0.1])
    types = np.array(["", "", "", "", "print", "print", "print", "video", "video", "video"])
    found = d.attack_rates(known, scores, threshold=0.5, types=types)
    assert found.bpcer.value == 1 / 4
    assert found.apcer.value == 2 / 3
    assert found.acer.value == (2 / 3 + 1 / 4) / 2
    assert found.hter.value == (3 / 6 + 1 / 4) / 2
    assert found.by_type["print"].value == 1 / 3
    for e in (found.apcer, found.bpcer, found.acer, found.hter):
        assert e.low < e.value < e.high


def test_two_detectors_are_compared_on_the_same_rows():
    """The paired interval of a difference is narrower than the two intervals apart, and centred on the difference."""
    rng = np.random.default_rng(0)
    known = np.repeat([1, 0], 300)
    a = rng.normal(size=600) + known
    b = a + 0.3 * rng.normal(size=600)
    gap = d.compare_detectors(known, a, b, n_boot=300, random_state=0)
    assert np.isclose(gap.value, d.auroc_of(known, a) - d.auroc_of(known, b))
    alone = d.auroc(known, a)
    assert gap.high - gap.low < 0.7 * (alone.high - alone.low)
    same = d.compare_detectors(known, a, a, metric="fpr_at_tpr", n_boot=50, random_state=0)
    assert same.value == same.low == same.high == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: d.auroc([1, 1], [0.1, 0.2]),
        lambda: d.auroc([1, 0], [0.1]),
        lambda: d.auroc([1, 0, 2], [0.1, 0.2, 0.3]),
        lambda: d.auroc([1, 0], [0.1, np.nan]),
        lambda: d.fpr_at_tpr([1, 0], [0.1, 0.2], tpr=0.0),
        lambda: d.aupr([1, 0], [0.1, 0.2], positive="both"),
        lambda: d.oscr([1, 0], [0.1, 0.2], [True]),
        lambda: d.auroc([1, 0], [0.1, 0.2], groups=[1, 1]),
        lambda: d.attack_rates([1, 0], [0.1, 0.2], threshold=np.nan),
        lambda: d.attack_rates([1, 0], [0.1, 0.2], threshold="high"),
        lambda: d.aupr([1, 0], ["a", "b"]),
        lambda: d.fpr_at_tpr([1, 0], [0.1, 0.2], tpr="95"),
        lambda: d.compare_detectors([1, 0], [0.1, 0.2], [0.1, 0.2], metric="fpr_at_tpr", tpr=95),
        lambda: d.eer([1, 0], [0.1, 0.2], n_boot=10.5),
        lambda: d.eer([1, 0], [0.1, 0.2], groups=[np.nan, 1.0]),
        lambda: d.eer([1, 0], [0.1, 0.2], groups=np.array([None, "a"], dtype=object)),
    ],
)
def test_refuses_in_one_line(call):
    """What has no answer is refused with the remedy."""
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
