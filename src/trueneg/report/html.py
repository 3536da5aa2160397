"""Draw a report as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.page import all_visible, draw_page, pictures
from trueneg.report.schema import validate

__all__ = ["render"]

OPEN_FIRST = 10
_OPEN = ("finding", "advice", "error")


def render(report: Mapping[str, Any]) -> str:
    """Draw a report.

    Parameters
    ----------
    report
        The report dict; NumPy values and NaN are welcome. Findings are shown in the order given.

    Returns
    -------
    str
        An HTML page. Everything that comes from the data is escaped, the page's security policy lets only its own
        style and script run, and nothing is fetched.

    Raises
    ------
    InputError
        The dict is not a report, or a figure cannot be drawn.
    """
    data = all_visible(clean(report))
    validate(data)
    shown = [f for f in map(_complete, data["findings"]) if f["status"] in _OPEN]
    quiet = [f for f in map(_complete, data["findings"]) if f["status"] not in _OPEN]
    figures = pictures(data["figures"])
    placed = _place(shown, figures)
    return draw_page(
        "report.html",
        report=data,
        summary=words.summary(data["findings"]),
        shown=shown,
        first=OPEN_FIRST,
        quiet=quiet,
        figures=figures,
        placed=placed,
        rows_of=_rows_of,
        loose=[f for name, f in figures.items() if name not in placed.values()],
        suspects=_suspects(data["suspects"]),
    )


def _complete(finding: Mapping[str, Any]) -> dict[str, Any]:
    empty = {"estimate": None, "unit": "", "affected": None, "cost": None, "remedy": "", "command": None}
    return {**empty, "rows": [], "details": {}, "figures": [], **finding}


def _place(shown: list[dict[str, Any]], figures: Mapping[str, Any]) -> dict[tuple[int, str], str]:
    """Where a figure is drawn: in the first finding that names it; later ones link to it."""
    placed: dict[tuple[int, str], str] = {}
    for i, finding in enumerate(shown):
        for name in finding["figures"]:
            if name in figures and name not in placed.values():
                placed[(i, name)] = name
    return placed


def _rows_of(table: Mapping[str, Mapping[str, Any]], columns: list[str]) -> list[list[Any]]:
    """Turn a dict of dicts into rows, its keys first; what one of them lacks is empty."""
    return [[name, *(row.get(column) for column in columns)] for name, row in table.items()]


def _suspects(table: Mapping[str, Any]) -> dict[str, Any]:
    cells_of = [[row[j] for row in table["rows"]] for j in range(len(table["columns"]))]
    columns = [
        {"name": name, "numeric": _numeric(cells), "decimals": _decimals(cells) if _numeric(cells) else 0}
        for name, cells in zip(table["columns"], cells_of, strict=True)
    ]
    return {"columns": columns, "rows": table["rows"], "total": table["total"], "images": table.get("images")}


def _numeric(cells: list[Any]) -> bool:
    known = [c for c in cells if c is not None]
    return bool(known) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in known)


def _decimals(cells: list[Any]) -> int:
    """Decimals that a column of numbers is written with, so that its points stand under each other."""
    known = [abs(c) for c in cells if c is not None]
    if all(float(c).is_integer() for c in known):
        return 0
    return 3 if max(known) < 10 else 2
