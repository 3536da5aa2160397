"""Cells: what goes in comes out, and what cannot be right is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from trueneg.core.cells import Cells
from trueneg.core.errors import InputError

settings.register_profile("cells", max_examples=60, deadline=None)
settings.load_profile("cells")

texts = st.text(max_size=4)
ints = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
binary = st.sampled_from([0, 1, None])


def same(left, right) -> bool:
    """Compare two columns value by value, a null equal to a null."""
    left, right = list(left), list(right)
    null = [(a is None or a != a, b is None or b != b) for a, b in zip(left, right, strict=True)]
    return all((m and n) or (not m and not n and a == b) for a, b, (m, n) in zip(left, right, null, strict=True))


def pairs(values, rows=texts, candidates=ints):
    """Draw cells without duplicates, as a list of (row, candidate, value)."""
    return st.lists(st.tuples(rows, candidates, values), max_size=12, unique_by=lambda cell: cell[:2])


@given(st.one_of(*(st.lists(st.none() | kind, max_size=12) for kind in (texts, ints, floats, st.booleans()))))
def test_labels_round_trip(y):
    """Labels of every type come back equal, and nulls stay nulls."""
    cells = Cells.from_labels(y)
    assert same(cells.to_labels(), y)
    assert (cells.verdict == -1).tolist() == [value is None for value in y]
    assert len(cells.row_ids) == len(y)


@given(hnp.arrays(st.sampled_from([np.int8, np.int64, np.float32, np.bool_, "U3", "M8[s]"]), st.integers(0, 9)))
def test_native_arrays_keep_their_dtype(y):
    """A NumPy label column comes back in its own dtype."""
    out = Cells.from_labels(y).to_labels()
    assert out.dtype == y.dtype
    np.testing.assert_array_equal(out, y)


@given(st.lists(st.sampled_from([-1, 0, 1, 7]), max_size=12))
def test_minus_one_is_a_class_unless_said_otherwise(y):
    """-1 is unlabelled only with unlabeled=-1, and comes back either way."""
    told, plain = Cells.from_labels(y, unlabeled=-1), Cells.from_labels(y)
    assert (told.codes() < 0).tolist() == [value == -1 for value in y]
    assert (plain.codes() >= 0).all()
    assert told.to_labels().tolist() == plain.to_labels().tolist() == y
    assert -1 not in told.candidate_ids.tolist()


def test_minus_and_plus_one_are_a_binary_label():
    """{-1, +1} are two classes for labels and negative/positive for verdicts."""
    assert Cells.from_labels([-1, 1, 1]).candidate_ids.tolist() == [-1, 1]
    cells = Cells.from_attempts(["p"] * 3, [-1, 1, None])
    assert cells.verdict.tolist() == [0, 1, -1]
    assert cells.to_attempts()["correct"].tolist() == [-1, 1, None]
    with pytest.raises(InputError, match="unlabeled=-1"):
        Cells.from_attempts(["p"] * 3, [-1, 0, 1])


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([3, None, 5], dtype="Int64"),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
        pl.Series([3, None, 5]),
        pl.Series(["a", None, "b"]),
        pa.array([3, None, 5]),
        pa.chunked_array([["a", None], ["b"]]),
        np.ma.array([3, 4, 5], mask=[False, True, False]),
    ],
    ids=lambda y: type(y).__module__.split(".")[0] + "-" + str(getattr(y, "dtype", getattr(y, "type", ""))),
)
def test_containers_keep_integers_and_nulls(y):
    """A null in a frame's column does not turn the other labels into floats or text."""
    expected = [3, None, 5] if "3" in str(list(y)[0]) else ["a", None, "b"]
    out = Cells.from_labels(y).to_labels().tolist()
    assert out == expected
    assert type(out[0]) is type(expected[0])


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(0, 5), st.integers(1, 4)), elements=st.integers(-1, 1)),
    st.sampled_from([0, -1]),
)
def test_multilabel_matrix_round_trip(labels, absent):
    """A matrix with unjudged cells comes back whatever absent means, and only the news is stored."""
    cells = Cells.from_multilabel(labels, absent=absent, unlabeled=-1)
    np.testing.assert_array_equal(cells.to_multilabel(), labels)
    np.testing.assert_array_equal(cells.dense(), labels)
    assert len(cells) == (labels != absent).sum()
    nulls = np.where(labels < 0, np.nan, labels)
    np.testing.assert_array_equal(Cells.from_multilabel(nulls, absent=absent).to_multilabel(), nulls)


@given(st.lists(st.none() | st.lists(texts, max_size=4, unique=True), max_size=6), st.sampled_from([0, -1]))
def test_multilabel_sets_round_trip(labels, absent):
    """Label sets come back in their order, an unjudged row as None and an empty one as empty."""
    cells = Cells.from_multilabel(labels, absent=absent)
    assert cells.to_multilabel() == labels
    for row, seen in zip(cells.dense(), labels, strict=True):
        expected = [-1 if seen is None else 1 if name in seen else absent for name in cells.candidate_ids]
        assert row.tolist() == expected


def test_multilabel_sparse_round_trip():
    """A sparse matrix keeps shape and values, and an entry stored twice is refused."""
    matrix = sparse.csr_array(np.array([[0, 1, 0], [0, 0, 0], [1, 0, 1]]))
    out = Cells.from_multilabel(matrix, absent=-1).to_multilabel()
    np.testing.assert_array_equal(out.toarray(), matrix.toarray())
    twice = sparse.coo_array(([1, 0], ([0, 0], [1, 1])), shape=(2, 2))
    with pytest.raises(InputError, match="more than once"):
        Cells.from_multilabel(twice, absent=0)


def test_absent_is_required():
    """What a missing cell means is never guessed."""
    with pytest.raises(TypeError):
        Cells.from_multilabel(np.eye(2))
    with pytest.raises(TypeError):
        Cells([0], [0], [1], kind="table", row_ids=[0], candidate_ids=[0])
    with pytest.raises(InputError, match="absent must be"):
        Cells.from_multilabel(np.eye(2), absent=1)


@given(pairs(st.integers(-2, 4) | st.none()), st.integers(-1, 3))
def test_qrels_round_trip(cells, level):
    """Grades come back in their order, and the verdict is the grade against the level."""
    query, document, grade = ([cell[at] for cell in cells] for at in range(3))
    made = Cells.from_qrels(query, document, grade, positive_from=level)
    out = made.to_qrels()
    assert same(out["query"], query)
    assert same(out["document"], document)
    assert same(out["relevance"], grade)
    assert made.verdict.tolist() == [-1 if value is None else int(value >= level) for value in grade]
    flipped = np.where(made.verdict == 1, 0, 1)
    again = Cells.from_qrels(query, document, made.with_verdict(flipped).to_qrels()["relevance"], positive_from=level)
    assert again.verdict.tolist() == flipped.tolist()


@given(st.dictionaries(texts, st.dictionaries(texts, st.integers(0, 3), max_size=3), max_size=4))
def test_nested_qrels_and_runs_round_trip(nested):
    """Nested mappings come back, queries without a document too."""
    assert Cells.from_qrels(nested).to_qrels("mapping") == nested
    assert Cells.from_run(nested).to_run("mapping") == nested


@given(pairs(st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_run_round_trip(cells):
    """A run keeps ids and scores, in float32 if they came so, and judges nothing."""
    query, document, score = ([cell[at] for cell in cells] for at in range(3))
    made = Cells.from_run(query, document, np.array(score, dtype=np.float32))
    out = made.to_run()
    assert out["score"].dtype == np.float32
    assert out["score"].tolist() == score
    assert same(out["query"], query)
    assert same(out["document"], document)
    assert (made.verdict == -1).all()


@given(pairs(binary), st.booleans())
def test_attempts_round_trip(cells, named):
    """Attempts come back; without ids they are numbered within their problem as they appear."""
    problem, attempt, correct = ([cell[at] for cell in cells] for at in range(3))
    out = Cells.from_attempts(problem, correct, attempt=attempt if named else None).to_attempts()
    numbered = [problem[:at].count(name) for at, name in enumerate(problem)]
    assert same(out["problem"], problem)
    assert same(out["correct"], correct)
    assert same(out["attempt"], attempt if named else numbered)


@given(pairs(binary), st.data())
def test_bags_round_trip(cells, data):
    """Bag labels and instance labels come back, and neither is guessed from the other."""
    bag, instance, inner = ([cell[at] for cell in cells] for at in range(3))
    of_bag = {name: data.draw(binary) for name in set(bag)}
    label = [of_bag[name] for name in bag]
    out = Cells.from_bags(bag, label, instance=instance, instance_label=inner).to_bags()
    for name, column in {"bag": bag, "instance": instance, "label": label, "instance_label": inner}.items():
        assert same(out[name], column)
    assert "instance_label" not in Cells.from_bags(bag, label).to_bags()


def test_bag_with_two_labels_is_refused():
    """A bag cannot be positive and negative."""
    with pytest.raises(InputError, match="bag a has more than one label"):
        Cells.from_bags(["a", "b", "a"], [1, 0, 0])


@given(pairs(texts | st.none()), st.data())
def test_boxes_round_trip(cells, data):
    """Boxes, categories and images without a box come back, with coordinates unchanged."""
    image, annotation, category = ([cell[at] for cell in cells] for at in range(3))
    corner = data.draw(hnp.arrays(np.float32, (len(cells), 2, 2), elements=st.floats(0, 100, width=32)))
    box = np.concatenate([corner.min(axis=1), corner.max(axis=1)], axis=1)
    images = [*dict.fromkeys(image), "no box here"]
    made = Cells.from_boxes(image, box, category, annotation=annotation, images=images)
    out = made.to_boxes()
    assert same(out["image"], image)
    assert same(out["annotation"], annotation)
    assert same(out["category"], category)
    np.testing.assert_array_equal(out["box"], box)
    assert made.row_ids.tolist() == images


@given(st.integers(0, 6), st.data())
def test_versions_round_trip(n, data):
    """Predictions and labels come back, and a verdict is 1 exactly where a version is right."""
    column = st.lists(st.none() | st.sampled_from("abc"), min_size=n, max_size=n)
    predictions, y = {"old": data.draw(column), "new": data.draw(column)}, data.draw(column)
    made = Cells.from_versions(predictions, y)
    out, labels = made.to_versions()
    assert list(out) == list(predictions)
    assert all(same(out[name], predictions[name]) for name in out)
    assert same(labels, y)
    for at, name in enumerate(predictions):
        expected = [-1 if None in (p, t) else int(p == t) for p, t in zip(predictions[name], y, strict=True)]
        assert made.dense()[:, at].tolist() == expected
    assert Cells.from_versions(predictions).to_versions()[1] is None


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.bool_, "U2"])
def test_versions_keep_dtypes(dtype):
    """Predictions come back in the dtype of each version."""
    values = np.array([0, 1, 1]).astype(dtype)
    out, y = Cells.from_versions({"v": values}, values[::-1]).to_versions()
    assert out["v"].dtype == y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(out["v"], values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cells.from_qrels(["q", "q"], ["d", "d"], [0, 1]), "row q, candidate d"),
        (lambda: Cells.from_run(["q", "q"], ["d", "d"], [0.0, 1.0]), "more than once"),
        (lambda: Cells.from_attempts(["p", "p"], [0, 1], attempt=[3, 3]), "more than once"),
        (lambda: Cells.from_multilabel([["a", "a"]], absent=0), "more than once"),
        (lambda: Cells.from_labels([0, 1], row_ids=["r", "r"]), "ids must be unique"),
        (lambda: Cells.from_multilabel(np.eye(2), absent=0, candidate_ids=["a", "a"]), "ids must be unique"),
        (lambda: Cells.from_qrels(["q"], ["d", "e"], [0]), "document has 2 entries"),
        (lambda: Cells.from_labels([0, 1], row_ids=["r"]), "row_ids has 1 entries"),
        (lambda: Cells.from_labels([0, 1], weight=[1.0]), "weight has 1 entries"),
        (lambda: Cells.from_versions({"a": [0, 1], "b": [0]}), "b has 1 entries"),
        (lambda: Cells.from_boxes(["i"], np.zeros((2, 4)), ["c"]), "box has 2 entries"),
        (lambda: Cells.from_boxes(["i"], [[5, 0, 1, 1]], ["c"]), "end before they start"),
        (lambda: Cells.from_labels(["a", 1]), "mixes integer and text"),
        (lambda: Cells.from_labels([[1, 2], [3, 4]]), "y"),
        (lambda: Cells.from_labels(["a"], classes=["b"]), "not among the known"),
        (lambda: Cells.from_multilabel(["ab"], absent=0), "from_labels"),
        (lambda: Cells.from_attempts(["p"], [2]), "holds 2"),
        (lambda: Cells.from_run(["q"], ["d"], [np.nan]), "score has a null"),
        (lambda: Cells.from_qrels([None], ["d"], [1]), "query has 1 nulls"),
        (lambda: Cells([0], [2], [1], absent=0, kind="table", row_ids=[0], candidate_ids=[0]), "candidate codes"),
        (lambda: Cells([0], [-1], [1], absent=0, kind="table", row_ids=[0], candidate_ids=[0]), "whole unjudged row"),
    ],
)
def test_contradictions_are_refused(make, message):
    """Duplicates, mismatched lengths and impossible values are refused in words that name them."""
    with pytest.raises(InputError, match=message):
        make()


def test_declared_classes_keep_order_and_the_unseen():
    """Classes without a row are known, in the order in which they were named."""
    cells = Cells.from_labels(["b", "a"], classes=["c", "b", "a"])
    assert cells.shape == (2, 3)
    assert cells.codes().tolist() == [1, 2]
    assert cells.to_labels().tolist() == ["b", "a"]
