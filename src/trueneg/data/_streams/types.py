"""The types of a large delimited file, told block by block as a whole read would tell them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trueneg.data._readers.dialect import dialect_of
from trueneg.data._readers.encoding import encoding_of, head_of, refuse_binary_within, utf8_source
from trueneg.data._readers.frames import named
from trueneg.data._readers.repeated import OneHeader
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20


def types_of(
    path: Path, kind: str, compression: str | None, encoding: str | None
) -> tuple[pa.Schema | None, str | None]:
    """Return the schema and the encoding; (None, encoding given) where only a whole read can tell or say what is wrong.

    Each block is read as text, which fits every value, and the types of its values are told by Arrow's own rules.
    A column is what all blocks are; whole numbers and fractions are fractions, text and anything is text. Of other
    mixtures (truth values and numbers, dates and times) the whole decides.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    where = one_line(path)
    start = head_of(path, compression)
    own = encoding_of(start, where) if encoding is None else encoding
    dialect = dialect_of(start, kind, own)
    parse = pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
    if compression is None and own != "utf-16":
        refuse_binary_within(path, where)
    try:
        with utf8_source(path, compression, own) as source:
            head = pa_csv.open_csv(
                source,
                read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=parse,
            )
            names = head.schema.names
        if len(set(names)) < len(names):
            return None, encoding
        found: list[set[pa.DataType]] = [set() for _ in names]
        with utf8_source(path, compression, own) as source:
            reader = pa_csv.open_csv(
                OneHeader(source, dialect.delimiter),
                read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=parse,
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=True, null_values=[""]
                ),
            )
            for batch in reader:
                for types, field in zip(found, _told(batch, dialect.decimal).schema, strict=True):
                    types.add(field.type)
    except (pa.ArrowException, OSError, EOFError, ValueError):
        return None, encoding
    settled = [_one(kinds) for kinds in found]
    if any(one is None for one in settled):
        return None, encoding
    return pa.schema(list(zip(named(names), settled, strict=True))), own


def _told(batch: pa.RecordBatch, decimal: str) -> pa.Table:
    """Return a batch of text with the types that Arrow gives its values."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    sink = pa.BufferOutputStream()
    pa_csv.write_csv(batch, sink)
    options = pa_csv.ParseOptions(newlines_in_values=True)
    convert = pa_csv.ConvertOptions(decimal_point=decimal)
    return pa_csv.read_csv(pa.BufferReader(sink.getvalue()), parse_options=options, convert_options=convert)


def _one(kinds: set[pa.DataType]) -> pa.DataType | None:
    """Return the type of a column whose blocks are of these; None where the whole must be read."""
    import pyarrow as pa

    kinds = kinds - {pa.null()}
    if not kinds:
        return pa.null()
    if pa.string() in kinds and pa.binary() not in kinds:
        return pa.string()
    if kinds == {pa.int64(), pa.float64()}:
        return pa.float64()
    return next(iter(kinds)) if len(kinds) == 1 and pa.binary() not in kinds else None
