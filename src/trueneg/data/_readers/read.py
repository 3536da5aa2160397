"""The entry: find the format, read the file or the frame, and turn every failure into one line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data._readers.columnar import read_arrow, read_npz, read_parquet
from trueneg.data._readers.frames import frame_to_arrow, tidy
from trueneg.data._readers.table import Table, known_column, one_line
from trueneg.data._readers.text import read_text

if TYPE_CHECKING:
    pass


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
            arrow = read_text(path, kind, compression, notes)
        elif kind == "parquet":
            arrow = read_parquet(path)
        elif kind == "arrow":
            arrow = read_arrow(path)
        else:
            arrow = read_npz(path)
        arrow = tidy(arrow, one_line(path), notes)
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
    import numpy as np
    import pyarrow as pa

    notes: list[str] = []
    if isinstance(frame, Table):
        return frame
    if isinstance(frame, np.ndarray):
        raise InputError(
            f"an array of shape {frame.shape} has no names of columns; give a frame that holds the labels too, such as "
            "pandas.DataFrame(X).assign(label=y)"
        )
    try:
        arrow = frame_to_arrow(frame, pa, notes)
    except InputError:
        raise
    except Exception as error:
        msg = (
            f"the frame ({type(frame).__name__}) cannot be read as a table: {one_line(error)}; "
            "give a pandas, polars or pyarrow table with one type a column"
        )
        raise InputError(msg) from error
    return Table(arrow=tidy(arrow, "the frame", notes), format="frame", notes=notes, native=frame)


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
