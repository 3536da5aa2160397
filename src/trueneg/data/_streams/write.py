"""Write record batches to a file as they come, in the manner of the file they came from."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trueneg.data._readers.dialect import NAMED, Dialect
from trueneg.data._readers.encoding import head_of, utf8_source
from trueneg.data._streams.read import TEXT
from trueneg.data.writers import _check, _json, _write_npz

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.data._streams.read import Stream

GROUP_ROWS, GROUP_BYTES = 262_144, 64 << 20
_BOM = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-8-sig": codecs.BOM_UTF8}


class Sink(Protocol):
    """What takes batches, or lines of text, one after the other."""

    def write(self, batch: Any) -> None:
        """Add the next rows."""


@dataclass(frozen=True)
class Manner:
    """How a file is written.

    Attributes
    ----------
    format, compression : str, str or None
        As the name of the file says.
    encoding, newline : str
        Of a text file.
    header : tuple of str or None
        The first record of a delimited file as it was; None: the columns' names.
    dialect : Dialect or None
        Of a delimited file; None: what its name promises.
    codec, group_rows : str, int
        Of a Parquet file.
    is_stream : bool
        Of an Arrow file: the streaming container.
    """

    format: str
    compression: str | None = None
    encoding: str = "utf-8"
    newline: str = "\n"
    header: tuple[str, ...] | None = None
    dialect: Dialect | None = None
    codec: str = "zstd"
    group_rows: int = GROUP_ROWS
    is_stream: bool = False


def manner_of(stream: Stream, kind: str, compression: str | None) -> Manner:
    """Return how to write a file of this kind: as the stream's own file was written where it is of the same kind."""
    if kind != stream.format:
        return Manner(kind, compression)
    if kind in TEXT:
        return _text_manner(stream, compression)
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(str(stream.path)) as file:
            about = file.metadata
            if not about.num_row_groups or not about.num_columns:
                return Manner(kind)
            first = about.row_group(0)
            codec = first.column(0).compression.lower()
            rows = max(1024, min(first.num_rows, GROUP_ROWS))
        return Manner(kind, codec="none" if codec == "uncompressed" else codec, group_rows=rows)
    if kind == "arrow":
        with stream.path.open("rb") as handle:
            return Manner(kind, is_stream=handle.read(4) not in (b"ARRO", b"FEA1"))
    return Manner(kind)


def _text_manner(stream: Stream, compression: str | None) -> Manner:
    head = head_of(stream.path, stream.compression)
    encoding = stream.encoding
    if encoding == "utf-16":
        encoding = "utf-16-be" if head.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    elif head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    with utf8_source(stream.path, stream.compression, stream.encoding) as source:
        text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="replace", newline="")
        if stream.format == "jsonl":
            return Manner("jsonl", compression, encoding, "\r\n" if text.readline().endswith("\r\n") else "\n")
        lines = iter(text.readline, "")
        record: list[str] = next((r for r in csv.reader(lines, delimiter=stream.dialect.delimiter) if r), [])
    cut = head.replace(b"\0", b"").partition(b"\n")[0]
    newline = "\r\n" if cut.endswith(b"\r") else "\n"
    return Manner(stream.format, compression, encoding, newline, tuple(record), stream.dialect)


@contextmanager
def open_sink(path: Path, told: Path, schema: pa.Schema, manner: Manner) -> Iterator[Sink]:
    """Open a file for writing; it is complete when the block ends well.

    Parameters
    ----------
    path : Path
        Where to write.
    told : Path
        What to call it in a message.
    schema : pyarrow.Schema
        Of the batches to come. A JSONL file takes arrays of text as well: lines that are written as they are.
    manner : Manner
        How.

    Raises
    ------
    InputError
        For a column that the format cannot hold.
    """
    import pyarrow as pa

    _check(schema.empty_table(), manner.format, told)
    if manner.format in TEXT:
        with pa.output_stream(str(path), compression=manner.compression) as out:
            yield _Json(out, manner) if manner.format == "jsonl" else _Delimited(out, manner, schema)
    elif manner.format == "parquet":
        from pyarrow import parquet

        with parquet.ParquetWriter(str(path), schema, compression=manner.codec) as writer:
            grouped = _Parquet(writer, manner.group_rows)
            yield grouped
            grouped.flush()
    elif manner.format == "arrow":
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        new = pa.ipc.new_stream if manner.is_stream else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as out, new(out, schema, options=options) as writer:
            yield writer
    else:
        whole = _Whole([])
        yield whole
        table = pa.Table.from_batches(whole.batches, schema=schema)
        _check(table, manner.format, told)
        _write_npz(table, path, told)


@dataclass
class _Whole:
    """An NPZ is written array by array, so it is gathered."""

    batches: list[Any]

    def write(self, batch: Any) -> None:
        self.batches.append(batch)


class _Parquet:
    """Row groups of a steady size, whatever the batches."""

    def __init__(self, writer: Any, group_rows: int) -> None:
        self.writer, self.group_rows = writer, group_rows
        self.waiting: list[Any] = []

    def write(self, batch: Any) -> None:
        self.waiting.append(batch)
        rows = sum(b.num_rows for b in self.waiting)
        if rows >= self.group_rows or sum(b.nbytes for b in self.waiting) >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self.waiting:
            table = pa.Table.from_batches(self.waiting)
            self.writer.write_table(table, row_group_size=max(table.num_rows, 1))
            self.waiting = []


class _Text:
    """Text in the encoding of the file."""

    def __init__(self, out: Any, manner: Manner) -> None:
        self.out, self.manner = out, manner
        if bom := _BOM.get(manner.encoding):
            out.write(bom)

    def put(self, lines: Any) -> None:
        """Write an array of text, each entry and an end of line."""
        import pyarrow as pa

        ended = joined([lines, self.manner.newline])
        for chunk in ended.chunks if isinstance(ended, pa.ChunkedArray) else [ended]:
            _, offsets, data = chunk.buffers()
            if not len(chunk) or data is None:
                continue
            # The texts of an array lie one after the other: together they are the file's next bytes.
            first, last = (int.from_bytes(offsets[8 * i : 8 * i + 8], "little") for i in (0, len(chunk)))
            self.raw(data.slice(first, last - first))

    def raw(self, data: Any) -> None:
        """Write UTF-8 in the encoding of the file; what it cannot hold is spelt out."""
        if self.manner.encoding not in ("utf-8", "utf-8-sig"):
            data = bytes(data).decode("utf-8").encode(self.manner.encoding, "backslashreplace")
        self.out.write(data)


class _Json(_Text):
    """One object a line: lines as they are, or rows turned into lines."""

    def write(self, batch: Any) -> None:
        import pyarrow as pa

        if isinstance(batch, pa.RecordBatch):
            batch = pa.array([_json(row) for row in batch.to_pylist()], pa.large_string())
        self.put(batch)


class _Delimited(_Text):
    """Comma or tab separated text; a value is quoted where it needs to be."""

    def __init__(self, out: Any, manner: Manner, schema: pa.Schema) -> None:
        super().__init__(out, manner)
        self.dialect = manner.dialect or Dialect(NAMED[manner.format])
        text = io.StringIO()
        names = list(schema.names) if manner.header is None else list(manner.header)
        csv.writer(text, delimiter=self.dialect.delimiter, lineterminator=manner.newline).writerow(names)
        self.raw(text.getvalue().encode("utf-8", "replace"))

    def write(self, batch: Any) -> None:
        fields = [_field(column, self.dialect) for column in batch.columns]
        self.put(joined(fields, self.dialect.delimiter))


def joined(parts: list[Any], separator: str = "") -> Any:
    """Join arrays of large_string, and texts between them, row by row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.large_string()
    words = [pa.scalar(part, kind) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*words, pa.scalar(separator, kind))


def _field(column: Any, dialect: Dialect) -> Any:
    """Return a column as the fields of a delimited file (large_string): null is nothing, an empty text is quoted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    text = column.cast(pa.large_string())
    if pa.types.is_floating(column.type):  # 1.0 without its point would be read as a whole number
        text = pc.replace_substring_regex(text, r"^(-?\d+)$", r"\1.0")
        if dialect.decimal != ".":
            text = pc.replace_substring(text, ".", dialect.decimal)
    if is_text:
        if _has_any(text, dialect.delimiter):
            odd = pc.match_substring_regex(text, f'["\r\n{dialect.delimiter}]')
            if pc.any(odd).as_py():
                quoted = joined(['"', pc.replace_substring(text, '"', '""'), '"'])
                text = pc.if_else(odd, quoted, text)
        text = pc.if_else(pc.equal(text, ""), pa.scalar('""', pa.large_string()), text)
    return pc.fill_null(text, pa.scalar("", pa.large_string()))


def _has_any(text: Any, delimiter: str) -> bool:
    """Say whether a byte that needs quotes is anywhere in a column: one look at its bytes spares one at each value."""
    data = text.buffers()[2]
    if data is None:
        return False
    start, end = (int.from_bytes(text.buffers()[1][8 * i : 8 * i + 8], "little") for i in _ends(text))
    whole = data.slice(start, end - start).to_pybytes()
    return any(byte in whole for byte in (b'"', b"\n", b"\r", delimiter.encode()))


def _ends(text: Any) -> tuple[int, int]:
    return text.offset, text.offset + len(text)
