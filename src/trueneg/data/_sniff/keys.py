"""A key for every row that survives reordering."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.data._sniff.values import OURS, is_vector, table_name
from trueneg.data.readers import Table, known_column

if TYPE_CHECKING:
    import pyarrow as pa


def row_keys(table: Table, id: str | None = None, *, exclude: Sequence[str] = ()) -> np.ndarray:  # noqa: A002
    """Return a key for every row that survives reordering: its id, else a hash of its content.

    Parameters
    ----------
    table : Table
        The table.
    id : str, optional
        The id column. Default: the BLAKE2b hash (80 bits) of all values; the k-th row of the same content gets ``#k``.
    exclude : sequence of str
        Columns left out of the hash, such as a label that will be corrected.

    Returns
    -------
    ndarray of object
        (n,) of str, all different where the ids are.
    """
    import pyarrow as pa

    if id is not None:
        column = table.arrow.column(known_column(id, table.arrow.column_names, table_name(table)))
        return np.asarray(column.cast(pa.large_string()).to_pylist(), dtype=object)
    columns = _content_columns(table.arrow.column_names, exclude)
    digests: list[str] = []
    for batch in table.arrow.select(columns).to_batches(max_chunksize=65_536):
        rows = _row_bytes(batch).to_pylist()
        digests.extend([hashlib.blake2b(row, digest_size=10).hexdigest() for row in rows])
    keys = np.asarray(digests, dtype=object)
    if len(set(digests)) == len(digests):
        return keys
    return _numbered(keys)


def keys_of_rows(
    batches: Callable[[], Iterable[pa.RecordBatch]],
    rows: np.ndarray,
    id: str | None = None,  # noqa: A002
    *,
    exclude: Sequence[str] = (),
) -> np.ndarray:
    """Return the keys of some rows as :func:`row_keys` gives them, from a table that comes in batches.

    Parameters
    ----------
    batches : callable
        Gives the batches anew: twice where the keys are hashes, since a row's number among rows of the same content
        is known only once that content is.
    rows : (m,) int64
        Rows, ascending.
    id, exclude
        As in :func:`row_keys`.

    Returns
    -------
    ndarray of object
        (m,) of str. Memory: the asked rows.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    start = 0
    for batch in batches():
        low, high = np.searchsorted(rows, (start, start + batch.num_rows))
        if high > low:
            asked = batch.take(pa.array(rows[low:high] - start))
            parts.append(asked.column(id).cast(pa.large_string()) if id is not None else _content(asked, exclude))
        start += batch.num_rows
    if not parts:
        return np.empty(0, dtype=object)
    joined = pa.concat_arrays(parts)
    if id is not None:
        return np.asarray(joined.to_pylist(), dtype=object)
    keys = np.asarray([hashlib.blake2b(row, digest_size=10).hexdigest() for row in joined.to_pylist()], dtype=object)
    distinct = pc.unique(joined)
    content = np.asarray(pc.index_in(joined, value_set=distinct))
    seen = np.zeros(len(distinct), np.int64)
    occurrence = np.ones(len(rows), np.int64)
    start = 0
    for batch in batches():
        codes = np.asarray(pc.fill_null(pc.index_in(_content(batch, exclude), value_set=distinct), -1))
        hits = np.flatnonzero(codes >= 0)
        for place in hits.tolist():  # only rows whose content is asked for
            code = codes[place]
            seen[code] += 1
            at = np.searchsorted(rows, start + place)
            if at < len(rows) and rows[at] == start + place and content[at] == code:
                occurrence[at] = seen[code]
        start += batch.num_rows
    for i in np.flatnonzero(occurrence > 1):
        keys[i] = f"{keys[i]}#{occurrence[i]}"
    return keys


def _content(batch: pa.RecordBatch, exclude: Sequence[str]) -> pa.Array:
    """Return the rows of a batch as bytes (large_binary), the excluded columns left out."""
    return _row_bytes(batch.select(_content_columns(batch.schema.names, exclude)))


def _content_columns(names: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the columns that make a row what it is: what a repair says about it is none of them."""
    return [name for name in names if name not in set(exclude) and not name.startswith(OURS)]


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Append ``#2``, ``#3`` ... to the repetitions of a key, in the order of the rows."""
    _, inverse = np.unique(keys.astype(str), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    runs = inverse[order]
    start = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
    occurrence = np.empty(len(keys), dtype=np.int64)
    occurrence[order] = np.arange(len(keys)) - np.repeat(start, np.diff(np.r_[start, len(keys)])) + 1
    for i in np.flatnonzero(occurrence > 1):
        keys[i] = f"{keys[i]}#{occurrence[i]}"
    return keys


def _row_bytes(batch: pa.RecordBatch) -> pa.Array:
    """Return every row as large_binary: each value after its length, so that no two rows run into the same bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[Any] = []
    for column in batch.columns:
        value = _cell_bytes(column)
        length = pc.fill_null(pc.binary_length(value).cast(pa.large_string()).cast(pa.large_binary()), b"~")
        parts += [length, pc.fill_null(value, b"")]
    if not parts:
        return pa.array([b""] * batch.num_rows, pa.large_binary())
    return pc.binary_join_element_wise(*parts, pa.scalar(b":", pa.large_binary()))


def _cell_bytes(column: Any) -> Any:
    """Return a column as large_binary, one entry a row, null kept."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.large_binary())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_binary())
    if is_vector(kind):
        return _vector_bytes(column)
    if not pa.types.is_nested(kind):
        try:
            return column.cast(pa.large_string()).cast(pa.large_binary())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return pa.array([None if v is None else repr(v).encode() for v in column.to_pylist()], pa.large_binary())


def _vector_bytes(column: Any) -> Any:
    """Return a column of numeric lists as large_binary over the same numbers as float64, without a loop over rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    flat = np.ascontiguousarray(column.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_fixed_size_list(column.type) and len(flat) != sizes.sum():
        return pa.array([None if v is None else repr(v).encode() for v in column.to_pylist()], pa.large_binary())
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64) * flat.itemsize
    whole = pa.Array.from_buffers(pa.large_binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(flat)])
    return pc.if_else(column.is_null(), pa.scalar(None, pa.large_binary()), whole)
