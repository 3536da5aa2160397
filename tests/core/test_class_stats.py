"""Class statistics: one pass, many passes and merged parts are those of the whole."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.class_stats import ClassStats, merge_labels
from trueneg.core.errors import InputError

KINDS = [(spread, tied) for spread in ("diagonal", "full") for tied in (False, True)]


def _case(n=60, d=4, k=3, seed=0, far=0.0):
    rng = np.random.default_rng(seed)
    return far + rng.normal(size=(n, d)), rng.integers(0, k, n), rng.integers(0, 4, n).astype(float)


def _brute(X, y, w, spread, tied):
    """Counts, means and scatter by the definition, one class after another."""
    classes = np.unique(y)
    counts = np.array([w[y == c].sum() for c in classes])
    means = np.array([w[y == c] @ X[y == c] / max(w[y == c].sum(), 1e-300) for c in classes])
    scatter = []
    for c, m in zip(classes, means, strict=True):
        r = X[y == c] - m
        full = (r * w[y == c][:, None]).T @ r
        scatter.append(full if spread == "full" else np.diag(full))
    return counts, means, np.sum(scatter, axis=0) if tied else np.array(scatter)


@pytest.mark.parametrize(("spread", "tied"), KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 40), max_size=5), merged=st.booleans())
def test_parts_give_the_whole(spread, tied, seed, cuts, merged):
    """Protects streaming and merging: any cut of the rows, batches of one and none, gives the textbook sums."""
    X, y, w = _case(40, seed=seed)
    w[0] = 1.0
    stats = ClassStats(spread=spread, tied=tied)
    for part in np.split(np.arange(40), sorted(cuts)):
        if merged:
            stats.merge(ClassStats(spread=spread, tied=tied).update(X[part], y[part], sample_weight=w[part]))
        else:
            stats.update(X[part], y[part], sample_weight=w[part])
    counts, means, scatter = _brute(X, y, w, spread, tied)
    np.testing.assert_allclose(stats.counts, counts)
    np.testing.assert_allclose(stats.means[counts > 0], means[counts > 0], atol=1e-12)
    np.testing.assert_allclose(stats.scatter, scatter, atol=1e-10)
    np.testing.assert_allclose(stats.total_variance(), np.cov(X.T, aweights=w + 1e-300, ddof=0).diagonal(), atol=1e-10)


@pytest.mark.parametrize(("spread", "tied"), KINDS)
def test_gram_and_sums_are_the_raw_ones(spread, tied):
    """Protects whoever needs the uncentred moments: x summed, and x x' summed."""
    X, y, w = _case()
    stats = ClassStats(spread=spread, tied=tied).update(X, y, sample_weight=w)
    raw = np.array([(X[y == c] * w[y == c][:, None]).T @ X[y == c] for c in stats.classes])
    if spread == "diagonal":
        raw = np.diagonal(raw, axis1=1, axis2=2)
    np.testing.assert_allclose(stats.gram(), raw.sum(axis=0) if tied else raw)
    np.testing.assert_allclose(stats.sums, [w[y == c] @ X[y == c] for c in stats.classes])


def test_spread_survives_a_large_offset():
    """Protects against cancellation: at 1e8 from zero a raw Gram matrix would have lost the spread."""
    X, y, _ = _case(400, far=1e8)
    stats = ClassStats().update(X[:200], y[:200]).update(X[200:], y[200:])
    near, _, _ = _case(400)
    np.testing.assert_allclose(stats.covariance(), ClassStats().update(near, y).covariance(), rtol=1e-5)


def test_float32_rows_are_added_in_float64():
    """Protects long streams: in float32 the sum of 2^24 ones stands still, so accumulators must be float64."""
    X = np.full((3000, 1), 1e4, np.float32)
    X[::2] += 1
    stats = ClassStats().update(X, np.zeros(3000, int))
    assert stats.scatter.dtype == stats.means.dtype == np.float64
    np.testing.assert_allclose(stats.covariance(), X.astype(float).var(axis=0)[None], rtol=1e-9)


def test_blocks_do_not_show():
    """Protects the blocked pass: rows of more than one block give the sums of one."""
    X, y, _ = _case(3000, d=400)
    np.testing.assert_allclose(ClassStats().update(X, y).scatter, _brute(X, y, np.ones(3000), "diagonal", False)[2])


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "ccc"],
        [True, False, True],
        [3, -1, 10**12],
        [0.5, 2.5, 0.5],
        [(2, "b"), (1, "z"), (2, "a")],
        [date(2026, 1, 2), date(2026, 1, 1), date(2026, 1, 2)],
    ],
)
def test_labels_of_any_type(labels):
    """Protects the label types of users: each comes back as it was given, sorted."""
    stats = ClassStats()
    for row, label in enumerate(labels):
        stats.update([[float(row)]], [label])
    assert stats.classes.tolist() == sorted(set(labels))


def test_one_class_never_becomes_another():
    """Protects whole numbers that no float tells apart, such as hashes: they are refused, not counted together."""
    stats = ClassStats().update(np.eye(2), np.array([2**53, 2**53 + 1]))
    with pytest.raises(InputError, match="one type"):
        stats.update(np.eye(2), [0.5, 1.5])
    stats = ClassStats().update(np.eye(2), np.array([2**63 + 1, 2**63 + 2], np.uint64))
    with pytest.raises(InputError, match="one type"):
        stats.update(np.eye(2), [-1, -1])
    assert stats.counts.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["float16", "float32", "bfloat16"])
def test_tensors_are_read_in_float64(kind):
    """Protects features as networks give them, with gradients: the sums of half-precision rows do not overflow."""
    torch = pytest.importorskip("torch")
    X = torch.full((600, 2), 240.0, dtype=getattr(torch, kind), requires_grad=True)
    stats = ClassStats(spread="full").update(X, torch.zeros(600, dtype=torch.int64))
    assert stats.gram()[0].tolist() == [[600 * 240.0**2] * 2] * 2
    white = ClassStats(spread="full").update(np.eye(3), [0, 0, 0]).whitening()
    assert np.isfinite(white.transform(torch.eye(3, dtype=getattr(torch, kind)))).all()


def test_merge_leaves_the_other_and_takes_the_empty():
    """Protects reduce over workers: an empty part changes nothing, and the merged part can be used again."""
    X, y, _ = _case()
    part = ClassStats().update(X, y)
    kept = part.copy()
    whole = ClassStats().merge(ClassStats()).merge(part).update(X, y)
    np.testing.assert_array_equal(part.scatter, kept.scatter)
    np.testing.assert_array_equal(part.counts * 2, whole.counts)


@pytest.mark.parametrize(
    ("X", "y", "weight", "words"),
    [
        ([1.0, 2.0], [0, 1], None, "shape"),
        ([[1.0], [2.0]], [0], None, "one label a row"),
        ([[1.0], [np.nan]], [0, 1], None, "row 1"),
        ([[1.0], [2.0]], [0, 1], [1.0, -1.0], "sample_weight"),
        ([["a"], ["b"]], [0, 1], None, "numbers"),
        ([[1.0, 2.0]], [0], None, "features"),
        ([[1.0]], ["zero"], None, "one type"),
        ([[1.0]], [np.nan], None, "missing labels"),
        ([[1.0], [2.0]], np.array(["a", 1], dtype=object), None, "cannot be sorted"),
        ([[1.0], [2.0]], ["a", 1], None, "mixes texts"),
        ([[1.0], [2.0]], np.array([1.0, np.nan], dtype=object), None, "missing labels"),
        ([[1.0], [2.0]], np.array(["2026-01-01", "NaT"], "M8[D]"), None, "missing labels"),
        (np.zeros((2, 0)), [0, 1], None, "shape"),
    ],
)
def test_refusals_change_nothing(X, y, weight, words):
    """Protects the running sums: a bad batch is one clear line and leaves the statistics as they were."""
    stats = ClassStats().update([[1.0], [3.0]], [0, 1])
    kept = stats.copy()
    with pytest.raises(InputError, match=words):
        stats.update(X, y, sample_weight=weight)
    np.testing.assert_array_equal(stats.counts, kept.counts)
    np.testing.assert_array_equal(stats.classes, kept.classes)


def test_an_unknown_label_is_named_as_it_is_written():
    """A message shows the label, not the type that NumPy gave it."""
    stats = ClassStats().update(np.eye(2), np.array(["a", "b"]))
    with pytest.raises(InputError, match="^label 'x' is none"):
        stats.places(np.array(["a", "x"]))


def test_other_kinds_are_not_merged():
    """Protects against adding a tied to an untied scatter, which may even have fitting shapes."""
    with pytest.raises(InputError, match="same way"):
        ClassStats(tied=True).merge(ClassStats())
    with pytest.raises(InputError, match="spread"):
        ClassStats(spread="round")
    with pytest.raises(InputError, match="one type"):
        merge_labels(np.array([1]), np.array(["1"]))


def test_expected_classes_have_no_weight():
    """Protects ``expect``: a named class stands in its place, counts nothing and changes no sum."""
    X, y, _ = _case()
    plain = ClassStats().update(X, y)
    named = ClassStats().expect([0, 1, 2, 9], 4).update(X, y)
    assert named.classes.tolist() == [0, 1, 2, 9]
    assert named.counts[3] == 0
    np.testing.assert_array_equal(named.scatter[:3], plain.scatter)
    np.testing.assert_array_equal(named.places(np.array([9, 0])), [3, 0])
    with pytest.raises(InputError, match="none of the classes"):
        named.places(np.array([5]))
