"""Draw a comparison of remedies: a page, and the table in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.report.files import clean
from trueneg.report.page import all_visible, draw_page, pictures
from trueneg.report.schema import _check, _check_table

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["render", "schema", "terminal", "validate"]

_STYLES = {"better": "bold green", "worse": "red", "reference": "dim", "not told apart": "dim"}
_NARROW = 4  # columns of the verdicts that a terminal shows


def schema() -> dict[str, Any]:
    """Read the JSON Schema (draft 2020-12) that every comparison meets."""
    return json.loads(files("trueneg.report").joinpath("compare_schema.json").read_text(encoding="utf-8"))


def validate(report: Mapping[str, Any]) -> None:
    """Refuse a dict that is no comparison, and say where.

    Raises
    ------
    InputError
        The first place that does not fit, as a path such as ``remedies[3].status``.
    """
    published = schema()
    _check(report, published, published, "report")
    for i, table in enumerate(report["tables"]):
        _check_table(table, f"tables[{i}]")
    ids = [figure["id"] for figure in report["figures"]] + [table["id"] for table in report["tables"]]
    for i, figure in enumerate(report["figures"]):
        _check_table(figure["table"], f"figures[{i}].table")
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"report: the id {twice!r} is used twice; give each figure and table its own")


def render(report: Mapping[str, Any]) -> str:
    """Draw a comparison as one self-contained page, as safe as an audit's: no network, everything escaped.

    Parameters
    ----------
    report
        The dict of schema ``trueneg/compare/1``.
    """
    data = all_visible(clean(report))
    validate(data)
    return draw_page(
        "compare.html",
        styles=("report.css", "compare.css"),
        report=data,
        figures=list(pictures(data["figures"]).values()),
        verdicts={row["title"]: row["verdict"] for row in data["remedies"]},
        idle=[row for row in data["remedies"] if row["status"] != "done"],
    )


def terminal(report: Mapping[str, Any], console: Console) -> None:
    """Show what came out, the remedies' table, the advice and the next command.

    Parameters
    ----------
    report
        The dict of schema ``trueneg/compare/1``; nothing in it is read as markup or obeyed as a control character.
    console
        A rich console; its width and file are respected.
    """
    from rich.text import Text

    data = all_visible(clean(report))
    validate(data)

    def line(text: str, style: str = "", *, keep: bool = False) -> None:
        console.print(Text(text.replace("\n", " "), style=style), soft_wrap=keep, highlight=False)

    setup, seen = data["setup"], data["input"]
    line(data["title"], "bold")
    line(
        f"{seen['rows']:,} rows, {setup['folds']} folds x {setup['repeats']} repeats, {setup['model']}, "
        f"decided by {setup['metric']} on the {setup['verdict from']} ({setup['better']} is better)",
        "dim",
    )
    for text in setup["said"]:
        line(f"- {text}")
    console.print()
    _rows(data["tables"][0], console)
    for row in data["remedies"]:
        if row["status"] != "done" and row["reason"]:
            line(f"{row['title']}: {row['reason']}", "dim" if row["status"] == "not run" else "yellow")
    console.print()
    line(data["summary"], "bold")
    for tip in data["advice"]:
        line(f"{tip['title']}: {tip['text']}")
    console.print()
    if data["next"]:
        line(f"Next: {data['next']}", "bold", keep=True)


def _rows(table: Mapping[str, Any], console: Console) -> None:
    """Show a table of remedies; where it is wider than the terminal each name has a line of its own, uncut."""
    from rich.text import Text

    lines = [table["columns"], *table["rows"]]
    widths = [max(len(cells[j]) for cells in lines) for j in range(len(table["columns"]))]
    wide = sum(widths) + 2 * len(widths) - 2 <= console.width
    first = 0 if wide else 1
    for number, cells in enumerate(lines):
        shown = Text() if wide else Text("  ")
        for j, (cell, width) in enumerate(list(zip(cells, widths, strict=True))[first:], first):
            style = "dim" if number == 0 else _STYLES.get(cell, "") if j == 1 else ""
            shown.append(cell.ljust(width) if j < 2 else cell.rjust(width), style=style)
            shown.append("  " if j < len(cells) - 1 else "")
        if not wide:
            console.print(Text(cells[0], style="dim" if number == 0 else ""), soft_wrap=True, highlight=False)
        console.print(shown, soft_wrap=True, highlight=False)
