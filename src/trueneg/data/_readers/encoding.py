"""Text files as UTF-8: the encoding found, or refused with its byte."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data._readers.table import one_line

if TYPE_CHECKING:
    import pyarrow as pa


HEAD_BYTES = 65_536
"""How much of a text file is looked at before it is handed to a parser."""

LOOK_BYTES = 4_096
# C0 controls that no text file holds; tab, newline, carriage return, form feed and escape may occur.
_CONTROLS = bytes(set(range(32)) - {9, 10, 12, 13, 27})
_C1 = bytes(range(0x80, 0xA0))


def open_plain(path: Path, compression: str | None) -> Any:
    """Return Arrow's input stream on the file, unpacked."""
    import pyarrow as pa

    return pa.input_stream(str(path), compression=compression)


def head_of(path: Path, compression: str | None) -> bytes:
    """Return the first HEAD_BYTES of the unpacked file."""
    with open_plain(path, compression) as stream:
        return bytes(stream.read(HEAD_BYTES))


def encoding_of(head: bytes, where: str) -> str:
    """Return the encoding of a text file by its head: ``utf-8``, ``utf-16`` or ``latin-1``; raise for anything else."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        msg = f"{where}: it is UTF-32, which is not read; convert it: iconv -f UTF-32 -t UTF-8"
        raise InputError(msg)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head or _share(head, _CONTROLS) > 0:
        msg = (
            f"{where}: this is not text (byte {_first(head, _CONTROLS):,} is a control character), "
            "so it is no CSV, TSV or JSONL whatever its name says; check the file (UTF-16 needs "
            "its byte order mark)"
        )
        raise InputError(msg)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        if _share(head, _C1) > 0:
            msg = (
                f"{where}: its encoding is unknown (byte {error.start:,} is neither UTF-8 nor "
                "Latin-1); convert it to UTF-8, for example: iconv -f CP1252 -t UTF-8"
            )
            raise InputError(msg) from None
        return "latin-1"
    return "utf-8"


def refuse_binary_within(path: Path, where: str) -> None:
    """Look at four places behind the head: a parser would take gigabytes to find out that no text goes on there."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for quarter in (1, 2, 3, 4):
            place = max(size * quarter // 4 - LOOK_BYTES, 0)
            file.seek(place)
            part = file.read(LOOK_BYTES)
            if _share(part, _CONTROLS) > 0:
                msg = (
                    f"{where}: this is not text throughout (byte {place + _first(part, _CONTROLS):,} is a control "
                    "character), so it is no CSV, TSV or JSONL whatever its name says; check the file"
                )
                raise InputError(msg)


def _share(head: bytes, of: bytes) -> float:
    """Return the share of the bytes of `head` that are in `of`."""
    return 1.0 - len(head.translate(None, of)) / max(len(head), 1)


def _first(head: bytes, of: bytes) -> int:
    """Return the position of the first byte of `head` that is in `of`."""
    return next((i for i, b in enumerate(head) if b in of), 0)


def has_binary(arrow: pa.Table) -> bool:
    """Say whether a text parser gave a column up as binary, which it does for bytes that are not UTF-8."""
    import pyarrow as pa

    return any(pa.types.is_binary(t) or pa.types.is_large_binary(t) for t in arrow.schema.types)


def late_encoding(arrow: pa.Table, where: str) -> str:
    """Return ``latin-1`` when bytes behind the head are, else raise: a mixture of encodings cannot be read rightly."""
    import pyarrow as pa

    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            continue
        for chunk in column.chunks:
            data = chunk.buffers()[2]
            if data is not None and _share(bytes(data), _C1) > 0:
                msg = (
                    f"{where}: column {one_line(name, 60)!r} is neither UTF-8 nor Latin-1 throughout; "
                    "convert it to UTF-8, for example: iconv -f CP1252 -t UTF-8"
                )
                raise InputError(msg)
    return "latin-1"


def utf8_source(path: Path, compression: str | None, encoding: str) -> Any:
    """Return an Arrow stream of UTF-8."""
    import pyarrow as pa

    stream = open_plain(path, compression)
    return stream if encoding == "utf-8" else pa.transcoding_input_stream(stream, encoding, "utf-8")
