"""Write a table to a file, wholly or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import format_of, one_line

if TYPE_CHECKING:
    import pyarrow as pa

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write to, and put it in its place when the block ends well.

    On any exception, Ctrl-C among them, the half-written file is removed and `path` is as it was.

    Parameters
    ----------
    path : path
        Where the file shall be.

    Yields
    ------
    Path
        An empty file in the same folder.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        # Named before it is there: an interrupt between the two would leave a file that nobody knows.
        temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.tmp"
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield temporary
        _settle(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _os_error(error, path) from error
        raise


@contextmanager
def atomic_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder to write several files to, and put all of them into `folder` when the block ends well.

    On any exception, Ctrl-C among them, `folder` is as it was, and is not made where it was not there: no reader
    finds the new table beside the old report.

    Parameters
    ----------
    folder : path
        Where the files shall be, in sub-folders too; made where it is missing. Files of other names in it stay.

    Yields
    ------
    Path
        An empty folder within `folder`.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written to.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".writing-{secrets.token_hex(6)}"
        temporary.mkdir(mode=0o700)
        (temporary / "new").mkdir()
        yield temporary / "new"
        _settle_all(temporary, folder)
        shutil.rmtree(temporary, ignore_errors=True)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # a folder that holds more by now stays
            for path in made:
                path.rmdir()
        if isinstance(error, OSError):
            raise _os_error(error, folder) from error
        if isinstance(error, InputError) and temporary is not None:  # it names the place that the user knows
            raise InputError(str(error).replace(str(temporary / "new"), str(folder))) from error
        raise


def _settle_all(temporary: Path, folder: Path) -> None:
    """Move the new files into the folder in the order in which they were written; undo all where one fails."""
    new, old = temporary / "new", temporary / "old"
    files = sorted((p for p in new.rglob("*") if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
    names = [p.relative_to(new) for p in files]
    try:
        for name in names:
            (old / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (folder / name).exists():
                _second_name(folder / name, old / name)
        for name in names:
            os.replace(new / name, folder / name)
    except BaseException:
        for name in names:
            with suppress(OSError):
                if (old / name).exists():
                    os.replace(old / name, folder / name)
                elif not (new / name).exists():
                    (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # a sub-folder that was made for it
                (folder / name).parent.rmdir()
        raise


def _second_name(path: Path, other: Path) -> None:
    """Keep a file under a second name, without a copy where the file system can."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copy2(path, other)


def _settle(temporary: Path, path: Path) -> None:
    """Bring the bytes to the disk and rename; the rights are those an ordinary new file would have."""
    with temporary.open("rb+") as handle:
        os.fsync(handle.fileno())
    mask = os.umask(0)
    os.umask(mask)
    with suppress(OSError):
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
    os.replace(temporary, path)


def _os_error(error: OSError, path: Path) -> InputError:
    """Return the one-line form of an error of the file system."""
    where = one_line(path)
    if error.errno in _FULL or "No space left" in str(error):
        return InputError(f"{where}: the disk is full and nothing was written; free some space or write elsewhere")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{where}: its folder does not exist; make it first")
    return InputError(f"{where}: it cannot be written ({one_line(error, 100)}); check the folder and its rights")


def write_table(arrow: pa.Table, path: str | os.PathLike[str]) -> Path:
    """Write a table, the format by the name of the file, wholly or not at all.

    Parameters
    ----------
    arrow : pyarrow.Table
        The table, (n_rows, n_columns).
    path : path
        CSV, TSV, JSONL (also ``.gz`` and ``.zst``), Parquet, Arrow / Feather or NPZ.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        For a format or a column type that the file cannot hold, or a full disk; nothing is left behind.
    """
    path = Path(path)
    kind, compression = format_of(path)
    _check(arrow, kind, path)
    with atomic(path) as temporary:
        if kind in ("csv", "tsv"):
            _write_csv(arrow, temporary, "," if kind == "csv" else "\t", compression)
        elif kind == "jsonl":
            _write_jsonl(arrow, temporary, compression)
        elif kind == "parquet":
            from pyarrow import parquet

            parquet.write_table(arrow, str(temporary), compression="zstd")
        elif kind == "arrow":
            from pyarrow import feather

            feather.write_feather(arrow, str(temporary), compression="zstd")
        else:
            _write_npz(arrow, temporary, path)
    return path


def _check(arrow: pa.Table, kind: str, path: Path) -> None:
    """Raise before anything is written for a column that the format has no place for."""
    import pyarrow as pa

    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        nested = pa.types.is_nested(column.type)
        binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
        bad = (kind in ("csv", "tsv") and (nested or binary)) or (kind == "jsonl" and binary)
        if bad:
            msg = (
                f"{one_line(path)}: column {one_line(name, 60)!r} holds {column.type}, which "
                f"{kind} cannot hold; write Parquet"
            )
            raise InputError(msg)
        if kind == "npz" and column.null_count:
            msg = (
                f"{one_line(path)}: column {one_line(name, 60)!r} has {column.null_count:,} "
                "nulls, which NPZ cannot hold; write Parquet"
            )
            raise InputError(msg)


def _stream(path: Path, compression: str | None) -> Any:
    """Return Arrow's output stream, packing where asked."""
    import pyarrow as pa

    return pa.output_stream(str(path), compression=compression)


def _write_csv(arrow: pa.Table, path: Path, delimiter: str, compression: str | None) -> None:
    """Write a delimited text file; categories are written as their values."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    for i, kind in enumerate(arrow.schema.types):
        if pa.types.is_dictionary(kind):
            arrow = arrow.set_column(i, arrow.column_names[i], arrow.column(i).cast(kind.value_type))
    with _stream(path, compression) as out:
        pa_csv.write_csv(arrow, out, pa_csv.WriteOptions(delimiter=delimiter))


def _write_jsonl(arrow: pa.Table, path: Path, compression: str | None) -> None:
    """Write one object a line, batch by batch; NaN and infinities have no JSON and are written as null."""
    with _stream(path, compression) as out:
        for batch in arrow.to_batches(max_chunksize=16_384):
            lines = [_json(row) for row in batch.to_pylist()]
            out.write(("\n".join(lines) + "\n").encode("utf-8") if lines else b"")


def _json(row: dict[str, Any]) -> str:
    """Return one row as JSON."""
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, allow_nan=False, default=str)


def _finite(value: Any) -> Any:
    """Return `value` with NaN and infinities as None."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _write_npz(arrow: pa.Table, path: Path, told: Path) -> None:
    """Write one array a column; lists of fixed length become two-dimensional."""
    import numpy as np
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_fixed_size_list(column.type):
            width = column.type.list_size
            flat = column.combine_chunks().flatten() if len(column) else pa.array([], column.type.value_type)
            array = np.asarray(flat).reshape(-1, width)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            array = np.asarray(column.to_pylist(), dtype=np.str_)
        else:
            array = np.asarray(column)
        if array.dtype.kind == "O":
            msg = (
                f"{one_line(told)}: column {one_line(name, 60)!r} holds {column.type}, which "
                "NPZ cannot hold; write Parquet"
            )
            raise InputError(msg)
        arrays[name] = array
    _savez(path, arrays)


def _savez(path: Path, arrays: dict[str, Any]) -> None:
    """Write the members one by one, since ``numpy.savez`` refuses a column called "file"."""
    import zipfile

    import numpy as np

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
