"""Calibrated prototypes, their report, and the paired episodes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.heads import PrototypeClassifier, choose_alpha, compare_episodes, incremental_report, session_report

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n_base=6, n_new=4, d=5, rows=8):
    """Rows around one random centre a class; names of new classes sort between those of base classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_base + n_new, d))
    y = np.repeat(np.arange(n_base + n_new), rows)
    X = centres[y] + 0.5 * rng.normal(size=(len(y), d))
    names = np.array([f"class {i}" for i in rng.permutation(n_base + n_new)])
    return X, names[y], names[:n_base], names[n_base:]


def written_out(X, y, base, label, alpha, tau):
    """The paper's formula for one new class, one step after another."""
    mean = X[y == label].mean(axis=0)
    mean /= np.linalg.norm(mean)
    anchors = [X[y == b].mean(axis=0) for b in base]
    anchors = [a / np.linalg.norm(a) for a in anchors]
    weights = [np.exp(tau * float(mean @ a)) for a in anchors]
    drawn = sum(w / sum(weights) * a for w, a in zip(weights, anchors, strict=True))
    mixed = (1 - alpha) * mean + alpha * drawn / np.linalg.norm(drawn)
    return mixed / np.linalg.norm(mixed), [w / sum(weights) for w in weights]


@given(SEEDS, st.floats(0, 0.9), st.floats(0.1, 30))
@settings(max_examples=40, deadline=None)
def test_new_prototypes_are_the_papers_formula(seed, alpha, tau):
    """Protects the calibration: unit vectors, softmax over base classes only, mixing; base prototypes stay means."""
    X, y, base, new = draw(seed)
    old = np.isin(y, base)
    model = PrototypeClassifier(alpha=alpha, tau=tau).fit(X[old], y[old]).partial_fit(X[~old], y[~old])
    for label in new:
        expected, weights = written_out(X, y, base, label, alpha, tau)
        np.testing.assert_allclose(model.prototypes_[model.classes_ == label][0], expected, atol=1e-9)
        leans = dict(model.leans_on(label, top=99))
        np.testing.assert_allclose([leans[b] for b in base], weights, atol=1e-9)
        assert list(leans.values()) == sorted(leans.values(), reverse=True)
    for label in base:
        mean = X[y == label].mean(axis=0)
        np.testing.assert_allclose(
            model.prototypes_[model.classes_ == label][0], mean / np.linalg.norm(mean), atol=1e-9
        )


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_sessions_in_any_order_and_any_batches_give_one_model(seed):
    """Protects replays: the order of sessions and the batches that shots come in change nothing."""
    X, y, base, new = draw(seed)
    old = np.isin(y, base)
    whole = PrototypeClassifier().fit(X[old], y[old]).partial_fit(X[~old], y[~old])
    other = PrototypeClassifier().fit(X[old], y[old])
    rng = np.random.default_rng(seed)
    for rows in np.array_split(rng.permutation(np.flatnonzero(~old)), 7):
        other.partial_fit(X[rows], y[rows])
    np.testing.assert_array_equal(other.base_classes_, np.sort(base))
    np.testing.assert_allclose(other.prototypes_, whole.prototypes_, atol=1e-9)
    assert set(new) == set(other.classes_) - set(other.base_classes_)


def test_without_calibration_it_is_the_nearest_mean_by_cosine():
    """Protects the plain side of every comparison: scikit-learn's nearest centroid of unit means agrees."""
    X, y, base, _ = draw(3)
    old = np.isin(y, base)
    model = PrototypeClassifier(calibration=None).fit(X[old], y[old]).partial_fit(X[~old], y[~old])
    zero = PrototypeClassifier(alpha=0.0).fit(X[old], y[old]).partial_fit(X[~old], y[~old])
    np.testing.assert_allclose(zero.prototypes_, model.prototypes_, atol=1e-12)
    means = np.stack([X[y == c].mean(axis=0) for c in model.classes_])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    nearest = np.square(unit[:, None] - means).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[nearest])


def test_rows_of_any_size_and_zero_rows_are_answered():
    """Protects cosines: only direction counts, from 1e-200 to 1e200, and a row of zeros gets no NaN."""
    X, y, base, _ = draw(1)
    old = np.isin(y, base)
    model = PrototypeClassifier().fit(X[old], y[old]).partial_fit(X[~old], y[~old])
    for size in (1e-200, 1e200):
        np.testing.assert_array_equal(model.predict(X * size), model.predict(X))
    assert np.isfinite(model.predict_proba(np.zeros((1, X.shape[1])))).all()


def test_report_counts_by_hand():
    """Protects each figure: accuracies, their harmonic mean, and both ways of confusion."""
    true = np.array(["a"] * 10 + ["b"] * 10 + ["n"] * 10 + ["m"] * 10)
    said = np.array(["a"] * 8 + ["b", "n"] + ["b"] * 10 + ["n"] * 5 + ["a"] * 3 + ["m"] * 2 + ["m"] * 10)
    report = incremental_report(true, said, ["a", "b"], random_state=0)
    assert report.accuracy.value == pytest.approx(33 / 40)
    assert report.base.value == pytest.approx(18 / 20)
    assert report.new.value == pytest.approx(15 / 20)
    assert report.harmonic_mean.value == pytest.approx(2 * 0.9 * 0.75 / 1.65)
    assert report.harmonic_mean.low < report.harmonic_mean.value < report.harmonic_mean.high
    assert report.new_to_base.value == pytest.approx(3 / 20)
    assert report.base_to_new.value == pytest.approx(1 / 20)


def episodes(n_base=12, n_new=10):
    """Base rows to learn from and to test on, and rows of new classes."""
    X, y, base, _ = draw(5, n_base=n_base, n_new=n_new, d=8, rows=12)
    old = np.isin(y, base)
    even = np.arange(len(y)) % 2 == 0
    return (X[old & even], y[old & even]), (X[old & ~even], y[old & ~even]), (X[~old], y[~old])


def test_a_run_of_sessions_is_its_reports_and_the_drop():
    """Protects the protocol: each session has its report, the first none, and the drop is that of the accuracy."""
    base, grown = (["a", "b", "a", "b"], ["a", "b", "a", "a"]), (["a", "b", "c", "d"], ["a", "a", "a", "d"])
    found = session_report([base, grown], ["a", "b"], random_state=0)
    assert found.sessions[0] is None
    assert found.sessions[1] == incremental_report(*grown, ["a", "b"], random_state=np.random.default_rng(0))
    assert [e.value for e in found.accuracy] == [0.75, 0.5]
    drop = found.performance_drop
    assert drop.value == pytest.approx(0.25)
    # Newcombe (1998): the limits of the two shares, by Wilson, put together.
    (l1, u1), (l2, u2) = ((e.low, e.high) for e in found.accuracy)
    assert drop.low == pytest.approx(0.25 - np.sqrt((0.75 - l1) ** 2 + (u2 - 0.5) ** 2))
    assert drop.high == pytest.approx(0.25 + np.sqrt((u1 - 0.75) ** 2 + (0.5 - l2) ** 2))


def test_episodes_are_paired_and_leave_the_heads_alone():
    """Protects the comparison: a head against itself differs by exactly nothing, and one seed gives one answer."""
    plain, teen = PrototypeClassifier(calibration=None), PrototypeClassifier()
    same = compare_episodes(teen, teen, *episodes(), n_episodes=5, random_state=0)
    assert same.new_to_base.low == same.new_to_base.high == same.harmonic_mean.value == 0.0
    assert not hasattr(teen, "stats_")
    options = {"n_episodes": 5, "random_state": 0}
    assert compare_episodes(teen, plain, *episodes(), **options) == compare_episodes(
        teen, plain, *episodes(), **options
    )


def test_an_episode_is_the_report_of_its_model():
    """Protects the figures of an episode: with all classes and one draw's rows they are those of the report."""
    base, base_test, new = episodes(n_new=2)
    teen, plain = PrototypeClassifier(alpha=0.5), PrototypeClassifier(calibration=None)
    found = compare_episodes(teen, plain, base, base_test, new, ways=2, shots=11, n_episodes=40, random_state=0)
    gaps = []
    rng = np.random.default_rng(1)
    for _ in range(40):
        rows = [rng.permutation(np.flatnonzero(new[1] == c)) for c in np.unique(new[1])]
        seen, left = np.concatenate([r[:11] for r in rows]), np.concatenate([r[11:] for r in rows])
        X, y = np.concatenate([base_test[0], new[0][left]]), np.concatenate([base_test[1], new[1][left]])
        base_accuracy = []
        for model in (teen, plain):
            fitted = PrototypeClassifier(**model.get_params()).fit(*base).partial_fit(new[0][seen], new[1][seen])
            report = incremental_report(y, fitted.predict(X), fitted.base_classes_, random_state=0)
            base_accuracy.append(report.base.value)
        gaps.append(base_accuracy[0] - base_accuracy[1])
    assert found.base.value == pytest.approx(np.mean(gaps), abs=0.02)


def test_alpha_is_chosen_by_base_classes_alone_and_one_seed_gives_one_answer():
    """Protects the honest choice: deterministic, from the candidates, and 0 where there is nothing else."""
    base, _, _ = episodes()
    first = choose_alpha(*base, shots=2, random_state=0)
    assert first == choose_alpha(*base, shots=2, random_state=0)
    assert first in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    assert choose_alpha(*base, shots=2, alphas=[0.0], random_state=0) == 0.0


X, Y, BASE, NEW = draw(0)
FITTED = PrototypeClassifier().fit(X[np.isin(Y, BASE)], Y[np.isin(Y, BASE)])
HOLED = np.where(np.arange(len(X))[:, None] == 2, np.inf, X)
BAD = {
    "calibration": (lambda: PrototypeClassifier(calibration="hard").fit(X, Y), "choose 'teen'"),
    "alpha": (lambda: PrototypeClassifier(alpha=2).fit(X, Y), "alpha is 0 to 1"),
    "a base class": (lambda: FITTED.leans_on(BASE[0]), "is a base class"),
    "an unknown class": (lambda: FITTED.leans_on("none"), "none of the classes"),
    "no new rows": (lambda: incremental_report(["a"], ["a"], ["a"]), "no row of a new class"),
    "no base rows": (lambda: incremental_report(["a"], ["a"], ["b"]), "no row of a base class"),
    "lengths": (lambda: incremental_report(["a"], ["a", "b"], ["b"]), "one label a row"),
    "one session": (lambda: session_report([(["a"], ["a"])], ["a"]), "the base session and one or more"),
    "too few ways": (lambda: compare_episodes(FITTED, FITTED, *episodes(n_new=2)), "as many new classes"),
    "no new class": (lambda: compare_episodes(FITTED, FITTED, (X, Y), (X, Y), (X[:0], Y[:0])), "there are 0 classes"),
    "new and base": (
        lambda: compare_episodes(FITTED, FITTED, (X, Y), (X, Y), (X, Y), ways=2, shots=1),
        "base class and",
    ),
    "two types": (lambda: incremental_report([0, 1], ["0", "1"], [0]), "use one type"),
    "a gap": (lambda: PrototypeClassifier().fit(HOLED, Y), "^X, row 2, holds NaN or infinity"),
    "a gap later": (lambda: FITTED.predict(HOLED), "^X, row 2, holds NaN or infinity"),
    "too few rows": (lambda: choose_alpha(X, Y, shots=8), "more than 8 rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line(name):
    """Protects the user: each mistake is refused by one line that names it."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
