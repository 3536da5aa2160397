"""A hash of a table's content that can be taken batch by batch."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ContentHash", "content_hash"]

BLOCK = 65_536


class ContentHash:
    """Hash names, types and values of a table that comes in pieces; the same however it is cut.

    Rows are gathered into blocks of 65,536, each brought to one form (nulls zeroed, dictionaries decoded, offsets
    counted from 0), so that neither chunks nor slices nor the bytes under a null can be seen. Memory: one block.

    Parameters
    ----------
    schema : pyarrow.Schema
        Names and types; metadata and nullability are no content.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._names = [[field.name, str(field.type)] for field in schema]
        self._digests = [hashlib.blake2b(digest_size=16) for _ in schema]
        self._waiting: list[pa.RecordBatch] = []
        self._n_waiting = 0
        self.n_rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows."""
        self.n_rows += batch.num_rows
        while batch.num_rows:
            piece = batch.slice(0, BLOCK - self._n_waiting)
            batch = batch.slice(piece.num_rows)
            self._waiting.append(piece)
            self._n_waiting += piece.num_rows
            if self._n_waiting == BLOCK:
                self._take()

    def _take(self) -> None:
        """Hash the gathered block."""
        import pyarrow as pa

        for i, digest in enumerate(self._digests):
            parts = [batch.column(i) for batch in self._waiting]
            # Dictionaries of different batches differ, and only their values are content.
            parts = [p.dictionary_decode() if pa.types.is_dictionary(p.type) else p for p in parts]
            _feed(digest, parts[0] if len(parts) == 1 else pa.concat_arrays(parts))
        self._waiting, self._n_waiting = [], 0

    def hexdigest(self) -> str:
        """Return the hash of all rows so far; nothing may be added afterwards."""
        if self._n_waiting:
            self._take()
        whole = [self.n_rows, self._names, [digest.hexdigest() for digest in self._digests]]
        return hashlib.blake2b(json.dumps(whole).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_hash(arrow: pa.Table) -> str:
    """Return the :class:`ContentHash` of a whole table."""
    content = ContentHash(arrow.schema)
    for batch in arrow.to_batches():
        content.update(batch)
    return content.hexdigest()


def _feed(digest: Any, column: pa.Array) -> None:
    """Add one array in its canonical form."""
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    digest.update(len(column).to_bytes(8, "little"))
    if column.null_count:
        digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)))
    if pa.types.is_null(kind):
        return
    if pa.types.is_boolean(kind):
        digest.update(np.packbits(_filled(column, False).to_numpy(zero_copy_only=False)))
    elif any(is_kind(kind) for is_kind in _BYTES()):
        _feed_bytes(digest, column)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        import pyarrow.compute as pc

        lengths = pc.fill_null(pc.list_value_length(column), 0)
        digest.update(lengths.to_numpy(zero_copy_only=False).astype(np.int64))
        _feed(digest, column.flatten())
    elif pa.types.is_struct(kind):
        for child in column.flatten():
            _feed(digest, child)
    elif pa.types.is_dictionary(kind):
        _feed(digest, column.dictionary_decode())
    elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        _feed_fixed(digest, column)
    else:  # maps, unions and what is still to come
        digest.update("\0".join(map(repr, column.to_pylist())).encode("utf-8", "surrogatepass"))


def _BYTES() -> tuple[Any, ...]:  # noqa: N802 - a constant that needs Arrow
    from pyarrow import types

    return types.is_string, types.is_large_string, types.is_binary, types.is_large_binary


def _filled(column: pa.Array, zero: Any) -> pa.Array:
    return column.fill_null(zero) if column.null_count else column


def _feed_bytes(digest: Any, column: pa.Array) -> None:
    """Add strings or bytes: all lengths, then all bytes."""
    import pyarrow as pa

    column = _filled(column.cast(pa.large_binary()), b"")
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    digest.update(np.diff(ends))
    if data is not None:
        digest.update(memoryview(data)[ends[0] : ends[-1]])


def _feed_fixed(digest: Any, column: pa.Array) -> None:
    """Add values of fixed width, with zero under every null."""
    import pyarrow as pa

    width = column.type.bit_width // 8
    if column.null_count:
        nothing = pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(bytes(width))])
        column = column.fill_null(nothing[0])
    data = column.buffers()[1]
    if data is not None:
        digest.update(memoryview(data)[column.offset * width : (column.offset + len(column)) * width])
