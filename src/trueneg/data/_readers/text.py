"""CSV, TSV and JSONL, with the line that a parser stumbled over."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trueneg.core.errors import InputError
from trueneg.data._readers.dialect import NAMES, Dialect, dialect_of
from trueneg.data._readers.encoding import (
    encoding_of,
    has_binary,
    head_of,
    late_encoding,
    open_plain,
    refuse_binary_within,
    utf8_source,
)
from trueneg.data._readers.repeated import OneHeader, may_repeat, told
from trueneg.data._readers.table import one_line

if TYPE_CHECKING:
    import pyarrow as pa


def read_text(path: Path, kind: str, compression: str | None, notes: list[str]) -> pa.Table:
    """Read CSV, TSV or JSONL: look at the head, settle the encoding, hand over to Arrow."""
    where = one_line(path)
    head = head_of(path, compression)
    if not head.strip():
        msg = f"{where}: the file holds nothing but blanks; write it again"
        raise InputError(msg)
    encoding = encoding_of(head, where)
    if compression is None and encoding != "utf-16":
        refuse_binary_within(path, where)
    if kind == "jsonl":
        arrow = _read_jsonl(path, compression, encoding)
    else:
        dialect = dialect_of(head, kind, encoding)
        arrow, repeats = _read_csv(path, compression, encoding, dialect, head)
        if encoding == "utf-8" and has_binary(arrow):
            encoding = late_encoding(arrow, where)
            arrow, repeats = _read_csv(path, compression, encoding, dialect, head)
        notes += dialect.notes(kind)
        notes += [told(repeats)] if repeats else []
    if encoding != "utf-8":
        notes.append(f"read as {encoding.upper()}")
    return arrow


def _read_csv(
    path: Path, compression: str | None, encoding: str, dialect: Dialect, head: bytes
) -> tuple[pa.Table, int]:
    """Read CSV or TSV, and say how many lines that repeat the header were left out.

    Arrow splits a file without newlines inside quotes faster, so it is told of them only when a row in the head
    holds a quote, and again when the first try fails.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    # A quoted header alone says nothing of newlines in the values; UTF-16 has the byte of a quote as well.
    tries = [True] if b'"' in head.partition(b"\n")[2] else [False, True]
    for quoted_newlines in tries:
        try:
            options = {
                "parse_options": pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=quoted_newlines),
                "convert_options": pa_csv.ConvertOptions(decimal_point=dialect.decimal),
            }
            with utf8_source(path, compression, encoding) as stream:
                arrow = pa_csv.read_csv(stream, **options)
            if not may_repeat(arrow):
                return arrow, 0
            with utf8_source(path, compression, encoding) as stream:
                once = OneHeader(stream, dialect.delimiter)
                return pa_csv.read_csv(once, **options), once.repeats
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            if quoted_newlines:
                _explain_csv(path, compression, encoding, dialect.delimiter, error)
    raise AssertionError  # pragma: no cover - the last try either returns or raises


def _text_lines(path: Path, compression: str | None, encoding: str) -> io.TextIOWrapper:
    """Return a text stream over the file, for finding the line of an error only."""
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    return io.TextIOWrapper(open_plain(path, compression), encoding=encoding, errors="replace", newline="")


def _explain_csv(path: Path, compression: str | None, encoding: str, delimiter: str, error: Exception) -> None:
    """Raise the error with the line number, found by a second, slow pass."""
    where = one_line(path)
    with suppress(csv.Error, OSError), _text_lines(path, compression, encoding) as lines:
        rows = csv.reader(lines, delimiter=delimiter)
        width = 0
        for row in rows:
            if not row:
                continue
            width = width or len(row)
            if len(row) != width:
                msg = (
                    f"{where}, line {rows.line_num:,}: {len(row)} fields where the header has "
                    f"{width}; put values that hold {NAMES[delimiter]} "
                    "in quotes, or repair that line"
                )
                raise InputError(msg) from error
    msg = f"{where}: it cannot be read as a delimited table: {one_line(error)}; check the quotes and the delimiter"
    raise InputError(msg) from error


def _read_jsonl(path: Path, compression: str | None, encoding: str) -> pa.Table:
    """Read JSONL; a row longer than Arrow's block asks for a larger one."""
    import pyarrow as pa
    from pyarrow import json as pa_json

    failure: Exception | None = None
    for block in (1 << 20, 1 << 26):
        try:
            with utf8_source(path, compression, encoding) as stream:
                return pa_json.read_json(stream, read_options=pa_json.ReadOptions(block_size=block))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            failure = error
            if "straddl" not in str(error):
                break
    where = one_line(path)
    with suppress(OSError), _text_lines(path, compression, encoding) as lines:
        for number, line in enumerate(lines, 1):
            _check_json_line(line, f"{where}, line {number:,}")
    msg = f"{where}: it cannot be read as JSONL: {one_line(failure)}; give each key one type in all lines"
    raise InputError(msg) from failure


def _check_json_line(line: str, where: str) -> None:
    """Raise for a line that is no JSON object with distinct keys."""
    if not line.strip():
        return
    try:
        value = json.loads(line, object_pairs_hook=lambda pairs: pairs if pairs else [("", None)])
    except (ValueError, RecursionError) as error:
        msg = f"{where}: this is no JSON ({one_line(error, 80)}); write one object a line"
        raise InputError(msg) from None
    if not line.lstrip().startswith("{"):
        msg = f"{where}: {one_line(line, 40)!r} is no JSON object; write one object a line"
        raise InputError(msg)
    keys = [key for key, _ in value]
    if len(set(keys)) < len(keys):
        twice = next(k for k in keys if keys.count(k) > 1)
        msg = f"{where}: the key {one_line(twice, 60)!r} occurs twice; rename one"
        raise InputError(msg)
