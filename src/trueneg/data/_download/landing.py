"""A file lands under its name only when it is the published one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trueneg.core.errors import InputError
from trueneg.data import registry
from trueneg.data.readers import one_line
from trueneg.data.registry import Dataset, File


def kept(path: Path, file: File, item: Dataset) -> bool:
    """Say whether the published file is there already; another one in its place is an InputError."""
    if not path.exists():
        return False
    if path.is_file() and registry.is_published(path, file):
        return True
    msg = (
        f"{one_line(path)}: something else than the file published in {item.origin} is there (size or SHA-256 "
        "differs); remove it, then fetch again"
    )
    raise InputError(msg)


@contextmanager
def landing(path: Path, file: File) -> Iterator[IO[bytes]]:
    """Give a file to write to; it is moved to its place only if it is then the published one."""
    # Named before it is there: an interrupt between the two would leave a file that nobody knows.
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        _refuse_another(part, file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _refuse_another(part: Path, file: File) -> None:
    """Raise where what came is not what was published."""
    if registry.is_published(part, file):
        return
    size = part.stat().st_size
    if size != file.bytes and not file.packed:
        came = f"more than {file.bytes:,}" if size > file.bytes else f"{size:,} of {file.bytes:,}"
        what = f"{came} bytes came"
    else:
        what = f"its SHA-256 is {registry.digest(part, packed=file.packed)[:16]}..., not {file.sha256[:16]}..."
    msg = (
        f"{file.name} from {file.where} is not the published file and was refused: {what}; nothing was kept of it; "
        "where a mirror serves it (TRUENEG_RAW_BASE, or pip's index), check that"
    )
    raise InputError(msg)
