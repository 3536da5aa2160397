"""``trueneg report PATH``."""

from __future__ import annotations

import json
from pathlib import Path


def report(path: Path, *, out: Path | None = None) -> None:
    """Draw the page again from the JSON of an audit or a comparison, which is the source of truth.

    Parameters
    ----------
    path
        An audit's folder, its audit.json, or a comparison's compare.json.
    out
        The page to write; by default report.html, or compare.html, beside the JSON.
    """
    from trueneg.core.errors import InputError
    from trueneg.data.writers import atomic
    from trueneg.report import comparison, html
    from trueneg.report.schema import validate

    source = path / "audit.json" if path.is_dir() else path
    try:
        loaded = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{source} is no audit: {error}; name a folder that 'trueneg audit' wrote"
        raise InputError(msg) from error
    compared = isinstance(loaded, dict) and str(loaded.get("schema", "")).startswith("trueneg/compare/")
    if compared:
        comparison.validate(loaded)
    else:
        validate(loaded)
    page = (comparison.render if compared else html.render)(loaded)
    with atomic(out or source.with_name("compare.html" if compared else "report.html")) as file:
        file.write_text(page, encoding="utf-8", errors="replace")
