"""Lines that repeat the header of a delimited file, as exports have them that were put one behind the other."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
_MARK = b"\xef\xbb\xbf"  # each of the files put together may begin with one


class OneHeader:
    """A file of UTF-8 for a parser, without the lines that repeat its first one.

    Left out are lines that equal it byte by byte, outside quotes. A header of one column, or of numbers and blanks
    alone, may be a row as well: then nothing is.

    Parameters
    ----------
    source : file
        Opened for reading bytes.
    delimiter : str

    Attributes
    ----------
    repeats : int
        Lines left out so far.
    """

    closed = False

    def __init__(self, source: Any, delimiter: str) -> None:
        self._source, self._delimiter = source, delimiter
        self._header: bytes | None = None
        self._rest = self._ready = b""
        self._at = 0
        self._quoted = False
        self.repeats = 0

    def readable(self) -> bool:
        """Return True, as files do."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``."""
        if size < 0:
            parts = [self._ready[self._at :]]
            while block := self._next():
                parts.append(block)
            self._ready, self._at = b"", 0
            return b"".join(parts)
        while self._at >= len(self._ready):
            self._ready, self._at = self._next(), 0
            if not self._ready:
                return b""
        part = self._ready[self._at : self._at + size]
        self._at += len(part)
        return part

    def close(self) -> None:
        """Close the file behind it."""
        self.closed = True
        self._source.close()

    def _next(self) -> bytes:
        """Return the next whole lines; nothing at the end. A block of repeats alone is passed over."""
        while data := bytes(self._source.read(BLOCK_BYTES)):
            cut = data.rfind(b"\n") + 1
            if not cut:
                self._rest += data
                continue
            lines, self._rest = self._rest + data[:cut], data[cut:]
            if kept := self._without(lines):
                return kept
        lines, self._rest = self._rest, b""
        return self._without(lines)

    def _without(self, lines: bytes) -> bytes:
        """Return whole lines without repeats; of the first ones the header is learned."""
        start = 0
        if self._header is None and lines.strip():
            start = len(lines) - len(lines.lstrip(b"\r\n"))
            end = lines.find(b"\n", start)
            end = len(lines) if end < 0 else end
            self._header = _telling(lines[start:end], self._delimiter)
            start = end + 1
        if not self._header:
            return lines
        kept, done, counted = [], 0, 0
        while (found := lines.find(self._header, start)) >= 0:
            begin = found - len(_MARK) if lines[:found].endswith(_MARK) else found
            end = found + len(self._header)
            start = end
            tail = lines[end : end + 2]
            ended = not tail or tail[:1] == b"\n" or tail == b"\r\n"
            whole = ended and (begin == 0 or lines[begin - 1 : begin] == b"\n")
            if not whole:
                continue
            self._quoted ^= bool(lines.count(b'"', counted, begin) % 2)
            counted = begin
            if self._quoted:
                continue
            self.repeats += 1
            kept.append(lines[done:begin])
            done = end + (0 if not tail else 1 if tail[:1] == b"\n" else 2)
            start = done
        self._quoted ^= bool(lines.count(b'"', counted) % 2)
        return lines if not done else b"".join([*kept, lines[done:]])


def _telling(line: bytes, delimiter: str) -> bytes:
    """Return a header without its end; nothing where a row may look like it."""
    line = line.removeprefix(_MARK).rstrip(b"\r\n")
    text = line.decode("utf-8", "replace")
    fields = next(csv.reader([text], delimiter=delimiter), []) if text.count('"') % 2 == 0 else []
    return line if len(fields) > 1 and any(map(_word, fields)) else b""


def _word(field: str) -> bool:
    """Whether a name is none that a number or a gap could be."""
    try:
        float(field or "0")
    except ValueError:
        return bool(field.strip())
    return False


def may_repeat(arrow: pa.Table) -> bool:
    """Whether a table as it was read may hold its header again: its last column named by a word then holds its name.

    The first may have a byte order mark before the name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    name = next((n for n in reversed(arrow.column_names) if _word(n)), None)
    if name is None or arrow.num_columns < 2:
        return False
    column = arrow.column(len(arrow.column_names) - 1 - arrow.column_names[::-1].index(name))
    return bool(pa.types.is_string(column.type) and pc.index(column, name).as_py() >= 0)


def told(repeats: int) -> str:
    """Say how many lines were left out."""
    lines = "1 line that repeats" if repeats == 1 else f"{repeats:,} lines that repeat"
    return f"{lines} the header, left out"
