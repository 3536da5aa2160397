"""Tables from a pipe."""

from __future__ import annotations

import gzip
import io
import os
import threading

import pyarrow as pa
import pytest
from pyarrow import parquet

from trueneg.core.errors import InputError
from trueneg.data.readers import read_table
from trueneg.jobs.fit.piped import is_pipe, printed, spooled

_CSV = b"a,b\n1,x\n2,y\n"


def _parquet():
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (_CSV, "table.csv"),
        (gzip.compress(_CSV), "table.csv.gz"),
        (_CSV.replace(b",", b"\t"), "table.tsv"),
        (b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', "table.jsonl"),
        (_parquet(), "table.parquet"),
    ],
)
def test_the_format_is_told_by_the_first_bytes(data, name):
    """Protects pipes: what has no name is read as what it is, and nothing is left on disk."""
    with spooled(io.BytesIO(data)) as path:
        assert path.name == name
        assert read_table(path).arrow.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert not path.parent.exists()


def test_a_named_pipe_is_read_and_named_in_errors(tmp_path):
    """Protects ``<(zcat flows.gz)``: a pipe is known as one, and a message does not name a file that nobody has."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert is_pipe(pipe)
    assert not is_pipe(tmp_path)
    assert not is_pipe(tmp_path / "missing")
    writer = threading.Thread(target=pipe.write_bytes, args=(_CSV,))
    writer.start()
    with pytest.raises(InputError, match=r"^the pipe: there is no column 'c'"), spooled(pipe) as path:
        read_table(path, columns=["c"])
    writer.join()


def test_answers_go_out_whole_or_not_at_all():
    """Protects who reads them: what failed leaves no half of a table on standard output."""
    out = io.BytesIO()
    with printed(out) as path:
        path.write_bytes(_CSV)
    assert out.getvalue() == _CSV
    with pytest.raises(ZeroDivisionError), printed(out) as path:
        path.write_bytes(b"half" * (1 // 0))
    assert out.getvalue() == _CSV
