"""The error family: every message says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import NoReturn


class TruenegError(Exception):
    """Base of every error that trueneg raises on purpose."""


class InputError(TruenegError, ValueError):
    """The data or an argument cannot be used; the message names the remedy.

    A subclass of ``ValueError``, since that is what a caller would catch anyway.
    The command line turns it into one line and exit code 2.
    """


class MissingExtraError(TruenegError, ImportError):
    """An optional dependency is not installed; the message is the cure."""


class ClaimNotRun(TruenegError):  # noqa: N818 - it reports a state, not a fault
    """A claim could not run, because its data is not there: never counted as held."""


def missing_extra(package: str, extra: str) -> NoReturn:
    """Raise the one-line error that names the ``pip install`` curing a missing extra."""
    msg = f"{package} is needed here and is not installed: pip install 'trueneg[{extra}]'"
    raise MissingExtraError(msg)
