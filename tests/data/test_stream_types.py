"""The types of a large delimited file, told block by block, are those of a whole read."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pytest

from trueneg.core.errors import InputError
from trueneg.data._streams.types import types_of
from trueneg.data.readers import read_table
from trueneg.data.streams import open_stream

_CELLS = {
    "whole": lambda i, late: str(i),
    "late fraction": lambda i, late: "1.5" if late else str(i),
    "late text": lambda i, late: "oops" if late else str(i),
    "late infinity": lambda i, late: "Infinity" if late else "2.5",
    "late value": lambda i, late: "7" if late else "",
    "nothing": lambda i, late: "",
    "truth": lambda i, late: "true" if i % 2 else "false",
    "truth and numbers": lambda i, late: "true" if late else str(i % 2),
    "day": lambda i, late: f"2017-07-{1 + i % 28:02d}",
    "day then time": lambda i, late: "2017-07-01 08:00:00" if late else "2017-07-01",
    "quoted": lambda i, late: f'"a, {i}\nb ""c"" NA"',
    "missing": lambda i, late: "NA" if i % 3 else str(i),
    " blanks ": lambda i, late: f" {i} ",
    "": lambda i, late: "x",
}


def _write(path, n=4000):
    lines = [",".join(_CELLS)]
    lines += [",".join(cell(i, i > n - 5) for cell in _CELLS.values()) for i in range(n)]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_types_told_in_blocks_are_those_of_the_whole(name, tmp_path, monkeypatch):
    """Protects bounded memory: a column whose last rows change its type gets the type that a whole read gives it."""
    _write(tmp_path / name)
    whole = read_table(tmp_path / name).arrow
    monkeypatch.setattr("trueneg.data._streams.types.BLOCK_BYTES", 1 << 15)
    monkeypatch.setattr("trueneg.data._streams.read.WHOLE_BYTES", 0)
    mixed = ("truth and numbers", "day then time")
    schema, _ = types_of(tmp_path / name, "csv", None if name == "t.csv" else "gzip", None)
    assert schema is None  # those two are told by the whole alone
    assert open_stream(tmp_path / name).schema.equals(whole.schema)
    for column in mixed:
        monkeypatch.delitem(_CELLS, column)
    _write(tmp_path / name)
    expected = read_table(tmp_path / name).arrow
    monkeypatch.setattr("trueneg.data._streams.read.read_table", None)  # the whole is not read
    stream = open_stream(tmp_path / name)
    assert stream.schema.equals(expected.schema)
    found = pa.Table.from_batches([stream.tidy(b) for b in stream.batches()])
    assert found.num_rows == expected.num_rows
    for column in ("late fraction", "late infinity", "late value"):
        a, b = (t.column(column).to_numpy() for t in (found, expected))
        np.testing.assert_array_equal(a.astype(float), b.astype(float))


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,b\n1,2\n1,2,3\n", "line 3"), ("a,a\n1,2\n", "occurs 2 times"), ("a,b\n1,\x00\x01\n", "not text")],
)
def test_a_large_file_that_cannot_be_read_is_told_as_ever(text, said, tmp_path, monkeypatch):
    """Protects the message: what is wrong with a file is said by the line, large or not."""
    (tmp_path / "t.csv").write_text(text)
    monkeypatch.setattr("trueneg.data._streams.read.WHOLE_BYTES", 0)
    with pytest.raises(InputError, match=said):
        open_stream(tmp_path / "t.csv")
    with pytest.raises(InputError, match="no such file"):
        open_stream(tmp_path / "none.csv")


def test_a_column_without_a_name_takes_none_that_is_there(tmp_path):
    """Whole and in batches alike: a second column_1 would be refused, or be read for the first."""
    (tmp_path / "t.csv").write_text(",column_1\n1,2\n")
    whole = read_table(tmp_path / "t.csv")
    assert whole.arrow.column_names == ["column_1_", "column_1"]
    assert any("column 1 has no name and is called 'column_1_'" in note for note in whole.notes)
    schema, _ = types_of(tmp_path / "t.csv", "csv", None, None)
    assert schema.names == whole.arrow.column_names
