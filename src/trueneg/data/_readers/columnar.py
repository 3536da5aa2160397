"""Parquet, Arrow and NPZ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data._readers.table import one_line, refuse_duplicates

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> pa.Table:
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
        refuse_duplicates(names, where)
        arrow = file.read()
    arrow.validate(full=True)
    return arrow


def read_arrow(path: Path) -> pa.Table:
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


def read_npz(path: Path) -> pa.Table:
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
            columns[name] = array_to_arrow(array, name, where)
    if not columns:
        msg = f"{where}: it holds no arrays; write it again"
        raise InputError(msg)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{one_line(name, 30)} {length:,}" for name, length in list(lengths.items())[:6])
        msg = f"{where}: its arrays have different lengths ({listed}); give each one entry a row"
        raise InputError(msg)
    return pa.table(columns)


def array_to_arrow(array: Any, name: str, where: str) -> pa.Array:
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
