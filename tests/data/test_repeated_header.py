"""Exports put one behind the other: lines that repeat the header are left out, and no others."""

from __future__ import annotations

import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.data._readers import repeated
from trueneg.data.readers import read_table
from trueneg.data.streams import open_stream

HEADER = "bytes,kind,note"
ROWS = ["1,tcp,a", '2,udp,"x, y"', '3,tcp,"two\nlines"', "4,bytes,note"]


def _file(path, lines, newline="\n", mark=b""):
    data = newline.join(lines).encode() + newline.encode()
    data = data.replace(HEADER.encode(), mark + HEADER.encode())
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_files_put_together_read_as_their_rows(tmp_path, newline, mark, name):
    """Protects number columns: of files put together with their headers every row keeps its type, and it is told."""
    plain = read_table(_file(tmp_path / f"plain-{name}", [HEADER, *ROWS, *ROWS, *ROWS], newline)).arrow
    path = _file(tmp_path / name, [HEADER, *ROWS, HEADER, HEADER, *ROWS, HEADER, *ROWS, HEADER], newline, mark)
    table = read_table(path)
    assert table.arrow.equals(plain)
    assert table.notes == ["4 lines that repeat the header, left out"]
    assert table.arrow.schema.field("bytes").type == pa.int64()


@pytest.mark.parametrize("whole", [0, 1 << 26])
def test_a_stream_leaves_the_same_lines_out(tmp_path, monkeypatch, whole):
    """Protects row numbers: what predict and repair stream has the rows, types and count of a whole read."""
    path = _file(tmp_path / "t.csv", [HEADER, *(ROWS + [HEADER]) * 50])
    monkeypatch.setattr("trueneg.data._streams.read.WHOLE_BYTES", whole)
    monkeypatch.setattr("trueneg.data._streams.read.BLOCK_BYTES", 1 << 8)
    monkeypatch.setattr(repeated, "BLOCK_BYTES", 97)
    stream = open_stream(path)
    found = pa.Table.from_batches(list(stream.batches()))
    assert found.equals(read_table(path).arrow)
    assert stream.repeats == 50


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.sampled_from([HEADER, *ROWS, f'5,x,"one\n{HEADER}\nthree"', HEADER + "s", "x" + HEADER, ""])),
    block=st.integers(1, 40),
    size=st.integers(1, 30),
    end=st.booleans(),
)
def test_left_out_are_records_that_equal_the_header(lines, block, size, end):
    """Protects against silent loss, by the csv module: a quoted text with the header stays, however blocks fall."""
    text = "\n".join([HEADER, *lines]) + ("\n" if end else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated, "BLOCK_BYTES", block)
        once = repeated.OneHeader(io.BytesIO(text.encode()), ",")
        kept = b"".join(iter(lambda: once.read(size), b"")).decode()
    records = list(csv.reader(io.StringIO(text, newline="")))
    first = records[0]
    assert list(csv.reader(io.StringIO(kept, newline=""))) == [first, *(r for r in records[1:] if r != first)]
    assert once.repeats == sum(r == first for r in records[1:])


@pytest.mark.parametrize("lines", [["word", "a", "word", "b"], ["1,2", "3,4", "1,2"], [",", "a,b", ","]])
def test_a_row_that_may_be_one_stays(tmp_path, lines):
    """Protects against silent loss: one column, or a header of numbers or of nothing, tells no repeat from a row."""
    path = _file(tmp_path / "t.csv", lines)
    assert len(read_table(path)) == len(lines) - 1
    assert sum(b.num_rows for b in open_stream(path).batches()) == len(lines) - 1
