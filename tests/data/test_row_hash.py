"""The hash of a row: the same for the same values however they are stored, another for any other row."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.data._sniff import row_hash
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import row_keys

DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12, 30, 1)


def hashes(array):
    """Return both numbers of every row of a table of one column."""
    first, second = row_hash.row_hashes(pa.RecordBatch.from_arrays([array], ["x"]))
    return list(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1, -7, None], pa.int8()), pa.array([1, -7, None], pa.int64())),
        (pa.array([1, 0, None], pa.int32()), pa.array([1.0, -0.0, float("nan")], pa.float64())),
        (pa.array([0.5, 3.25, None], pa.float16()), pa.array([0.5, 3.25, None], pa.float64())),
        (pa.array([True, False, None]), pa.array([1, 0, None], pa.uint64())),
        (pa.array(["a", "", None]), pa.array(["a", "", None], pa.large_string()).dictionary_encode()),
        (pa.array([DAY, None], pa.date32()), pa.array([DAY, None], pa.date32()).cast(pa.timestamp("us"))),
        (pa.array([NOON, None], pa.timestamp("s")), pa.array([NOON, None], pa.timestamp("ns"))),
        (pa.array([[1.0, 2.0], None, []]), pa.array([[1.0, 2.0], None, []], pa.large_list(pa.float32()))),
    ],
    ids=str,
)
def test_storage_does_not_matter(one, other):
    """A width, a unit or a dictionary is no part of a value: the row keeps its key from one format to the next."""
    assert hashes(one) == hashes(other)
    assert len(set(hashes(one))) == len(one)


def test_numbers_beyond_floats_differ():
    """Whole numbers that round to the same float64 are still told apart, signed, unsigned and from each other."""
    big = [2**53, 2**53 + 1, 2**53 + 2, 2**62, 2**62 + 1]
    found = hashes(pa.array(big + [-v for v in big]))
    assert len(set(found)) == len(found)
    assert hashes(pa.array(big, pa.uint64())) == found[:5]


VALUE = st.one_of(st.none(), st.integers(-3, 3), st.floats(allow_nan=False, width=32))
ROW = st.tuples(VALUE, VALUE, st.sampled_from([None, "", "a", "b"]))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30), chunk=st.integers(1, 7), cut=st.integers(1, 29))
def test_rows_alike_and_only_they(rows, chunk, cut):
    """Two rows share their hash exactly when they are equal, whatever the batches and the pieces of work."""
    x, y, s = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"x": pa.array(x, pa.float64()), "y": pa.array(y, pa.float64()), "s": pa.array(s, pa.string())})
    with pytest.MonkeyPatch.context() as patch:
        whole = row_keys(read_frame(table))
        patch.setattr(row_hash, "CHUNK", chunk)
        parts = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
        assert row_keys(read_frame(parts)).tolist() == whole.tolist()
    stems = [key.split("#")[0] for key in whole]
    assert len(set(whole)) == len(rows)
    for i in range(len(rows)):
        for j in range(i):
            assert (stems[i] == stems[j]) == (rows[i] == rows[j])


def test_formats_agree(tmp_path):
    """The same table as CSV, Parquet and a frame has the same keys."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "number": rng.normal(size=300),
            "count": pa.array([None if i % 7 == 0 else i % 5 for i in range(300)], pa.int64()),
            "text": [f"text {i % 11}" for i in range(300)],
            "day": pa.array([DAY] * 300),
        }
    )
    pa.csv.write_csv(table, tmp_path / "table.csv")
    pa.parquet.write_table(table, tmp_path / "table.parquet")
    want = row_keys(read_frame(table)).tolist()
    assert row_keys(read_table(tmp_path / "table.parquet")).tolist() == want
    assert row_keys(read_table(tmp_path / "table.csv")).tolist() == want


def test_lookalikes_do_not_collide():
    """Small whole numbers in every arrangement, where a weak mix would fold rows together, stay apart."""
    side = np.arange(60)
    grid = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    first, second = row_hash.row_hashes(pa.RecordBatch.from_arrays([pa.array(c) for c in grid.T], ["a", "b", "c"]))
    assert len(np.unique(first)) == len(grid)
    assert len(np.unique(second)) == len(grid)
    # Every bit of either number is set in about half of the rows (216,000: six standard errors are 0.0065).
    for word in (first, second):
        share = np.unpackbits(word.view(np.uint8)).reshape(-1, 64).mean(axis=0)
        assert np.abs(share - 0.5).max() < 0.0065


def test_keys_written_once_hold():
    """Answers of a review are bound to keys: what was written down must name the same row for ever."""
    table = pa.table({"x": [1.5, None], "n": [3, 2**60], "s": ["text", "é"], "v": [[1.0, 2.0], None]})
    assert row_keys(read_frame(table)).tolist() == ["dd3f9e5a1faa8fbce53f", "cddc5f84b5e00f98f1c3"]
