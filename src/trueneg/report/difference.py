"""Draw two audits side by side, as a page and in the terminal, from one dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.page import all_visible, draw_page

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["render", "terminal"]


def render(difference: Mapping[str, Any]) -> str:
    """Draw a difference as one self-contained page, in the style of an audit's report.

    Parameters
    ----------
    difference
        As ``trueneg.jobs.diff.diff`` returns it.

    Returns
    -------
    str
        An HTML page; all that comes from the data is escaped, and nothing is fetched.
    """
    data = all_visible(clean(difference))
    return draw_page(
        "diff.html",
        data=data,
        moved=[f for f in data["findings"] if f["change"] != "quiet"],
        quiet=[f for f in data["findings"] if f["change"] == "quiet"],
    )


def terminal(difference: Mapping[str, Any], console: Console) -> None:
    """Print a difference as tables."""
    from rich.table import Table

    data = clean(difference)
    _say(console, f"Before: {data['before']['path']} ({data['before']['rows']:,} rows)")
    _say(console, f"After:  {data['after']['path']} ({data['after']['rows']:,} rows)")
    rows = data["rows"]
    if rows["both"] is not None:
        _say(console, f"{rows['both']:,} rows in both, {rows['removed']:,} removed, {rows['added']:,} added")
    for note in data["notes"]:
        _say(console, f"note: {note}")
    classes = Table("class", "before", "after", title="Classes", title_justify="left")
    for entry in data["classes"]:
        if entry["before"] != entry["after"] or len(data["classes"]) <= 10:
            classes.add_row(_text(entry["name"]), f"{entry['before']:,}", f"{entry['after']:,}")
    if classes.row_count:
        console.print(classes)
    findings = Table("code", "finding", "change", "before", "after", title="Findings", title_justify="left")
    for entry in data["findings"]:
        if entry["change"] != "quiet":
            sides = [_text(_short(entry[side])) for side in ("before", "after")]
            findings.add_row(entry["code"], _text(entry["title"]), entry["change"], *sides)
    if findings.row_count:
        console.print(findings)
    suspects = Table(
        "finding",
        "probable before",
        "after",
        "listed before",
        "after",
        "went",
        "came",
        "stayed",
        title="Suspects",
        title_justify="left",
    )
    for s in data["suspects"]:
        gone = f"{s['went']:,}" + (f" ({s['removed']:,} removed)" if s["removed"] else "")
        counts = [f"{s[name]:,}" for name in ("probable_before", "probable_after", "before", "after")]
        suspects.add_row(s["finding"], *counts, gone, f"{s['came']:,}", f"{s['stayed']:,}")
    if suspects.row_count:
        console.print(suspects)
    _say(console, data["summary"])


def _short(finding: Mapping[str, Any] | None) -> str:
    """Write one side of a finding: status or severity, its figure, how many it touches."""
    if finding is None:
        return "–"
    word = finding["severity"] if finding["status"] == "finding" else finding["status"]
    parts = [word, words.estimate(finding.get("estimate"))]
    if finding.get("affected"):
        parts.append(f"{finding['affected']:,} affected")
    return ", ".join(filter(None, parts))


def _text(text: object) -> Any:
    from rich.text import Text

    return Text(words.visible(str(text).replace("\n", " ")))


def _say(console: Console, text: str) -> None:
    console.print(_text(text), highlight=False, soft_wrap=True)
