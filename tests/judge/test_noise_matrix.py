"""Label noise among K classes: the binary forms at K = 2, scikit-learn, simulation, coverage, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.judge import noisy_metrics as nm
from trueneg.judge._noisy_metrics.multiclass import _on_simplex
from trueneg.judge.noisy_metrics import NoiseMatrix, NoiseRates

NOISE = np.array([[0.85, 0.1, 0.05], [0.1, 0.7, 0.2], [0.0, 0.15, 0.85]])


def _rows(confusion):
    k = len(confusion)
    i, j = np.divmod(np.arange(k * k), k)
    n = np.asarray(confusion, int).ravel()
    return np.repeat(i, n), np.repeat(j, n)


def _square(c):
    """Binary counts TP, FP, FN, TN as a 2 x 2 confusion, labels in rows, class 1 the positive one."""
    tp, fp, fn, tn = c
    return np.array([[tn, fp], [fn, tp]], dtype=float)


def _world(rng, n, noise=NOISE):
    """Truth, predictions and noisy labels of three classes; errors of the labels ignore the prediction."""
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    p = np.where(rng.random(n) < 0.75, y, rng.integers(0, 3, n))
    return y, p, (rng.random(n)[:, None] > np.cumsum(noise, axis=1)[y]).sum(axis=1)


@settings(max_examples=30, deadline=None)
@given(table=st.lists(st.integers(1, 30), min_size=9, max_size=9))
def test_class_metrics_agree_with_scikit_learn(table):
    """Protects every definition: each metric equals scikit-learn's value on the rows behind the confusion."""
    from sklearn import metrics as sk

    c = np.array(table, float).reshape(3, 3)
    y, p = _rows(c)
    np.testing.assert_array_equal(nm.class_confusion(y, p, range(3)), sk.confusion_matrix(y, p))
    got = nm.corrected_class_metrics(c, None, NoiseMatrix(np.eye(3)), n_draws=1, random_state=0)
    want = {
        "accuracy": sk.accuracy_score(y, p),
        "macro_recall": sk.balanced_accuracy_score(y, p),
        "macro_f1": sk.f1_score(y, p, average="macro"),
        "mcc": sk.matthews_corrcoef(y, p),
        "kappa": sk.cohen_kappa_score(y, p),
    }
    want |= {f"recall of {i}": v for i, v in enumerate(sk.recall_score(y, p, average=None))}
    assert set(got) == set(want)
    for name, value in want.items():
        assert got[name].value == pytest.approx(value, abs=1e-12), name
        assert got.observed[name] == pytest.approx(value, abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(*[st.integers(0, 500)] * 4).filter(lambda c: sum(c) > 0),
    miss=st.floats(0, 0.45),
    alarm=st.floats(0, 0.45),
)
def test_two_classes_equal_the_binary_forms(counts, miss, alarm):
    """Protects the reduction: at K = 2 the noise, its inverse and its clipping are the binary ones."""
    rates, noise = NoiseRates(miss, alarm), NoiseMatrix([[1 - alarm, alarm], [miss, 1 - miss]])
    seen = nm.expected_observed(counts, rates)
    np.testing.assert_allclose(nm.expected_class_confusion(_square(counts), noise), _square(seen), atol=1e-9)
    fixed, clipped = nm.corrected_confusion(counts, rates)
    got, bad = nm.corrected_class_confusion(_square(counts), noise)
    np.testing.assert_allclose(got, _square(fixed), atol=1e-6)
    assert bad == clipped


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 8))
def test_correction_inverts_the_noise(seed, k):
    """Protects the inverse: correcting the expected confusion gives the true one, on stacks as well."""
    rng = np.random.default_rng(seed)
    noise = NoiseMatrix(0.7 * np.eye(k) + 0.3 * rng.dirichlet(np.ones(k), size=k))
    true = rng.integers(0, 300, (4, k, k)).astype(float)
    fixed, clipped = nm.corrected_class_confusion(nm.expected_class_confusion(true, noise), noise)
    np.testing.assert_allclose(fixed, true, atol=1e-8)
    assert not clipped.any()


def test_expected_confusion_is_the_mean_of_flipped_labels():
    """Protects the orientation of the matrix: flipping labels row by row gives, on average, the expected confusion."""
    rng = np.random.default_rng(0)
    true = np.array([[90, 10, 5], [8, 60, 12], [3, 6, 40]])
    y, p = _rows(true)
    cut = np.cumsum(NOISE, axis=1)[y]
    flips = ((rng.random(y.size)[:, None] > cut).sum(axis=1) for _ in range(3000))
    draws = np.array([nm.class_confusion(f, p, range(3)) for f in flips])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - nm.expected_class_confusion(true, NoiseMatrix(NOISE))) < 4.5 * error).all()


def test_clipping_is_the_nearest_column_and_is_said():
    """Protects clipping: never negative, column sums kept, no nearer column exists, and the result says so."""
    from scipy.optimize import minimize

    noise = NoiseMatrix(NOISE)
    seen = np.array([[80.0, 0, 0], [0, 60, 0], [0, 0, 30]])
    fixed, clipped = nm.corrected_class_confusion(seen, noise)
    assert clipped
    assert fixed.min() >= 0
    np.testing.assert_allclose(fixed.sum(axis=0), seen.sum(axis=0))
    raw = np.linalg.solve(NOISE.T, seen)
    for c in range(3):
        best = minimize(
            lambda x, c=c: ((x - raw[:, c]) ** 2).sum(),
            np.full(3, seen[:, c].sum() / 3),
            bounds=[(0, None)] * 3,
            constraints={"type": "eq", "fun": lambda x, c=c: x.sum() - seen[:, c].sum()},
        )
        np.testing.assert_allclose(fixed[:, c], best.x, atol=1e-3)
    got = nm.corrected_class_metrics(seen, None, noise, n_draws=50, random_state=0)
    assert got.clipped
    assert got.notes[0].startswith("clipped")
    assert "clipped" in got["accuracy"].method


def test_projection_leaves_empty_columns_empty():
    """Protects a prediction that was never made: its column has sum zero and stays zero."""
    raw = np.array([[[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]])
    got = _on_simplex(raw, raw.sum(axis=-2, keepdims=True))
    np.testing.assert_allclose(got[..., 1], 0)
    np.testing.assert_allclose(got[..., 0].sum(), 3)


@pytest.mark.parametrize("audited", [False, True])
def test_intervals_cover(audited):
    """Protects the intervals: 90 % ones hold the truth about that often, the matrix known or from an audit."""
    rng = np.random.default_rng(1)
    joint = np.diag([0.6, 0.3, 0.1]) @ (0.75 * np.eye(3) + 0.25 / 3)
    truth = nm.corrected_class_metrics(joint * 1e9, None, NoiseMatrix(np.eye(3)), n_draws=1, random_state=0)
    hits, trials = dict.fromkeys(truth, 0), 100
    for _ in range(trials):
        y, p, seen = _world(rng, 3000)
        noise = NoiseMatrix(NOISE)
        if audited:
            rows = rng.choice(3000, 500, replace=False)
            noise = NoiseMatrix.from_audit(seen[rows], y[rows])
        got = nm.corrected_class_metrics(seen, p, noise, n_draws=300, random_state=rng)
        for name, e in got.items():
            hits[name] += e.low <= truth[name].value <= e.high
    assert min(hits.values()) / trials >= 0.8, hits
    assert np.mean(list(hits.values())) / trials <= 0.985, hits


def test_an_audit_widens_the_interval_and_a_full_one_is_exact():
    """Protects that what the audit left open reaches the interval, and the algebra of the audit."""
    rng = np.random.default_rng(2)
    y, p, seen = _world(rng, 3000)
    rows = rng.choice(3000, 200, replace=False)
    few = NoiseMatrix.from_audit(seen[rows], y[rows])
    known = NoiseMatrix(few.rates)
    wide, narrow = (
        nm.corrected_class_metrics(seen, p, m, metrics="macro_f1", n_draws=1000, random_state=0)["macro_f1"]
        for m in (few, known)
    )
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)
    full = NoiseMatrix.from_audit(seen, y)
    for i in range(3):
        np.testing.assert_allclose(full.rates[i], np.bincount(seen[y == i], minlength=3) / (y == i).sum())


def test_weights_undo_an_uneven_audit():
    """Protects weights: an audit drawn evenly over observed classes gives the same matrix once weighted."""
    rng = np.random.default_rng(3)
    y, _, seen = _world(rng, 60_000)
    rows = np.concatenate([rng.choice(np.flatnonzero(seen == k), 3000, replace=False) for k in range(3)])
    weights = (np.bincount(seen) / 3000)[seen[rows]]
    weighted = NoiseMatrix.from_audit(seen[rows], y[rows], weights=weights)
    plain = NoiseMatrix.from_audit(seen[rows], y[rows])
    assert np.abs(weighted.rates - NOISE).max() < 0.03
    assert np.abs(plain.rates - NOISE).max() > 0.1


def test_labels_may_be_words_and_the_seed_decides():
    """Protects labels of any kind, and that the same seed gives the same answer."""
    words = np.array(["bird", "cat", "dog"])
    y, p, seen = _world(np.random.default_rng(4), 500)
    noise = NoiseMatrix(NOISE, tuple(words.tolist()))
    one, two = (nm.corrected_class_metrics(words[seen], words[p], noise, n_draws=100, random_state=5) for _ in range(2))
    assert one == two
    assert "recall of cat" in one
    ints = nm.corrected_class_metrics(seen, p, NoiseMatrix(NOISE), n_draws=100, random_state=5)
    assert ints["recall of 1"] == one["recall of cat"]


def test_a_class_without_rows_is_undefined_not_zero():
    """Protects honesty: a class neither present nor predicted has no recall, and no macro average either."""
    c = np.array([[40.0, 5, 0], [4, 50, 0], [0, 0, 0]])
    got = nm.corrected_class_metrics(c, None, NoiseMatrix(np.eye(3)), n_draws=20, random_state=0)
    assert np.isnan(got["recall of 2"].value)
    assert np.isnan(got["macro_f1"].value)
    assert np.isfinite(got["accuracy"].value)


def test_memory_does_not_grow_with_the_draws():
    """Protects the blocks: many draws of many classes must not be held at once."""
    import tracemalloc

    k = 60
    noise = NoiseMatrix(0.8 * np.eye(k) + 0.2 / k)
    counts = np.random.default_rng(0).integers(1, 9, (k, k)).astype(float)
    tracemalloc.start()
    nm.corrected_class_metrics(counts, None, noise, metrics="accuracy", n_draws=1500, random_state=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20  # 1500 tables of 60 x 60 take 41 MiB each time they are copied, all at once far more


def test_impossible_input_is_refused_with_a_remedy():
    """Protects the refusals: ill-conditioned or exchanged classes, rows that are no probabilities, strange labels."""
    with pytest.raises(InputError, match="condition number"):
        NoiseMatrix(np.full((3, 3), 1 / 3) + 1e-3 * (np.eye(3) - 1 / 3))
    with pytest.raises(InputError, match="cannot be undone"):
        NoiseMatrix([[0.2, 0.8], [0.9, 0.1]])
    with pytest.raises(InputError, match="sum to 1"):
        NoiseMatrix([[0.9, 0.2], [0.1, 0.8]])
    with pytest.raises(InputError, match="square"):
        NoiseMatrix([[1.0]])
    with pytest.raises(InputError, match="different labels"):
        NoiseMatrix(np.eye(2), ("a", "a"))
    with pytest.raises(InputError, match="not among"):
        nm.corrected_class_metrics([0, -1], [0, 1], NoiseMatrix(np.eye(2)))
    with pytest.raises(InputError, match="labels in rows"):
        nm.corrected_class_confusion(np.ones((2, 2)), NoiseMatrix(NOISE))
    with pytest.raises(InputError, match="Unknown metrics"):
        nm.corrected_class_metrics(np.ones((3, 3)), None, NoiseMatrix(NOISE), metrics="f2")
    with pytest.raises(InputError, match="holds no row"):
        NoiseMatrix.from_audit([0, 1, 1], [0, 1, 1], classes=[0, 1, 2])
    with pytest.raises(InputError, match="Lengths differ"):
        nm.class_confusion([0, 1], [0], [0, 1])
