"""``trueneg diff OUT1 OUT2``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def diff(
    before: Path,
    after: Path,
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
) -> None:
    """Put two audits side by side: findings, suspects and classes that went, came or stayed.

    Rows are matched by their key (--id of the audits, else their content without the label). Writes diff.html into the
    second folder.

    Parameters
    ----------
    before
        The folder of the first audit.
    after
        The folder of the second, such as that of the repaired table.
    json
        Print everything as JSON instead of tables.
    out
        The page to write; by default diff.html in the second folder.
    """
    import sys

    from trueneg.core.errors import InputError

    for folder in (before, after):
        if not folder.exists():
            msg = f"no such folder: {folder}; run 'trueneg audit PATH' first"
            raise InputError(msg)
    from trueneg.data.writers import atomic
    from trueneg.jobs.diff import diff as compare
    from trueneg.report.difference import render, terminal
    from trueneg.report.files import dumps

    found = compare(before, after)
    page = out or after / "diff.html"
    with atomic(page) as file:
        file.write_text(render(found), encoding="utf-8", errors="replace")
    if json:
        sys.stdout.write(dumps(found) + "\n")
        return
    from rich.console import Console

    console = Console()
    terminal(found, console)
    console.print(f"Page: {page}", markup=False, highlight=False, soft_wrap=True)
