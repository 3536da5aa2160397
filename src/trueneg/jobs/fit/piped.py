"""Tables that come from a pipe, and answers that go into one."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trueneg.core.errors import InputError

__all__ = ["is_pipe", "printed", "spooled"]

_STDIN = Path("/dev/stdin")
_PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_COLUMNAR = {b"PAR1": ".parquet", b"ARROW1": ".arrow"}
_HEAD = 65_536


def is_pipe(path: Path) -> bool:
    """Whether a path is no file but a pipe, such as ``/dev/stdin`` or what ``<(zcat a.gz)`` gives."""
    try:
        return path == _STDIN or stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


@contextmanager
def spooled(source: Any) -> Iterator[Path]:
    """Yield a file with all that comes from a pipe, of the format that its first bytes tell; it is removed at the end.

    The types of a text table are told by all of its values, so that it is read twice.

    Parameters
    ----------
    source : Path or binary file

    Raises
    ------
    InputError
        Those of the block, which name the pipe in place of the file.
    """
    with TemporaryDirectory(prefix="trueneg-") as folder:
        raw = Path(folder) / "raw"
        with raw.open("wb") as file:
            if isinstance(source, Path):
                with source.open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
            else:
                shutil.copyfileobj(source, file)
        kept = raw.rename(raw.with_name("table" + _suffix(raw)))
        try:
            yield kept
        except InputError as error:
            raise InputError(str(error).replace(str(kept), "the pipe")) from error


@contextmanager
def printed(stream: Any) -> Iterator[Path]:
    """Yield a CSV file to write to; it goes into the stream where the block ends well."""
    with TemporaryDirectory(prefix="trueneg-") as folder:
        kept = Path(folder) / "answers.csv"
        yield kept
        with kept.open("rb") as file, suppress(BrokenPipeError):  # who reads has enough
            shutil.copyfileobj(file, stream)
            stream.flush()


def _suffix(path: Path) -> str:
    import pyarrow as pa

    with path.open("rb") as file:
        head = file.read(8)
    for mark, name in _COLUMNAR.items():
        if head.startswith(mark):
            return name
    packed = next((name for mark, name in _PACKED.items() if head.startswith(mark)), "")
    compression = {".gz": "gzip", ".zst": "zstd"}.get(packed)
    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            first = bytes(stream.read(_HEAD)).lstrip().partition(b"\n")[0]
    except OSError:
        first = b""  # the reader says what is wrong
    if first.startswith(b"{"):
        return ".jsonl" + packed
    return (".tsv" if b"\t" in first and b"," not in first else ".csv") + packed
