"""The hash of a table's content: the same however the table is cut, another for any change."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.data.content import BLOCK, ContentHash, content_hash

N = 600
PAIRS = pa.map_(pa.string(), pa.int64())
COLUMNS = {
    "int": pa.array([1, None, 3] * (N // 3)),
    "float": pa.array([1.5, None, float("nan")] * (N // 3), pa.float32()),
    "half": pa.array(np.arange(N) % 1000, pa.float16()),
    "bool": pa.array([True, None, False] * (N // 3)),
    "text": pa.array(["x", None, "é"] * (N // 3)),
    "long text": pa.array(["", None, "é"] * (N // 3), pa.large_string()),
    "bytes": pa.array([b"x", None, b""] * (N // 3)),
    "two bytes": pa.array([b"ab", None, b"cd"] * (N // 3), pa.binary(2)),
    "category": pa.array(["x", None, "y"] * (N // 3)).dictionary_encode(),
    "decimal": pa.array([decimal.Decimal("1.5"), None, decimal.Decimal(2)] * (N // 3)),
    "time": pa.array([datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 1, 1)] * (N // 3)),  # noqa: DTZ001
    "list": pa.array([[1, 2], None, []] * (N // 3)),
    "words": pa.array([["a"], None, ["b", None]] * (N // 3)),
    "vector": pa.array([[1, 2], None, [3, 4]] * (N // 3), pa.list_(pa.int32(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}] * (N // 3)),
    "map": pa.array([[("a", 1)], None, []] * (N // 3), PAIRS),
    "null": pa.nulls(N),
}
TABLE = pa.table(COLUMNS)
WHOLE = content_hash(TABLE)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, N), max_size=6), copied=st.booleans())
def test_cuts_cannot_be_seen(cuts, copied):
    """A file that is read batch by batch must hash as the whole table did, slices and copies alike."""
    content = ContentHash(TABLE.schema)
    ends = [0, *sorted(cuts), N]
    for start, end in zip(ends, ends[1:], strict=False):
        piece = TABLE.slice(start, end - start)
        piece = piece.take(pa.array(range(len(piece)), pa.int64())) if copied else piece
        for batch in piece.to_batches():
            content.update(batch)
    assert content.hexdigest() == WHOLE


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "null"])
def test_one_changed_value_is_seen_in_every_type(name):
    """A single cell that differs, or a null in its place, is another table."""
    column = COLUMNS[name]
    at = TABLE.column_names.index(name)
    other = pa.concat_arrays([column.slice(2, 1), column.slice(1)])  # the first value is now the third
    nulled = pa.concat_arrays([column.slice(1, 1), column.slice(1)])

    hashes = {WHOLE, *(content_hash(TABLE.set_column(at, name, changed)) for changed in (other, nulled))}
    assert len(hashes) == 3


def test_a_category_counts_by_its_value_not_by_its_number():
    """Equal categories in another order are the same content; other categories under the same numbers are not."""
    codes = pa.array([0, 1, 0], pa.int8())
    one = pa.DictionaryArray.from_arrays(codes, pa.array(["x", "y"]))
    renumbered = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), pa.array(["y", "x"]))
    renamed = pa.DictionaryArray.from_arrays(codes, pa.array(["x", "z"]))
    first, second, third = (content_hash(pa.table({"c": c})) for c in (one, renumbered, renamed))
    assert first == second != third


def test_what_lies_under_a_null_cannot_be_seen():
    """Readers leave different rubbish in the slots of nulls; only the null is content."""
    valid = pa.py_buffer(bytes([0b101]))
    arrays = [
        pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(np.array([1, rubbish, 3]))]) for rubbish in (0, 77)
    ]
    assert len({content_hash(pa.table({"x": a})) for a in arrays}) == 1


def test_values_do_not_run_into_each_other():
    """The border between two texts, and the one between two blocks of rows, is part of the content."""
    assert content_hash(pa.table({"x": ["ab", "c"]})) != content_hash(pa.table({"x": ["a", "bc"]}))
    long = pa.table({"x": np.arange(2 * BLOCK + 5)})
    content = ContentHash(long.schema)
    for batch in long.to_batches(max_chunksize=1000):
        content.update(batch)
    assert content.hexdigest() == content_hash(long)
