"""The table as read, and how names are looked up and shown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(eq=False)
class Table:
    """A table and what was noticed while reading it.

    Parameters
    ----------
    arrow : pyarrow.Table
        The columns, (n_rows, n_columns).
    format : str
        ``"csv"``, ``"tsv"``, ``"parquet"``, ``"jsonl"``, ``"arrow"``, ``"npz"`` or ``"frame"``.
    path : Path or None
        The file, None for a frame.
    notes : list of str
        What the reader had to decide, for the report.
    native : object or None
        The caller's own frame, so that results can go back in its type.
    """

    arrow: pa.Table
    format: str
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    native: Any = None

    def __len__(self) -> int:
        return int(self.arrow.num_rows)


def one_line(text: object, limit: int = 160) -> str:
    """Return `text` on one line of printable characters, cut at `limit` (a data cell may hold anything)."""
    flat = " ".join(str(text).split())
    flat = "".join(c if c.isprintable() else "?" for c in flat)
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


def known_column(name: str, names: Sequence[str], where: str) -> str:
    """Return `name` if it is one of `names`, else raise the error that says which was meant."""
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    close = close or [c for c in names if c.lower() == str(name).lower()]
    listed = ", ".join(map(quoted, close or list(names)[:10]))
    tail = f"did you mean {listed}?" if close else f"its columns are {listed}" + (" ..." if len(names) > 10 else "")
    msg = f"{where}: there is no column {quoted(str(name), 60)}; {tail}"
    raise InputError(msg)


def quoted(name: str, limit: int = 40) -> str:
    """Return a column's name in quotes, blanks at its ends kept: without them it is another name."""
    short = one_line(name, limit)
    return repr(name) if name.strip() == short else repr(short)


def refuse_duplicates(names: Sequence[str], where: str) -> None:
    """Raise for a column name that occurs twice: a role could not say which one it means."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            msg = (
                f"{where}: the column name {one_line(name, 60)!r} occurs {names.count(name)} times; rename all but one"
            )
            raise InputError(msg)
        seen.add(name)
