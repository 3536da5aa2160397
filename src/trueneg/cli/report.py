"""``trueneg report PATH``."""

from __future__ import annotations

import json
from pathlib import Path


def report(path: Path, *, out: Path | None = None) -> None:
    """Draw the page again from an audit's JSON, which is the source of truth.

    Parameters
    ----------
    path
        An audit's folder, or its audit.json.
    out
        The page to write; by default report.html beside the JSON.
    """
    from trueneg.core.errors import InputError
    from trueneg.data.writers import atomic
    from trueneg.report.html import render
    from trueneg.report.schema import validate

    source = path / "audit.json" if path.is_dir() else path
    try:
        loaded = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{source} is no audit: {error}; name a folder that 'trueneg audit' wrote"
        raise InputError(msg) from error
    validate(loaded)
    with atomic(out or source.with_name("report.html")) as file:
        file.write_text(render(loaded), encoding="utf-8", errors="replace")
