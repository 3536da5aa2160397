"""Noisy metrics: closed forms against simulation and peers, the inverse, intervals, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.judge import noisy_metrics as nm
from trueneg.judge._noisy_metrics.rates import noncentral_fisher
from trueneg.judge.noisy_metrics import NoiseRates

COUNTS = st.tuples(*[st.integers(1, 5000)] * 4)
RATE = st.floats(0.0, 0.45)


def _rows(counts):
    tp, fp, fn, tn = (int(c) for c in counts)
    return np.repeat([1, 0, 1, 0], [tp, fp, fn, tn]), np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])


def _models(n=40, seed=0):
    rng = np.random.default_rng(seed)
    recall, alarm = rng.uniform(0.2, 0.95, n), rng.uniform(0.001, 0.1, n)
    return np.stack([100 * recall, 9900 * alarm, 100 * (1 - recall), 9900 * (1 - alarm)], axis=1)


@settings(max_examples=30, deadline=None)
@given(counts=st.tuples(*[st.integers(1, 40)] * 4))
def test_metrics_agree_with_scikit_learn(counts):
    """Protects every metric's definition: each equals scikit-learn's value on the rows behind the counts."""
    from sklearn import metrics as sk

    y, p = _rows(counts)
    got = nm.metric_values(counts)
    recall, specificity = sk.recall_score(y, p), sk.recall_score(y, p, pos_label=0)
    want = {
        "accuracy": sk.accuracy_score(y, p),
        "precision": sk.precision_score(y, p),
        "recall": recall,
        "specificity": specificity,
        "f1": sk.f1_score(y, p),
        "f2": sk.fbeta_score(y, p, beta=2),
        "g_mean": np.sqrt(recall * specificity),
        "mcc": sk.matthews_corrcoef(y, p),
        "kappa": sk.cohen_kappa_score(y, p),
        "balanced_accuracy": sk.balanced_accuracy_score(y, p),
        "youden_j": sk.balanced_accuracy_score(y, p, adjusted=True),
    }
    assert set(got) == set(want)
    for name, value in want.items():
        assert got[name] == pytest.approx(value, abs=1e-12), name


def test_metrics_are_vectorised_and_undefined_is_nan():
    """Protects the (..., 4) contract and that 0/0 is NaN, never a silent zero or a warning."""
    stack = np.arange(1, 25).reshape(2, 3, 4)
    values = nm.metric_values(stack)
    assert values["mcc"].shape == (2, 3)
    assert values["f1"][1, 2] == nm.metric_values(stack[1, 2])["f1"]
    assert np.isnan(nm.metric_values([0, 0, 5, 5])["precision"])


def test_expected_observed_is_the_mean_of_flipped_labels():
    """Protects the closed form: flipping labels row by row gives, on average, the expected counts."""
    rng = np.random.default_rng(1)
    counts, rates = np.array([120, 60, 80, 740]), NoiseRates(0.3, 0.05)
    y, p = _rows(counts)
    chance = np.where(y == 1, 1 - rates.miss, rates.false_alarm)
    draws = np.array([nm.confusion_counts(rng.random(y.size) < chance, p) for _ in range(3000)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - nm.expected_observed(counts, rates)) < 4.5 * error).all()


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, rates=st.tuples(RATE, RATE, RATE, RATE))
def test_correction_inverts_the_noise(counts, rates):
    """Protects the inverse: correcting the expected counts gives the true ones, globally and by prediction."""
    neg, pos = NoiseRates(*rates[:2]), NoiseRates(*rates[2:])
    for noise in (neg, NoiseRates(0.1, 0.1, by_prediction=(neg, pos))):
        fixed, clipped = nm.corrected_confusion(nm.expected_observed(counts, noise), noise)
        np.testing.assert_allclose(fixed, counts, rtol=1e-9, atol=1e-8)
        assert not clipped


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, miss=RATE, alarm=RATE)
def test_precision_mcc_and_youden_follow_their_formulas(counts, miss, alarm):
    """Protects the theorem behind rank_preserving: three affine maps with constants free of the model."""
    c = np.array(counts, dtype=float)
    true, seen = nm.metric_values(c), nm.metric_values(nm.expected_observed(c, NoiseRates(miss, alarm)))
    pi = (c[0] + c[2]) / c.sum()
    pi_seen = (1 - miss) * pi + alarm * (1 - pi)
    a, b = alarm * (1 - pi) / pi_seen, miss * pi / (1 - pi_seen)
    left = 1 - miss - alarm
    assert seen["precision"] == pytest.approx(left * true["precision"] + alarm, abs=1e-9)
    ratio = left * np.sqrt(pi * (1 - pi) / (pi_seen * (1 - pi_seen)))
    assert seen["mcc"] == pytest.approx(ratio * true["mcc"], abs=1e-9)
    assert seen["youden_j"] == pytest.approx((1 - a - b) * true["youden_j"], abs=1e-9)


def test_distortion_is_one_exactly_where_order_is_preserved():
    """Protects rank_preserving against ranking_distortion, and Kendall's tau against SciPy's."""
    from scipy.stats import kendalltau

    true, rates = _models(), NoiseRates(0.3, 0.005)
    tau = nm.ranking_distortion(true, rates)
    for name, value in tau.items():
        seen = nm.METRICS[name](nm.expected_observed(true, rates))
        assert value == pytest.approx(kendalltau(nm.METRICS[name](true).round(12), seen.round(12)).statistic)
        assert (value > 1 - 1e-12) == nm.rank_preserving(name), name
    by_column = NoiseRates(0.3, 0.005, by_prediction=(NoiseRates(0.6, 0.0), NoiseRates(0.0, 0.02)))
    assert not nm.rank_preserving("mcc", by_column)


def test_auroc_formula_and_correction():
    """Protects the AUROC closed form against a weighted AUROC of both possible labels, and its inverse by draws."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(2)
    rates, hits, trials = NoiseRates(0.3, 0.05), 0, 150
    for _ in range(trials):
        y = (rng.random(2000) < 0.2).astype(int)
        s = (rng.normal(size=2000) + 1.2 * y).round(1)
        one = np.where(y == 1, 1 - rates.miss, rates.false_alarm)
        got = nm.corrected_auroc((rng.random(y.size) < one).astype(int), s, rates, n_draws=500, random_state=rng)
        hits += got.low <= 0.80193 <= got.high  # Phi(1.2 / sqrt(2)), the area in the population
    assert 0.82 <= hits / trials <= 0.97
    both = roc_auc_score(np.repeat([1, 0], y.size), np.tile(s, 2), sample_weight=np.concatenate([one, 1 - one]))
    true = roc_auc_score(y, s)
    assert nm.expected_auroc(true, y.mean(), rates) == pytest.approx(both, abs=1e-10)
    exact = nm.corrected_auroc(y, s, NoiseRates(0, 0), n_draws=2000, random_state=0)
    assert exact.value == pytest.approx(true, abs=1e-12)


def test_clipping_is_done_and_said():
    """Protects honesty: rates that ask for negative counts give clipped counts, a note and a mark in the method."""
    got = nm.corrected_metrics([1, 50, 30, 919], None, NoiseRates(0.1, 0.2), n_draws=500, random_state=0)
    assert got.clipped
    assert got.notes[0].startswith("clipped")
    assert "clipped" in got["f1"].method
    assert got.confusion.min() >= 0
    assert got.confusion[:2].sum() == 51
    assert got.confusion[2:].sum() == 949


def test_impossible_input_is_refused_with_a_remedy():
    """Protects the refusals: sum of rates, labels that are not binary, unknown names, audits of one class."""
    with pytest.raises(InputError, match="1 or more"):
        NoiseRates(0.6, 0.4)
    with pytest.raises(InputError, match="between 0 and 1"):
        NoiseRates(-0.1, 0.4)
    with pytest.raises(InputError, match="0 and 1"):
        nm.corrected_metrics([0, -1], [0, 1], NoiseRates(0, 0))
    with pytest.raises(InputError, match="Unknown metrics"):
        nm.metric_values([1, 1, 1, 1], "f3")
    with pytest.raises(InputError, match="TP, FP, FN, TN"):
        nm.metric_values([1, 2, 3])
    with pytest.raises(InputError, match="one true class"):
        NoiseRates.from_audit([0, 1], [1, 1])
    with pytest.raises(InputError, match="Per-cell"):
        nm.corrected_metrics([5, 5, 5, 5], None, NoiseRates(0.1, 0), correction="per_cell")
    with pytest.raises(InputError, match="does not exceed"):
        nm.corrected_auroc([0] * 99 + [1], np.arange(100.0), NoiseRates(0.1, 0.2))


def _world(rng, miss_by_pred, n=6000):
    """Truth, predictions and noisy labels with misses that may depend on the prediction."""
    y = (rng.random(n) < 0.2).astype(int)
    p = (rng.random(n) < np.where(y == 1, 0.7, 0.05)).astype(int)
    flip = rng.random(n) < np.where(y == 1, np.array(miss_by_pred)[p], 0.02)
    return y, p, np.where(flip, 1 - y, y)


def _audit(rng, y, p, seen, take):
    rows, weights = [], []
    for cell in range(4):
        at = np.flatnonzero(2 * seen + p == cell)
        some = rng.permutation(at)[:take]
        rows.append(some)
        weights.append(np.full(some.size, at.size / some.size))
    at = np.concatenate(rows)
    return NoiseRates.from_audit(seen[at], y[at], p[at], weights=np.concatenate(weights))


def test_global_correction_is_refused_when_rates_follow_the_prediction():
    """Protects the second control: dependent errors refuse the global correction, and per-cell repairs the value."""
    rng = np.random.default_rng(3)
    y, p, seen = _world(rng, (0.7, 0.1))
    rates = _audit(rng, y, p, seen, 200)
    assert rates.differs
    with pytest.raises(InputError, match="within each"):
        nm.corrected_metrics(seen, p, rates, correction="global")
    with pytest.raises(InputError, match="within each"):
        nm.compare({"a": p, "b": 1 - p}, rates, y_observed=seen)
    error = np.zeros(3)
    for _ in range(20):
        y, p, seen = _world(rng, (0.7, 0.1))
        true = nm.metric_values(nm.confusion_counts(y, p))["recall"]
        got = nm.corrected_metrics(seen, p, _audit(rng, y, p, seen, 200), metrics="recall", n_draws=1)
        pooled = NoiseRates(((seen == 0) & (y == 1)).sum() / y.sum(), 0.02)
        naive = nm.corrected_metrics(seen, p, pooled, metrics="recall", n_draws=1)
        assert got.correction == "per_cell"
        error += [abs(v - true) for v in (got["recall"].value, got.observed["recall"], naive["recall"].value)]
    assert error[0] < 0.5 * error[1]
    assert error[0] < 0.5 * error[2]


def test_full_audit_recovers_the_truth_exactly():
    """Protects the audit algebra: with every row audited, per-cell correction is the true confusion table."""
    y, p, seen = _world(np.random.default_rng(4), (0.5, 0.2))
    rates = NoiseRates.from_audit(seen, y, p)
    got = nm.corrected_metrics(seen, p, rates, metrics="mcc", n_draws=100, random_state=0)
    np.testing.assert_allclose(got.confusion, nm.confusion_counts(y, p))
    assert rates.miss == pytest.approx(((seen == 0) & (y == 1)).sum() / y.sum())
    assert rates.false_alarm == pytest.approx(((seen == 1) & (y == 0)).sum() / (y == 0).sum())


def test_difference_test_keeps_its_level_and_has_power():
    """Protects the test of equal rates: few false refusals under equal rates, many under unequal ones."""
    rng = np.random.default_rng(5)
    null = [_audit(rng, *_world(rng, (0.3, 0.3)), 150).difference_p for _ in range(150)]
    apart = [_audit(rng, *_world(rng, (0.7, 0.2)), 150).difference_p for _ in range(40)]
    assert np.mean(np.array(null) < 0.05) < 0.11
    assert np.mean(np.array(apart) < 0.05) > 0.8


def test_difference_test_equals_fisher_for_a_simple_sample():
    """Protects the exact p-value: with equal sampling fractions it is SciPy's Fisher test."""
    from scipy.stats import fisher_exact

    for table in ([[12, 5], [3, 9]], [[0, 4], [7, 1]], [[6, 6], [6, 6]]):
        assert noncentral_fisher(np.array(table), 1.0) == pytest.approx(fisher_exact(table).pvalue)


@pytest.mark.parametrize("cells", [False, True])
def test_intervals_cover_with_audited_rates(cells):
    """Protects the intervals: with rates from an audit, 90 % intervals of F1 hold the truth about that often."""
    rng = np.random.default_rng(6)
    hits, trials = 0, 120
    # The truth is that of the process, not of one draw: the interval speaks of the population.
    true = nm.metric_values([0.14, 0.04, 0.06, 0.76])["f1"]
    for _ in range(trials):
        y, p, seen = _world(rng, (0.3, 0.3), n=3000)
        rates = _audit(rng, y, p, seen, 150)
        if not cells:
            rates = replace(rates, by_prediction=None, difference_p=None)
        got = nm.corrected_metrics(seen, p, rates, metrics="f1", n_draws=600, random_state=rng)["f1"]
        hits += got.low <= true <= got.high
    assert 0.80 <= hits / trials <= 0.99


def test_standard_errors_widen_the_interval():
    """Protects that what is unknown about the rates reaches the interval."""
    known, unknown = (
        nm.corrected_metrics([60, 40, 30, 9870], None, NoiseRates(0.3, 0.001, se), metrics="mcc", random_state=0)["mcc"]
        for se in (None, (0.1, 0.0005))
    )
    assert unknown.high - unknown.low > 1.2 * (known.high - known.low)
    assert known.value == unknown.value


def test_compare_is_paired_by_rows():
    """Protects pairing: a small gain on shared rows is sure with rows, unsure with counts alone."""
    rng = np.random.default_rng(7)
    y, a, seen = _world(rng, (0.2, 0.2))
    b = a.copy()
    b[rng.permutation(np.flatnonzero((y == 1) & (a == 1)))[:25]] = 0
    rates = NoiseRates(0.2, 0.02, (0.02, 0.003))
    rows = nm.compare({"a": a, "b": b, "same": a}, rates, y_observed=seen, n_draws=2000, random_state=0)
    tables = {"a": nm.confusion_counts(seen, a), "b": nm.confusion_counts(seen, b)}
    counts = nm.compare(tables, rates, n_draws=2000, random_state=0)
    assert rows.beats("a", "b") > 0.99
    assert rows.beats("a", "b") > counts.beats("a", "b") > 0.5
    assert rows.beats("a", "same") == 0.5
    np.testing.assert_allclose(rows.share + rows.share.T, 1.0)


def test_trusted_metric_names_no_best_without_a_cost():
    """Protects the advice: order-keeping metrics are named, a choice needs a cost, and regret starts at one."""
    seen, rates = nm.expected_observed(_models(), NoiseRates(0.3, 0.005)), NoiseRates(0.3, 0.005)
    free = nm.trusted_metric(seen, rates)
    assert free.cheapest is None
    assert "No metric is best without a cost" in free.advice
    assert set(free.keeps_order) == {"precision", "mcc", "balanced_accuracy", "youden_j"}
    paid = nm.trusted_metric(seen, rates, cost=(1, 50))
    true = _models()
    assert paid.cheapest == int((true[:, 1] + 50 * true[:, 2]).argmin())
    assert min(paid.regret.values()) >= 1


def test_same_seed_same_answer():
    """Protects reproducibility, and that no global generator is used."""
    run = lambda: nm.corrected_metrics([60, 40, 30, 870], None, NoiseRates(0.1, 0.01, (0.02, 0.005)), random_state=9)  # noqa: E731
    first = run()
    np.random.default_rng(0).random(5)
    assert first == run()


@pytest.mark.parametrize("counts", [(60, 40, 30, 9870), (3, 0, 0, 5), (0, 0, 4, 6), (5, 5, 0, 0)])
def test_drawn_counts_follow_the_multinomial_law(counts):
    """Protects the faster sampler: means and covariances are the multinomial's, empty cells stay empty."""
    from trueneg.judge._noisy_metrics.draws import sample_counts

    c = np.array(counts, float)
    n, p = c.sum(), c / c.sum()
    draws = sample_counts(c, 40_000, np.random.default_rng(0))
    assert (draws.sum(axis=1) == n).all()
    want = n * (np.diag(p) - np.outer(p, p))
    spread = np.sqrt(np.diag(want))
    assert (np.abs(draws.mean(axis=0) - c) <= 4.5 * spread / 200).all()
    assert (np.abs(np.cov(draws.T) - want) <= 6 * np.outer(spread, spread) / 200 + 1e-12).all()


def test_compare_from_counts_pairs_nothing_but_the_rates():
    """Protects independence: without rows, equal models must tie by chance, not by the order of the draws."""
    tables = {"a": [60, 40, 30, 870], "b": [62, 40, 28, 870]}
    got = nm.compare(tables, NoiseRates(0.1, 0.001), metric="recall", n_draws=4000, random_state=0)
    assert 0.5 < got.beats("b", "a") < 0.75
