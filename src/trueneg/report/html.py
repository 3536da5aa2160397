"""Draw a report as one self-contained page: no network, no library, one hashed style and one hashed script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.schema import validate

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["asset", "policy", "render", "templates"]

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
    from markupsafe import Markup

    data = _visible(clean(report))
    validate(data)
    style, script = asset("report.css"), asset("report.js")
    environment = templates(
        number=words.number,
        estimate=words.estimate,
        method=words.method,
        plain=_plain,
        cell=_cell,
        values_of=_values_of,
    )
    shown = [f for f in map(_complete, data["findings"]) if f["status"] in _OPEN]
    quiet = [f for f in map(_complete, data["findings"]) if f["status"] not in _OPEN]
    figures = _draw(data["figures"])
    placed = _place(shown, figures)
    page = environment.get_template("report.html").render(
        report=data,
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files, never data
        script=Markup(script),  # noqa: S704
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
    return page.strip() + "\n"  # the macros leave blank lines before the doctype


@cache
def templates(**filters: Any) -> Environment:
    """Return the templates of every page: what comes from the data is escaped, and an unknown name is an error.

    Kept, since to compile a page's template takes as long as to audit a small table.

    Parameters
    ----------
    **filters
        Filters of the page, by the name that its template uses: functions of a module, so that they are the same ones
        at the next call.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("trueneg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def asset(name: str) -> str:
    """Return one of our own style sheets or scripts."""
    # A browser reads CRLF as LF before it hashes; a checkout on Windows must not change the policy.
    text = files("trueneg.report").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def policy(style: str, script: str) -> str:
    """Return the content security policy of a page that runs this style and this script, and nothing else."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return words.visible(value)
    if isinstance(value, dict):
        return {words.visible(key): _visible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_visible(item) for item in value]
    return value


def _complete(finding: Mapping[str, Any]) -> dict[str, Any]:
    empty = {"estimate": None, "unit": "", "affected": None, "cost": None, "remedy": "", "command": None}
    return {**empty, "rows": [], "details": {}, "figures": [], **finding}


def _draw(figures: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    from markupsafe import Markup

    from trueneg.report.drawing import svg

    drawn = {}
    for i, figure in enumerate(figures, start=1):
        # svg() lets only known elements and attributes through, and its serialiser escapes every text.
        picture = Markup(svg(figure["spec"], label=figure["title"], prefix=f"f{i}"))  # noqa: S704
        # The id in the page is ours: the one in the report may hold anything.
        drawn[figure["id"]] = figure | {"svg": picture, "anchor": f"figure-{i}"}
    return drawn


def _place(shown: list[dict[str, Any]], figures: Mapping[str, Any]) -> dict[tuple[int, str], str]:
    """Where a figure is drawn: in the first finding that names it; later ones link to it."""
    placed: dict[tuple[int, str], str] = {}
    for i, finding in enumerate(shown):
        for name in finding["figures"]:
            if name in figures and name not in placed.values():
                placed[(i, name)] = name
    return placed


def _values_of(row: Mapping[str, Any]) -> list[Any]:
    return list(row.values())


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


def _cell(value: Any, column: Mapping[str, Any]) -> str:
    # Without thousands separators: a row number is a name to search for.
    return _plain(value) if value is None or not column["numeric"] else f"{value:.{column['decimals']}f}"


def _plain(value: Any) -> str:
    """Write a detail: a text or number as it is, the rest as JSON."""
    if value is None or isinstance(value, int | float | str):
        return words.number(value) if not isinstance(value, bool) else ("yes" if value else "no")
    return json.dumps(value, ensure_ascii=False)
