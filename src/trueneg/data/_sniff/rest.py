"""Give the columns that nobody named a part by their name and content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trueneg.data._sniff.values import OURS, SAMPLE, distinct, is_unique, is_vector, listed
from trueneg.data.readers import Table

if TYPE_CHECKING:
    from trueneg.data._sniff.roles import Roles


_EMBEDDING = re.compile(r"^(emb|embedding|embeddings|vec|vector)[_.]?\d+$", re.IGNORECASE)
PROBA_NAME = re.compile(r"^(pred_proba|proba|probability|prob|p)[_.](.+)$", re.IGNORECASE)
# What an index is called where it has a name: pandas writes none, and reads that again as "Unnamed: 0".
_INDEX = re.compile(r"^(unnamed: \d+|index|idx|level_0|row|row_?(number|num|no|index))$", re.IGNORECASE)
_IMAGE = re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?)$", re.IGNORECASE)


def sniff_rest(table: Table, found: Roles, features: list[str] | None) -> None:
    """Give every column without a part one by its name and content, and tell which."""
    taken = set(found.labels) | set(found.text) | set(found.image) | set(found.embedding) | set(found.proba)
    taken |= {c for c in (found.id, found.group, found.trusted, found.split) if c is not None}
    taken |= {c for c in (found.cost_fn, found.cost_fp) if isinstance(c, str)}
    rest = [name for name in table.arrow.column_names if name not in taken]
    if ours := [name for name in rest if name.startswith(OURS)]:
        found.notes.append(f"written by an earlier repair and not used: {listed(ours)}")
        rest = [name for name in rest if name not in ours]
    rest = _sniff_named(table, found, rest)
    if features is None:
        rest = _without_index(table, found, rest)
    rest = _sniff_wide(table, found, rest)
    wanted = rest if features is None else features
    left_out: list[str] = []
    sniffed_text: list[str] = []
    for name in wanted:
        part = _part(table, name)
        if part == "text" and features is None and found.text:
            part = "none"
        if part == "none":
            left_out.append(name)
        else:
            getattr(found, part).append(name)
            sniffed_text += [name] if part == "text" else []
    if sniffed_text:
        found.notes.append(f"read as text: {listed(sniffed_text)}")
    if found.numeric or found.categorical:
        found.notes.append(f"features: {len(found.numeric)} numeric, {len(found.categorical)} categorical")
    if left_out:
        found.notes.append(f"not used as features (names, dates, constants or all different): {listed(left_out)}")


def _sniff_named(table: Table, found: Roles, rest: list[str]) -> list[str]:
    """Take the columns whose names say it: id, group, trusted, split."""
    import pyarrow as pa

    for name in list(rest):
        lower = name.lower()
        column = table.arrow.column(name)
        part = None
        if found.id is None and lower in ("id", "row_id", "uid", "uuid", "guid"):
            part = "id" if is_unique(column) else None
        elif found.group is None and lower in ("group", "groups", "group_id"):
            part = "group"
        elif found.trusted is None and lower == "trusted" and pa.types.is_boolean(column.type):
            part = "trusted"
        elif found.split is None and lower in ("split", "subset", "fold") and (distinct(column, 20) or 0) >= 2:
            part = "split"
        if part:
            setattr(found, part, name)
            found.notes.append(f"column {name!r} is taken for the {part} by its name")
            rest.remove(name)
    return rest


def _without_index(table: Table, found: Roles, rest: list[str]) -> list[str]:
    """Leave out what numbers the rows: with it no two rows are equal, and a model learns their order."""
    told = [note.partition(" has no name and is called ")[2] for note in table.notes]
    index = [
        name for name in rest if (repr(name) in told or _INDEX.match(name)) and _numbers_rows(table.arrow.column(name))
    ]
    if index:
        found.notes.append(
            f"numbers the rows, not used as a feature (name it in --features to keep it): {listed(index)}"
        )
    return [name for name in rest if name not in index]


def _numbers_rows(column: Any) -> bool:
    """Say whether a column holds whole numbers, no two alike."""
    import pyarrow as pa

    return bool(pa.types.is_integer(column.type)) and is_unique(column)


def _sniff_wide(table: Table, found: Roles, rest: list[str]) -> list[str]:
    """Take embeddings (numbered columns, or a column of numeric lists) and probabilities (one column a class)."""
    import pyarrow as pa

    if not found.proba and found.kind == "table":
        by_class: dict[str, dict[str, str]] = {}
        for name in rest:
            hit = PROBA_NAME.match(name)
            if hit and hit[2] in found.classes and pa.types.is_floating(table.arrow.column(name).type):
                by_class.setdefault(hit[1], {})[hit[2]] = name
        full = [columns for columns in by_class.values() if len(columns) == len(found.classes)]
        if full:
            found.proba = [full[0][c] for c in found.classes]
            found.notes.append(f"read as probabilities of the classes: {listed(found.proba)}")
            rest = [n for n in rest if n not in found.proba]
    if not found.embedding:
        wide = [n for n in rest if _EMBEDDING.match(n) and pa.types.is_floating(table.arrow.column(n).type)]
        lists = [n for n in rest if is_vector(table.arrow.column(n).type)]
        found.embedding = wide if len(wide) >= 2 else lists[:1]
        if found.embedding:
            found.notes.append(f"read as embedding: {listed(found.embedding)}")
            rest = [n for n in rest if n not in found.embedding]
    return rest


def _part(table: Table, name: str) -> str:
    """Return the part of one column by type and a sample: numeric, categorical, text, image or none."""
    import pyarrow as pa

    column = table.arrow.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return "numeric" if distinct(column, 1) is None and column.null_count < len(column) else "none"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        head = next((v for v in column.slice(0, 100).to_pylist() if v), b"")
        return "image" if head[:3] in (b"\xff\xd8\xff", b"\x89PN", b"GIF", b"RIF") else "none"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return "none"
    sample = [v for v in column.slice(0, SAMPLE).to_pylist() if v]
    if not sample:
        return "none"
    if all(_IMAGE.search(v) for v in sample):
        return "image"
    few = len(set(sample))
    words = sum(len(v.split()) for v in sample) / len(sample)
    if words >= 3 and few > max(2, len(sample) * 0.2):
        return "text"
    if few < 2:
        return "none"
    return "categorical" if few <= max(20, len(sample) * 0.5) else "none"
