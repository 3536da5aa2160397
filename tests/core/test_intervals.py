"""Intervals against peers, brute force and simulated coverage; matched points against enumeration."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trueneg.core.errors import InputError
from trueneg.core.intervals import (
    Estimate,
    bootstrap,
    corrected_resampled_t,
    jeffreys,
    matched,
    stratified,
    sweep,
    wilson,
)

# -- Estimate


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((0.87, 0.82, 0.91), "0.87 [0.82, 0.91]"),
        ((0.0031, 0.0021, 0.0046), "0.0031 [0.0021, 0.0046]"),
        ((1204.2, 1100.0, 1311.0), "1204 [1100, 1311]"),
        ((0.5, 0.5, 0.5), "0.50 [0.50, 0.50]"),
        ((float("nan"),) * 3, "not known"),
    ],
)
def test_estimate_prints_the_digits_its_width_deserves(args, text):
    """Protects the one printed form of every figure, also for rare events and for counts."""
    assert str(Estimate(*args)) == text


def test_estimate_survives_strict_json():
    """Protects reports from NaN and infinity, which are not JSON."""
    out = json.loads(json.dumps(Estimate(math.nan, -math.inf, 1.0).to_dict(), allow_nan=False))
    assert (out["value"], out["low"], out["high"]) == (None, None, 1.0)


# -- proportions


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, share, level):
    """Protects Wilson's formula, ends included, with scipy's binomtest as the peer."""
    k = round(share * n)
    peer = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    ours = wilson(k, n, level=level)
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert ours.low <= ours.value <= ours.high


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.floats(0, 1))
def test_jeffreys_is_symmetric_and_holds_its_estimate(n, share):
    """Protects Jeffreys' interval: beta quantiles inside, mirrored for failures, exact at both ends."""
    k = round(share * n)
    ours, mirror = jeffreys(k, n), jeffreys(n - k, n)
    assert (ours.low, ours.high) == pytest.approx((1 - mirror.high, 1 - mirror.low), abs=1e-9)
    assert ours.low <= k / n <= ours.high
    if 0 < k < n:
        peer = stats.beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
        assert (ours.low, ours.high) == pytest.approx(tuple(peer), abs=1e-9)
    assert (ours.low == 0) == (k == 0)


@pytest.mark.parametrize("interval", [wilson, jeffreys])
def test_proportions_cover_on_average(interval):
    """Protects the promised level: exact coverage over a grid of proportions, by summing the binomial."""
    n, grid = 40, np.linspace(0.02, 0.98, 97)
    ends = np.array([(e.low, e.high) for e in (interval(k, n) for k in range(n + 1))])
    pmf = stats.binom.pmf(np.arange(n + 1)[:, None], n, grid)
    covered = (ends[:, :1] <= grid) & (grid <= ends[:, 1:])
    mean = float((pmf * covered).sum(axis=0).mean())
    assert 0.94 < mean < 0.965


@pytest.mark.parametrize("interval", [wilson, jeffreys])
@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 4), (math.nan, 4), (1, math.nan), (1, math.inf)])
def test_impossible_counts_are_refused(interval, k, n):
    """Protects callers from an interval made of impossible counts."""
    with pytest.raises(InputError):
        interval(k, n)


@pytest.mark.parametrize("level", [0, 1, 95, math.nan])
def test_a_level_in_percent_is_refused(level):
    """Protects every interval from 95 written for 0.95."""
    for make in (lambda: wilson(1, 2, level=level), lambda: jeffreys(1, 2, level=level)):
        with pytest.raises(InputError, match="between 0 and 1"):
            make()


# -- stratified


def test_one_stratum_is_plain_jeffreys():
    """Protects the reduction of MOVER to its building block."""
    one, plain = stratified([7], [50], [900]), jeffreys(7, 50)
    assert (one.value, one.low, one.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_stratified_follows_the_formula_of_the_design():
    """Protects the MOVER combination with the formula written out stratum by stratum."""
    k, n, size = [12, 2, 0], [20, 20, 30], [60, 300, 2000]
    p = low2 = high2 = 0.0
    for k_h, n_h, size_h in zip(k, n, size, strict=True):
        w, j = size_h / sum(size), jeffreys(k_h, n_h)
        p += w * j.value
        low2 += (w * (j.value - j.low)) ** 2
        high2 += (w * (j.high - j.value)) ** 2
    ours = stratified(k, n, size)
    assert (ours.value, ours.low, ours.high) == pytest.approx((p, p - math.sqrt(low2), p + math.sqrt(high2)))
    total = stratified(k, n, size, total=True)
    assert (total.value, total.high) == pytest.approx((p * sum(size), ours.high * sum(size)))


def test_stratified_without_hits_does_not_collapse():
    """Protects the all-negative review: no hit found is not proof of none."""
    ours = stratified([0, 0], [20, 20], [100, 10_000])
    assert (ours.value, ours.low) == (0, 0)
    assert ours.high > 0.05


def test_a_stratum_seen_whole_is_known_when_finite():
    """Protects the finite-population option: a census has no width, and the default stays wider."""
    census = stratified([3, 5], [10, 40], [10, 40], finite=True)
    assert census.low == census.value == census.high == pytest.approx(8 / 50)
    assert stratified([3, 5], [10, 40], [10, 40]).high > census.high


@pytest.mark.parametrize("finite", [False, True])
def test_stratified_covers_the_truth(finite):
    """Protects the promised level by simulated reviews of a ranked list: a rich top, a poor and large rest."""
    rng = np.random.default_rng(5)
    sizes, hits, sampled = np.array([60, 300, 3000]), np.array([40, 30, 60]), np.array([30, 30, 40])
    truth = hits.sum() / sizes.sum()
    draws = rng.hypergeometric(hits, sizes - hits, sampled, size=(600, 3))
    covered = [e.low <= truth <= e.high for e in (stratified(k, sampled, sizes, finite=finite) for k in draws)]
    assert 0.92 < np.mean(covered) <= 1


@pytest.mark.parametrize(
    ("hits", "sampled", "sizes", "words"),
    [
        ([], [], [], "empty"),
        ([1], [2, 3], [4, 5], "one entry a stratum"),
        ([3], [2], [9], "stratum 0"),
        ([1], [9], [2], "stratum 0"),
        ([1, 0], [5, 0], [9, 9], "none was sampled"),
        ([0], [0], [0], "no population"),
        ([math.nan], [2], [3], "hits"),
    ],
)
def test_stratified_refuses_impossible_designs(hits, sampled, sizes, words):
    """Protects the review from answers that do not fit its design."""
    with pytest.raises(InputError, match=words):
        stratified(hits, sampled, sizes)


# -- bootstrap


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_agrees_with_scipy(method):
    """Protects both methods with scipy's bootstrap as the peer, on a skewed sample."""
    x = np.random.default_rng(0).exponential(size=80)
    ours = bootstrap(np.mean, x, n_boot=6000, method=method, random_state=1)
    name = {"percentile": "percentile", "bca": "BCa"}[method]
    rng = np.random.default_rng(2)
    peer = stats.bootstrap((x,), np.mean, n_resamples=6000, method=name, rng=rng).confidence_interval
    spread = peer.high - peer.low
    assert abs(ours.low - peer.low) < 0.06 * spread
    assert abs(ours.high - peer.high) < 0.06 * spread


def test_bca_moves_the_interval_toward_the_long_tail():
    """Protects the sign of the acceleration: BCa must shift up on a sample skewed to the right."""
    x = np.random.default_rng(3).lognormal(sigma=1.2, size=60)
    plain, bca = (bootstrap(np.mean, x, n_boot=3000, method=m, random_state=0) for m in ("percentile", "bca"))
    assert bca.low > plain.low
    assert bca.high > plain.high


def test_blocks_of_the_jackknife_keep_the_bca_interval(monkeypatch):
    """Protects the shortcut for many rows: blocks give nearly the interval of the full jackknife."""
    x = np.random.default_rng(4).exponential(size=400)
    full = bootstrap(np.mean, x, n_boot=2000, method="bca", random_state=0)
    monkeypatch.setattr("trueneg.core._intervals.resampling._MAX_JACKKNIFE", 100)
    blocks = bootstrap(np.mean, x, n_boot=2000, method="bca", random_state=0)
    width = full.high - full.low
    assert abs(full.low - blocks.low) < 0.05 * width
    assert abs(full.high - blocks.high) < 0.05 * width


def test_arrays_are_resampled_together():
    """Protects pairing: the difference of a method with itself shifted by a constant has no width."""
    a = np.random.default_rng(0).normal(size=50)
    e = bootstrap(lambda u, v: float(np.mean(u - v)), a, a - 0.25, n_boot=200, random_state=0)
    assert (e.low, e.high) == pytest.approx((0.25, 0.25))


def test_every_resample_takes_whole_groups():
    """Protects clustering: a group enters whole or not at all, as often as it was drawn."""
    groups = np.array(list("abacbcadd"))
    size = {g: int((groups == g).sum()) for g in "abcd"}
    seen = []

    def stat(g):
        names, counts = np.unique(g, return_counts=True)
        seen.append(all(c % size[n] == 0 for n, c in zip(names, counts, strict=True)))
        seen.append(sum(c // size[n] for n, c in zip(names, counts, strict=True)) == 4)
        return 0.0

    e = bootstrap(stat, groups, groups=groups, n_boot=100, random_state=0)
    assert all(seen)
    assert e.n == 4


def test_groups_widen_the_interval_of_copied_rows():
    """Protects the reason for groups: twenty copies of a row are not twenty rows."""
    x = np.random.default_rng(1).normal(size=30)
    copies, group = np.repeat(x, 20), np.repeat(np.arange(30), 20)
    width = {}
    for name, e in {
        "rows": bootstrap(np.mean, copies, n_boot=800, random_state=0),
        "groups": bootstrap(np.mean, copies, groups=group, n_boot=800, random_state=0),
        "truth": bootstrap(np.mean, x, n_boot=800, random_state=0),
    }.items():
        width[name] = e.high - e.low
    assert width["groups"] == pytest.approx(width["truth"], rel=0.12)
    assert width["rows"] < 0.35 * width["groups"]


def test_bootstrap_covers_the_truth():
    """Protects the promised level by simulation, for the mean of 60 normal rows."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(150):
        e = bootstrap(np.mean, rng.normal(size=60), n_boot=200, random_state=rng)
        hits += e.low <= 0 <= e.high
    assert 0.87 <= hits / 150 <= 0.99


def test_bootstrap_is_reproducible_and_leaves_the_global_generator_alone():
    """Protects seeds: the same one gives the same interval, and numpy's global state is untouched."""
    x = np.arange(20.0)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the point of the test
    first, second = (bootstrap(np.mean, x, n_boot=50, random_state=7) for _ in range(2))
    assert first == second
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_undefined_resamples_are_counted_or_refused():
    """Protects against a silent drop: a few undefined resamples are named, many are an error."""

    def recall(y):
        return float(y.mean()) if y.any() else math.nan

    few = bootstrap(recall, np.array([1, 1, 1, 0, 0, 0]), n_boot=500, random_state=0)
    assert "undefined on" in few.method
    with pytest.raises(InputError, match="undefined on"):
        bootstrap(_defined_once(), np.arange(9.0), n_boot=50, random_state=0)


def _defined_once():
    calls = []

    def stat(_):
        calls.append(1)
        return 0.0 if len(calls) == 1 else math.nan

    return stat


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_a_constant_statistic_gives_a_point(method):
    """Protects the all-negative case: a figure that never varies has a zero-width interval, not NaN."""
    e = bootstrap(np.mean, np.zeros(12), n_boot=50, method=method, random_state=0)
    assert (e.value, e.low, e.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("arrays", "options", "words"),
    [
        ((), {}, "at least one"),
        (([],), {}, "empty"),
        (([1.0],), {}, "one row"),
        (([1.0, 2.0], [1.0]), {}, "same length"),
        (([1.0, math.nan],), {}, "not finite"),
        (([1.0, 2.0],), {"groups": [0, 0]}, "one group"),
        (([1.0, 2.0],), {"groups": [0]}, "one group a row"),
        (([1.0, 2.0],), {"groups": [0, math.nan]}, "missing"),
        (([1.0, 2.0],), {"method": "basic"}, "percentile"),
        (([1.0, 2.0],), {"n_boot": 1}, "n_boot"),
        (([1.0, 2.0],), {"level": 95}, "level"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_use(arrays, options, words):
    """Protects the messages for empty, single, unpaired, missing and one-group input."""
    with pytest.raises(InputError, match=words):
        bootstrap(lambda *a: float(np.mean(a[0])), *arrays, **options)


# -- corrected resampled t


def test_corrected_t_without_overlap_is_the_plain_t_interval():
    """Protects the formula: with n_test / n_train near 0 it is the textbook interval."""
    d = np.random.default_rng(0).normal(0.1, 1, 20)
    peer = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    ours = corrected_resampled_t(d, n_train=1e12, n_test=1)
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high))


def test_corrected_t_widens_by_the_known_factor():
    """Protects the correction itself: sqrt(1 + J n_test / n_train) wider than the plain interval."""
    d = np.array([0.1, 0.3, 0.2, 0.0, 0.25, 0.2, 0.15, 0.3, 0.1, 0.2])
    plain = corrected_resampled_t(d, n_train=1e12, n_test=1)
    ours = corrected_resampled_t(d, n_train=[90] * 10, n_test=[10] * 10)
    factor = math.sqrt(1 + 10 * 10 / 90)
    assert ours.high - ours.low == pytest.approx(factor * (plain.high - plain.low))


@pytest.mark.parametrize(
    ("d", "train", "test"), [([], 9, 1), ([0.1], 9, 1), ([0.1, math.nan], 9, 1), ([0.1, 0.2], 0, 1), ([0.1, 0.2], 9, 0)]
)
def test_corrected_t_refuses_too_little(d, train, test):
    """Protects against an interval from one fold, missing folds or folds of no rows."""
    with pytest.raises(InputError):
        corrected_resampled_t(d, n_train=train, n_test=test)


# -- sweep and matched

_SCORES = st.lists(st.integers(0, 4), min_size=2, max_size=14)


@settings(max_examples=60, deadline=None)
@given(_SCORES, st.data())
def test_sweep_counts_like_brute_force(scores, data):
    """Protects the threshold sweep under heavy ties, with a comparison at every threshold as the oracle."""
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores))))
    y[0], y[1] = 0, 1
    s = np.array(scores)
    w = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(s), max_size=len(s))))
    points = sweep(y, s, sample_weight=w)
    assert points.threshold.tolist() == [math.inf, *sorted(set(scores), reverse=True)]
    for t, tp, fp in zip(points.threshold, points.tp, points.fp, strict=True):
        assert tp == w[(s >= t) & (y == 1)].sum()
        assert fp == w[(s >= t) & (y == 0)].sum()


@settings(max_examples=80, deadline=None)
@given(_SCORES, st.data(), st.sampled_from(["fpr", "fnr", "alarms"]), st.floats(0, 1))
def test_matched_is_the_best_drawn_point(scores, data, at, share):
    """Protects the match: exact under ties, and as good as the best mixture of two neighbouring thresholds."""
    n = len(scores)
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    y[0], y[1] = 0, 1
    s = np.array(scores)
    value = share * n if at == "alarms" else share
    m = matched(s, -s, y, at=at, value=value)
    for point, sc in ((m.a, s), (m.b, -s)):
        reached = {"fpr": point.fpr, "fnr": point.fnr, "alarms": point.alarms}[at]
        assert reached == pytest.approx(value, abs=1e-9)
        ladder = [np.inf, *sorted(set(sc.tolist()), reverse=True)]
        roc = [(np.mean(sc[y == 0] >= t), np.mean(sc[y == 1] < t), np.sum(sc >= t)) for t in ladder]
        axis, other = {"fpr": (0, 1), "fnr": (1, 0), "alarms": (2, 1)}[at]
        best = min(
            p[other] + lam * (q[other] - p[other])
            for p, q in zip(roc, roc[1:], strict=False)
            for lam in _mixtures(p[axis], q[axis], value)
        )
        assert (point.fpr if at == "fnr" else point.fnr) == pytest.approx(best, abs=1e-9)


def _mixtures(p, q, value):
    if abs(p - q) < 1e-12:
        return [0.0, 1.0] if abs(p - value) < 1e-9 else []
    lam = (value - p) / (q - p)
    return [min(1.0, max(0.0, lam))] if -1e-9 <= lam <= 1 + 1e-9 else []


@pytest.mark.parametrize("at", ["fpr", "fnr", "alarms"])
def test_a_moved_threshold_is_no_gain_at_a_matched_point(at):
    """Protects the reason for matching: any increasing transform of the scores ties with the original."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    s = np.round(y + rng.normal(size=300), 1)
    m = matched(s, np.exp(2 * s) - 5, y, at=at, threshold=0.5)
    assert (m.a.fpr, m.a.fnr, m.a.alarms) == (m.b.fpr, m.b.fnr, m.b.alarms)


def test_matched_takes_its_value_from_a_threshold_of_a():
    """Protects threshold=: hard decisions of a give the rate at which b is placed."""
    y = np.array([0, 0, 0, 0, 1, 1])
    decided = np.array([1, 0, 0, 0, 1, 0])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.8])
    m = matched(decided, scores, y, at="fpr", threshold=0.5)
    assert m.value == m.a.fpr == m.b.fpr == 0.25
    assert (m.a.fnr, m.b.fnr) == (0.5, 0.0)


def test_constant_scores_sit_on_the_diagonal():
    """Protects the all-tied scorer: it is placed by drawing, where fnr = 1 - fpr."""
    y = np.array([0, 0, 0, 1, 1])
    m = matched(np.zeros(5), np.zeros(5), y, at="fpr", value=0.2)
    assert (m.a.fnr, m.a.tied_share) == pytest.approx((0.8, 0.2))


@pytest.mark.parametrize(
    ("a", "y", "options", "words"),
    [
        ([], [], {"value": 0.1}, "empty"),
        ([0.1, 0.2], [0, 0], {"value": 0.1}, "no positive"),
        ([0.1, 0.2], [1, 1], {"value": 0.1}, "no negative"),
        ([0.1, 0.2], [0, -1], {"value": 0.1}, "unjudged"),
        ([0.1, math.nan], [0, 1], {"value": 0.1}, r"scores\[1\]"),
        ([0.1], [0, 1], {"value": 0.1}, "one score a row"),
        ([[0.1, 0.2]], [0, 1], {"value": 0.1}, "one dimension"),
        (["a", "b"], [0, 1], {"value": 0.1}, "numbers"),
        ([0.1, 0.2], [0, 1], {"value": 1.1}, "cannot be reached"),
        ([0.1, 0.2], [0, 1], {"value": math.nan}, "cannot be reached"),
        ([0.1, 0.2], [0, 1], {}, "either value"),
        ([0.1, 0.2], [0, 1], {"value": 0.1, "threshold": 0.1}, "either value"),
        ([0.1, 0.2], [0, 1], {"value": 0.1, "at": "tpr"}, "alarms"),
        ([0.1, 0.2], [0, 1], {"value": 0.1, "sample_weight": [1, -1]}, "sample_weight"),
    ],
)
def test_matched_refuses_what_it_cannot_place(a, y, options, words):
    """Protects the messages for empty, one-class, unjudged, missing and misshapen input."""
    with pytest.raises(InputError, match=words):
        matched(a, a, y, **options)


def test_scipy_is_not_imported_at_the_top():
    """Protects the start-up time: core intervals and costs must load without scipy and scikit-learn."""
    code = (
        "import sys, trueneg.core.intervals as i, trueneg.core.costs; i.wilson(1, 2);"
        "sys.exit(any(m.split('.')[0] in ('scipy', 'sklearn') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
