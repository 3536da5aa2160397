"""Read a table from a file or a frame into Arrow, and say in one line why a file cannot be read.

Arrow's own parsers do the work. What is added here is what they lack: a look at the head of the file before
anything large is read, encodings, and errors that name the file, the line and the remedy.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

HEAD_BYTES = 65_536
"""How much of a text file is looked at before it is handed to a parser."""

_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".npz": "npz",
}
_COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
_TEXT = {"csv", "tsv", "jsonl"}
_KNOWN = ".csv, .tsv, .parquet, .jsonl, .arrow, .feather, .npz, and .csv, .tsv, .jsonl with .gz or .zst"
# C0 controls that no text file holds; tab, newline, carriage return, form feed and escape may occur.
_CONTROLS = bytes(set(range(32)) - {9, 10, 12, 13, 27})
_C1 = bytes(range(0x80, 0xA0))


@dataclass(eq=False)
class Table:
    """A table and what was noticed while reading it.

    Parameters
    ----------
    arrow : pyarrow.Table
        The columns, (n_rows, n_columns).
    format : str
        ``"csv"``, ``"tsv"``, ``"parquet"``, ``"jsonl"``, ``"arrow"``, ``"npz"`` or ``"frame"``.
    path : Path or None
        The file, None for a frame.
    notes : list of str
        What the reader had to decide, for the report.
    native : object or None
        The caller's own frame, so that results can go back in its type.
    """

    arrow: pa.Table
    format: str
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    native: Any = None

    def __len__(self) -> int:
        return int(self.arrow.num_rows)


def one_line(text: object, limit: int = 160) -> str:
    """Return `text` on one line of printable characters, cut at `limit` (a data cell may hold anything)."""
    flat = " ".join(str(text).split())
    flat = "".join(c if c.isprintable() else "?" for c in flat)
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


def format_of(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return (format, compression) by the name of a file.

    Returns
    -------
    tuple
        For example ``("csv", "gzip")`` for ``a.csv.gz``; compression is None where there is none.
    """
    path = Path(path)
    suffixes = [s.lower() for s in path.suffixes]
    compression = _COMPRESSION.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes = suffixes[:-1]
    kind = _SUFFIX.get(suffixes[-1]) if suffixes else None
    if kind is None:
        hint = " (a JSON array: write one object a line and call it .jsonl)" if suffixes[-1:] == [".json"] else ""
        msg = f"{one_line(path)}: this kind of file is not read{hint}; readable are {_KNOWN}"
        raise InputError(msg)
    if compression and kind not in _TEXT:
        msg = (
            f"{one_line(path)}: {kind} files are compressed inside; unpack it first (only csv, "
            "tsv and jsonl may be .gz or .zst)"
        )
        raise InputError(msg)
    return kind, compression


def read_table(path: str | os.PathLike[str], *, columns: Sequence[str] | None = None) -> Table:
    """Read a table from a file, the format by its name.

    Parameters
    ----------
    path : path
        CSV, TSV, JSONL (also ``.gz`` and ``.zst``), Parquet, Arrow / Feather or NPZ.
    columns : sequence of str, optional
        Read only these, in this order. Default: all.

    Returns
    -------
    Table
        The columns as Arrow, with notes on what was decided.

    Raises
    ------
    InputError
        One line with the file, what is wrong and what to do.

    Notes
    -----
    A blank in a numeric column is null; a blank in a text column of a CSV stays an empty string.
    """
    path = Path(path)
    _exists(path)
    kind, compression = format_of(path)
    notes: list[str] = []
    with _told(path, kind):
        if path.stat().st_size == 0:
            msg = f"{one_line(path)}: the file is empty; write it again"
            raise InputError(msg)
        if kind in _TEXT:
            arrow = _read_text(path, kind, compression, notes)
        elif kind == "parquet":
            arrow = _read_parquet(path)
        elif kind == "arrow":
            arrow = _read_arrow(path)
        else:
            arrow = _read_npz(path)
        arrow = _tidy(arrow, one_line(path), notes)
    if columns is not None:
        arrow = arrow.select([known_column(name, arrow.column_names, one_line(path)) for name in columns])
    return Table(arrow=arrow, format=kind, path=path, notes=notes)


def read_frame(frame: Any) -> Table:
    """Read a frame that is already in memory.

    Parameters
    ----------
    frame : frame
        A pyarrow table, a pandas or polars frame (a lazy one is collected), a dict of columns, or what narwhals reads.

    Returns
    -------
    Table
        With ``native`` set to the frame.
    """
    import pyarrow as pa

    notes: list[str] = []
    if isinstance(frame, Table):
        return frame
    try:
        arrow = _frame_to_arrow(frame, pa, notes)
    except InputError:
        raise
    except Exception as error:
        msg = (
            f"the frame ({type(frame).__name__}) cannot be read as a table: {one_line(error)}; "
            "give a pandas, polars or pyarrow table with one type a column"
        )
        raise InputError(msg) from error
    return Table(arrow=_tidy(arrow, "the frame", notes), format="frame", notes=notes, native=frame)


def known_column(name: str, names: Sequence[str], where: str) -> str:
    """Return `name` if it is one of `names`, else raise the error that says which was meant."""
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    close = close or [c for c in names if c.lower() == str(name).lower()]
    listed = ", ".join(repr(one_line(c, 40)) for c in (close or list(names)[:10]))
    tail = f"did you mean {listed}?" if close else f"its columns are {listed}" + (" ..." if len(names) > 10 else "")
    msg = f"{where}: there is no column {one_line(name, 60)!r}; {tail}"
    raise InputError(msg)


def _exists(path: Path) -> None:
    """Raise the "did you mean" error for a path that is no file."""
    try:
        is_file, is_dir = path.is_file(), path.is_dir()
    except (OSError, ValueError) as error:
        msg = f"{one_line(path)}: no file can have this name ({one_line(error)}); check the path"
        raise InputError(msg) from error
    if is_file:
        return
    if is_dir:
        msg = f"{one_line(path)}: this is a folder; name a file in it"
        raise InputError(msg)
    siblings: list[str] = []
    with suppress(OSError):
        siblings = [p.name for p in path.parent.iterdir() if p.is_file()]
    close = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.6)
    where = f"did you mean {one_line(path.parent / close[0])}?" if close else "check the path"
    msg = f"{one_line(path)}: there is no such file; {where}"
    raise InputError(msg)


@contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on bad bytes into one InputError.

    Parsers raise a dozen types on rubbish (zip, zlib, struct, Arrow, NumPy); none of them is our caller's business.
    """
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        msg = f"{one_line(path)}: no permission to read it; change its rights or copy it"
        raise InputError(msg) from error
    except MemoryError as error:
        msg = (
            f"{one_line(path)}: it does not fit into memory, or is damaged and claims a size "
            "it has not; read fewer columns or write it again"
        )
        raise InputError(msg) from error
    except Exception as error:
        msg = (
            f"{one_line(path)}: it cannot be read as {kind}: {one_line(error)}; write it again, "
            "or rename it if it is something else"
        )
        raise InputError(msg) from error


# ---------------------------------------------------------------------------------------------- text


def _open(path: Path, compression: str | None) -> Any:
    """Return Arrow's input stream on the file, unpacked."""
    import pyarrow as pa

    return pa.input_stream(str(path), compression=compression)


def _head(path: Path, compression: str | None) -> bytes:
    """Return the first HEAD_BYTES of the unpacked file."""
    with _open(path, compression) as stream:
        return bytes(stream.read(HEAD_BYTES))


def _encoding(head: bytes, where: str) -> str:
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


def _share(head: bytes, of: bytes) -> float:
    """Return the share of the bytes of `head` that are in `of`."""
    return 1.0 - len(head.translate(None, of)) / max(len(head), 1)


def _first(head: bytes, of: bytes) -> int:
    """Return the position of the first byte of `head` that is in `of`."""
    return next((i for i, b in enumerate(head) if b in of), 0)


def _read_text(path: Path, kind: str, compression: str | None, notes: list[str]) -> pa.Table:
    """Read CSV, TSV or JSONL: look at the head, settle the encoding, hand over to Arrow."""
    where = one_line(path)
    head = _head(path, compression)
    if not head.strip():
        msg = f"{where}: the file holds nothing but blanks; write it again"
        raise InputError(msg)
    encoding = _encoding(head, where)
    if kind == "jsonl":
        arrow = _read_jsonl(path, compression, encoding)
    else:
        arrow = _read_csv(path, compression, encoding, "," if kind == "csv" else "\t", head)
        if encoding == "utf-8" and _has_binary(arrow):
            encoding = _late_encoding(arrow, where)
            arrow = _read_csv(path, compression, encoding, "," if kind == "csv" else "\t", head)
    if encoding != "utf-8":
        notes.append(f"read as {encoding.upper()}")
    return arrow


def _has_binary(arrow: pa.Table) -> bool:
    """Say whether a text parser gave a column up as binary, which it does for bytes that are not UTF-8."""
    import pyarrow as pa

    return any(pa.types.is_binary(t) or pa.types.is_large_binary(t) for t in arrow.schema.types)


def _late_encoding(arrow: pa.Table, where: str) -> str:
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


def _source(path: Path, compression: str | None, encoding: str) -> Any:
    """Return an Arrow stream of UTF-8."""
    import pyarrow as pa

    stream = _open(path, compression)
    return stream if encoding == "utf-8" else pa.transcoding_input_stream(stream, encoding, "utf-8")


def _read_csv(path: Path, compression: str | None, encoding: str, delimiter: str, head: bytes) -> pa.Table:
    """Read CSV or TSV.

    Arrow splits a file without newlines inside quotes faster, so it is told of them only when a row in the head
    holds a quote, and again when the first try fails.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    # A quoted header alone says nothing of newlines in the values; UTF-16 has the byte of a quote as well.
    tries = [True] if b'"' in head.partition(b"\n")[2] else [False, True]
    for quoted_newlines in tries:
        try:
            with _source(path, compression, encoding) as stream:
                return pa_csv.read_csv(
                    stream,
                    parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=quoted_newlines),
                )
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            if quoted_newlines:
                _explain_csv(path, compression, encoding, delimiter, error)
    raise AssertionError  # pragma: no cover - the last try either returns or raises


def _text_lines(path: Path, compression: str | None, encoding: str) -> io.TextIOWrapper:
    """Return a text stream over the file, for finding the line of an error only."""
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    return io.TextIOWrapper(_open(path, compression), encoding=encoding, errors="replace", newline="")


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
                    f"{width}; put values that hold {'a comma' if delimiter == ',' else 'a tab'} "
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
            with _source(path, compression, encoding) as stream:
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


# -------------------------------------------------------------------------------------------- binary


def _read_parquet(path: Path) -> pa.Table:
    """Read Parquet; the marks at both ends are looked at first, so that half a file is called half a file."""
    from pyarrow import parquet

    where = one_line(path)
    with path.open("rb") as handle:
        head = handle.read(4)
        handle.seek(max(0, path.stat().st_size - 4))
        tail = handle.read(4)
    if head != b"PAR1":
        msg = f"{where}: this is no Parquet file (it does not begin with PAR1); check its name"
        raise InputError(msg)
    if tail != b"PAR1" or path.stat().st_size < 12:
        msg = f"{where}: the Parquet file is cut off (its end is missing); copy or write it again"
        raise InputError(msg)
    # ParquetFile and not read_table: the latter makes columns out of folder names such as "a=1".
    with parquet.ParquetFile(str(path)) as file:
        names = list(file.schema_arrow.names)
        _refuse_duplicates(names, where)
        arrow = file.read()
    arrow.validate(full=True)
    return arrow


def _read_arrow(path: Path) -> pa.Table:
    """Read an Arrow file or stream; the bytes are validated, since a damaged file may hold offsets out of bounds."""
    import pyarrow as pa
    from pyarrow import feather, ipc

    with path.open("rb") as handle:
        head = handle.read(6)
    if head.startswith(b"FEA1"):
        arrow = feather.read_table(str(path))
    elif head == b"ARROW1":
        with pa.OSFile(str(path)) as source:
            arrow = ipc.open_file(source).read_all()
    else:
        with pa.OSFile(str(path)) as source:
            arrow = ipc.open_stream(source).read_all()
    arrow.validate(full=True)
    return arrow


def _read_npz(path: Path) -> pa.Table:
    """Read the arrays of an NPZ as columns: 1-D as values, 2-D as lists of fixed length. Pickles are never loaded."""
    import numpy as np
    import pyarrow as pa

    where = one_line(path)
    with path.open("rb") as handle:
        if not handle.read(4).startswith(b"PK"):
            msg = f"{where}: this is no NPZ file (it is no zip archive); write it with numpy.savez"
            raise InputError(msg)
    columns: dict[str, pa.Array] = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            array = archive[name]
            if not isinstance(array, np.ndarray):
                msg = f"{where}: the member {one_line(name, 60)!r} is no NumPy array; leave it out"
                raise InputError(msg)
            columns[name] = _array_to_arrow(array, name, where)
    if not columns:
        msg = f"{where}: it holds no arrays; write it again"
        raise InputError(msg)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{one_line(name, 30)} {length:,}" for name, length in list(lengths.items())[:6])
        msg = f"{where}: its arrays have different lengths ({listed}); give each one entry a row"
        raise InputError(msg)
    return pa.table(columns)


def _array_to_arrow(array: Any, name: str, where: str) -> pa.Array:
    """Return a NumPy array as an Arrow column."""
    import pyarrow as pa

    if array.ndim == 1:
        return pa.array(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    if array.ndim == 2 and array.shape[1] > 0 and array.dtype.kind in "fiub":
        flat = array.astype(array.dtype.newbyteorder("=")).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), array.shape[1])
    msg = (
        f"{where}: the array {one_line(name, 60)!r} has shape {array.shape} and type {array.dtype}; "
        "give it one or two dimensions"
    )
    raise InputError(msg)


# --------------------------------------------------------------------------------------------- frames


def _frame_to_arrow(frame: Any, pa: Any, notes: list[str]) -> pa.Table:
    """Return any frame as Arrow."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, dict):
        import numpy as np

        return pa.table(
            {
                str(k): _array_to_arrow(v, str(k), "the frame") if isinstance(v, np.ndarray) else pa.array(v)
                for k, v in frame.items()
            }
        )
    import narwhals as nw

    if nw.dependencies.is_pandas_dataframe(frame):
        names = [str(c) for c in frame.columns]
        _refuse_duplicates(names, "the frame")
        if type(frame.index).__name__ != "RangeIndex":
            notes.append("the index of the frame is not read as a column")
        return pa.Table.from_pandas(frame, preserve_index=False)
    eager = nw.from_native(frame)
    if isinstance(eager, nw.LazyFrame):
        eager = eager.collect()
    return eager.to_arrow()


def _refuse_duplicates(names: Sequence[str], where: str) -> None:
    """Raise for a column name that occurs twice: a role could not say which one it means."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            msg = (
                f"{where}: the column name {one_line(name, 60)!r} occurs {names.count(name)} times; rename all but one"
            )
            raise InputError(msg)
        seen.add(name)


def _tidy(arrow: pa.Table, where: str, notes: list[str]) -> pa.Table:
    """Check the names, name the nameless columns, and drop what the rest of the code need not know."""
    import pyarrow as pa

    names = list(arrow.column_names)
    if not names:
        msg = f"{where}: it has no columns; write it again"
        raise InputError(msg)
    for i, name in enumerate(names):
        if not name.strip():
            fresh = f"column_{i + 1}"
            while fresh in names:
                fresh += "_"
            names[i] = fresh
            notes.append(f"column {i + 1} has no name and is called {fresh!r}")
    _refuse_duplicates(names, where)
    arrow = arrow.rename_columns(names).replace_schema_metadata(None)
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for i, kind in enumerate(arrow.schema.types):
        if kind in views:
            arrow = arrow.set_column(i, names[i], arrow.column(i).cast(views[kind]))
    return arrow
