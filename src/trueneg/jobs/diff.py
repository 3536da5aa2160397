"""Two audits side by side: which findings went, came or moved, which suspects, and what became of the classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.audit.suspicion import NAMED

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = 50
OWN = "trueneg_"  # columns that a repair adds: no part of a row's content
_OPEN = ("finding", "advice", "error")
_FIGURES = ("status", "severity", "estimate", "affected", "cost", "message")


@dataclass(frozen=True)
class Side:
    """One audit: its folder, its suspects, and the keys of its rows.

    ``keys`` (n,) holds the key of every row, None where the table is not there any more; ``suspects`` maps the finding
    to its suspects' keys in rank order, each with its line.
    """

    folder: AuditFolder
    keys: np.ndarray | None
    suspects: dict[str, dict[str, dict[str, Any]]]
    note: str


def diff(before: str | Path, after: str | Path) -> dict[str, Any]:
    """Compare two audits, such as those of a table before and after a repair.

    Rows are matched by key: the id column, else a hash of all but the label, so that a corrected label does not make
    another row of it.

    Parameters
    ----------
    before, after : path
        Folders that ``trueneg audit`` wrote.

    Returns
    -------
    dict
        ``before`` and ``after`` (path, rows, when), ``classes`` (name, before, after), ``findings`` (code, title,
        change, and the figures of either side), ``suspects`` (finding, how many before and after, of them probable,
        went, of them removed from the table, came, of them new in the table, stayed, and the first lines of those that
        went and came), ``notes`` and ``summary``.

    Raises
    ------
    InputError
        A folder is no audit, or the two are of different kinds of table.
    """
    folders = [AuditFolder.open(folder, neighbors=False) for folder in (before, after)]
    kinds = [folder.report["input"]["kind"] for folder in folders]
    if kinds[0] != kinds[1]:
        what = f"{one_line(before)} is the audit of a {kinds[0]} and {one_line(after)} of a {kinds[1]}"
        msg = f"{what}; compare two of a kind"
        raise InputError(msg)
    one, two = (_side(folder) for folder in folders)
    notes = [side.note for side in (one, two) if side.note]
    if one.keys is not None and two.keys is not None and not set(one.keys.tolist()) & set(two.keys.tolist()):
        notes.append("no row of one table is in the other; name the column of ids with --id in both audits")
    findings = _findings(one.folder.report, two.folder.report)
    suspects = [_suspects(code, one, two) for code in sorted(one.suspects.keys() | two.suspects.keys())]
    out = {
        "schema": "trueneg/diff/1",
        "version": trueneg.__version__,
        "before": _about(one.folder),
        "after": _about(two.folder),
        "rows": _rows(one, two),
        "classes": _classes(one.folder.report, two.folder.report),
        "findings": findings,
        "suspects": suspects,
        "notes": notes,
    }
    return out | {"summary": _summary(findings, suspects)}


def _about(folder: AuditFolder) -> dict[str, Any]:
    seen = folder.report["input"]
    return {
        "folder": str(folder.folder),
        "path": seen["path"],
        "rows": seen["rows"],
        "columns": seen["columns"],
        "generated": folder.report["generated"],
        "seed": folder.options.get("seed"),
    }


def _side(folder: AuditFolder) -> Side:
    """Read the suspects of an audit and find their rows' keys: from the table, else from their id."""
    import pyarrow.parquet as pq

    where = one_line(folder.folder)
    try:
        lines = pq.read_table(folder.folder / "suspects.parquet").to_pylist()
    except OSError as error:
        msg = f"{where}: suspects.parquet cannot be read; run 'trueneg audit' again"
        raise InputError(msg) from error
    keys, note = None, ""
    try:
        keys = _keys(folder)
    except InputError as error:
        note = f"{error}; its suspects are matched by their id" if lines and "id" in lines[0] else str(error)
    suspects: dict[str, dict[str, dict[str, Any]]] = {}
    for line in lines:
        key: str | None
        if folder.kind == "retrieval":
            key = json.dumps([line["query"], line["document"]], ensure_ascii=False)
        else:
            key = str(keys[line["row"]]) if keys is not None else None if "id" not in line else str(line["id"])
        if key is None:
            continue
        named = f"{key} / {line['label']}" if "label" in line else key
        kept = {name: line.get(name) for name in ("row", "given", "proposed", "probability", "reason")}
        suspects.setdefault(line["finding"], {})[named] = {"key": named, **kept, "row_key": key}
    return Side(folder, keys, suspects, note)


def _keys(folder: AuditFolder) -> np.ndarray:
    """Return the rows' keys; what a repair wrote beside a row is no part of its content."""
    from trueneg.data.sniff import row_keys

    table = folder.table()
    roles = folder.roles(table)
    own = [name for name in table.arrow.column_names if name.startswith(OWN)]
    return row_keys(table, roles.id, exclude=[*roles.labels, *own])


def _rows(one: Side, two: Side) -> dict[str, Any]:
    """Count the rows that both tables hold; None where one of them is not there any more."""
    counts: dict[str, Any] = {"both": None, "removed": None, "added": None}
    if one.keys is not None and two.keys is not None:
        first, second = set(one.keys.tolist()), set(two.keys.tolist())
        counts = {"both": len(first & second), "removed": len(first - second), "added": len(second - first)}
    return counts


def _classes(one: dict[str, Any], two: dict[str, Any]) -> list[dict[str, Any]]:
    counts = [{str(c["name"]): c["count"] for c in report["input"]["classes"]} for report in (one, two)]
    names = list(dict.fromkeys([*counts[0], *counts[1]]))
    return [{"name": name, "before": counts[0].get(name, 0), "after": counts[1].get(name, 0)} for name in names]


def _findings(one: dict[str, Any], two: dict[str, Any]) -> list[dict[str, Any]]:
    """Put the findings side by side, in the order of the second audit and then of what only the first had."""
    sides = [{f["code"]: f for f in report["findings"]} for report in (one, two)]
    out = []
    for code in dict.fromkeys([*sides[1], *sides[0]]):
        first, second = (side.get(code) for side in sides)
        change = _change(first, second)
        some = second or first or {}
        entry = {"code": code, "title": some["title"], "change": change}
        figures = [None if f is None else {name: f.get(name) for name in _FIGURES} for f in (first, second)]
        out.append(entry | {"before": figures[0], "after": figures[1]})
    order = {"appeared": 0, "gone": 1, "changed": 2, "same": 3, "quiet": 4}
    return sorted(out, key=lambda entry: order[entry["change"]])


def _change(first: dict[str, Any] | None, second: dict[str, Any] | None) -> str:
    """Say what became of a finding; ``quiet`` where neither side had anything to say."""
    was, now = (f is not None and f["status"] in _OPEN for f in (first, second))
    if not was and not now:
        return "quiet"
    if was != now:
        return "appeared" if now else "gone"
    same = all((first or {}).get(name) == (second or {}).get(name) for name in _FIGURES)
    return "same" if same else "changed"


def _suspects(code: str, one: Side, two: Side) -> dict[str, Any]:
    first, second = one.suspects.get(code, {}), two.suspects.get(code, {})
    went = [line for key, line in first.items() if key not in second]
    came = [line for key, line in second.items() if key not in first]
    removed = added = None
    if one.keys is not None and two.keys is not None:
        left, there = set(two.keys.tolist()), set(one.keys.tolist())
        removed = sum(line["row_key"] not in left for line in went)
        added = sum(line["row_key"] not in there for line in came)
    return {
        "finding": code,
        "before": len(first),
        "after": len(second),
        "probable_before": _probable(first),
        "probable_after": _probable(second),
        "went": len(went),
        "removed": removed,
        "came": len(came),
        "added": added,
        "stayed": len(first.keys() & second.keys()),
        "first_went": [_line(line) for line in went[:SHOWN]],
        "first_came": [_line(line) for line in came[:SHOWN]],
    }


def _probable(lines: dict[str, dict[str, Any]]) -> int:
    """Count the suspects at least as probably wrong as right; a list always names some that are less."""
    return sum((line["probability"] or 0.0) >= NAMED for line in lines.values())


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "row_key"}


def _summary(findings: list[dict[str, Any]], suspects: list[dict[str, Any]]) -> str:
    counts = {name: sum(f["change"] == name for f in findings) for name in ("gone", "appeared", "changed", "same")}
    told = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none on either side"
    moved = "; ".join(
        f"{s['finding']}: {s['probable_before']:,} probable suspects before, {s['probable_after']:,} after"
        for s in suspects
    )
    return f"Findings: {told}." + (f" {moved}." if moved else "")
