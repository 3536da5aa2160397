"""Repairs on record batches and on lines of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._repairs.what import EXTRA, Repairs
from trueneg.data._streams.write import joined
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


def repaired_schema(repairs: Repairs, schema: pa.Schema) -> pa.Schema:
    """Return the schema of the repaired batches: the given one, and the extra columns at its end."""
    import pyarrow as pa

    kept = [field for field in schema if field.name not in EXTRA]
    return pa.schema([*kept, *repairs.fields()], metadata=schema.metadata)


def repair_batch(
    repairs: Repairs, batch: pa.RecordBatch, start: int, schema: pa.Schema, names: Sequence[str]
) -> pa.RecordBatch:
    """Return a batch with its rows repaired.

    Parameters
    ----------
    repairs : Repairs
        What to do.
    batch : pyarrow.RecordBatch
        Some rows of the table.
    start : int
        Number of the first of them.
    schema : pyarrow.Schema
        As :func:`repaired_schema` returns.
    names : sequence of str
        What the batch's columns are called in ``repairs.changes``.
    """
    import pyarrow as pa

    n = batch.num_rows
    arrays = []
    for name, column in zip(names, batch.columns, strict=True):
        if name in EXTRA:
            continue
        change = repairs.changes.get(name)
        arrays.append(column if change is None else replaced(column, *change.within(start, n), name))
    out = pa.RecordBatch.from_arrays([*arrays, *repairs.columns(start, n)], schema=schema)
    mask = repairs.keep(start, n)
    return out if mask is None else out.filter(pa.array(mask))


def replaced(column: pa.Array, rows: np.ndarray, values: list[Any], name: str) -> pa.Array:
    """Return a column with the values of some rows replaced; type and dictionary stay.

    Raises
    ------
    InputError
        For a value that the column's type cannot hold.
    """
    import pyarrow as pa

    if not len(rows):
        return column
    try:
        if pa.types.is_dictionary(column.type):
            return _in_dictionary(column, rows, values)
        new = pa.array(values, column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        msg = (
            f"column {one_line(name, 60)!r} holds {column.type}, which cannot hold the proposed value "
            f"{shown(values[0])}; change the column's type first"
        )
        raise InputError(msg) from error
    order = np.arange(len(column))
    order[rows] = len(column) + np.arange(len(rows))
    return pa.concat_arrays([column, new]).take(pa.array(order))


def shown(value: Any) -> str:
    """Return a value as a message names it."""
    return "null" if value is None else repr(one_line(value, 40))


def _in_dictionary(column: pa.DictionaryArray, rows: np.ndarray, values: list[Any]) -> pa.Array:
    """Replace the codes of a category; a value that its dictionary lacks is put at the end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = column.dictionary
    new = pa.array(values, words.type)
    missing = pc.unique(new.filter(pc.and_(pc.is_valid(new), pc.invert(pc.is_in(new, value_set=words)))))
    if len(missing):
        words = pa.concat_arrays([words, missing])
    codes = pc.index_in(new, value_set=words).cast(column.type.index_type)
    order = np.arange(len(column))
    order[rows] = len(column) + np.arange(len(rows))
    indices = pa.concat_arrays([column.indices, codes]).take(pa.array(order))
    return pa.DictionaryArray.from_arrays(indices, words, ordered=column.type.ordered)


# ------------------------------------------------------------------------------------------------- JSON lines


def lines_of(block: bytes) -> pa.Array:
    """Return the lines of a block that hold anything (large_string), without the blanks around them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == 10)
    if not len(data) or data[-1] != 10:
        ends = np.append(ends, len(data))
    offsets = np.concatenate([[0], np.minimum(ends + 1, len(data))]).astype(np.int64)
    lines = pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(block)])
    lines = pc.ascii_trim_whitespace(lines)
    return lines.filter(pc.not_equal(lines, ""))


def repair_lines(repairs: Repairs, lines: pa.Array, start: int, *, drop: bool) -> pa.Array:
    """Return lines of JSON with their rows repaired; what is not replaced stays byte for byte.

    Parameters
    ----------
    repairs : Repairs
        What to do; new values are JSON.
    lines : (n,) large_string
        One object each.
    start : int
        Number of the first row.
    drop : bool
        Whether the lines hold columns of an earlier repair, to be left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    n = len(lines)
    new: dict[int, dict[str, str]] = {}
    for name, change in repairs.changes.items():
        for row, value in zip(*change.within(start, n), strict=True):
            new.setdefault(int(row), {})[name] = "null" if value is None else value
    if drop:
        lines = pa.array([_spliced(t, new.get(i, {})) for i, t in enumerate(lines.to_pylist())], pa.large_string())
    elif new:
        at = sorted(new)
        changed = [_spliced(lines[i].as_py(), new[i]) for i in at]
        lines = replaced(lines, np.asarray(at), changed, "line")
    body = pc.replace_substring_regex(lines, r"\s*\}\s*$", "")
    text = pa.large_string()
    comma = pc.if_else(pc.match_substring_regex(body, r"^\{\s*$"), pa.scalar("", text), pa.scalar(",", text))
    parts: list[Any] = [body, comma]
    for i, (name, column) in enumerate(zip(repairs.extra, repairs.columns(start, n), strict=True)):
        parts += [f'{"," if i else ""}"{name}":', _as_json(column)]
    whole = joined([*parts, "}"])
    mask = repairs.keep(start, n)
    return whole if mask is None else whole.filter(pa.array(mask))


def _as_json(column: pa.Array) -> pa.Array:
    """Return a column of text or numbers as JSON (large_string); few different texts are the rule."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column.cast(pa.large_string())
    coded = column.dictionary_encode(null_encoding="encode")
    words = [json.dumps(word, ensure_ascii=False) for word in coded.dictionary.to_pylist()]
    return pc.take(pa.array(words, pa.large_string()), coded.indices)


def _spliced(line: str, new: dict[str, str]) -> str:
    """Return an object with some members replaced (or added) and those of an earlier repair left out."""
    parts, open_keys = [], dict(new)
    for key, (begin, end), (first, last) in members(line):
        if key in open_keys:
            parts.append(line[begin:first] + open_keys.pop(key) + line[last:end])
        elif key not in EXTRA:
            parts.append(line[begin:end])
    parts += [f"{json.dumps(key, ensure_ascii=False)}:{value}" for key, value in open_keys.items()]
    return "{" + ",".join(parts) + "}"


def members(line: str) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Return key, span and span of the value of each member of a JSON object, at its top level."""
    decode = json.JSONDecoder().raw_decode
    out = []
    at = _skip(line, 1)
    begin = 1
    while line[at] != "}":
        key, at = decode(line, at)
        first = _skip(line, _skip(line, at) + 1)  # past the colon
        _, last = decode(line, first)
        at = _skip(line, last)
        out.append((key, (begin, at), (first, last)))
        if line[at] == ",":
            begin, at = at + 1, _skip(line, at + 1)
    return out


def _skip(line: str, at: int) -> int:
    while line[at] in " \t\r\n":
        at += 1
    return at
