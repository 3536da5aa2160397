"""What is refused before a table is read: options that exclude each other, and names that stand for nothing."""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.sniff import roles as sniff_roles
from trueneg.jobs.audit.again import OWN
from trueneg.jobs.audit.checks import load
from trueneg.jobs.audit.folder import _NOT_COLUMNS

KINDS = ("table", "multilabel", "attempts", "retrieval")
LATER = ("versions", "boxes", "bags")


def refuse(quick: bool, thorough: bool, kind: str | None) -> None:
    """Refuse options that exclude each other, and kinds that no audit knows yet, before anything is read."""
    if quick and thorough:
        raise InputError("--quick asks no model and --thorough asks more of them; give one of the two")
    if kind in LATER:
        msg = (
            f"kind {kind!r} cannot be audited yet: {' and '.join(KINDS)} can; give a table with a label a row, or cells"
        )
        raise InputError(msg)
    if kind is not None and kind not in KINDS:
        msg = f"kind {one_line(kind, 30)!r} is unknown; say {' or '.join(KINDS)}, or leave it out"
        raise InputError(msg)


def refuse_choice(seed: int, select: list[str] | None, ignore: list[str] | None, out: str | Path | None) -> None:
    """Refuse what would leave a gate open unnoticed (a code that no check has), or fail deep down."""
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: give a whole number from 0 to {2**32 - 1}")
    for option, wanted in (("--select", select), ("--ignore", ignore)):
        for code in wanted or []:
            if not any(matches(check.CODE, [code]) for check in load()):
                known = ", ".join(check.CODE for check in load())
                raise InputError(
                    f"{option} {one_line(code, 30)}: no check has a code that begins so; there are {known}"
                )
    if out is not None and Path(out).is_file():
        raise InputError(f"--out {one_line(out)} is a file; name a folder, which is made where it is missing")


def refuse_columns(options: dict[str, Any]) -> None:
    """Refuse a part that no audit knows, and labels where the name of their column is wanted."""
    known = {*inspect.signature(sniff_roles).parameters, *_NOT_COLUMNS, *OWN} - {"table", "least"}
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"audit() got an unexpected keyword argument {name!r}{hint}")
    label = options.get("label")
    if label is not None and not isinstance(label, str):
        raise InputError(
            f"label is a {type(label).__name__}: give the name of a column; labels that stand apart go into the table "
            "first, such as frame.assign(label=labels)"
        )


def matches(code: str, wanted: list[str]) -> bool:
    """Say whether a code begins with one of those wanted."""
    return any(code.startswith(w.upper()) for w in wanted)
