"""Rejecters on logits, the open-set classifier, semantic splits, the training recipe and reciprocal points."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC

from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError
from trueneg.reject import (
    EnergyDetector,
    MaxLogitDetector,
    MSPDetector,
    OpenSetClassifier,
    read_ssb_split,
    semantic_shift_split,
    tree_distance,
)

SEEDS = st.integers(0, 2**32 - 1)
DETECTORS = [MaxLogitDetector, MSPDetector, EnergyDetector]


def logits(seed=0, n=200, k=4):
    """Logits of a classifier that is sure of known rows, and labels."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % k)
    return rng.normal(size=(n, k)) + 5 * np.eye(k)[y], y


@given(SEEDS, st.floats(0.1, 5), st.floats(0, 600))
@settings(max_examples=40, deadline=None)
def test_scores_are_their_formulas(seed, t, shift):
    """Protects the three scores, at any temperature and size of logits: largest, log of largest probability, energy."""
    z = np.random.default_rng(seed).normal(size=(9, 5)) * 10 + shift
    want = {
        MaxLogitDetector: (z / t).max(1),
        MSPDetector: log_softmax(z / t, axis=1).max(1),
        EnergyDetector: t * logsumexp(z / t, axis=1),
    }
    for kind, scores in want.items():
        found = kind(temperature=t).fit(z).score_samples(z)
        np.testing.assert_allclose(found, scores, rtol=1e-9, atol=1e-9)


def test_a_probability_of_one_still_has_an_order():
    """Protects MSP from saturation: two rows whose largest probability rounds to 1 are told apart."""
    z = np.array([[40.0, 0.0], [60.0, 0.0], [50.0, 0.0]])
    np.testing.assert_array_equal(np.argsort(MSPDetector().fit(z).score_samples(z)), [0, 2, 1])


@pytest.mark.parametrize("kind", DETECTORS)
def test_labels_and_unknown_answers(kind):
    """Protects answers: columns are classes in sorted order, and what is below the threshold is unknown."""
    z, y = logits()
    names = np.array(["cat", "dog", "eel", "fox"])[y]
    model = kind().fit(z, names).calibrate(z, names, target_tpr=0.9)
    said = model.predict(np.concatenate([z, np.full((5, 4), -3.0)]))
    assert (said[-5:] == "unknown").all() or kind is MSPDetector
    kept = said[:-5] != "unknown"
    assert 0.9 <= kept.mean() < 0.95
    assert (said[:-5][kept] == names[kept]).mean() > 0.95
    about, arrays = model.to_state()
    back = kind.from_state(json.loads(json.dumps(about)), arrays)
    np.testing.assert_array_equal(back.score_samples(z), model.score_samples(z))


def digits():
    """Digits 0 to 6 to learn from and to test on, and 7 to 9 as unknown."""
    X, y = load_digits(return_X_y=True)
    known = y < 7
    even = np.arange(len(y)) % 2 == 0
    return X[known & even], y[known & even], X[known & ~even], y[known & ~even], X[~known]


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(max_iter=300), LinearSVC(), RandomForestClassifier(50, random_state=0)],
    ids=lambda e: type(e).__name__,
)
def test_any_classifier_gets_an_answer_for_unknown_digits(estimator):
    """Protects the wrapper: logits, margins and probabilities alike; the rate is kept on new rows about as promised."""
    X, y, X_new, y_new, odd = digits()
    model = OpenSetClassifier(estimator, random_state=0).fit(X, y)
    marks = np.arange(len(X_new) + len(odd)) < len(X_new)
    area = auroc_of(marks, model.score_samples(np.concatenate([X_new, odd])))
    assert area > 0.75
    kept = model.predict(X_new) != -1
    assert 0.88 < kept.mean() <= 1
    assert (model.predict(X_new)[kept] == y_new[kept]).mean() > 0.93
    assert (model.predict(odd) == -1).mean() > 3 * (~kept).mean()
    assert model.threshold_.tpr.value >= 0.95


def test_the_threshold_is_set_on_rows_held_out_of_every_class():
    """Protects the promise: the classifier never sees the rows of the threshold, and each class gives some."""
    seen = {}

    class Watching(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen["y"] = y
            return super().fit(X, y)

    X, y, *_ = digits()
    model = OpenSetClassifier(Watching(max_iter=300), calibration=0.25, random_state=0).fit(X, y)
    left = np.bincount(y) - np.bincount(seen["y"])
    np.testing.assert_array_equal(left, np.round(0.25 * np.bincount(y)))
    assert model.threshold_.tpr.n == left.sum()


def test_binary_margins_and_probabilities_are_two_logits():
    """Protects two classes: a margin m is the logits -m/2 and m/2, and the answer is the classifier's own."""
    X, y, X_new, *_ = digits()
    two, new = y < 2, X_new[:50]
    plain = LogisticRegression(max_iter=300).fit(X[two], y[two])
    model = OpenSetClassifier(LogisticRegression(max_iter=300), threshold=None).fit(X[two], y[two])
    np.testing.assert_allclose(np.diff(model.logits(new))[:, 0], plain.decision_function(new))
    model.calibrate(new, target_tpr=0.9)
    kept = model.predict(new) != -1
    np.testing.assert_array_equal(model.predict(new)[kept], plain.predict(new)[kept])


def line(n):
    """Labels on a line, their distances."""
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)


def test_the_farthest_classes_are_easy_and_the_nearest_hard():
    """Protects splits: bins of equal size by distance to the known classes, names kept, ties by order."""
    labels = np.array(list("abcdefgh"))
    split = semantic_shift_split(line(8), ["a", "b"], 3, labels=labels)
    assert {k: v.tolist() for k, v in split.bins.items()} == {
        "easy": ["h", "g"],
        "medium": ["f", "e"],
        "hard": ["d", "c"],
    }
    assert split.distance == {"c": 1, "d": 2, "e": 3, "f": 4, "g": 5, "h": 6}
    two = semantic_shift_split(line(8), ["a", "b"], 2, labels=labels, nearest=2)
    assert list(two.bins) == ["easy", "hard"]
    assert two.distance["c"] == 1.5
    tied = semantic_shift_split(1 - np.eye(6), [0, 1], 2)
    assert tied.bins["easy"].tolist() == [2, 3]


@given(SEEDS, st.integers(2, 25))
@settings(max_examples=30, deadline=None)
def test_distances_in_a_tree_are_those_of_a_walk(seed, n):
    """Protects the three measures: each equals a walk up from both labels, whatever the tree, in any order of edges."""
    rng = np.random.default_rng(seed)
    names = rng.permutation([f"c{i}" for i in range(n)])
    parent = {names[i]: names[rng.integers(i)] for i in range(1, n)}
    edges = rng.permutation([(up, down) for down, up in parent.items()])
    labels = rng.choice(names, size=min(n, 6), replace=False)

    def way(a):
        return [a, *(way(parent[a]) if a in parent else [])]

    leaves = set(names) - set(parent.values())
    for measure in ("wu_palmer", "path", "leaves"):
        found = tree_distance(edges, labels, measure=measure)
        for i, a in enumerate(labels):
            for j, b in enumerate(labels):
                common = next(c for c in way(a) if c in way(b))
                deep, both = len(way(common)), len(way(a)) + len(way(b))
                below = sum(common in way(leaf) for leaf in leaves)
                want = {"wu_palmer": 1 - 2 * deep / both, "path": both - 2 * deep, "leaves": np.log(below) * (a != b)}
                assert found[i, j] == pytest.approx(want[measure], abs=1e-12)


def test_a_published_split_is_read(tmp_path):
    """Protects the reader: a file laid out as those of the Semantic Shift Benchmark, easy before hard."""
    path = tmp_path / "made_ssb_splits.json"
    made = {
        "known_classes": [0, 1, 5],
        "unknown_classes": {"Hard": [2], "Medium": [3, 7], "Easy": [4]},
        "known_unknown_pairs": {"Hard": [{"known_class": [1], "unknown_class": [2]}], "Easy": []},
    }
    path.write_text(json.dumps(made))
    split = read_ssb_split(path)
    assert split.known.tolist() == [0, 1, 5]
    assert {k: v.tolist() for k, v in split.bins.items()} == {"easy": [4], "medium": [3, 7], "hard": [2]}
    path.write_text(json.dumps({**made, "known_classes": [0, 2]}))
    with pytest.raises(InputError, match="class 2 is in two lists"):
        read_ssb_split(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="it is no split"):
        read_ssb_split(path)
    path.write_text(json.dumps({"known_classes": [0, 1], "unknown_classes": [2, 4]}))  # as that of Herbarium 19
    assert {k: v.tolist() for k, v in read_ssb_split(path).bins.items()} == {"all": [2, 4]}


@pytest.mark.parametrize(
    ("known", "unknown", "match"),
    [
        ([0, 1], {"EASY": [2], "easy": [3]}, "twice"),
        ([0, 1], {"Easy": []}, "none empty"),
        ([0, 1], [], "none empty"),
        ([0, 1], {}, "none empty"),
        ([], [2], "none empty"),
        ("birds", {"Easy": ["fish"]}, "lists of names"),
        ([0, 1], {"Easy": "fish"}, "lists of names"),
        ({"a": 0}, ["b"], "lists of names"),
        ([[0], [1]], [[2]], "lists of names"),
        ([None, 1], [2], "lists of names"),
        ([0, 0], [2], "class 0 is in two lists"),
        ([0, 1], ["1"], "class 1 is in two lists"),
    ],
)
def test_a_damaged_split_loses_no_class(tmp_path, known, unknown, match):
    """A difficulty written twice dropped its classes, and a text for a list ended in an IndexError."""
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps({"known_classes": known, "unknown_classes": unknown}))
    with pytest.raises(InputError, match=match) as caught:
        read_ssb_split(path)
    assert "\n" not in str(caught.value)


def test_a_split_saved_with_a_mark_of_its_encoding_is_read(tmp_path):
    """Editors on Windows put one before the first brace."""
    path = tmp_path / "marked.json"
    path.write_text(json.dumps({"known_classes": ["a", "b"], "unknown_classes": {"Hard": ["c"]}}), encoding="utf-8-sig")
    assert read_ssb_split(path).bins["hard"].tolist() == ["c"]


Z, Y = logits()
BAD = {
    "one class": (lambda: OpenSetClassifier(LogisticRegression()).fit(Z, np.zeros(200)), "one class"),
    "one class of logits": (lambda: MaxLogitDetector().fit(Z, np.zeros(200)), "y one class"),
    "other columns": (lambda: MaxLogitDetector().fit(Z[:, :3], Y), "3 columns and y 4 classes"),
    "a margin": (lambda: MaxLogitDetector().fit(Z[:, :1]), "binary margin"),
    "nan": (lambda: MSPDetector().fit(np.where(Z > 4, np.nan, Z), Y), "NaN"),
    "no threshold": (lambda: EnergyDetector().fit(Z, Y).predict(Z), "has no threshold"),
    "no threshold, wrapped": (
        lambda: OpenSetClassifier(LogisticRegression(), threshold=None).fit(Z, Y).predict(Z),
        "has no threshold",
    ),
    "fpr": (lambda: OpenSetClassifier(LogisticRegression(), threshold="fpr5").fit(Z, Y), "write 'tpr95'"),
    "detector": (lambda: OpenSetClassifier(LogisticRegression(), detector="entropy").fit(Z, Y), "max_logit, msp"),
    "no scores": (lambda: OpenSetClassifier(object()).fit(Z, Y), "neither decision_function"),
    "one row a class": (lambda: OpenSetClassifier(LogisticRegression()).fit(Z[:4], [0, 1, 2, 2]), "2 rows or more"),
    "temperature": (lambda: MaxLogitDetector(temperature=0).fit(Z, Y), "above 0"),
    "no metric": (lambda: semantic_shift_split(np.full((4, 4), np.nan), [0, 1]), "symmetric"),
    "absent label": (lambda: semantic_shift_split(line(6), ["z", 1]), "is not among"),
    "few unknown": (lambda: semantic_shift_split(line(4), [0, 1], 3), "an unknown one a bin"),
    "shape": (lambda: semantic_shift_split(line(4), [0, 1], labels=["a"]), "one row and one column"),
    "cycle": (lambda: tree_distance([("r", "a"), ("b", "c"), ("c", "b")], ["a"]), "2 parts"),
    "all a cycle": (lambda: tree_distance([(1, 2), (2, 3), (3, 1)], [1]), "hold a cycle"),
    "two parents": (lambda: tree_distance([("r", "a"), ("s", "a")], ["a"]), "several parents, 'r' and 's'"),
    "two roots": (lambda: tree_distance([("r", "a"), ("s", "b")], ["a"]), "nothing joins 'a' and 'b'"),
    "no concept": (lambda: tree_distance([("r", "a")], ["z"]), "'z' is missing from the tree"),
    "a label alone": (lambda: tree_distance([("r", "a")], "a"), "one list of labels"),
    "no labels of a tree": (lambda: tree_distance([("r", "a")], []), "labels is empty"),
    "no edges": (lambda: tree_distance([], ["z"]), "at least one"),
    "measure": (lambda: tree_distance([("r", "a")], ["a"], measure="hops"), "choose 'wu_palmer'"),
    "no file": (lambda: read_ssb_split("/nowhere.json"), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line(name):
    """Protects the user: each mistake is refused by one line that names it."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_classifier_without_scores_is_refused_by_name():
    """Protects the user of scikit-learn's older nearest centroid, or of any estimator that only predicts."""

    class OnlyPredicts(NearestCentroid):
        decision_function = property()
        predict_proba = property()

    with pytest.raises(InputError, match="OnlyPredicts has neither"):
        OpenSetClassifier(OnlyPredicts()).fit(Z, Y)


def test_blocks_do_not_show(monkeypatch):
    """Protects scores of many rows: whatever the block, each row gets the number it gets alone."""
    from trueneg.reject._max_logit import scores

    z = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32)
    whole = [kind().fit(z).score_samples(z) for kind in DETECTORS]
    monkeypatch.setattr(scores, "_CELLS", 9)
    for kind, want in zip(DETECTORS, whole, strict=True):
        np.testing.assert_array_equal(kind().fit(z).score_samples(z), want)
