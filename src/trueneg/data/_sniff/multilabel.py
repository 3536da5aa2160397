"""Several labels a row: one column for each, or one column that holds them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._sniff.values import SAMPLE, encode, in_order, label_strings, table_name
from trueneg.data.readers import Table, one_line

if TYPE_CHECKING:
    from trueneg.data._sniff.roles import Roles


def settle_multilabel(table: Table, found: Roles, where: str) -> None:
    """Settle the classes of a multi-label table."""
    if len(found.labels) > 1:
        for name in found.labels:
            _binary_column(table, name, found.unlabeled, where)
        stem = _common_prefix(found.labels)
        found.classes = [name[len(stem) :] or name for name in found.labels]
        found.notes.append(
            f"{len(found.labels)} label columns {one_line(found.label, 60)!r}: "
            "1 carries the label, 0 does not, null is unjudged"
        )
        return
    lists = _split_lists(table, found, where)
    found.classes = in_order([v for v in set(lists.flatten().drop_null().unique().to_pylist()) if v != ""])
    if len(found.classes) < 2:
        msg = (
            f"{where}: label {one_line(found.labels[0], 60)!r} splits into {len(found.classes)} "
            "labels; give the right --label-sep"
        )
        raise InputError(msg)
    found.notes.append(
        f"label {found.labels[0]!r} holds several labels a row: {len(found.classes)} in all; a blank row is unjudged"
    )


def _common_prefix(names: list[str]) -> str:
    """Return the common beginning of `names` up to its last separator."""
    import os.path

    stem = os.path.commonprefix(names)
    cut = max(stem.rfind("_"), stem.rfind("."), stem.rfind(":"))
    return stem[: cut + 1]


def _binary_column(table: Table, name: str, unlabeled: str | None, where: str) -> np.ndarray:
    """Return one label column as int64 of 1, 0 and -1 unjudged."""
    try:
        strings = label_strings(table.arrow.column(name), unlabeled)
    except Exception as error:
        msg = (
            f"{where}: column {one_line(name, 60)!r} cannot be a label ({table.arrow.column(name).type}); "
            "leave it out of --label"
        )
        raise InputError(msg) from error
    values = set(strings.drop_null().unique().to_pylist())
    for low, high in (("0", "1"), ("-1", "1"), ("false", "true")):
        if values <= {low, high}:
            return encode(strings, [low, high])
    odd = one_line(sorted(values - {"0", "1"})[0], 40)
    msg = f"{where}: label column {one_line(name, 60)!r} holds {odd!r}; a column a label holds 0, 1 or nothing"
    raise InputError(msg)


def _split_lists(table: Table, found: Roles, where: str) -> Any:
    """Return the column of several labels as one list array of trimmed strings (null where unjudged)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.arrow.column(found.labels[0])
    if pa.types.is_nested(column.type):
        return column.combine_chunks().cast(pa.large_list(pa.large_string()))
    sep = found.label_sep or _guess_sep(column)
    if sep is None:
        msg = f"{where}: several labels in {one_line(found.labels[0], 60)!r} need their separator; say --label-sep ';'"
        raise InputError(msg)
    found.label_sep = sep
    lists = pc.split_pattern(label_strings(column, found.unlabeled), pattern=sep).combine_chunks()
    return pa.LargeListArray.from_arrays(
        lists.offsets.cast(pa.int64()),
        pc.utf8_trim_whitespace(lists.values.cast(pa.large_string())),
        mask=lists.is_null(),
    )


def _guess_sep(column: Any) -> str | None:
    """Return the separator that most values hold, or None."""
    sample = [str(v) for v in column.slice(0, SAMPLE).to_pylist() if v is not None]
    counts = {sep: sum(sep in v for v in sample) for sep in (";", "|", ",")}
    best = max(counts, key=lambda s: counts[s])
    return best if counts[best] else None


def multilabel_codes(table: Table, found: Roles) -> np.ndarray:
    """Return (n, n_classes) int64 of 1, 0 and -1 unjudged."""
    where = table_name(table)
    if len(found.labels) > 1:
        return np.stack([_binary_column(table, name, found.unlabeled, where) for name in found.labels], axis=1)
    lists = _split_lists(table, found, where)
    lengths = np.diff(np.asarray(lists.offsets))
    null = np.asarray(lists.is_null())
    flat = encode(lists.flatten(), found.classes)
    row = np.repeat(np.arange(len(lists)), np.where(null, 0, lengths))
    out = np.zeros((len(lists), len(found.classes)), dtype=np.int64)
    out[row[flat >= 0], flat[flat >= 0]] = 1
    out[null] = -1
    return out
