"""Show a report in the terminal: what was seen, the ten findings that matter most, and the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.schema import validate

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["terminal"]

TOP = 10
_OPEN = ("finding", "advice", "error")
_WHY = ("not applicable", "skipped")  # why nothing ran is told where nothing did
_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan", "none": "dim"}


def terminal(report: Mapping[str, Any], console: Console) -> None:
    r"""Show a report.

    Parameters
    ----------
    report
        The report dict. Texts from the data are shown as they are written: markup is not obeyed, and control
        characters, which a terminal would obey, are spelt out (``\x1b``).
    console
        A rich console; its width, colours and file are respected.
    """
    data = clean(report)
    validate(data)
    _header(data, console)
    shown = [f for f in data["findings"] if f["status"] in _OPEN]
    for finding in shown[:TOP]:
        _finding(finding, console)
    if len(shown) > TOP:
        _line(console, f"and {len(shown) - TOP} more, in the report", style="dim")
        console.print()
    if not any(f["status"] in (*_OPEN, "passed") for f in data["findings"]):
        for f in [f for f in data["findings"] if f["status"] in _WHY][:TOP]:
            _line(console, f"{_one_line(f['code'])}: {_one_line(f['message'])}", keep=True)
    rest = Counter(f["status"] for f in data["findings"] if f["status"] not in _OPEN)
    if rest:
        _line(console, ", ".join(f"{n} {status}" for status, n in rest.items()), style="dim")
    if data["next"]:
        _line(console, "Next: ", _one_line(data["next"]), style="bold", keep=True)


def _header(data: Mapping[str, Any], console: Console) -> None:
    seen = data["input"]
    columns = seen["columns"] if isinstance(seen["columns"], int) else len(seen["columns"])
    counts = seen.get("counts") or {"rows": seen["rows"], "columns": columns}
    size = ", ".join(f"{n:,} {_one_line(what)}" for what, n in counts.items())
    _line(console, _one_line(data["title"]), style="bold")
    _line(
        console,
        f"{_one_line(seen['path'])}: {_one_line(seen['kind'])}, {size}",
        style="dim",
    )
    classes = seen["classes"]
    if classes:
        more = f" and {len(classes) - 8:,} more" if len(classes) > 8 else ""
        _line(console, "Classes: " + ", ".join(f"{_one_line(c['name'])} {c['count']:,}" for c in classes[:8]) + more)
    for text in seen["saw"]:
        _line(console, f"- {_one_line(text)}")
    console.print()
    _line(console, words.summary(data["findings"]), style="bold")
    console.print()


def _finding(finding: Mapping[str, Any], console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    status = finding["status"]
    word = {"advice": "advice", "error": "check failed"}.get(status, finding["severity"])
    style = "bold red" if status == "error" else _STYLES[finding["severity"]]
    head = Text.assemble((word, style), "  ", (_one_line(finding["code"]), "dim"), "  ")
    head.append(_one_line(finding["title"]), style="bold")
    console.print(head, soft_wrap=False)
    facts = []
    estimate = words.estimate(finding.get("estimate"))
    if estimate:
        facts.append(" ".join(filter(None, [estimate, _one_line(finding.get("unit") or "")])))
    if finding.get("affected"):  # advice that touches no row says nothing of rows
        facts.append(f"{finding['affected']:,} affected")
    if finding.get("cost") is not None:
        facts.append(f"expected cost {words.number(finding['cost'])}")
    for text, text_style in (
        (", ".join(facts), "default"),
        (_one_line(finding["message"]), "default"),
        (_one_line(finding.get("remedy") or ""), "default"),
    ):
        if text:
            console.print(Padding(Text(text, style=text_style), (0, 0, 0, 2)))
    if finding.get("command"):
        # Not wrapped: a command that is broken over lines cannot be copied.
        _line(console, "  $ ", _one_line(finding["command"]), style="cyan", keep=True)
    console.print()


def _one_line(text: object) -> str:
    """Make a text from the data harmless and one line long: no control character, no line of its own making."""
    return words.visible(str(text).replace("\r\n", "\n").replace("\n", " ").replace("\t", " "))


def _line(console: Console, *parts: str, style: str = "", keep: bool = False) -> None:
    from rich.text import Text

    # A Text is never read as markup, so "[red]" in a class name stays "[red]".
    console.print(Text("".join(parts), style=style), soft_wrap=keep, highlight=False)
