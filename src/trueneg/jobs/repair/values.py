"""What to write into the label's columns, in the words of the table itself."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.repairs import NewValues

if TYPE_CHECKING:
    from trueneg.core.suspects import Decision, Suspects
    from trueneg.jobs.repair.source import Seen, Source

_HIGH, _LOW = ("1", "true"), ("0", "-1", "false")
_BINARY = re.compile(r'(["\s]*)(-1|0|1|true|false)(\.0+)?(["\s]*)', re.IGNORECASE)
_OTHER = {"0": "1", "-1": "1", "1": "0", "true": "false", "false": "true"}


@dataclass
class Written:
    """New values of the label's columns.

    Attributes
    ----------
    changes : dict of str to NewValues
        By column.
    unresolved : set of int
        Rows whose label the table cannot hold, or for which none is proposed: they keep theirs.
    """

    changes: dict[str, NewValues] = field(default_factory=dict)
    unresolved: set[int] = field(default_factory=set)


def wanted_values(source: Source, action: str, suspects: Suspects, decision: Decision) -> dict[str, list[str]]:
    """Return the label values whose spelling must be looked up, by column."""
    layout, classes = source.layout, source.folder.classes
    if action != "reannotate" or layout.one_column:
        return {}
    if not layout.multilabel:
        codes = np.unique(decision.new_label[decision.new_label >= 0])
        return {layout.labels[0]: [classes[code] for code in codes.tolist()]}
    return {layout.labels[c]: [*_HIGH, *_LOW] for c in np.unique(suspects.candidate).tolist()}


def written(source: Source, action: str, suspects: Suspects, decision: Decision, seen: Seen) -> Written:
    """Return what an action writes into the label's columns."""
    layout = source.layout
    if action == "reannotate" and not layout.multilabel:
        return _class_values(source, decision, seen)
    if action == "reannotate":
        return _in_one_column(source, suspects) if layout.one_column else _in_columns(source, suspects, seen)
    if action == "eliminate" and layout.multilabel:
        return _unjudged(source, suspects)
    return Written()


def _class_values(source: Source, decision: Decision, seen: Seen) -> Written:
    """One label a row: the proposed class, spelt as in the first row that has it."""
    column, classes = source.layout.labels[0], source.folder.classes
    rows = np.flatnonzero(decision.new_label >= 0)
    codes, inverse = np.unique(decision.new_label[rows], return_inverse=True)
    at = {code: seen.first.get((column, classes[code])) for code in codes.tolist()}
    for code, row in at.items():
        if row is None:
            msg = f"{source.where}: no row shows how {classes[code]!r} is written; run 'trueneg audit' again"
            raise InputError(msg)
    shown = sorted({row for row in at.values() if row is not None})
    spelt = dict(zip(shown, source.values_at(column, shown), strict=True))
    values = [spelt[at[code]] for code in codes.tolist()]  # type: ignore[index]
    unresolved = set(np.flatnonzero(decision.unresolved).tolist())
    changes = {column: NewValues(rows, inverse.astype(np.int64), values)} if len(rows) else {}
    return Written(changes, unresolved)


def _in_columns(source: Source, suspects: Suspects, seen: Seen) -> Written:
    """One column a label: 1 where it was missing, 0 where it was wrong, as the column writes them."""
    out = Written()
    for c in np.unique(suspects.candidate).tolist():
        column = source.layout.labels[c]
        own = suspects.candidate == c
        order = np.argsort(suspects.row[own])
        rows, new = suspects.row[own][order], (1 - suspects.verdict[own][order]).astype(np.int64)
        out.changes[column] = NewValues(rows, new, _two_values(source, column, seen))
    return out


def _two_values(source: Source, column: str, seen: Seen) -> list[Any]:
    """Return how a label column writes absent and present; what no row shows is written like its counterpart."""
    first = [next((seen.first[column, v] for v in words if (column, v) in seen.first), None) for words in (_LOW, _HIGH)]
    shown = sorted({row for row in first if row is not None})
    spelt = dict(zip(shown, source.values_at(column, shown), strict=True))
    low, high = (None if row is None else spelt[row] for row in first)
    return [_counterpart(high) if low is None else low, _counterpart(low) if high is None else high]


def _counterpart(value: Any) -> Any:
    """Return the other of two values, in the same type and spelling: ``"False"`` gives ``"True"``, 0.0 gives 1.0."""
    if not isinstance(value, str):
        return not value if isinstance(value, bool | np.bool_) else type(value)(0 if value > 0 else 1)
    found = _BINARY.fullmatch(value)
    if found is None:
        return value
    other = _OTHER[found[2].lower()]
    if found[2][0].isupper():
        other = other.upper() if found[2].isupper() else other.capitalize()
    return f"{found[1]}{other}{found[3] or ''}{found[4]}"


def _unjudged(source: Source, suspects: Suspects) -> Written:
    """Eliminate cells of a table with several labels a row: nobody has judged them any more."""
    if source.layout.one_column:
        msg = (
            f"{source.where}: a column of several labels cannot say that one of them is unjudged; use --action "
            "reannotate, flag or downweight, or a table with one column a label"
        )
        raise InputError(msg)
    out = Written()
    for c in np.unique(suspects.candidate).tolist():
        rows = np.sort(suspects.row[suspects.candidate == c])
        column = source.layout.labels[c]
        kept = source.schema.field(source.schema.names.index(column)) if column in source.schema.names else None
        if kept is not None and not kept.nullable:
            msg = f"{source.where}: column {one_line(column, 60)!r} may hold no null, which is what unjudged is"
            raise InputError(f"{msg}; change its type first, or use --action flag")
        out.changes[column] = NewValues(rows, np.zeros(len(rows), np.int64), [None])
    return out


def _in_one_column(source: Source, suspects: Suspects) -> Written:
    """One column of several labels: add the missing ones at the end, take the wrong ones out."""
    column, classes = source.layout.labels[0], source.folder.classes
    edits: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    cells = zip(suspects.row.tolist(), suspects.candidate.tolist(), suspects.verdict.tolist(), strict=True)
    for row, candidate, verdict in cells:
        edits[row][int(verdict == 1)].append(classes[candidate])
    rows = sorted(edits)
    out = Written()
    new = []
    for row, old in zip(rows, source.values_at(column, rows), strict=True):
        value = _edited(old, *edits[row], source.layout.label_sep, is_json=source.form == "json")
        if value is None:
            out.unresolved.add(row)
        new.append(value)
    kept = [i for i, value in enumerate(new) if value is not None]
    values = [new[i] for i in kept]
    out.changes[column] = NewValues(np.asarray(rows, np.int64)[kept], np.arange(len(kept)), values)
    return out


def _edited(old: Any, add: list[str], drop: list[str], sep: str | None, *, is_json: bool) -> Any:
    """Return a row's labels with some added and some taken out; None where none would be left to write."""
    if is_json:
        new = _edited(json.loads(old), add, drop, sep, is_json=False)
        return None if new is None else json.dumps(new, ensure_ascii=False)
    if isinstance(old, str):
        return edit_text(old, add, drop, sep or ";")
    items = [item for item in old if str(item).strip() not in drop]
    have = {str(item).strip() for item in items}
    kind = type(old[0]) if len(old) else str
    return [*items, *(kind(name) for name in add if name not in have)]


def edit_text(old: str, add: list[str], drop: list[str], sep: str) -> str | None:
    """Return separated labels with some added at the end and some taken out, the others as they are spelt.

    None where no label would be left: an empty text says "unjudged", not "none".
    """
    parts = old.split(sep)
    pad = " " if len(parts) > 1 and parts[1].startswith(" ") else ""
    kept = [part for part in parts if part.strip() not in drop]
    have = {part.strip() for part in kept}
    kept += [pad + name for name in add if name not in have]
    if not any(part.strip() for part in kept):
        return None
    if kept[0] != parts[0]:  # another label is first now
        kept[0] = kept[0].removeprefix(pad)
    return sep.join(kept)
