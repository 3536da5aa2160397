"""``trueneg report PATH``."""

from __future__ import annotations

import json
from pathlib import Path


def report(path: Path, /, *, out: Path | None = None) -> None:
    """Draw the page of an audit, a comparison or a model from its JSON, which is the source of truth.

    Parameters
    ----------
    path
        An audit's folder, its audit.json, a comparison's compare.json, or the folder of a model.
    out
        The page to write; by default report.html, or compare.html, beside the JSON.
    """
    from trueneg.core.errors import InputError
    from trueneg.report import comparison, html
    from trueneg.report.schema import validate

    if (path / "model.json").is_file():
        from trueneg.jobs.fit.model import described
        from trueneg.report.model import render

        page = render(described(path))
        _write(page, out or path / "report.html")
        return
    source = path / "audit.json" if path.is_dir() else path
    try:
        loaded = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = {FileNotFoundError: "it is not there", json.JSONDecodeError: "it is no JSON"}.get(type(error), str(error))
        msg = f"{source}: {why}; name the folder of an audit, a comparison's compare.json, or the folder of a model"
        raise InputError(msg) from error
    compared = isinstance(loaded, dict) and str(loaded.get("schema", "")).startswith("trueneg/compare/")
    if compared:
        comparison.validate(loaded)
    else:
        validate(loaded)
    page = (comparison.render if compared else html.render)(loaded)
    _write(page, out or source.with_name("compare.html" if compared else "report.html"))


def _write(page: str, path: Path) -> None:
    """Write a page, and say where it is."""
    from rich.console import Console

    from trueneg.data.writers import atomic

    with atomic(path) as file:
        file.write_text(page, encoding="utf-8", errors="replace")
    Console().print(f"Report: {path}", markup=False, highlight=False, soft_wrap=True)
