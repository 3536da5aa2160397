"""Refuse ids, trusted rows and costs that cannot be right, with the row that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._sniff.values import encode, is_unique, label_strings, numbers_of
from trueneg.data.readers import Table, known_column, one_line

if TYPE_CHECKING:
    from trueneg.data._sniff.roles import Roles


def check_ids(table: Table, found: Roles, where: str) -> None:
    """Raise for an id that is missing or occurs twice."""
    import pyarrow.compute as pc

    if found.id is None:
        return
    column = table.arrow.column(found.id)
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0]) + 1
        msg = f"{where}: id {one_line(found.id, 60)!r} is missing in row {row:,}; fill it in or leave --id out"
        raise InputError(msg)
    if is_unique(column):
        return
    counts = pc.value_counts(column)
    twice = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
    value = one_line(twice["values"], 40)
    msg = (
        f"{where}: id {value!r} occurs {twice['counts']:,} times in {one_line(found.id, 60)!r}; "
        "ids must differ (use --group for groups of rows)"
    )
    raise InputError(msg)


def check_trusted(table: Table, found: Roles, where: str) -> None:
    """Raise unless the trusted column holds true / false or 1 / 0."""
    if found.trusted is not None:
        trusted_mask(table, found.trusted, where)


def trusted_mask(table: Table, name: str, where: str = "the table") -> np.ndarray:
    """Return the trusted column as a mask (n,); null is not trusted."""
    strings = label_strings(table.arrow.column(name), None)
    values = {str(v).lower() for v in strings.drop_null().unique().to_pylist()}
    if not values <= {"0", "1", "true", "false"}:
        odd = one_line(sorted(values - {"0", "1", "true", "false"})[0], 40)
        msg = f"{where}: trusted column {one_line(name, 60)!r} holds {odd!r}; give true or false"
        raise InputError(msg)
    import pyarrow.compute as pc

    return encode(pc.utf8_lower(strings), ["1", "true"]) >= 0


def checked_cost(table: Table, value: str | float | None, part: str, where: str) -> str | float | None:
    """Return a cost as a number or a column of finite numbers not below zero."""
    import pyarrow as pa

    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        name = known_column(str(value), table.arrow.column_names, where)
        kind = table.arrow.column(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            msg = f"{where}: {part} column {one_line(name, 60)!r} holds {kind}; give numbers"
            raise InputError(msg) from None
        costs = numbers_of(table, name)
        bad = np.flatnonzero(~np.isfinite(costs) | (costs < 0))
        if bad.size:
            msg = (
                f"{where}: {part} column {one_line(name, 60)!r} has {costs[bad[0]]} in row {bad[0] + 1:,}; "
                "a cost is a number of at least 0"
            )
            raise InputError(msg) from None
        return name
    if not np.isfinite(number) or number < 0:
        msg = f"{part} is {number}; a cost is a number of at least 0"
        raise InputError(msg)
    return number
