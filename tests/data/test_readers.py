"""The doors to files: whatever the bytes, a table or one line."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, read_frame, read_table
from trueneg.data.writers import atomic, write_table

FORMATS = ["csv", "tsv", "csv.gz", "tsv.zst", "jsonl", "jsonl.gz", "parquet", "arrow", "feather", "npz"]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL = pa.table({"a": [1, 2, 3], "b": [0.5, 1.25, -3.0], "t": ["x, y", 'q"u', "é\nz"]})


def refused(path):
    """Return the message of the refusal, which is one line and names the file."""
    with pytest.raises(InputError) as caught:
        read_table(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "parquet", "arrow", "npz"])
@FUZZ
@given(data=st.binary(max_size=300))
def test_any_bytes(tmp_path, suffix, data):
    """Arbitrary bytes under any name give a table or an InputError of one line."""
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(data)
    try:
        assert isinstance(read_table(path), Table)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either way out is right


@pytest.mark.parametrize("suffix", FORMATS)
@FUZZ
@given(where=st.floats(0, 1), value=st.integers(0, 255), cut=st.floats(0.05, 1))
def test_damaged_files(tmp_path, suffix, where, value, cut):
    """A true file with one byte changed and its end cut off gives a table or an InputError."""
    path = tmp_path / f"x.{suffix}"
    write_table(SMALL, path)
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] = value
    path.write_bytes(bytes(data[: max(1, int(cut * len(data)))]))
    with contextlib.suppress(InputError):
        read_table(path).arrow.to_pydict()


@FUZZ
@given(text=st.text(alphabet='ab,"\n\t1 é{}[]:', max_size=80), suffix=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_almost_tables(tmp_path, text, suffix):
    """Text that nearly is a table gives a table or an InputError."""
    path = tmp_path / f"x.{suffix}"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(InputError):
        read_table(path)


@pytest.mark.parametrize("suffix", FORMATS)
@FUZZ
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**40), 2**40),
            st.floats(-1e12, 1e12),
            # One letter in front, since "1" in a text column of a CSV is a number to every CSV reader.
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map(lambda s: "t" + s),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_round_trip(tmp_path, suffix, rows):
    """What is written comes back, in every format."""
    a, b, t = zip(*rows, strict=True)
    table = pa.table({"file": a, "b": [float(v) for v in b], "t": t})
    path = tmp_path / f"x.{suffix}"
    write_table(table, path)
    back = read_table(path).arrow
    assert back.column_names == table.column_names
    assert back["file"].to_pylist() == list(a)
    assert back["t"].to_pylist() == list(t)
    np.testing.assert_allclose(np.asarray(back["b"], dtype=float), np.asarray(b), rtol=1e-15)


def test_missing_file_did_you_mean(tmp_path):
    """A mistyped name is answered with the sibling that was meant."""
    (tmp_path / "train.csv").write_text("a\n1\n")
    assert "did you mean" in refused(tmp_path / "trian.csv")


def test_binary_rubbish_is_not_read(tmp_path):
    """A large binary file called .csv is refused by its head, not by reading it."""
    path = tmp_path / "big.csv"
    with path.open("wb") as handle:
        handle.write(np.random.default_rng(0).bytes(1 << 17))
        handle.truncate(500_000_000)
    assert "not text" in refused(path)


def test_half_a_parquet(tmp_path):
    """A Parquet that was cut is called cut off."""
    path = tmp_path / "x.parquet"
    write_table(SMALL, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in refused(path)


def test_half_a_gzip(tmp_path):
    """A cut .csv.gz is refused and not read as a shorter table."""
    path = tmp_path / "x.csv.gz"
    body = "a,b\n" + "".join(f"{i},{i * 7919 % 1000003}\n" for i in range(50_000))
    data = gzip.compress(body.encode())
    path.write_bytes(data[: len(data) // 2])
    refused(path)


@pytest.mark.parametrize("quoted", [False, True])
def test_ragged_line_number(tmp_path, quoted):
    """A line with a field too many is named by its line in the file, newlines in quotes counted."""
    path = tmp_path / "x.csv"
    first = '"1\n1",2' if quoted else "1,2"
    path.write_text(f"a,b\n{first}\n\n1,2,3\n")
    assert f"line {5 if quoted else 4}:" in refused(path)


def test_broken_jsonl_line_number(tmp_path):
    """A broken line of JSONL is named."""
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": \n')
    assert "line 3:" in refused(path)


def test_quoted_newlines_across_blocks(tmp_path):
    """A newline within quotes far behind the head does not tear its row."""
    path = tmp_path / "x.csv"
    plain, torn = "a,b\n" + "1,x\n" * 50_000, '2,"u\nv"\n' * 400_000
    path.write_text(plain + torn)
    arrow = read_table(path).arrow
    assert arrow.num_rows == 450_000
    assert set(arrow["b"].to_pylist()) == {"x", "u\nv"}


def test_encodings(tmp_path):
    """UTF-8 with a mark, UTF-16 and Latin-1 (also behind the head) are read, the last two told; CP1252 is refused."""
    path = tmp_path / "x.csv"
    for data, told in [
        (codecs.BOM_UTF8 + "né,b\né,1\n".encode(), ""),
        ("né,b\né,1\n".encode("utf-16"), "UTF-16"),
        ("né,b\né,1\n".encode("latin-1"), "LATIN-1"),
    ]:
        path.write_bytes(data)
        table = read_table(path)
        assert table.arrow.to_pydict() == {"né": ["é"], "b": [1]}
        assert told in " ".join(table.notes)
    path.write_bytes(b"n,b\n" + b"x,1\n" * 40_000 + b"\xe9,2\n")
    assert read_table(path).arrow["n"][-1].as_py() == "é"
    path.write_bytes(b"n,b\n\x93q\x94,1\n")
    assert "iconv" in refused(path)


def test_empty_and_duplicates(tmp_path):
    """Empty files, blank files and names that occur twice are refused; a nameless column gets a name and a note."""
    for name, body, says in [
        ("a.csv", "", "empty"),
        ("a.jsonl", "\n \n", "blanks"),
        ("a.tsv", "u\tu\n1\t2\n", "occurs 2 times"),
        ("b.jsonl", '{"u": 1, "u": 2}\n', "twice"),
    ]:
        (tmp_path / name).write_text(body)
        assert says in refused(tmp_path / name)
    (tmp_path / "c.csv").write_text(",a\n0,1\n")
    table = read_table(tmp_path / "c.csv")
    assert table.arrow.column_names == ["column_1", "a"]
    assert table.notes


def test_escapes_in_messages(tmp_path):
    """Terminal escapes in a column name do not reach the message."""
    path = tmp_path / "x.csv"
    path.write_text("\x1b[31mred,\x1b[31mred\n1,2\n")
    assert "\x1b" not in refused(path)


def test_columns(tmp_path):
    """Columns are selected in the order asked, an unknown one is answered with the nearest."""
    path = write_table(SMALL, tmp_path / "x.parquet")
    assert read_table(path, columns=["t", "a"]).arrow.column_names == ["t", "a"]
    (tmp_path / "y.csv").write_text("label,x\n1,2\n")
    with pytest.raises(InputError, match="did you mean 'label'"):
        read_table(tmp_path / "y.csv", columns=["lable"])


def test_frames():
    """pandas, polars (lazy too), Arrow and dicts of arrays give the same columns, and keep the caller's frame."""
    import pandas as pd
    import polars as pl

    data = {"a": [1, 2], "t": ["x", "y"]}
    for frame in [
        pd.DataFrame(data, index=["p", "q"]),
        pl.DataFrame(data),
        pl.LazyFrame(data),
        pa.table(data),
        {k: np.asarray(v) for k, v in data.items()},
    ]:
        table = read_frame(frame)
        assert table.arrow.to_pydict() == data
        assert table.native is frame
    with pytest.raises(InputError, match="occurs 2 times"):
        read_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match="cannot be read"):
        read_frame(pd.DataFrame({"a": [1, "x", b"y"]}))
    with pytest.raises(InputError, match="cannot be read"):
        read_frame(3)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("x")])
def test_atomic(tmp_path, failure):
    """After any failure the old file stands and no other is left; a full disk is told as such."""
    path = tmp_path / "x.csv"
    path.write_text("old")
    expected = InputError if isinstance(failure, OSError) else type(failure)

    def write():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(expected, match="disk is full" if expected is InputError else None):
        write()
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    assert path.read_text() == "old"


def test_writers_refuse(tmp_path):
    """A list in a CSV, and nulls in an NPZ, are refused before anything is written."""
    for table, name in [(pa.table({"e": [[1.0]]}), "x.csv"), (pa.table({"e": [None, 1]}), "x.npz")]:
        with pytest.raises(InputError, match="write Parquet"):
            write_table(table, tmp_path / name)
    with pytest.raises(InputError, match="folder does not exist"):
        write_table(SMALL, tmp_path / "no" / "x.csv")
    assert not list(tmp_path.iterdir())


def test_pyarrow_is_lazy():
    """Importing the doors imports no pyarrow, so that a refusal of arguments stays quick."""
    code = (
        "import sys, trueneg.data.readers, trueneg.data.sniff, trueneg.data.writers, trueneg.data.registry; "
        "sys.exit('pyarrow' in sys.modules or 'narwhals' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
