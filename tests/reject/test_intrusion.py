"""Intrusion detection: the budget's bound, tables of flows, detectors, conformal p-values, models on disk."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest
from sklearn.ensemble import IsolationForest
from sklearn.utils.estimator_checks import parametrize_with_checks

from trueneg.core.errors import InputError
from trueneg.reject.intrusion import (
    AlarmBudget,
    AlarmMeter,
    FlowEncoder,
    FlowForest,
    FlowIsolation,
    FlowNetwork,
    IntrusionRejecter,
    SparseAutoencoder,
    detection_report,
    exact_share,
    false_alarms_at,
    flows_needed,
)


def _flows(n, seed=0, attacks=0.3):
    """Draw flows with three text columns' worth of structure: a frame, and labels."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    bad = rng.random(n) < attacks
    kind = np.where(bad, np.where(rng.random(n) < 0.5, "flood", "scan"), "normal")
    frame = pd.DataFrame(
        {
            "proto": rng.choice(["tcp", "udp"], n),
            "bytes": np.where(kind == "flood", 1e6, 500) * rng.lognormal(0, 1, n),
            "rate": np.clip(rng.normal(np.where(kind == "scan", 0.9, 0.3), 0.1), 0, 1),
            "count": rng.poisson(np.where(bad, 30, 4)),
        }
    )
    return frame, kind


@pytest.mark.slow
@given(
    n=st.integers(1, 1200),
    rate=st.sampled_from([0.001, 0.01, 0.05, 0.3]),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@settings(max_examples=60, deadline=None)
def test_the_rank_is_the_largest_that_keeps_the_bound(n, rate, confidence):
    """Protects the promise: the k-th smallest score is taken, k as large as the binomial tail allows."""
    fits = [k for k in range(1, n + 1) if binom.cdf(k - 1, n, rate) <= 1 - confidence]
    if not fits:
        assert n < flows_needed(rate, confidence)
        with pytest.raises(InputError, match=str(flows_needed(rate, confidence))):
            AlarmBudget(rate, confidence).fit(np.arange(n))
        return
    budget = AlarmBudget(rate, confidence).fit(np.arange(n))
    assert budget.rank_ == max(fits)
    assert budget.threshold_ == max(fits) - 1
    assert budget.bound_ <= rate + 1e-9


def test_five_hundred_flows_take_the_second_smallest():
    """Protects the figure that the docs state, and 299 as the least number of flows."""
    assert AlarmBudget().fit(np.random.default_rng(0).normal(size=500)).rank_ == 2
    assert flows_needed(0.01, 0.95) == 299
    AlarmBudget().fit(np.arange(299))


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_the_budget_is_kept_as_often_as_promised_with_ties_too(decimals):
    """Protects the confidence: over 2,000 draws of flows the true rate is above the budget in 5 % of them at most."""
    from scipy.stats import norm

    rng = np.random.default_rng(1)
    above = 0
    for _ in range(2000):
        s = rng.normal(size=400)
        budget = AlarmBudget(0.02).fit(s if decimals is None else s.round(decimals))
        cut = budget.threshold_
        true = norm.cdf(cut) if decimals is None else norm.cdf(cut - 0.5 * 10.0**-decimals)
        above += true > 0.02 + 1e-12
    assert above / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert above > 0 or decimals == 0  # and it is no more careful than it must be


def test_saturated_scores_raise_no_alarm_rather_than_too_many():
    """Protects against posteriors that saturate: when all flows tie, the budget is not spent, and not overspent."""
    s = np.ones(1000)
    for confidence in (0.95, None):
        budget = AlarmBudget(0.01, confidence).fit(s)
        assert not budget.alarms(s).any()
        assert budget.ties_ == 1000
    half = np.repeat([0.0, 1.0], 500)
    assert AlarmBudget(0.01, None).fit(half).alarms(half).sum() == 0


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_the_plain_quantile_spends_all_it_can(scores, rate):
    """Protects the tie-aware quantile: on the flows themselves the rate is kept, and the next value would break it."""
    s = np.array(scores, dtype=float)
    budget = AlarmBudget(rate, None).fit(s)
    assert budget.alarms(s).mean() <= rate + 1e-9
    higher = s[s > budget.threshold_]
    if len(higher):
        assert (s < higher.min()).mean() > rate - 1e-9


def test_the_exact_interval_is_that_of_scipy():
    """Protects the interval of every share."""
    from scipy.stats import binomtest

    for k, n in ((0, 5), (3, 50), (50, 50), (1, 1000)):
        ends = binomtest(k, n).proportion_ci(method="exact")
        found = exact_share(k, n)
        assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-9)


def test_a_meter_adds_batches_and_sees_both_kinds_of_drift():
    """Protects the stream: batches add up, alarms an hour come with the budget's, and drift is told from chance."""
    rng = np.random.default_rng(0)
    alarms = rng.random(10_000) < 0.01
    whole = AlarmMeter(0.01, 0.001).update(alarms, np.zeros(10_000, bool))
    parts = AlarmMeter(0.01, 0.001)
    for start in range(0, 10_000, 777):
        parts.update(alarms[start : start + 777], np.zeros(len(alarms[start : start + 777]), bool))
    assert (whole.flows, whole.alarms) == (parts.flows, parts.alarms)
    assert not whole.over_budget
    assert not whole.drifted
    rate, allowed = whole.per_hour(5.0)
    assert rate.value == alarms.sum() / 5
    assert rate.low < rate.value < rate.high
    assert allowed == pytest.approx(20.0)
    whole.update(rng.random(2000) < 0.2, rng.random(2000) < 0.1)
    assert whole.over_budget
    assert whole.drifted


def test_flows_as_numbers_by_hand():
    """Protects the features: logs of long tails, standardised, clipped, one column a category, unseen ones all zero."""
    import pandas as pd

    frame = pd.DataFrame({"bytes": [0, 100, 1000], "rate": [0.0, 0.5, 1.0], "flag": ["S", "F", "S"]})
    encoder = FlowEncoder(clip=1.0).fit(frame)
    logs = np.log1p([0, 100, 1000])
    expected = np.column_stack(
        [
            np.clip((logs - logs.mean()) / logs.std(), -1, 1),
            np.clip((frame["rate"] - 0.5) / frame["rate"].std(ddof=0), -1, 1),
            [1, 0, 1],
            [0, 1, 0],
        ]
    )
    np.testing.assert_allclose(encoder.transform(frame), expected, atol=1e-6)
    rows, unseen = encoder.transform_counted(pd.DataFrame({"flag": ["S", "X"], "rate": [0.5, 0.5], "bytes": [0, 0]}))
    assert unseen.tolist() == [False, True]
    assert rows[1, 2:].tolist() == [0, 0]


def test_every_kind_of_table_gives_the_same_numbers():
    """Protects users of any frame: pandas, polars, Arrow and object arrays are one and the same input."""
    import polars as pl
    import pyarrow as pa

    frame, _ = _flows(300)
    expected = FlowEncoder().fit_transform(frame)
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.to_numpy(dtype=object)):
        np.testing.assert_array_equal(FlowEncoder().fit_transform(other), expected)
    encoder = FlowEncoder.from_dict(FlowEncoder().fit(frame).to_dict())
    np.testing.assert_array_equal(encoder.transform(frame), expected)


def test_text_among_numbers_is_a_gap():
    """Protects exports that write - or ? where there is no number: the column stays one of numbers, and gaps count."""
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(6, 1, 50)
    texts = [f"{v:.3f}" for v in sizes]
    texts[3], texts[7], texts[9] = "-", " ? ", None
    codes = [None, *(str(v) for v in rng.integers(0, 3, 49))]
    frame = pa.table({"bytes": pa.array(texts), "code": codes, "zone": ["-" if i % 2 else "12a" for i in range(50)]})
    encoder = FlowEncoder(missing="mean").fit(frame)
    assert encoder.numbers_ == ["bytes"]  # codes were given as text, and zones are no numbers
    assert encoder.gaps(frame) == {"bytes": 3}
    plain = frame.set_column(0, "bytes", pa.array([None if i in (3, 7, 9) else float(t) for i, t in enumerate(texts)]))
    np.testing.assert_array_equal(encoder.transform(frame), FlowEncoder(missing="mean").fit(plain).transform(plain))
    odd = frame.set_column(0, "bytes", pa.array([*texts[:-1], "oops"]))
    assert encoder.gaps(odd) == {"bytes": 4}
    other = frame.set_column(0, "bytes", pa.array(["tcp"] * 50))
    with pytest.raises(InputError, match=r"column 'bytes' held numbers .* but 'tcp' in row 0"):
        encoder.transform(other)
    empty = frame.set_column(0, "bytes", pa.array(["-"] * 50))
    assert encoder.gaps(empty) == {"bytes": 50}
    assert "bytes" in FlowEncoder().fit(frame).categories_


def test_missing_numbers_are_named_or_filled():
    """Protects streams: a NaN is refused with its place, or stands at the mean."""
    frame, _ = _flows(50)
    encoder = FlowEncoder().fit(frame)
    holed = frame.assign(rate=frame["rate"].where(frame.index != 7))
    with pytest.raises(InputError, match=r"'rate', row 7.*missing='mean'"):
        encoder.transform(holed)
    filled = FlowEncoder(missing="mean").fit(frame).transform(holed)
    assert filled[7, encoder.numbers_.index("rate")] == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="no column 'rate'"):
        encoder.transform(frame.drop(columns="rate"))


@pytest.mark.parametrize("numba", [True, False])
def test_trees_score_as_scikit_learn_does(numba, monkeypatch):
    """Protects the flat trees: probabilities and anomaly scores are scikit-learn's, with numba and without."""
    from sklearn.ensemble import IsolationForest, RandomForestClassifier

    import trueneg.reject._intrusion.trees as module

    if not numba:
        monkeypatch.setattr(module, "compiled_or_none", lambda _: None)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).astype(np.float32).round(1)  # ties with the cuts
    y = X[:, 0] + rng.normal(size=400) > 1
    peer = RandomForestClassifier(20, random_state=3).fit(X, y)
    ours = FlowForest(n_estimators=20, random_state=3).fit(X, y)
    np.testing.assert_allclose(ours.score_samples(X), peer.predict_proba(X)[:, 0], atol=1e-6)
    calm = IsolationForest(n_estimators=20, max_samples=256, random_state=3).fit(X[~y])
    mine = FlowIsolation(n_estimators=20, random_state=3).fit(X, y)
    np.testing.assert_allclose(mine.score_samples(X), calm.score_samples(X), atol=1e-6)


@pytest.mark.parametrize("kind", [FlowNetwork, SparseAutoencoder])
def test_networks_learn_and_are_deterministic(kind):
    """Protects the deep detectors: attacks rank below normal flows never seen, and a seed gives the same weights."""
    from sklearn.metrics import roc_auc_score

    frame, labels = _flows(1200)
    X = FlowEncoder().fit_transform(frame)
    attack = labels != "normal"
    fits = [kind(epochs=8, random_state=1).fit(X[:800], attack[:800]) for _ in range(2)]
    for a, b in zip(fits[0].layers_, fits[1].layers_, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert roc_auc_score(attack[800:], -fits[0].score_samples(X[800:])) > 0.9


def test_p_values_of_normal_flows_are_uniform_and_the_budget_holds():
    """Protects the conformal step: on fresh normal flows p-values are uniform, and alarms keep to the budget."""
    frame, labels = _flows(8000)
    model = IntrusionRejecter(("forest", "isolation"), rate=0.02, random_state=0).fit(frame, labels)
    fresh, kinds = _flows(6000, seed=1)
    p = model.p_values(fresh)[kinds == "normal"]
    assert (p > 0).all()
    assert kstest(p[:, 1], "uniform").statistic < 0.05
    found = detection_report(kinds, model.alarms(fresh), known=model.known_)
    assert found.false_alarms.low <= 0.02
    assert found.detection.value > 0.9
    assert found.unseen is None
    assert set(model.predict(fresh)) == {"normal", "attack"}


def test_a_clean_flow_stranger_than_all_before_does_not_silence_the_alarm():
    """Protects small sites: flows below all of the reference have one p-value, and still no single score."""
    rng = np.random.default_rng(0)
    clean, strange = rng.normal(size=(2100, 3)), np.full((50, 3), 40.0) + rng.normal(size=(50, 3))

    class Distance:
        needs_attacks = False

        def fit(self, X, attack=None, *, progress=None):
            return self

        def score_samples(self, X):
            return -np.linalg.norm(X, axis=1)

    ties = 0
    for seed in range(8):
        model = IntrusionRejecter(Distance(), encoder=None, random_state=seed).fit(clean)
        lowest = -np.log(len(model.reference_) + 1)
        ties += model.budget_.threshold_ <= lowest  # a clean flow has the smallest p-value there is
        assert model.alarms(strange).all()
        assert model.p_values(strange).max() == pytest.approx(np.exp(lowest))
        s = model.score_samples(strange)
        assert (np.argsort(s) == np.argsort(-np.linalg.norm(strange, axis=1))).all()
        assert (s > lowest - 1).all()
    assert ties > 0


def test_a_refused_recalibration_leaves_the_model_as_it_was():
    """Protects a running model: what is refused, by one line, changes neither its rate nor its threshold."""
    frame, labels = _flows(3000)
    model = IntrusionRejecter(rate=0.02, random_state=0).fit(frame, labels)
    before = model.predict(frame)
    for wrong, said in (
        ({"X": frame[:50], "rate": 0.001}, "clean flows cannot keep"),
        ({"X": frame, "y": labels[:-1]}, "one label a row"),
        ({"X": frame, "y": np.full(3000, "flood")}, "no row of y is 'normal'"),
    ):
        with pytest.raises(InputError, match=said):
            model.recalibrate(**wrong)
    assert model.rate == 0.02
    np.testing.assert_array_equal(before, model.predict(frame))


def test_recalibration_restores_a_budget_that_moved():
    """Protects users elsewhere: on shifted traffic the budget breaks, and 500 local clean flows restore it."""
    frame, labels = _flows(6000)
    model = IntrusionRejecter(random_state=0).fit(frame, labels)
    moved, _ = _flows(6500, seed=2, attacks=0.0)
    moved["rate"] = np.clip(moved["rate"] + 0.25, 0, 1)
    before = model.alarms(moved[500:]).mean()
    model.recalibrate(moved[:500])
    after = model.alarms(moved[500:]).mean()
    assert before > 0.03
    assert after <= 0.01
    with pytest.raises(InputError, match="299"):
        model.recalibrate(moved[:100])


def test_too_few_flows_raise_no_alarm_and_say_so():
    """Protects small sites: what cannot be promised is not pretended, and nothing fires until it can be."""
    frame, labels = _flows(200)
    with pytest.warns(UserWarning, match="299 are needed"):
        model = IntrusionRejecter(random_state=0).fit(frame, labels)
    assert not model.alarms(frame).any()
    plain = IntrusionRejecter(confidence=None, random_state=0).fit(frame, labels)
    assert plain.alarms(frame).any()


@pytest.mark.parametrize("detectors", [("forest", "isolation"), ("deep", "autoencoder")])
def test_a_model_on_disk_is_the_same_model(detectors, tmp_path):
    """Protects deployment: scores, threshold and unseen categories survive without pickle."""
    frame, labels = _flows(3000)
    model = IntrusionRejecter(detectors, rate=0.02, random_state=0).fit(frame, labels)
    model.save(tmp_path)
    again = IntrusionRejecter.load(tmp_path)
    np.testing.assert_array_equal(model.score_samples(frame), again.score_samples(frame))
    np.testing.assert_array_equal(model.predict(frame), again.predict(frame))
    assert again.meter().unseen_before == model.unseen_before_
    (tmp_path / "intrusion.json").write_text("{}")
    with pytest.raises(InputError, match="fit it again"):
        IntrusionRejecter.load(tmp_path)


def test_scikit_learn_detectors_stand_beside_ours(tmp_path):
    """Protects plug-ins: a classifier and an outlier detector work; saving them is refused with the reason."""
    from sklearn.naive_bayes import GaussianNB

    frame, labels = _flows(2000)
    model = IntrusionRejecter((GaussianNB(), IsolationForest(random_state=0)), rate=0.05, random_state=0)
    model.fit(frame, labels)
    assert detection_report(labels, model.alarms(frame)).detection.value > 0.5
    with pytest.raises(InputError, match="without pickle"):
        model.save(tmp_path)


def test_a_detector_that_is_handed_in_stays_unfitted():
    """Protects clones and searches: what the constructor was given is as it was, so that a copy starts from nothing."""
    frame, labels = _flows(400)
    given = FlowIsolation(n_estimators=5, random_state=0)
    before = dict(vars(given))
    IntrusionRejecter(given, confidence=None, random_state=0).fit(frame, labels)
    assert vars(given) == before


def test_false_alarms_at_equal_detection_by_brute_force():
    """Protects the comparison of the claim: no threshold with that detection has fewer false alarms."""
    rng = np.random.default_rng(0)
    attack = rng.random(500) < 0.4
    s = rng.normal(size=500) - attack
    best = min((s[~attack] <= t).mean() for t in s if (s[attack] <= t).mean() >= 0.8)
    assert false_alarms_at(attack, s, n_boot=20, random_state=0).value == pytest.approx(best)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda f, y: IntrusionRejecter(("forrest",)).fit(f, y), "no 'forrest'"),
        (lambda f, y: IntrusionRejecter(("forest",)).fit(f), "learns from attacks"),
        (lambda f, y: IntrusionRejecter().fit(f, np.where(y == "normal", "ok", y)), "name it with normal="),
        (lambda f, y: IntrusionRejecter(normal="fine").fit(f, y), "no label in y"),
        (lambda f, y: IntrusionRejecter(combine="mean").fit(f, y), "combine='mean'"),
        (lambda f, y: IntrusionRejecter(rate=0.0).fit(f, y), "rate=0.0"),
        (lambda f, y: IntrusionRejecter(held_out=1).fit(f, y), "held_out=1"),
        (lambda f, y: IntrusionRejecter().fit(f[:3], np.full(3, "normal")), "too few"),
        (lambda f, y: IntrusionRejecter().fit(f, y[:-1]), "one label a row"),
    ],
)
def test_bad_input_is_one_line(made, said):
    """Protects users: each wrong use names the remedy."""
    frame, labels = _flows(400)
    labels = labels.astype(object)
    with pytest.raises(InputError, match=said) as caught:
        made(frame, labels)
    assert "\n" not in str(caught.value)


_UNNAMED = "y of this check has no label that means normal: which one it is is not guessed"


# A tenth of the trees that the default grows.
_CHEAP = IntrusionRejecter(IsolationForest(n_estimators=20, random_state=0), confidence=None, random_state=0)


@parametrize_with_checks(
    [_CHEAP, FlowEncoder()],
    expected_failed_checks=lambda e: (
        dict.fromkeys(("check_estimators_dtypes", "check_fit2d_1sample", "check_fit2d_1feature"), _UNNAMED)
        if isinstance(e, IntrusionRejecter)
        else {}
    ),
)
def test_scikit_learn_conventions(estimator, check):
    """Pipelines, clones and searches of scikit-learn can use both."""
    check(estimator)
