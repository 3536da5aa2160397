"""Roles of columns: what is named is kept, what is unjudged is never negative."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import keys_of_rows, label_candidates, roles, row_keys


def frame(**columns):
    """Return a table of columns."""
    return read_frame(pa.table(columns))


def notes(found):
    """Return the notes as one text."""
    return " ".join(found.notes)


def test_no_label_lists_the_candidates(tmp_path):
    """Without --label the columns that could be it stand in the message, with the command to run."""
    path = tmp_path / "my data.csv"
    path.write_text("x,note,target\n" + "".join(f"{i / 7},some words here {i},{i % 2}\n" for i in range(40)))
    table = read_table(path)
    assert label_candidates(table)[0] == "target"
    with pytest.raises(InputError, match=r"run: trueneg audit '.*my data.csv' --label target"):
        roles(table)


def test_unknown_label():
    """A mistyped column is answered with the nearest."""
    with pytest.raises(InputError, match="did you mean 'label'"):
        roles(frame(label=[0, 1], x=[1, 2]), label="lable")


def test_nulls_are_unjudged():
    """Null, NaN and a blank are unjudged in every type of label, never the negative class."""
    for column in [
        [1, 0, None],
        pa.array([1.0, 0.0, float("nan")]),
        [True, False, None],
        ["1", "0", " "],
        pa.array(["1", "0", None]).dictionary_encode(),
    ]:
        table = frame(y=column, x=[1.0, 2.0, 3.0])
        found = roles(table, label="y")
        codes, classes = found.codes(table)
        assert codes.tolist() == [1, 0, -1]
        assert codes.dtype == np.int64
        assert len(classes) == 2
        assert "unjudged, never negative" in notes(found)


def test_minus_one():
    """-1 is a negative class and told so, and unjudged only when said."""
    table = frame(y=[1, -1, 1, -1])
    found = roles(table, label="y")
    assert found.codes(table)[0].tolist() == [1, 0, 1, 0]
    assert "-1 and +1 are read as negative and positive" in notes(found)
    table = frame(y=[1, -1, 0, -1])
    assert roles(table, label="y", unlabeled="-1").codes(table)[0].tolist() == [1, -1, 0, -1]
    assert "-1 is read as a class" in notes(roles(table, label="y"))


def test_positive_and_negative():
    """The positive class is as named; one that does not occur is refused with the values there are."""
    table = frame(y=["ham", "spam", "ham"])
    assert roles(table, label="y", positive="ham").classes == ["spam", "ham"]
    assert roles(table, label="y").positive == "spam"
    with pytest.raises(InputError, match="'spma' does not occur in 'y'; its values are 'ham', 'spam'"):
        roles(table, label="y", positive="spma")
    with pytest.raises(InputError, match="both"):
        roles(table, label="y", positive="ham", negative="ham")
    relation = frame(y=["no_relation", "born_in", "works_for"])
    assert roles(relation, label="y").negative == "no_relation"


@pytest.mark.parametrize("values", [[1, 1, None], [None, None, None], ["a", "a", ""]])
def test_one_class(values):
    """A label with one class is refused."""
    with pytest.raises(InputError, match="at least two classes"):
        roles(frame(y=values), label="y")


def test_nothing_to_read():
    """No rows, and a label of lists where one label is asked, are refused."""
    with pytest.raises(InputError, match="no rows"):
        roles(frame(y=pa.array([], pa.int64())), label="y")
    with pytest.raises(InputError, match="several labels"):
        roles(frame(y=[["a"], ["b"]]), label="y", kind="table")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c d", "10", "9"])), min_size=2, max_size=30))
def test_codes_match_a_loop(values):
    """Codes equal a plain loop over the values."""
    if len({v for v in values if v is not None}) < 2:
        return
    table = frame(y=pa.array(values, pa.string()))
    codes, classes = roles(table, label="y").codes(table)
    assert [None if c < 0 else classes[c] for c in codes] == values


def test_multilabel_forms_agree():
    """Prefixed columns, one column with a separator, and lists give the same codes."""
    wide = frame(y_a=[1, 0, 0, None], y_b=[1, 1, 0, None], x=[1.0, 2.0, 3.0, 4.0])
    listed = frame(y=[["a", "b"], ["b"], [], None], x=[1.0, 2.0, 3.0, 4.0])
    split = frame(y=["a; b", "b", "", None], x=[1.0, 2.0, 3.0, 4.0])
    w, li, s = roles(wide, label="y_*"), roles(listed, label="y"), roles(split, label="y", label_sep=";")
    expected = [[1, 1], [0, 1], [0, 0], [-1, -1]]
    assert {w.kind, li.kind, s.kind} == {"multilabel"}
    assert w.codes(wide)[0].tolist() == expected
    assert li.codes(listed)[0].tolist() == expected
    # A blank in a delimited column cannot be told from nothing recorded: unjudged, never negative.
    assert s.codes(split)[0].tolist() == [[1, 1], [0, 1], [-1, -1], [-1, -1]]
    assert w.codes(wide)[1] == li.codes(listed)[1] == s.codes(split)[1] == ["a", "b"]
    assert "y_*" in label_candidates(wide)
    with pytest.raises(InputError, match="holds '2'"):
        roles(frame(y_a=[1, 2], y_b=[0, 1]), label="y_*")


def test_parts_are_sniffed_and_told():
    """Text, images, numbers, categories, embedding, id and split are found, and a named part is not guessed over."""
    n = 60
    table = frame(
        id=list(range(n)),
        y=[i % 2 for i in range(n)],
        note=[f"a sentence number {i} here" for i in range(n)],
        pic=[f"img/{i}.png" for i in range(n)],
        v=[i / 3 for i in range(n)],
        town=["Rome", "Oslo", "Bern"] * 20,
        const=[1] * n,
        e=[[float(i), 1.0] for i in range(n)],
        split=["train", "test"] * 30,
    )
    found = roles(table, label="y")
    assert (found.id, found.split, found.text, found.image) == ("id", "split", ["note"], ["pic"])
    assert (found.numeric, found.categorical, found.embedding) == (["v"], ["town"], ["e"])
    for name in ("id", "note", "const", "e"):
        assert name in notes(found)
    named = roles(table, label="y", features="v", text="town")
    assert (named.text, named.numeric, named.categorical) == (["town"], ["v"], [])
    assert found.embedding_matrix(table).shape == (n, 2)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "row_number"])
def test_an_index_that_was_written_with_the_table_is_no_feature(name, tmp_path):
    """With pandas' index as a feature no two rows would be equal, and a model would learn the order of the rows."""
    path = tmp_path / "t.csv"
    path.write_text(f"{name},x,y\n" + "".join(f"{900 - i},{i % 4}.5,{'ab'[i % 2]}\n" for i in range(40)))
    table = read_table(path)
    read = table.arrow.column_names[0]
    found = roles(table, label="y")
    assert found.numeric == ["x"]
    assert f"numbers the rows, not used as a feature (name it in --features to keep it): {read}" in notes(found)
    assert roles(table, label="y", features=f"{read},x").numeric == [read, "x"]


def test_a_column_named_like_an_index_that_is_none_stays():
    """Readings that repeat, or have fractions, are features whatever their name."""
    table = frame(index=[i / 7 for i in range(40)], row=[i % 8 for i in range(40)], column_1=range(40), y=[0, 1] * 20)
    assert roles(table, label="y").numeric == ["index", "row", "column_1"]


def test_a_quantity_is_no_class():
    """A label of measurements is refused with what to do; grades in half steps are classes."""
    with pytest.raises(InputError, match=r"'y' holds 200 different numbers with fractions: .* cut it into ranges"):
        roles(frame(y=[i / 7 for i in range(1, 401, 2)] * 2, x=list(range(400))), label="y")
    assert len(roles(frame(y=[i / 2 for i in range(20)] * 20, x=list(range(400))), label="y").classes) == 20


def test_probabilities():
    """Probabilities follow the classes by name, one column means the positive, and bad rows are named."""
    table = frame(y=["b", "a", "c"], p_c=[0.1, 0.2, 0.7], p_a=[0.3, 0.6, 0.2], p_b=[0.6, 0.2, 0.1])
    for found in (roles(table, label="y"), roles(table, label="y", proba="p_*")):
        np.testing.assert_allclose(found.proba_matrix(table)[0], [0.3, 0.6, 0.1])
    single = frame(y=[0, 1], s=pa.array([0.25, 0.5], pa.float32()))
    matrix = roles(single, label="y", proba="s").proba_matrix(single)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, [[0.75, 0.25], [0.5, 0.5]])
    for bad, says in [
        ([[0.5, 0.5], [0.9, 0.9]], "row 2 sum to 1.8"),
        ([[0.5, 0.5], [float("nan"), 1.0]], "nan in row 2"),
        ([[0.5, 0.5], [-1.0, 2.0]], "row 2 has the probability -1"),
        ([[0.5, 0.5], [1.0]], "1 numbers in row 2"),
        ([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], "3 probabilities a row for 2 classes"),
    ]:
        with pytest.raises(InputError, match=says):
            roles(frame(y=[0, 1], p=bad), label="y", proba="p")


def test_bad_parts():
    """Duplicated ids, odd trusted values, costs below zero and infinite embeddings are refused with their place."""
    cases = [
        ({"id": "k"}, {"k": ["a", "a"]}, "'a' occurs 2 times"),
        ({"id": "k"}, {"k": ["a", None]}, "missing in row 2"),
        ({"trusted": "k"}, {"k": ["yes", "no"]}, "give true or false"),
        ({"cost_fn": "k"}, {"k": [1.0, -2.0]}, "-2.0 in row 2"),
        ({"cost_fp": -1.0}, {"k": [1, 2]}, "at least 0"),
        ({"embedding": "k"}, {"k": [[1.0], [float("inf")]]}, "inf in row 2"),
        ({"kind": "qrels"}, {"k": [1, 2]}, "kind"),
    ]
    for named, columns, says in cases:
        with pytest.raises(InputError, match=says):
            roles(frame(y=[0, 1], **columns), label="y", **named)


ROW = st.tuples(st.sampled_from(["", "a", "1", "a:1", "1:a", None]), st.sampled_from(["", "1", ":", "a", None]))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=20), seed=st.integers(0, 99))
def test_row_keys(rows, seed):
    """Keys differ, equal rows share their hash, other rows do not, and reordering carries the set of keys along."""

    def keys(rows):
        a, b = zip(*rows, strict=True)
        return row_keys(frame(a=pa.array(a, pa.string()), b=pa.array(b, pa.string()), e=[[1.0, 2.0]] * len(rows)))

    found = keys(rows)
    assert len(set(found)) == len(rows)
    stems = [k.split("#")[0] for k in found]
    for i in range(len(rows)):
        for j in range(len(rows)):
            assert (stems[i] == stems[j]) == (rows[i] == rows[j])
    order = np.random.default_rng(seed).permutation(len(rows))
    assert set(keys([rows[i] for i in order])) == set(found)


def test_row_keys_by_id_and_sliced():
    """An id is its own key, a label left out does not move the key, and slices of a table hash like the whole."""
    table = frame(k=[7, 8, 9], y=[0, 1, 1], e=pa.array([[1.0], [2.0], None]), d=[{"a": 1}, {"a": 2}, None])
    assert row_keys(table, "k").tolist() == ["7", "8", "9"]
    other = frame(k=[7, 8, 9], y=[1, 1, 1], e=pa.array([[1.0], [2.0], None]), d=[{"a": 1}, {"a": 2}, None])
    assert (row_keys(table, exclude=["y"]) == row_keys(other, exclude=["y"])).all()
    assert row_keys(table)[1:].tolist() == row_keys(read_frame(table.arrow.slice(1))).tolist()


@pytest.mark.parametrize("id", [None, "k"])
def test_keys_of_some_rows_are_those_of_the_whole(id):  # noqa: A002
    """A command that reads batch by batch must call a row as the audit did, repeated rows included."""
    rng = np.random.default_rng(0)
    n = 5000
    table = pa.table(
        {
            "k": [f"k{i}" for i in range(n)],
            "x": rng.integers(0, 30, n),
            "v": pa.array(rng.integers(0, 2, (n, 2)).astype(float).tolist(), pa.list_(pa.float64())),
            "y": rng.integers(0, 2, n),
        }
    )
    table = table if id else table.drop_columns(["k"])
    whole = row_keys(read_frame(table), id, exclude=["y"])
    rows = np.sort(rng.choice(n, 700, replace=False))
    some = keys_of_rows(lambda: table.to_batches(max_chunksize=333), rows, id, exclude=["y"])
    assert some.tolist() == whole[rows].tolist()
    marked = table.append_column("trueneg_reason", pa.array(["because"] * n))
    assert row_keys(read_frame(marked), id, exclude=["y"]).tolist() == whole.tolist()


def test_what_a_repair_wrote_is_no_feature():
    """The reason for a suspicion gives the label away; an audit of a repaired table must not learn from it."""
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=60), "trueneg_weight": rng.random(60), "trueneg_action": ["flag", None] * 30}
    found = roles(frame(**columns, y=[0, 1] * 30), label="y")
    assert found.numeric == ["x"]
    assert found.categorical == []
    assert any("earlier repair" in note for note in found.notes)
