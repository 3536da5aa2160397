"""The content of a row as two whole numbers of 64 bits, a column at a time.

A cell gives one word or two: a number the bits of its float64, anything else a BLAKE2b digest, taken once for each
distinct value of a batch. Each word goes through the finaliser of SplitMix64 (Steele, Lea & Flood 2014, with
Stafford's constants), and a row is two polynomials over its words, modulo 2^64 and with other bases: rows that differ
in one number never agree, other rows agree in both by chance alone. It holds against accidents, not against somebody
who wants two rows to agree.

The same value gives the same word whether it was read as int8 or int64, float32 or float64, dictionary or plain text,
in seconds or in nanoseconds, so that a table keeps its rows' hashes from one format to the next. NaN is missing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.data._sniff.values import is_vector

if TYPE_CHECKING:
    import pyarrow as pa

Words = NDArray[np.uint64]

CHUNK = 32_768
"""Rows hashed at a time: their words stay in the cache."""

_MISSING = np.uint64(0x7FF8_0000_0000_D0D0)  # a NaN that no arithmetic makes
_HUGE = np.uint64(0xA5A5_0000_0000_5A5A)  # sets whole numbers that no float64 holds apart from floats
_WHOLE = 2**53
_BASES = (np.uint64(0x9E37_79B9_7F4A_7C15), np.uint64(0xC2B2_AE3D_27D4_EB4F))
_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def row_hashes(batch: pa.RecordBatch) -> tuple[Words, Words]:
    """Return two arrays (n,) of the rows of a batch; equal rows have equal numbers, in whatever batch they lie."""
    n = batch.num_rows
    first, second = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    for start in range(0, n, CHUNK):
        part = slice(start, min(start + CHUNK, n))
        piece = batch.slice(start, part.stop - start)
        spare = np.empty(piece.num_rows, np.uint64)
        for column in piece.columns:
            for word in _words(column):
                _mix(word, spare)
                for lane, base in zip((first, second), _BASES, strict=True):
                    lane[part] *= base
                    lane[part] += word
        for lane in (first, second):
            _mix(lane[part], spare)
    return first, second


def _mix(word: Words, spare: Words) -> None:
    """Spread every bit of the words over all others, in place."""
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        np.right_shift(word, np.uint64(shift), out=spare)
        word ^= spare
        word *= np.uint64(factor)
    np.right_shift(word, np.uint64(31), out=spare)
    word ^= spare


def _words(column: Any) -> list[Words]:
    """Return the words of a column's cells: arrays (n,) that belong to the caller."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_null(kind):
        return [np.full(len(column), _MISSING)]
    if pa.types.is_boolean(kind):
        return [_number_words(column.cast(pa.uint8()))]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return [_number_words(column.cast(pa.float32()) if pa.types.is_float16(kind) else column)]
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return _time_words(column)
    return _digest_words(column)


def _filled(column: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values as an array, nulls as 0, and where the nulls are (None for nowhere)."""
    import pyarrow.compute as pc

    if not column.null_count:
        return column.to_numpy(zero_copy_only=False), None
    gone = column.is_null().to_numpy(zero_copy_only=False)
    return pc.fill_null(column, 0).to_numpy(zero_copy_only=False), gone


def _number_words(column: Any) -> Words:
    """Bits as float64, the two zeros being one, and NaN missing."""
    values, gone = _filled(column)
    floats = values.astype(np.float64)
    if values.dtype.kind == "f":
        floats += 0.0
        blank = np.isnan(floats)
        gone = blank if gone is None else gone | blank
    words = floats.view(np.uint64)
    if values.dtype.itemsize == 8 and values.dtype.kind in "iu":
        huge = (values > _WHOLE) | (values < -_WHOLE) if values.dtype.kind == "i" else values > _WHOLE
        words[huge] = values[huge].astype(np.uint64) ^ _HUGE
    if gone is not None:
        words[gone] = _MISSING
    return words


def _time_words(column: Any) -> list[Words]:
    """Whole seconds, and nanoseconds beyond them, so that the unit does not matter."""
    import pyarrow as pa

    kind = column.type
    unit = "s" if pa.types.is_date32(kind) else "ms" if pa.types.is_date64(kind) else kind.unit
    wide = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    ticks, gone = _filled(wide)
    ticks = ticks.astype(np.int64) * (86_400 if pa.types.is_date32(kind) else 1)  # days, and ticks of a unit
    whole, rest = np.divmod(ticks, _SECOND[unit])
    out = [whole.view(np.uint64), (rest * (10**9 // _SECOND[unit])).view(np.uint64)]
    for word in out:
        if gone is not None:
            word[gone] = _MISSING
    return out


def _digest_words(column: Any) -> list[Words]:
    """BLAKE2b digests of 16 bytes, taken once a distinct value."""
    encoded = _cell_bytes(column).dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    digests = b"".join([hashlib.blake2b(value, digest_size=16).digest() for value in distinct])
    known = np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2)
    known = np.vstack([known, np.full((1, 2), _MISSING)])
    codes = np.asarray(encoded.indices.fill_null(len(distinct)))
    return [known[codes, 0], known[codes, 1]]


def _cell_bytes(column: Any) -> Any:
    """Return a column as large_binary, one entry a row, null kept."""
    import pyarrow as pa

    kind = column.type
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
    flat = np.ascontiguousarray(column.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)) + 0.0
    if pa.types.is_fixed_size_list(column.type) and len(flat) != sizes.sum():
        return pa.array([None if v is None else repr(v).encode() for v in column.to_pylist()], pa.large_binary())
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64) * flat.itemsize
    whole = pa.Array.from_buffers(pa.large_binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(flat)])
    return pc.if_else(column.is_null(), pa.scalar(None, pa.large_binary()), whole)
