"""Confident learning against a naive oracle of the published definition, and against cleanlab."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.clean import _inputs as inputs
from trueneg.clean._confident_learning import passes
from trueneg.clean._confident_learning.estimator import FILTERS
from trueneg.clean.confident_learning import ConfidentLearning, confident_joint
from trueneg.core.errors import InputError


def noisy(seed, n=300, n_classes=4, noise=0.2, strength=2.0):
    """Draw labels with errors and the probabilities of an honest model."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, n_classes, n)
    y = np.where(rng.random(n) < noise, rng.integers(0, n_classes, n), true)
    y[:n_classes] = np.arange(n_classes)
    z = rng.normal(size=(n, n_classes))
    z[np.arange(n), true] += strength
    proba = np.exp(z)
    return y, proba / proba.sum(axis=1, keepdims=True), true


def naive_joint(y, proba):
    """Spell the published definition out: the largest probability among the confident classes."""
    n_classes = proba.shape[1]
    limits = [proba[y == k, k].mean() if (y == k).any() else np.inf for k in range(n_classes)]
    joint = np.zeros((n_classes, n_classes), dtype=int)
    for label, row in zip(y, proba, strict=True):
        confident = [j for j in range(n_classes) if row[j] >= limits[j] - 1e-6]
        if label >= 0 and confident:
            joint[label, max(confident, key=lambda j: row[j])] += 1
    return joint


def collisions(y, proba):
    """Mark rows of several confident classes whose likeliest class is not one of them."""
    limits = np.array([proba[y == k, k].mean() for k in range(proba.shape[1])]) - 1e-6
    confident = proba >= limits
    return (confident.sum(axis=1) > 1) & ~confident[np.arange(len(y)), proba.argmax(axis=1)]


@pytest.fixture(params=["numba", "numpy"])
def engine(request, monkeypatch):
    """Run a test with the compiled passes and without them."""
    if request.param == "numpy":
        monkeypatch.setattr(passes, "numba_kernels", lambda: None)
    else:
        pytest.importorskip("numba")
    return request.param


@pytest.mark.parametrize("seed", range(6))
def test_joint_is_the_published_one(seed, engine):
    """The counts follow the definition, with skewed classes that make several classes confident."""
    y, proba, _ = noisy(seed, n_classes=3 + seed)
    proba = proba**3
    proba[:, 0] *= 4
    proba /= proba.sum(axis=1, keepdims=True)
    assert (confident_joint(y, proba, calibrate=False) == naive_joint(y, proba)).all()


def test_collision_counts_among_the_confident_classes(engine):
    """A row confident of two rare classes never counts for a likelier class below its threshold."""
    common = np.tile([0.9, 0.05, 0.05], (40, 1))
    rare = np.tile([0.35, 0.6, 0.05], (3, 1)), np.tile([0.35, 0.05, 0.6], (3, 1))
    weak = np.tile([0.8, 0.1, 0.1], (10, 1))
    clash = np.array([[0.4, 0.29, 0.31]])
    proba = np.concatenate([common, *rare, weak, weak, clash])
    y = np.repeat([0, 1, 2, 1, 2, 0], [40, 3, 3, 10, 10, 1])
    joint = confident_joint(y, proba, calibrate=False)
    assert collisions(y, proba)[-1]
    assert joint[0, 2] == 1
    assert joint[0, 1] == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rule=st.sampled_from(FILTERS), share=st.sampled_from([1.0, 0.6]))
def test_equals_cleanlab_where_no_row_collides(seed, rule, share):
    """Joint and suspects are cleanlab's for all four rules once colliding rows are away."""
    filtering, count = pytest.importorskip("cleanlab.filter"), pytest.importorskip("cleanlab.count")
    y, proba, _ = noisy(seed, n_classes=2 + seed % 5)
    while collisions(y, proba).any():
        keep = ~collisions(y, proba)
        y, proba = y[keep], proba[keep]
    share = 1.0 if rule == "confident_learning" else share
    ours = ConfidentLearning(filter_by=rule, frac_noise=share).fit(None, y, pred_proba=proba)
    theirs = filtering.find_label_issues(y, proba, filter_by=rule, frac_noise=share, n_jobs=1)
    assert (ours.confident_joint_ == count.compute_confident_joint(y, proba)).all()
    assert (ours.suspect_mask_ == theirs).all()


@pytest.mark.parametrize("rule", FILTERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_and_numpy_passes_agree(rule, dtype, monkeypatch):
    """A user without numba gets the same suspects, in the same order."""
    y, proba, _ = noisy(3, n=900, n_classes=6, strength=1.2)
    y[::50] = -1
    proba = proba.astype(dtype)
    first = ConfidentLearning(filter_by=rule).fit(None, y, pred_proba=proba)
    monkeypatch.setattr(passes, "numba_kernels", lambda: None)
    monkeypatch.setattr(inputs, "_BLOCK_CELLS", 100)
    second = ConfidentLearning(filter_by=rule).fit(None, y, pred_proba=proba)
    assert (first.confident_joint_ == second.confident_joint_).all()
    assert (first.suspect_rows_ == second.suspect_rows_).all()
    assert (first.proposed_ == second.proposed_).all()


def test_unlabelled_rows_change_nothing(engine):
    """Rows without a label are never suspects and leave every estimate as it was."""
    y, proba, _ = noisy(1)
    plain = ConfidentLearning().fit(None, y, pred_proba=proba)
    mixed = ConfidentLearning().fit(
        None, np.concatenate([y, np.full(50, -1)]), pred_proba=np.concatenate([proba, proba[:50]])
    )
    assert (mixed.confident_joint_ == plain.confident_joint_).all()
    assert (mixed.suspect_rows_ == plain.suspect_rows_).all()
    assert np.isnan(mixed.label_quality_[-50:]).all()
    assert (mixed.proposed_[-50:] == proba[:50].argmax(axis=1)).all()


@pytest.mark.parametrize("blank", [None, np.nan])
def test_labels_of_any_type(blank, engine):
    """Strings with missing values give the suspects of the integers they stand for."""
    y, proba, _ = noisy(2)
    y[7] = -1
    names = np.array(["a", "b", "c", "d", blank], dtype=object)[y]
    plain = ConfidentLearning().fit(None, y, pred_proba=proba)
    named = ConfidentLearning().fit(None, names.tolist() if blank is None else names, pred_proba=proba)
    assert (named.suspect_rows_ == plain.suspect_rows_).all()
    assert named.classes_.tolist() == ["a", "b", "c", "d"]
    assert set(named.proposed_) <= set("abcd")


def test_minus_one_is_a_class_only_when_listed():
    """Labels -1 and +1 are refused until the user says that -1 is a class."""
    y, proba, _ = noisy(5, n_classes=2)
    signed = 2 * y - 1
    with pytest.raises(InputError, match=r"classes=\[-1, 1\]"):
        ConfidentLearning().fit(None, signed, pred_proba=proba)
    told = ConfidentLearning().fit(None, signed, pred_proba=proba, classes=[-1, 1])
    plain = ConfidentLearning().fit(None, y, pred_proba=proba)
    assert (told.suspect_rows_ == plain.suspect_rows_).all()


def test_class_without_rows_is_never_confident(engine):
    """A column nobody was given has no threshold to reach and takes no counts."""
    y, proba, _ = noisy(4)
    y[y == 3] = 0
    found = ConfidentLearning().fit(None, y, pred_proba=proba)
    assert found.thresholds_[3] > 1
    assert found.confident_joint_[:, 3].sum() == 0
    assert np.allclose(found.noise_matrix_.sum(axis=0), 1)


def test_trusted_and_top_n():
    """Trusted rows are never named, and n_suspects keeps the head of the same order."""
    y, proba, _ = noisy(6)
    full = ConfidentLearning().fit(None, y, pred_proba=proba)
    trusted = np.zeros(len(y), dtype=bool)
    trusted[full.suspect_rows_[::2]] = True
    spared = ConfidentLearning().fit(None, y, pred_proba=proba, trusted=trusted)
    assert (spared.suspect_rows_ == full.suspect_rows_[1::2]).all()
    top = ConfidentLearning(n_suspects=5).fit(None, y, pred_proba=proba)
    assert (top.suspect_rows_ == full.suspect_rows_[:5]).all()
    assert top.suspect_mask_.sum() == 5
    assert "proposed" in top.reason(int(top.suspect_rows_[0]))


def test_memmap_and_layouts(tmp_path, engine):
    """A read-only memory map and column-ordered input give the result of a plain array."""
    y, proba, _ = noisy(8)
    proba = proba.astype(np.float32)
    np.save(tmp_path / "p.npy", proba)
    plain = ConfidentLearning().fit(None, y, pred_proba=proba).suspect_rows_
    for other in (np.load(tmp_path / "p.npy", mmap_mode="r"), np.asfortranarray(proba)):
        assert (ConfidentLearning().fit(None, y, pred_proba=other).suspect_rows_ == plain).all()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda y, p: (y, np.where(np.arange(len(p))[:, None] == 9, np.nan, p)), "row 9"),
        (lambda y, p: (y, p * np.where(np.arange(len(p))[:, None] == 4, 1.5, 1.0)), "row 4 sums"),
        (lambda y, p: (y[:-1], p), "rows"),
        (lambda y, p: (y, p[:, :3] / p[:, :3].sum(axis=1, keepdims=True)), "columns"),
        (lambda y, p: (y, np.eye(4)[y]), "out-of-fold"),
        (lambda y, p: (np.zeros_like(y), p), "two classes"),
    ],
)
def test_unusable_input_is_refused(spoil, words, engine):
    """Each input that would give a wrong answer silently is refused, naming the row or the cure."""
    y, proba, _ = noisy(7)
    y, proba = spoil(y, proba)
    with pytest.raises(InputError, match=words):
        ConfidentLearning().fit(None, y, pred_proba=proba)


def test_suspects_are_the_suspect_rows_with_their_labels():
    """The review gets the rows in rank order with given and proposed class, and no made-up probability."""
    y, proba, _ = noisy(31)
    names = np.array(["ant", "bee", "cow", "dog"])
    model = ConfidentLearning().fit(None, names[y], pred_proba=proba)
    found = model.suspects_
    np.testing.assert_array_equal(found.row, model.suspect_rows_)
    np.testing.assert_array_equal(found.candidate_ids[found.candidate], names[y][found.row])
    np.testing.assert_array_equal(found.candidate_ids[found.proposed_candidate], model.proposed_[found.row])
    assert (found.candidate != found.proposed_candidate).all()
    assert np.isnan(found.probability).all()
    assert found.n_rows == len(y)
    assert found.reason([1]) == [model.reason(int(found.row[1]))]


@pytest.mark.parametrize("kind", ["array", "sparse", "pandas", "none"])
def test_resampling_drops_the_suspects_alone(kind):
    """What is kept are the other rows as they were, in the kind of container they came in."""
    y, proba, true = noisy(32)
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    model = ConfidentLearning()
    given = {"array": lambda: X, "none": lambda: None}
    if kind == "sparse":
        given["sparse"] = lambda: pytest.importorskip("scipy.sparse").coo_matrix(X)
    if kind == "pandas":
        given["pandas"] = lambda: pytest.importorskip("pandas").DataFrame(X)
    rows, labels = model.fit_resample(given[kind](), y, pred_proba=proba)
    keep = ~model.suspect_mask_
    assert 0 < keep.sum() < len(y)
    np.testing.assert_array_equal(model.sample_indices_, np.flatnonzero(keep))
    np.testing.assert_array_equal(labels, y[keep])
    assert (labels == true[keep]).mean() > (y == true).mean()
    if kind == "none":
        assert rows is None
    else:
        assert type(rows).__module__.split(".")[0] == {"array": "numpy", "sparse": "scipy", "pandas": "pandas"}[kind]
        np.testing.assert_array_equal(rows.toarray() if kind == "sparse" else np.asarray(rows), X[keep])


@pytest.mark.parametrize("dtype", ["<U1", object, "<U9"])
def test_reannotation_writes_the_proposed_label_whole(dtype):
    """A proposed label longer than any given one is not cut, and y itself is not written to."""
    y, proba, _ = noisy(33)
    names = np.array(["a", "b", "c", "longer"])
    given = names[np.minimum(y, 2)].astype(dtype)
    before = given.copy()
    model = ConfidentLearning(action="reannotate")
    _, labels = model.fit_resample(None, given, pred_proba=proba, classes=names)
    rows = model.suspect_rows_
    assert (model.proposed_[rows] == "longer").any()
    np.testing.assert_array_equal(labels[rows], model.proposed_[rows])
    others = np.setdiff1d(np.arange(len(y)), rows)
    np.testing.assert_array_equal(labels[others], before[others])
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(model.sample_indices_, np.arange(len(y)))


def test_resampling_spares_trusted_rows_and_refuses_unknown_actions():
    """A label known to be right stays in training; a misspelt action must not pass silently."""
    y, proba, _ = noisy(34)
    trusted = np.zeros(len(y), dtype=bool)
    trusted[ConfidentLearning().fit(None, y, pred_proba=proba).suspect_rows_[::2]] = True
    model = ConfidentLearning()
    model.fit_resample(None, y, pred_proba=proba, trusted=trusted)
    assert np.isin(np.flatnonzero(trusted), model.sample_indices_).all()
    assert len(model.sample_indices_) < len(y)
    with pytest.raises(InputError, match="action='drop'"):
        ConfidentLearning(action="drop").fit(None, y, pred_proba=proba)
