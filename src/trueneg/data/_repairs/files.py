"""Repairs on a file, batch by batch: text stays as it is spelt, other formats keep their types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trueneg.core.errors import InputError
from trueneg.data._repairs.batches import lines_of, repair_batch, repair_lines, repaired_schema
from trueneg.data._repairs.what import EXTRA, Repairs
from trueneg.data._streams.read import plain_type
from trueneg.data.readers import one_line
from trueneg.data.streams import Stream, line_blocks, manner_of, open_sink, spelt_stream

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.data.streams import Manner

Form = Literal["typed", "spelt", "json"]


def form_of(stream: Stream, kind: str) -> Form:
    """Say in which form values travel from a stream to a file of this kind.

    A delimited file that stays one of its kind is copied as ``"spelt"`` and JSONL as lines of ``"json"``; all else
    goes through Arrow's types, ``"typed"``.
    """
    if kind != stream.format:
        return "typed"
    return "spelt" if kind in ("csv", "tsv") else "json" if kind == "jsonl" else "typed"


def repair_file(
    repairs: Repairs,
    stream: Stream,
    path: Path,
    told: Path,
    kind: str,
    compression: str | None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a file again with its rows repaired.

    Parameters
    ----------
    repairs : Repairs
        What to do, with values in the form that :func:`form_of` says.
    stream : Stream
        The file.
    path : Path
        Where to write.
    told : Path
        What to call it in a message.
    kind, compression : str, str or None
        Format of the new file.
    progress : callable, optional
        Called with the number of rows done, after each batch.

    Returns
    -------
    int
        Rows read; the caller holds it to what was expected.
    """
    form = form_of(stream, kind)
    manner = manner_of(stream, kind, compression)
    if form == "json":
        return _copy_lines(repairs, stream, path, told, manner, progress)
    source = spelt_stream(stream) if form == "spelt" else stream
    schema = repaired_schema(repairs, source.schema)
    if manner.header is not None:
        kept = [h for h, name in zip(manner.header, source.names, strict=True) if name not in EXTRA]
        manner = replace(manner, header=(*kept, *repairs.extra))
    elif kind != stream.format:
        schema = repaired_schema(repairs, _plain(stream))
    start = 0
    with open_sink(path, told, schema, manner) as sink:
        for batch in source.batches():
            batch = stream.tidy(batch) if kind != stream.format else batch
            sink.write(repair_batch(repairs, batch, start, schema, source.names))
            start += batch.num_rows
            if progress is not None:
                progress(start)
    return start


def _plain(stream: Stream) -> pa.Schema:
    """Return the schema as a whole read gives it: for a file of another format."""
    import pyarrow as pa

    return pa.schema([(n, plain_type(k)) for n, k in zip(stream.names, stream.schema.types, strict=True)])


def _copy_lines(
    repairs: Repairs,
    stream: Stream,
    path: Path,
    told: Path,
    manner: Manner,
    progress: Callable[[int], None] | None,
) -> int:
    drop = any(name in EXTRA for name in stream.names)
    schema = repaired_schema(repairs, stream.schema)
    start = 0
    with open_sink(path, told, schema, manner) as sink:
        for block in line_blocks(stream.path, stream.compression, stream.encoding):
            lines = lines_of(block)
            try:
                sink.write(repair_lines(repairs, lines, start, drop=drop))
            except (ValueError, IndexError) as error:
                msg = (
                    f"{one_line(stream.path)}: a line near row {start:,} is not one whole object; "
                    "write one object a line"
                )
                raise InputError(msg) from error
            start += len(lines)
            if progress is not None:
                progress(start)
    return start
