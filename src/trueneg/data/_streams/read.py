"""A table's file in record batches: the types as they were read whole, memory for a few batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.data._readers.dialect import NAMED, Dialect, dialect_of
from trueneg.data._readers.encoding import encoding_of, head_of, utf8_source
from trueneg.data._readers.frames import named
from trueneg.data._readers.repeated import OneHeader, told
from trueneg.data._streams.types import BLOCK_BYTES, types_of
from trueneg.data.readers import format_of, one_line, read_table

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
WHOLE_BYTES = 64 << 20  # a delimited file up to here is read whole to tell its types
TEXT = ("csv", "tsv", "jsonl")


@dataclass(eq=False)
class Stream:
    """A file that is read batch by batch, as often as asked.

    Attributes
    ----------
    path : Path
        The file.
    format : str
        As :func:`trueneg.data.readers.format_of` says.
    compression : str or None
        Of a text file.
    schema : pyarrow.Schema
        Of the batches: the file's own, metadata included.
    names : list of str
        The columns' names as a whole read gives them (nameless ones named).
    encoding : str
        Of a text file; ``"utf-8"`` elsewhere.
    dialect : Dialect
        Of a delimited file.
    repeats : int
        Lines left out, in the batches read last, since they repeat the header of a delimited file.
    """

    path: Path
    format: str
    compression: str | None
    schema: pa.Schema
    names: list[str]
    encoding: str = "utf-8"
    dialect: Dialect = Dialect()
    repeats: int = 0

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order; ``columns``, in the file's order, leaves the others unread where that is cheaper."""
        wanted = None if columns is None else [name for name in self.names if name in set(columns)]
        if self.format in NAMED:
            yield from self._csv(wanted)
        elif self.format == "jsonl":
            yield from self._json(wanted)
        elif self.format == "parquet":
            yield from self._parquet(wanted)
        elif self.format == "arrow":
            yield from _selected(_arrow(self.path), self, wanted)
        else:
            whole = read_table(self.path).arrow
            yield from _selected(whole.to_batches(max_chunksize=BATCH_ROWS), self, wanted)

    @property
    def notes(self) -> list[str]:
        """What was decided in reading the last batches, in words."""
        return [told(self.repeats)] if self.repeats else []

    def tidy(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch as a whole read gives it: names settled, metadata gone, views as plain strings."""
        import pyarrow as pa

        fields, arrays = [], []
        for name, array in zip(self.names, batch.columns, strict=True):
            plain = plain_type(array.type)
            arrays.append(array if plain == array.type else array.cast(plain))
            fields.append(pa.field(name, plain))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def values_at(self, column: str, rows: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows (ascending), reading no further than the last of them."""
        found: list[Any] = []
        start, wanted = 0, list(rows)
        for batch in self.batches([column]):
            end = start + batch.num_rows
            while len(found) < len(wanted) and wanted[len(found)] < end:
                found.append(batch.column(0)[wanted[len(found)] - start].as_py())
            if len(found) == len(wanted):
                break
            start = end
        return found

    def _csv(self, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
        from pyarrow import csv as pa_csv

        with utf8_source(self.path, self.compression, self.encoding) as source:
            once = OneHeader(source, self.dialect.delimiter)
            reader = pa_csv.open_csv(
                once,
                read_options=pa_csv.ReadOptions(
                    block_size=BLOCK_BYTES, column_names=self.names, skip_rows_after_names=1
                ),
                parse_options=pa_csv.ParseOptions(delimiter=self.dialect.delimiter, newlines_in_values=True),
                convert_options=self._convert(wanted),
            )
            yield from reader
            self.repeats = once.repeats

    def _convert(self, wanted: list[str] | None) -> Any:
        from pyarrow import csv as pa_csv

        types = dict(zip(self.names, self.schema.types, strict=True))
        return pa_csv.ConvertOptions(column_types=types, include_columns=wanted, decimal_point=self.dialect.decimal)

    def _json(self, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import json as pa_json

        options = pa_json.ParseOptions(explicit_schema=self.schema, unexpected_field_behavior="error")
        for block in line_blocks(self.path, self.compression, self.encoding):
            longest = 1 + max(map(len, block.split(b"\n"))) if len(block) > BLOCK_BYTES * 2 else 0
            size = pa_json.ReadOptions(block_size=max(1 << 20, longest))
            table = pa_json.read_json(pa.BufferReader(block), read_options=size, parse_options=options)
            yield from _selected(table.to_batches(), self, wanted)

    def _parquet(self, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
        from pyarrow import parquet

        with parquet.ParquetFile(str(self.path)) as file:
            names = None if wanted is None else [self.schema.names[self.names.index(name)] for name in wanted]
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=names)


@dataclass(eq=False)
class SpeltStream(Stream):
    """A delimited file whose values stay as they are spelt: every column is text, a null is a field of nothing.

    ``007`` and ``1.50`` come back as they stood; a quoted nothing is an empty text, not a null.
    """

    def _convert(self, wanted: list[str] | None) -> Any:
        from pyarrow import csv as pa_csv

        return pa_csv.ConvertOptions(
            column_types=dict(zip(self.names, self.schema.types, strict=True)),
            include_columns=wanted,
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        )


def open_stream(path: str | Path, schema: pa.Schema | None = None, encoding: str | None = None) -> Stream:
    """Open a file for reading in batches.

    Parameters
    ----------
    path : path
        A file that :func:`trueneg.data.readers.read_table` reads.
    schema : pyarrow.Schema, optional
        Of a text file as it was read whole: its types can be told from the whole alone. Where this is not given it is
        read once, in blocks if it is a large delimited file.
    encoding : str, optional
        Of a text file; by its head where not given.

    Returns
    -------
    Stream
    """
    path = Path(path)
    kind, compression = format_of(path)
    if kind in TEXT:
        if schema is None and kind in NAMED and path.is_file() and path.stat().st_size > WHOLE_BYTES:
            schema, encoding = types_of(path, kind, compression, encoding)
        if schema is None:
            table = read_table(path)
            schema, notes = table.arrow.schema, table.notes
            encoding = "latin-1" if "read as LATIN-1" in notes else encoding
        head = head_of(path, compression)
        if encoding is None:
            encoding = encoding_of(head, one_line(path))
        dialect = dialect_of(head, kind, encoding) if kind in NAMED else Dialect()
        return Stream(path, kind, compression, schema, list(schema.names), encoding, dialect)
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(str(path)) as file:
            own = file.schema_arrow
    elif kind == "arrow":
        batches = _arrow(path)
        first = next(batches, None)
        own = _arrow_schema(path) if first is None else first.schema
    else:
        own = read_table(path).arrow.schema
    return Stream(path, kind, None, own, named(own.names))


def spelt_stream(stream: Stream) -> SpeltStream:
    """Return the same delimited file, with its values as they are spelt."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.large_string()) for name in stream.names])
    return SpeltStream(
        stream.path, stream.format, stream.compression, schema, stream.names, stream.encoding, stream.dialect
    )


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that a whole read gives a column of this type."""
    import pyarrow as pa

    return {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind, kind)


def line_blocks(path: Path, compression: str | None, encoding: str) -> Iterator[bytes]:
    """Yield a text file as UTF-8 in blocks of whole lines, about 4 MiB each; the byte order mark is left out."""
    with utf8_source(path, compression, encoding) as source:
        rest, first = b"", True
        while data := source.read(BLOCK_BYTES):
            data = bytes(data)
            if first:
                data, first = data.removeprefix(b"\xef\xbb\xbf"), False
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                continue
            yield rest + data[:cut]
            rest = data[cut:]
        if rest.strip():
            yield rest


def _selected(batches: Any, stream: Stream, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
    at = None if wanted is None else [stream.names.index(name) for name in wanted]
    for batch in batches:
        yield batch if at is None else batch.select(at)


def _arrow_schema(path: Path) -> pa.Schema:
    return read_table(path).arrow.schema


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file, stream or Feather file, cut to at most 65,536 rows."""
    import pyarrow as pa
    from pyarrow import feather, ipc

    with path.open("rb") as handle:
        head = handle.read(6)
    if head.startswith(b"FEA1"):
        yield from feather.read_table(str(path)).to_batches(max_chunksize=BATCH_ROWS)
        return
    with pa.OSFile(str(path)) as source:
        if head == b"ARROW1":
            reader = ipc.open_file(source)
            batches: Iterator[pa.RecordBatch] = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(ipc.open_stream(source))
        for batch in batches:
            batch.validate(full=True)
            for start in range(0, max(batch.num_rows, 1), BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
