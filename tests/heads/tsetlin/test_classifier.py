"""The classifier: what it learns, what it keeps, what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.heads import Binarizer, TsetlinMachineClassifier, TsetlinMachineSearch


def _xor(n=600, noise=0.1, seed=0, features=12):
    """Two classes by "exactly one of the first two features", which no linear rule tells apart."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (n, features))
    y = X[:, 0] ^ X[:, 1]
    return X, np.where(rng.random(n) < noise, 1 - y, y), y


def _small(**params):
    return TsetlinMachineClassifier(
        **({"n_clauses": 20, "specificity": 4.0, "max_iter": 15, "random_state": 0} | params)
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"boost_true_positive": False},
        {"weighted": False, "threshold": 8},
        {"clauses": "shared"},
        {"clauses": "shared", "negative_sampling": "focused"},
        {"negative_sampling": "focused"},
        {"max_included_literals": 3},
        {"clause_drop": 0.3},
        {"literal_drop": 0.1},
        {"n_state_bits": 6},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_learns_exclusive_or_through_noise(params):
    """Protects learning itself: each way of working finds what no linear rule gets right beyond three rows in four."""
    X, noisy, truth = _xor(3000)
    right = [
        _small(**params, random_state=seed).fit(X[:2500], noisy[:2500]).predict(X[2500:]) == truth[2500:]
        for seed in range(2)
    ]
    assert np.mean(right) > 0.9


def test_type_two_and_negation_are_what_they_say():
    """Protects the ingredients: without Type II accuracy falls; without negation no rule asks for an absence."""

    class NoSecond(TsetlinMachineClassifier):
        _second = False

    X, noisy, truth = _xor(3000)
    ours, without = (
        np.mean(
            [
                kind(**_small(random_state=s).get_params()).fit(X[:2500], noisy[:2500]).predict(X[2500:])
                == truth[2500:]
                for s in range(3)
            ]
        )
        for kind in (TsetlinMachineClassifier, NoSecond)
    )
    assert ours > without + 0.05
    plain = _small(feature_negation=False).fit(X, noisy)
    assert plain.rules_
    assert not any(absent for rule in plain.rules_ for _, absent in rule.literals)
    assert plain.readability_.present == plain.readability_.literals


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), shared=st.booleans(), sparse=st.booleans(), first=st.integers(1, 4))
def test_a_saved_machine_goes_on_bit_for_bit(seed, shared, sparse, first, tmp_path_factory):
    """Protects resuming: some passes, a file, and the other passes give the very machine of all passes at once."""
    X, y, _ = _xor(120, seed=seed)
    X = sp.csr_matrix(X) if sparse else X
    params = {"clauses": "shared" if shared else "class", "n_clauses": 6, "random_state": seed}
    whole = _small(**params, max_iter=5).fit(X, y)
    path = tmp_path_factory.mktemp("tm") / "a.npz"
    _small(**params, max_iter=first, warm_start=True).fit(X, y).save(path)
    part = TsetlinMachineClassifier.load(path).set_params(max_iter=5 - first).fit(X, y)
    assert np.array_equal(part.machine_.states(), whole.machine_.states())
    assert np.array_equal(part.machine_.weight, whole.machine_.weight)
    np.testing.assert_array_equal(part.votes(X), whole.votes(X))


@pytest.mark.parametrize("labels", [np.array(["no", "yes"], dtype=object), np.array(["no", "yes"]), np.array([7, 9])])
def test_a_file_keeps_labels_names_and_cuts(labels, tmp_path):
    """Protects saving: labels of any type, names of columns, cuts and parameters come back as they were."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(0, 90, 200), "weight": rng.normal(70, 9, 200)})
    y = labels[(frame["age"] > 40).astype(int).to_numpy()]
    model = _small(class_weight={labels[0]: 1.0, labels[1]: 2.0}).fit(frame, y)
    assert (model.predict(frame) == y).mean() > 0.9
    model.save(tmp_path / "m.npz")
    again = TsetlinMachineClassifier.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.predict(frame).dtype == model.predict(frame).dtype
    assert again.rules_ == model.rules_
    assert again.get_params() == model.get_params()
    assert any("age >= " in rule.text() for rule in again.rules_)


def test_files_that_are_none_of_ours_are_refused(tmp_path):
    """Protects loading: garbage, another npz, a cut file and a pickle end in one line, and nothing is unpickled."""
    X, y, _ = _xor(60)
    good = tmp_path / "good.npz"
    _small(n_clauses=4).fit(X, y).save(good)
    bad = {
        "garbage": b"not a zip",
        "cut": good.read_bytes()[:200],
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    np.savez(tmp_path / "pickle.npz", header=np.array([{"a": 1}], dtype=object))
    with np.load(good) as stored:
        arrays = {k: stored[k] for k in stored.files}
    np.savez(tmp_path / "damaged.npz", **{**arrays, "lower": arrays["lower"][:, :1]})
    later = {**json.loads(arrays["header"].tobytes()), "version": 99}
    np.savez(tmp_path / "later.npz", **{**arrays, "header": np.frombuffer(json.dumps(later).encode(), np.uint8)})
    for name in ("garbage", "cut", "other.npz", "pickle.npz", "damaged.npz", "later.npz", "missing.npz"):
        with pytest.raises(InputError, match="saved|damaged|later"):
            TsetlinMachineClassifier.load(tmp_path / name)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"specificity": 0.9}, "from 1"),
        ({"specificity": float("nan")}, "from 1"),
        ({"n_clauses": 0}, "n_clauses"),
        ({"n_clauses": True}, "n_clauses"),
        ({"threshold": 0}, "threshold"),
        ({"clause_drop": 1.0}, "clause_drop"),
        ({"n_state_bits": 1}, "n_state_bits"),
        ({"negative_sampling": "hard"}, "'focused'"),
        ({"clauses": "both"}, "'shared'"),
        ({"clauses": "shared", "weighted": False}, "weighted=True"),
        ({"mask_bits": 2, "specificity": 100.0}, "mask_bits"),
        ({"binarize": 0}, "binarize"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"random_state": -1}, "random_state"),
        ({"weighted": 1}, "True or False"),
        ({"max_iter": 1.5}, "max_iter"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(params, said):
    """Protects users from silence: a parameter out of range is named in one line before anything is learned."""
    X, y, _ = _xor(20)
    with pytest.raises(InputError, match=said) as caught:
        _small(**params).fit(X, y)
    assert "\n" not in str(caught.value)


def test_other_features_or_classes_are_refused_where_they_cannot_be():
    """Protects streams: columns that change between calls, and classes that change in a warm start, are refused."""
    X, y, _ = _xor(60)
    model = _small().partial_fit(X, y)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, 1:], y)
    with pytest.raises(InputError, match="0 and 1"):
        model.predict(X * 3)
    with pytest.raises(InputError, match="cannot change"):
        model.set_params(n_clauses=8).partial_fit(X, y)
    warm = _small(warm_start=True).fit(X, y)
    with pytest.raises(InputError, match="warm_start"):
        warm.fit(X, y + 5)
    with pytest.raises(InputError, match="negative"):
        _small().fit(sp.csr_matrix(X - 1), y)


def test_degenerate_rows():
    """Protects edges: an all-zero row, one class, one row, one feature and duplicate entries are all taken."""
    X, y, _ = _xor(60)
    X[5] = 0
    assert _small().fit(X, y).predict(X[5:6]).shape == (1,)
    one = _small().fit(X, np.full(60, "a"))
    assert set(one.predict(X)) == {"a"}
    assert _small().fit(X[:1], y[:1]).predict(X[:1]) == y[:1]
    assert _small().fit(X[:, :1], y).votes(X[:, :1]).shape == (60, 2)
    rows, columns = np.nonzero(X)
    twice = sp.csr_matrix((np.ones(2 * len(rows)), (np.tile(rows, 2), np.tile(columns, 2))), shape=X.shape)
    np.testing.assert_array_equal(_small().fit(twice, y).votes(twice), _small().fit(X, y).votes(X))


def test_a_clause_without_literals_does_not_vote_unless_told():
    """Protects the empty clause: true while learning, false when predicting; the switch for it changes the votes."""
    X, y, _ = _xor(200)
    model = _small(n_clauses=5, max_iter=1, specificity=1.0).fit(X, y)
    assert (model.machine_.sizes() == 0).any()
    before = model.votes(X)
    model._empty = True
    alive = model.machine_.sizes() > 0
    extra = np.where(alive, 0, model.machine_.signed()).sum(axis=1)
    np.testing.assert_array_equal(model.votes(X), before + extra)
    np.testing.assert_array_equal(model.votes(sp.csr_matrix(X)), before + extra)


def test_several_labels_a_row():
    """Protects multi-label: each label is learned, whatever the others are, and an indicator comes back."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (2000, 10))
    Y = np.stack([X[:, 0] & X[:, 1], X[:, 2], X[:, 3] | X[:, 4]], axis=1)
    for shared in ("class", "shared"):
        model = _small(n_clauses=40, clauses=shared).fit(X[:1500], Y[:1500])
        assert (model.predict(X[1500:]) == Y[1500:]).mean() > 0.95
    with pytest.raises(InputError, match="uniform"):
        _small(negative_sampling="focused").fit(X, Y)


def test_weights_move_the_decision():
    """Protects sample_weight and class_weight: where rows contradict each other, the heavier side wins."""
    X = np.tile([[1, 0], [1, 0], [0, 1]], (200, 1))
    y = np.tile([0, 1, 1], 200)
    for heavy in (0, 1):
        weight = np.where(y == heavy, 1.0, 0.1)
        assert _small().fit(X, y, sample_weight=weight).predict([[1, 0]]) == heavy
        by_class = _small(class_weight={heavy: 10.0, 1 - heavy: 1.0}).fit(X, y)
        assert by_class.predict([[1, 0]]) == heavy
    base = _small().fit(X[y == 1], y[y == 1])
    with pytest.raises(ValueError, match="at least one"):
        base.fit(X, y, sample_weight=np.zeros(len(y)))


def test_early_stopping_keeps_the_best_pass():
    """Protects early stopping: the machine kept is that of the best pass on the rows set aside, not of the last."""
    X, y, _ = _xor(300, noise=0.3)
    model = _small(early_stopping=True, n_iter_no_change=3, max_iter=40).fit(X, y)
    scores = [h["validation"] for h in model.history_]
    assert model.n_iter_ == 1 + int(np.argmax(scores))
    assert len(scores) <= model.n_iter_ + 3
    told = []
    _small(max_iter=3).fit(X, y, progress=lambda *args: told.append(args))
    assert [t[1:] for t in told] == [(1, 3), (2, 3), (3, 3)]


def test_rules_say_what_the_machine_does():
    """Protects reading: rules evaluated as logic give the clause outputs and the votes, row by row."""
    X, y, _ = _xor(300)
    for model in (_small().fit(X, y), _small(clauses="shared").fit(X, y)):
        outputs, rules = model.transform(X), model.rules_
        for rule in rules:
            holds = np.all([X[:, int(n[1:])] != absent for n, absent in rule.literals], axis=0)
            np.testing.assert_array_equal(holds, outputs[:, rule.clause] > 0)
    model = _small().fit(X, y)
    signed = {rule.clause: rule for rule in model.rules_}
    for found, row in zip(model.explain(X[:20], top=None), range(20), strict=True):
        true = [r for c, r in signed.items() if model.transform(X[row : row + 1])[0, c] and r.label == found.label]
        assert sum(r.weight for r in true) == found.votes[found.label]
        assert {r.clause for r in found.rules} == {r.clause for r in true}
        assert found.label == model.predict(X[row : row + 1])[0]
    for rule in model.measure_rules(X, y):
        holds = model.transform(X)[:, rule.clause] > 0
        assert rule.coverage.value == pytest.approx(holds.mean())
        if holds.any():
            right = (y == rule.label) if rule.weight > 0 else (y != rule.label)
            assert rule.precision.value == pytest.approx(right[holds].mean())


def test_text_and_json_hold_every_rule():
    """Protects exports: each rule stands in the text as words, and JSON gives the literals back."""
    X, y, _ = _xor(200, features=3)
    model = _small().fit(X, y)
    names = ["rash", "reaction", "penicillin"]
    text = model.export("text", names=names)
    loaded = json.loads(model.export("json", names=names, measured=model.measure_rules(X, y, names=names)))
    assert len(loaded) == len(model.rules_)
    for rule, stored in zip(model.rules_, loaded, strict=True):
        words = [names[int(n[1:])] for n, _ in rule.literals]
        assert [*stored["present"], *stored["absent"]] == words
        assert 0 <= stored["coverage"]["value"] <= 1
    assert "rash and not reaction" in text
    assert all(name in text for name in names)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("shared", ["class", "shared"])
def test_c_code_decides_as_the_machine(shared, tmp_path):
    """Protects the C export: compiled strictly, it returns the class and the votes of every row."""
    import ctypes

    X, y, _ = _xor(200)
    labels = np.array(["a */ b", "c\\"])
    model = _small(clauses=shared).fit(X, labels[y])
    model.export("c", path=tmp_path / "m.c")
    command = ["cc", "-std=c99", "-Wall", "-Werror", "-shared", "-fPIC", "-o", tmp_path / "m.so", tmp_path / "m.c"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(tmp_path / "m.so"))
    found = (ctypes.c_longlong * 2)()
    for row, votes in zip(X.astype(np.uint8), model.votes(X), strict=True):
        best = library.predict(row.ctypes.data_as(ctypes.c_char_p), found)
        assert list(found) == votes.tolist()
        assert labels[best] == model.classes_[votes.argmax()]


def test_prediction_works_without_numba(monkeypatch):
    """Protects users without the extra: prediction goes on with the same votes, learning names the cure."""
    from trueneg.core.errors import MissingExtraError

    X, y, _ = _xor(200)
    model = _small().fit(X, y)
    expected = model.votes(X)
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    monkeypatch.setattr("trueneg.heads._tsetlin.vote._kernels", lambda: None)
    np.testing.assert_array_equal(model.votes(X), expected)
    np.testing.assert_array_equal(model.votes(sp.csr_matrix(X)), expected)
    with pytest.raises(MissingExtraError, match="fast"):
        _small().fit(X, y)


def test_torch_learns_the_same_machine():
    """Protects device=: whatever it takes gives the machine of the compiled loops; the rest is refused in a line."""
    X, y, _ = _xor(150)
    weight = np.random.default_rng(0).random(150)
    cases = [
        ({"clause_drop": 0.3, "literal_drop": 0.1}, y),
        ({"boost_true_positive": False}, np.stack([y, X[:, 2]], 1)),
        ({"class_weight": {0: 1.0, 1: 3.0}, "max_included_literals": 2, "weighted": False}, y),
        ({"early_stopping": True, "n_iter_no_change": 1, "feature_negation": False, "n_state_bits": 3}, y),
    ]
    for params, labels in cases:
        ours, other = (
            _small(max_iter=3, device=device, **params).fit(sp.csr_matrix(X), labels, sample_weight=weight)
            for device in (None, "cpu")
        )
        np.testing.assert_array_equal(ours.machine_.states(), other.machine_.states())
        np.testing.assert_array_equal(ours.votes(X), other.votes(X))
    streams = [_small(device=d).partial_fit(X[:90], y[:90]).partial_fit(X[90:], y[90:] + 1) for d in (None, "cpu")]
    np.testing.assert_array_equal(streams[0].machine_.states(), streams[1].machine_.states())
    for refused in ({"clauses": "shared"}, {"negative_sampling": "focused"}):
        with pytest.raises(InputError, match="device") as caught:
            _small(device="cpu", **refused).fit(X, y)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="torch device"):
        _small(device=0).fit(X, y)
    with pytest.raises(InputError, match="cannot be used"):
        _small(device="cuda:99").fit(X, y)


def test_search_finds_settings_that_matter():
    """Protects the search: it prefers a machine large enough for the task, and fits it on all rows."""
    X, noisy, truth = _xor(2000)
    base = TsetlinMachineClassifier(max_iter=12)
    found = TsetlinMachineSearch(base, n_clauses=(1, 20), threshold_ratios=(1.0,), specificities=(4.0,), random_state=0)
    found.fit(X[:1500], noisy[:1500])
    assert found.best_params_["n_clauses"] == 20
    assert (found.predict(X[1500:]) == truth[1500:]).mean() > 0.97
    assert found.best_estimator_.n_iter_ == 12


def test_binarizer_reads_as_words():
    """Protects tables: cuts, categories and gaps become features whose names say what they hold."""
    frame = pd.DataFrame(
        {
            "age": [20.0, 40.0, None, 60.0, 80.0],
            "colour": ["red", "blue", "red", None, "green"],
            "flag": [0, 1, 0, 1, 1],
        }
    )
    tool = Binarizer(n_cuts=2).fit(frame)
    table = pd.DataFrame(tool.transform(frame), columns=tool.get_feature_names_out())
    assert list(table["colour = red"]) == [1, 0, 1, 0, 0]
    assert list(table["colour is missing"]) == [0, 0, 0, 1, 0]
    assert list(table["age is missing"]) == [0, 0, 1, 0, 0]
    assert list(table["flag >= 1"]) == [0, 1, 0, 1, 1]
    for name in [n for n in table if n.startswith("age >=")]:
        cut = float(name.split(">= ")[1])
        assert list(table[name]) == [int(a >= cut) for a in frame["age"].fillna(-1)]
    unseen = pd.DataFrame({"age": [50.0], "colour": ["violet"], "flag": [1]})
    assert (
        pd.DataFrame(tool.transform(unseen), columns=tool.get_feature_names_out()).filter(like="colour").sum().sum()
        == 0
    )
