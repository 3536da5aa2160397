"""One label column: its values, which is negative, and how they were read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trueneg.core.errors import InputError
from trueneg.data._sniff.multilabel import settle_multilabel
from trueneg.data._sniff.notes import Note
from trueneg.data._sniff.values import (
    MAX_CLASSES,
    MAX_FRACTIONS,
    columns_for,
    in_order,
    is_fraction,
    label_strings,
)
from trueneg.data.readers import Table, one_line

if TYPE_CHECKING:
    from trueneg.data._sniff.roles import Roles


_NEGATIVE_NAMES = ("no_relation", "none", "negative", "neg", "other", "no", "false", "background", "o", "normal")
_NULL_LIKE = ("na", "n/a", "nan", "null", "?", "unknown", "unlabeled", "unlabelled")


def settle_label(table: Table, found: Roles, kind: str | None, where: str, least: int = 2) -> None:
    """Read the label: one column, prefixed columns, or one column of several labels."""
    import pyarrow as pa

    if kind not in (None, "table", "multilabel"):
        msg = f"{where}: kind {one_line(kind, 30)!r} is not read from a table of columns; use table or multilabel"
        raise InputError(msg)
    found.labels = columns_for(str(found.label), table.arrow.column_names, where)
    first = table.arrow.column(found.labels[0])
    several = len(found.labels) > 1 or found.label_sep is not None or pa.types.is_nested(first.type)
    found.kind = kind or ("multilabel" if several else "table")
    if found.kind == "multilabel":
        settle_multilabel(table, found, where)
        return
    if several:
        msg = (
            f"{where}: the label {one_line(found.label, 60)!r} has several labels a row; leave "
            "--kind out or say --kind multilabel"
        )
        raise InputError(msg)
    _settle_single(table, found, where, least)


def _settle_single(table: Table, found: Roles, where: str, least: int) -> None:
    """Settle classes, positive and negative of one label column, and note how it was read."""
    import pyarrow.compute as pc

    name = found.labels[0]
    try:
        strings = label_strings(table.arrow.column(name), found.unlabeled)
    except Exception as error:
        msg = (
            f"{where}: column {one_line(name, 60)!r} cannot be a label ({table.arrow.column(name).type}); name another"
        )
        raise InputError(msg) from error
    counts = {item["values"]: item["counts"] for item in pc.value_counts(strings.drop_null()).to_pylist()}
    values = in_order(list(counts))
    if len(values) < least:
        only = f"only {one_line(values[0], 40)!r}" if values else "no value at all"
        msg = f"{where}: label {one_line(name, 60)!r} has {only} in its judged rows; at least two classes are needed"
        raise InputError(msg)
    if len(values) > max(MAX_CLASSES, len(table) // 2):
        msg = (
            f"{where}: label {one_line(name, 60)!r} has {len(values):,} values in {len(table):,} "
            "rows; it is no class label, name another column"
        )
        raise InputError(msg)
    if len(values) > max(MAX_FRACTIONS, len(table) // 10) and is_fraction(table, name):
        msg = (
            f"{where}: label {one_line(name, 60)!r} holds {len(values):,} different numbers with fractions: it is a "
            "quantity and no class; cut it into ranges, or name another column"
        )
        raise InputError(msg)
    if found.unlabeled is not None and strings.null_count == table.arrow.column(name).null_count:
        found.notes.append(f"the value {found.unlabeled!r} given as unjudged does not occur")
    for part in ("positive", "negative"):
        value = getattr(found, part)
        if value is not None:
            setattr(found, part, _known_value(str(value), values, part, name, where))
    found.classes = _settle_sides(values, counts, found, name)
    _note_label(found, name, strings.null_count, values)


def _known_value(value: str, values: list[str], part: str, name: str, where: str) -> str:
    """Return a value of the label as it is spelt there; ``"1.0"`` finds ``"1"``."""
    for spelt in (value, value.strip(), re.sub(r"\.0+$", "", value)):
        if spelt in values:
            return spelt
    same = [v for v in values if v.lower() == value.lower()]
    if len(same) == 1:
        return same[0]
    listed = ", ".join(repr(one_line(v, 40)) for v in values[:12]) + (" ..." if len(values) > 12 else "")
    msg = (
        f"{where}: the {part} value {one_line(value, 40)!r} does not occur in {one_line(name, 60)!r}; "
        f"its values are {listed}"
    )
    raise InputError(msg)


def _settle_sides(values: list[str], counts: dict[str, int], found: Roles, name: str) -> list[str]:
    """Return the classes in order of their codes, and settle which is the negative."""
    if found.positive is not None and found.positive == found.negative:
        msg = (
            f"the positive and the negative value of {one_line(name, 60)!r} are both {one_line(found.positive, 40)!r}; "
            "name two"
        )
        raise InputError(msg)
    named = [v for v in values if v.lower() in _NEGATIVE_NAMES]
    if len(values) == 2:
        if found.negative is None and found.positive is None:
            if set(values) <= {"-1", "0", "1", "false", "true"}:
                found.negative = values[0]
            else:
                found.negative = named[0] if len(named) == 1 else max(values, key=lambda v: counts[v])
                why = "by its name" if len(named) == 1 else "as the commoner one"
                said = f"{found.negative!r} is taken for the negative class {why}; --positive decides otherwise"
                found.notes.append(Note(said, "audit"))
        if found.negative is None:
            found.negative = next(v for v in values if v != found.positive)
        found.positive = next(v for v in values if v != found.negative)
        return [found.negative, found.positive]
    if found.negative is None and found.positive is None and len(named) == 1:
        found.negative = named[0]
        said = f"{named[0]!r} is taken for the class of 'none of these' by its name; --negative decides otherwise"
        found.notes.append(Note(said, "audit"))
    return values


def _note_label(found: Roles, name: str, unjudged: int, values: list[str]) -> None:
    """Tell how the label was read."""
    found.notes.append(
        f"label {name!r}: {len(values)} classes" + (f", positive is {found.positive!r}" if found.positive else "")
    )
    if unjudged:
        found.notes.append(f"{unjudged:,} rows have no label and are unjudged, never negative")
    if set(values) == {"-1", "1"}:
        found.notes.append("the values -1 and +1 are read as negative and positive")
        found.notes.append(Note("say --unlabeled=-1 if -1 means unjudged", "audit"))
    elif "-1" in values:
        found.notes.append("the value -1 is read as a class")
        found.notes.append(Note("say --unlabeled=-1 if -1 means unjudged", "audit"))
    for value in values:
        if value.lower() in _NULL_LIKE:
            found.notes.append(f"the value {value!r} is read as a class")
            found.notes.append(Note(f"say --unlabeled {value!r} if that means unjudged", "audit"))
