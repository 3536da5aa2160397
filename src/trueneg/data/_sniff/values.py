"""What the values of one column are: names, distinct values, label strings, codes, numbers."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.data.readers import Table, known_column, one_line

if TYPE_CHECKING:
    pass


MAX_CLASSES = 1_000
MAX_FRACTIONS = 50  # grades in half steps are classes, measurements are none
SAMPLE = 2_000
OURS = "trueneg_"
"""Columns that begin so were written by a repair: they say what was found out about a row, and are no features."""


def table_name(table: Table) -> str:
    """Return how to call the table in a message."""
    return "the frame" if table.path is None else one_line(table.path)


def columns_for(value: str | Sequence[str], names: Sequence[str], where: str) -> list[str]:
    """Return the columns for a name, a comma-separated list, a pattern, or a sequence of these."""
    wanted = [value] if isinstance(value, str) else list(value)
    out: list[str] = []
    for item in wanted:
        parts = [item] if item in names else [p.strip() for p in item.split(",")]
        for part in parts:
            hits = [part] if part in names else fnmatch.filter(names, part) if "*" in part or "?" in part else []
            out.extend(hits or [known_column(part, names, where)])
    return list(dict.fromkeys(out))


def listed(names: list[str]) -> str:
    """Return up to eight names for a note."""
    return ", ".join(one_line(n, 40) for n in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def label_strings(column: Any, unlabeled: str | None) -> Any:
    """Return a label column as strings with nulls where it is unjudged (null, NaN, blank, `unlabeled`)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        whole = pc.all(pc.equal(pc.floor(column), column), skip_nulls=True).as_py()
        bounded = whole and (pc.max(pc.abs(column)).as_py() or 0) < 2**53
        column = column.cast(pa.int64()) if bounded else column
    text = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    gone = pc.equal(text, "")
    if unlabeled is not None:
        gone = pc.or_kleene(gone, pc.equal(text, unlabeled.strip()))
    return pc.if_else(gone, pa.scalar(None, pa.large_string()), text)


def in_order(values: list[str]) -> list[str]:
    """Return class names in numeric order where all are numbers, else by name."""
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)


def encode(strings: Any, classes: list[str]) -> np.ndarray:
    """Return codes (n,) int64, -1 for null or a value that is no class."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = pc.fill_null(pc.index_in(strings, pa.array(classes, pa.large_string())), -1)
    return np.asarray(codes).astype(np.int64)


def known_labels(column: Any, values: Sequence[str], unlabeled: str | None) -> dict[str, int]:
    """Return the first place of each label value, as a whole read names it, in a piece of a label column.

    A column of floats is compared by number: whether its values are whole, so that 1.0 is called "1", is known from
    the whole column alone.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    floating = pa.types.is_floating(column.type)
    strings = column if floating else label_strings(column, unlabeled)
    out = {}
    for value in values:
        wanted = pa.scalar(float(value), column.type) if floating else pa.scalar(value, strings.type)
        place = pc.index(strings, wanted).as_py()
        if place >= 0:
            out[value] = place
    return out


def distinct(column: Any, at_most: int) -> int | None:
    """Return the number of distinct values, or None for more than `at_most` or a type that has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return None
    try:
        head = pc.count_distinct(column.slice(0, 20_000), mode="only_valid").as_py()
        if head > at_most:
            return None
        few = int(pc.count_distinct(column, mode="only_valid").as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return few if few <= at_most else None


def is_fraction(table: Table, name: str) -> bool:
    """Say whether a column holds numbers that are not whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.arrow.column(name)
    if not pa.types.is_floating(column.type):
        return False
    return pc.all(pc.equal(pc.floor(column), column), skip_nulls=True).as_py() is False


def is_unique(column: Any) -> bool:
    """Say whether no value is null or occurs twice."""
    import pyarrow.compute as pc

    return column.null_count == 0 and pc.count_distinct(column).as_py() == len(column)


def is_vector(kind: Any) -> bool:
    """Say whether an Arrow type is a list of numbers."""
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def numbers_of(table: Table, name: str) -> np.ndarray:
    """Return a numeric column as floats, nulls as NaN; float32 stays float32."""
    import pyarrow as pa

    column = table.arrow.column(name)
    wanted = pa.float32() if column.type in (pa.float16(), pa.float32()) else pa.float64()
    return column.cast(wanted, safe=False).to_numpy()
