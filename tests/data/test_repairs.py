"""Repairs on files and frames: what is not named stays as it was, and nothing is lost unseen."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from trueneg.core.errors import InputError
from trueneg.data.content import ContentHash, content_hash
from trueneg.data.readers import format_of, read_table
from trueneg.data.repairs import EXTRA, NewValues, Repairs, members, repair_file, repair_frame
from trueneg.data.streams import open_stream
from trueneg.data.writers import write_table

FILES = ["csv", "tsv", "csv.gz", "tsv.zst", "jsonl", "jsonl.zst", "parquet", "arrow", "feather", "npz"]
FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from('",\t\n\r;'), max_size=12
)
N_MAX = 12


def _rows(draw_text=TEXT):
    return st.lists(
        st.tuples(
            st.integers(-(2**40), 2**40),
            st.floats(-1e12, 1e12),
            # One letter in front, since "1" in a text column of a CSV is a number to every CSV reader.
            draw_text.map(lambda t: "t" + t.replace("\r", "")),
            st.sampled_from(["yes", "no"]),
        ),
        min_size=1,
        max_size=N_MAX,
    )


def _table(rows):
    columns = list(zip(*rows, strict=True))
    kinds = [pa.int64(), pa.float64(), pa.string(), pa.string()]
    named = zip(("a", "b", "t", "y"), columns, kinds, strict=True)
    return pa.table({name: pa.array(values, kind) for name, values, kind in named})


def _repairs(n, removed, changed, *, null=None, value="no"):
    """Remove some rows, give others a new label, say something about the changed ones."""
    removed = np.asarray(sorted(r for r in removed if r < n), np.int64)
    rows = np.asarray(sorted(r for r in changed if r < n and r not in removed), np.int64)
    said = {
        "trueneg_action": ["reannotate"] * len(rows),
        "trueneg_reason": [f'because "{r}", it is' for r in rows],
        "trueneg_finding": ["TN201"] * len(rows),
    }
    change = NewValues(rows, np.zeros(len(rows), np.int64), [value])
    return Repairs(n, removed, rows, said, changes={"y": change}, null=null)


def _applied(path, target, repairs):
    kind, compression = format_of(target)
    return repair_file(repairs, open_stream(path), target, target, kind, compression)


def _expected(table, repairs):
    labels = table["y"].to_pylist()
    for row in repairs.rows.tolist():
        labels[row] = "no"
    keep = np.setdiff1d(np.arange(len(table)), repairs.removed)
    return table.set_column(3, "y", pa.array(labels, table["y"].type)).take(pa.array(keep)), keep


@pytest.mark.parametrize("suffix", FILES)
@FUZZ
@given(rows=_rows(), removed=st.sets(st.integers(0, N_MAX)), changed=st.sets(st.integers(0, N_MAX)))
def test_what_is_not_named_stays_in_value_type_and_order(tmp_path, suffix, rows, removed, changed):
    """The promise of a repair in every format: other rows equal the input, in their order, with their types."""
    path, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_table(_table(rows), path)
    table = read_table(path).arrow
    null = "" if suffix == "npz" else None
    value = json.dumps("no") if suffix.startswith("jsonl") else "no"
    repairs = _repairs(len(table), removed, changed, null=null, value=value)
    if len(repairs.removed) == len(table):
        return
    assert _applied(path, target, repairs) == len(table)
    out = read_table(target).arrow
    wanted, keep = _expected(table, repairs)
    for name in ("a", "b", "t", "y"):
        if suffix in ("parquet", "arrow", "feather", "npz"):
            assert out[name].type == table[name].type
        assert out[name].to_pylist() == wanted[name].to_pylist(), name
    assert out["trueneg_source"].to_pylist() == keep.tolist()
    said = dict(zip(repairs.rows.tolist(), repairs.texts["trueneg_reason"], strict=True))
    if suffix in ("parquet", "arrow", "feather"):
        assert out["trueneg_reason"].to_pylist() == [said.get(row) for row in keep.tolist()]
    else:
        assert [v or None for v in out["trueneg_reason"].to_pylist()] == [said.get(row) for row in keep.tolist()]


@FUZZ
@given(
    fields=st.lists(st.tuples(*[st.text('ab01. ,"\n-é', max_size=5)] * 3), min_size=1, max_size=N_MAX),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]),
)
def test_a_csv_keeps_every_field_as_it_is_spelt(tmp_path, fields, quoting, newline, encoding):
    """A postcode of 007, an empty text and 1.50 must come out as they went in, not as a parser understood them."""
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    if encoding == "latin-1":
        fields = [("é", "", ""), *fields]
    text = io.StringIO()
    out = csv.writer(text, quoting=quoting, lineterminator=newline)
    out.writerow(["x", "z", "y"])
    out.writerows(fields)
    path.write_bytes(text.getvalue().encode(encoding))
    n = len(fields)
    if n == 1:
        return
    repairs = _repairs(n, {0}, {1})
    stream = open_stream(path)
    assert repair_file(repairs, stream, target, target, "csv", None) == n
    after = list(csv.reader(io.StringIO(target.read_bytes().decode(encoding), newline="")))
    assert after[0][:3] == ["x", "z", "y"]
    wanted = [list(f) for f in fields]
    wanted[1][2] = "no"
    assert [row[:3] for row in after[1:]] == wanted[1:]
    bare = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    assert target.read_bytes().endswith(f"{n - 1}{newline}".encode(bare))


def test_a_line_of_json_is_copied_byte_for_byte(tmp_path):
    """Numbers, escapes and spaces of a JSONL file stay; only the label's value is exchanged."""
    lines = [
        r'{"a": 1.50, "y" : "yes","t":"\u00e9, \"y\": {"}',
        "{}",
        '   {"y":  "yes" , "n": {"y": "yes"}, "a":1e2}  ',
        "",
        r'{"t": "\"trueneg_action\":", "y": null}',
    ]
    path, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    repairs = _repairs(4, set(), {1, 2}, value='"no"')
    assert _applied(path, target, repairs) == 4
    got = target.read_text(encoding="utf-8").splitlines()
    nothing = ',"trueneg_action":null,"trueneg_reason":null,"trueneg_finding":null,"trueneg_source":'
    assert got[0] == lines[0][:-1] + nothing + "0}"
    assert got[1].startswith('{"y":"no","trueneg_action":"reannotate","trueneg_reason":"because \\"1\\", it is"')
    assert got[2].startswith('{"y":  "no" , "n": {"y": "yes"}, "a":1e2,"trueneg_action":"reannotate"')
    assert got[3] == lines[4][:-1] + nothing + "3}"
    for line in got:
        json.loads(line)


@given(value=st.recursive(st.none() | st.text(max_size=3) | st.floats(allow_nan=False) | st.integers(), st.lists))
@settings(max_examples=50, deadline=None)
def test_members_are_found_at_the_top_level(value):
    """The scanner of a JSON object agrees with the parser, whatever the spacing."""
    whole = {"a": value, 'b"': [value, {"a": 1}], "": {}}
    for text in (json.dumps(whole), json.dumps(whole, indent=2), json.dumps(whole, separators=(",", ":"))):
        assert {key: json.loads(text[a:b]) for key, _, (a, b) in members(text)} == whole


@pytest.mark.parametrize("suffix", FILES)
def test_a_repair_of_a_repaired_file_replaces_the_extra_columns(tmp_path, suffix):
    """Columns never nest: the second repair's stand in the place of the first's."""
    path, once, twice = (tmp_path / f"{name}.{suffix}" for name in ("in", "once", "twice"))
    write_table(_table([(1, 0.5, "tx", "yes")] * 6), path)
    null = "" if suffix == "npz" else None
    value = '"no"' if suffix.startswith("jsonl") else "no"
    _applied(path, once, _repairs(6, {0}, {2}, null=null, value=value))
    _applied(once, twice, _repairs(5, {1}, {3}, null=null, value=value))
    out = read_table(twice).arrow
    assert out.column_names == ["a", "b", "t", "y", *EXTRA[:3], "trueneg_source"]
    assert out["trueneg_source"].to_pylist() == [0, 2, 3, 4]
    assert out["y"].to_pylist() == ["yes", "yes", "no", "yes"]
    assert [v or None for v in out["trueneg_action"].to_pylist()] == [None, None, "reannotate", None]


@pytest.fixture(scope="module")
def long():
    """Return a table of several batches in every format."""
    rng = np.random.default_rng(0)
    n = 150_000
    texts = [f"word {i}, and\nmore" if i % 1000 == 0 else f"w{i}" for i in range(n)]
    labels = np.where(rng.random(n) < 0.1, "yes", "no").tolist()
    return pa.table({"a": rng.integers(0, 9, n), "b": rng.normal(size=n), "t": texts, "y": labels})


@pytest.mark.parametrize("suffix", FILES)
def test_a_stream_is_the_whole_read_in_pieces(long, tmp_path, suffix):
    """Hash, names and types are those of the whole read: by them a changed file is told from the audited one."""
    path = tmp_path / f"x.{suffix}"
    write_table(long, path)
    whole = read_table(path).arrow
    stream = open_stream(path, whole.schema)
    content, batches = ContentHash(whole.schema), 0
    for batch in stream.batches():
        content.update(stream.tidy(batch))
        batches += 1
    assert content.hexdigest() == content_hash(whole)
    assert batches > 1
    assert stream.values_at("t", [1, 99_999, 149_000]) == ["w1", "w99999", "word 149000, and\nmore"]


def test_parquet_keeps_schema_metadata_categories_and_groups(tmp_path):
    """What other programs left in a Parquet file, such as pandas' index, is still there after a repair."""
    frame = pd.DataFrame(
        {
            "y": pd.Categorical(["yes", "no", "yes", "no"]),
            "when": pd.to_datetime(["2020-01-01"] * 4),
            "v": [[1.0, 2.0]] * 4,
            "k": pd.array([1, None, 3, 4], dtype="Int64"),
        },
        index=pd.Index(["p", "q", "r", "s"], name="key"),
    )
    path, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.to_parquet(path, compression="gzip")
    _applied(path, target, _repairs(4, {1}, {2}))
    back = pd.read_parquet(target)
    assert back.index.tolist() == ["p", "r", "s"]
    assert back.index.name == "key"
    assert back["y"].tolist() == ["yes", "no", "no"]
    assert {name: str(back[name].dtype) for name in frame} == {name: str(frame[name].dtype) for name in frame}
    assert parquet.ParquetFile(target).metadata.row_group(0).column(0).compression == "GZIP"


def test_the_format_goes_by_the_name_of_the_new_file(tmp_path):
    """A CSV may be repaired into Parquet and the other way round: types as the audit read them."""
    rows = [(i, i / 4, f"t{i}", "yes") for i in range(5)]
    write_table(_table(rows), tmp_path / "in.csv")
    repairs = _repairs(5, {1}, {2})
    _applied(tmp_path / "in.csv", tmp_path / "out.parquet", repairs)
    out = read_table(tmp_path / "out.parquet").arrow
    assert out.select(["a", "b", "t", "y"]).equals(_expected(_table(rows), repairs)[0])
    _applied(tmp_path / "out.parquet", tmp_path / "back.csv.gz", _repairs(4, set(), set()))
    back = read_table(tmp_path / "back.csv.gz").arrow
    assert back.select(["a", "b", "t", "y"]).equals(out.select(["a", "b", "t", "y"]))
    assert back["b"].type == pa.float64()


def test_two_runs_write_the_same_bytes(tmp_path):
    """A repair can be compared by its checksum: no time and no chance is in the file."""
    for suffix in FILES:
        write_table(_table([(i, i / 4, f"t{i}", "yes") for i in range(50)]), tmp_path / f"in.{suffix}")
        value = '"no"' if suffix.startswith("jsonl") else "no"
        repairs = _repairs(50, {1}, {2}, null="" if suffix == "npz" else None, value=value)
        for name in ("one", "two"):
            _applied(tmp_path / f"in.{suffix}", tmp_path / f"{name}.{suffix}", repairs)
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes(), suffix


def test_a_value_that_the_type_cannot_hold_is_refused(tmp_path):
    """A label of text in a column of whole numbers must not turn the column into text."""
    path = write_table(pa.table({"y": [1, 0, 1]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"'y' holds int64, which cannot hold .*'no'"):
        _applied(path, tmp_path / "out.parquet", _repairs(3, set(), {1}))
    for frame in (pd.DataFrame({"y": [1, 0, 1]}), pl.DataFrame({"y": [1, 0, 1]}), pa.table({"y": [1, 0, 1]})):
        with pytest.raises(InputError, match="cannot hold the proposed value 'no'"):
            repair_frame(_repairs(3, set(), {1}), frame)


FRAMES = {
    "pandas": lambda t: t.to_pandas(),
    "pandas nullable": lambda t: t.to_pandas().convert_dtypes(),
    "pandas category": lambda t: t.to_pandas().astype({"y": "category"}),
    "polars": pl.from_arrow,
    "polars category": lambda t: pl.from_arrow(t).with_columns(pl.col("y").cast(pl.Categorical)),
    "arrow": lambda t: t,
    "arrow category": lambda t: t.set_column(3, "y", t["y"].dictionary_encode()),
}


@pytest.mark.parametrize("kind", FRAMES)
@FUZZ
@given(rows=_rows(), removed=st.sets(st.integers(0, N_MAX)), changed=st.sets(st.integers(0, N_MAX)))
def test_a_frame_keeps_its_kind_types_and_index(kind, rows, removed, changed):
    """A frame that comes back must fit wherever the first one did."""
    table = _table([(0, 0.0, "t", "no"), (1, 1.0, "t", "yes"), *rows])
    frame = FRAMES[kind](table)
    if kind.startswith("pandas"):
        frame.index = pd.Index([f"k{i // 2}" for i in range(len(frame))], name="key")
    before = frame.copy() if kind.startswith("pandas") else frame
    repairs = _repairs(len(table), removed, changed)
    out = repair_frame(repairs, frame)
    wanted, keep = _expected(table, repairs)
    assert type(out) is type(frame)
    for name in ("a", "b", "t", "y"):
        values = out[name].to_pylist() if kind.startswith("arrow") else out[name].to_list()
        assert values == wanted[name].to_pylist()
        attribute = "type" if kind.startswith("arrow") else "dtype"
        assert getattr(out[name], attribute) == getattr(frame[name], attribute)
    source = out["trueneg_source"].to_pylist() if kind.startswith("arrow") else out["trueneg_source"].to_list()
    assert source == keep.tolist()
    if kind.startswith("pandas"):
        assert out.index.tolist() == [f"k{i // 2}" for i in keep.tolist()]
        pd.testing.assert_frame_equal(frame, before)


def test_a_lazy_frame_stays_lazy_and_a_dict_becomes_arrow():
    """Kinds that cannot carry an extra column of their own get the nearest kind that can."""
    lazy = pl.LazyFrame({"y": ["yes", "no", "yes"]})
    out = repair_frame(_repairs(3, {1}, {2}), lazy)
    assert isinstance(out, pl.LazyFrame)
    assert out.collect()["y"].to_list() == ["yes", "no"]
    out = repair_frame(_repairs(3, {1}, {2}), {"y": ["yes", "no", "yes"]})
    assert out["y"].to_pylist() == ["yes", "no"]


def test_weights_stand_beside_the_rows(tmp_path):
    """A weight is 1 where nothing was said, and survives a CSV as a number."""
    path = write_table(pa.table({"y": ["yes", "no", "yes"]}), tmp_path / "in.csv")
    said = {"trueneg_action": ["downweight"]}
    repairs = Repairs(3, np.empty(0, np.int64), np.array([1]), said, np.array([0.25]))
    _applied(path, tmp_path / "out.csv", repairs)
    assert read_table(tmp_path / "out.csv").arrow["trueneg_weight"].to_pylist() == [1.0, 0.25, 1.0]
    assert repair_frame(repairs, pd.DataFrame({"y": ["yes", "no", "yes"]}))["trueneg_weight"].tolist() == [1, 0.25, 1]


def test_compressed_text_is_written_compressed(tmp_path):
    """The name says how: what a gzip reader opens must be a gzip file."""
    path = write_table(pa.table({"y": ["yes", "no"]}), tmp_path / "in.csv.gz")
    _applied(path, tmp_path / "out.csv.gz", _repairs(2, set(), {0}))
    with gzip.open(tmp_path / "out.csv.gz", "rt") as file:
        assert file.readline().startswith("y,trueneg_action")


def test_dates_and_lists_pass_through_arrow(tmp_path):
    """Columns of any type are carried, not only those that a label may have."""
    table = pa.table(
        {
            "d": [datetime.date(2020, 1, 1), None],
            "l": [[1, 2], None],
            "s": [{"a": 1}, None],
            "v": pa.array(["x", None], pa.string_view()),
            "y": ["yes", "no"],
        }
    )
    for suffix, new in (("arrow", pa.ipc.new_file), ("arrows.arrow", pa.ipc.new_stream)):
        path, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        with pa.OSFile(str(path), "wb") as out, new(out, table.schema) as writer:
            writer.write_table(table)
        _applied(path, target, _repairs(2, set(), {0}))
        with pa.OSFile(str(target)) as source:
            opened = pa.ipc.open_file if new is pa.ipc.new_file else pa.ipc.open_stream
            back = opened(source).read_all()
        assert back.schema.types[:5] == table.schema.types
        assert back.drop_columns(["y"]).to_pylist()[1]["l"] is None
        assert back["s"].to_pylist() == table["s"].to_pylist()
