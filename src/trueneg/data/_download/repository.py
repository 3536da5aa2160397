"""A file at a pinned commit of a public repository, over HTTP."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trueneg import __version__
from trueneg.core.errors import InputError
from trueneg.data._download.landing import landing
from trueneg.data.readers import one_line
from trueneg.data.registry import File

VARIABLE = "TRUENEG_RAW_BASE"
DEFAULT_BASE = "https://raw.githubusercontent.com"
"""Serves ``/owner/name/commit/path``; a mirror laid out otherwise is given with {repository}, {commit} and {path}."""

Progress = Callable[[str, int, int], None]
_BLOCK = 1 << 18
_ANSWERS_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class _BrokenOffError(Exception):
    """A transfer that failed in a way another try may cure."""


def url_of(file: File) -> str:
    """Return the address of a file at its pinned commit.

    Parameters
    ----------
    file : File
        With ``way="repository"``.

    Returns
    -------
    str
        ``TRUENEG_RAW_BASE`` (default: GitHub's raw host) + ``/owner/name/commit/path``, or the template filled in.
    """
    base = os.environ.get(VARIABLE) or DEFAULT_BASE
    parts = {"repository": file.where, "commit": file.commit, "path": file.path}
    parts = {key: urllib.parse.quote(value) for key, value in parts.items()}
    template = base if "{" in base else base.rstrip("/") + "/{repository}/{commit}/{path}"
    for key, value in parts.items():
        template = template.replace("{" + key + "}", value)
    try:
        split = urllib.parse.urlsplit(template)
        usable = split.scheme in ("http", "https") and bool(split.hostname) and "{" not in template
    except ValueError:
        usable = False
    if not usable:
        msg = (
            f"{VARIABLE} is {one_line(base, 80)!r}, which gives no http(s) address; set it to a host such as "
            f"{DEFAULT_BASE}, or to a template with {{repository}}, {{commit}} and {{path}}"
        )
        raise InputError(msg)
    return template


def from_repository(file: File, path: Path, report: Progress, *, timeout: float, tries: int, pause: float) -> None:
    """Fetch one file over HTTP, trying again where that may help."""
    address = url_of(file)
    last = ""
    for number in range(tries):
        if number:
            time.sleep(pause * 2 ** (number - 1))
        try:
            with landing(path, file) as handle:
                _transfer(address, file, handle, report, timeout)
        except _BrokenOffError as error:
            last = one_line(error)
        else:
            return
    msg = (
        f"{one_line(address)} could not be fetched in {tries} tries: {last}; try again later, or set {VARIABLE} "
        "to a mirror that is reached from here"
    )
    raise InputError(msg)


def _transfer(address: str, file: File, handle: IO[bytes], report: Progress, timeout: float) -> None:
    """Copy the answer to an address into a handle, at most one block beyond the size that is known."""
    request = urllib.request.Request(address, headers={"User-Agent": f"trueneg/{__version__}"})  # noqa: S310 - url_of lets http(s) through only
    done = 0
    with _answer(address, request, timeout) as response:
        declared = response.headers.get("Content-Length", "")
        report(file.name, 0, file.bytes)
        while block := _read(response):
            done += len(block)
            handle.write(block)
            report(file.name, min(done, file.bytes), file.bytes)
            if done > file.bytes:
                return  # the size will be refused; there is no need to hear the rest
    if declared.isdigit() and done < int(declared):
        msg = f"the connection broke off after {done:,} of {int(declared):,} bytes"
        raise _BrokenOffError(msg)


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read one block; only what the network raises is worth another try, not a full disk."""
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from error


@contextmanager
def _answer(address: str, request: urllib.request.Request, timeout: float) -> Iterator[http.client.HTTPResponse]:
    """Open an address; a final refusal is an InputError, anything that may pass is not."""
    try:
        response = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _ANSWERS_WORTH_ANOTHER_TRY:
            raise _BrokenOffError(f"the host answered {error.code} {error.reason}") from error
        msg = (
            f"{one_line(address)}: the host answered {error.code} {one_line(error.reason)}; is it gone, or is "
            f"{VARIABLE} a mirror that lacks it?"
        )
        raise InputError(msg) from error
    except urllib.error.URLError as error:
        raise _BrokenOffError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from error
    with response:
        yield response
