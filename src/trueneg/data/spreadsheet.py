"""Text that people open in a spreadsheet: no cell of it runs as a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# What a spreadsheet takes for the beginning of a formula, and the full-width forms that some locales take for it.
_STARTS = "[=+\\-@\t\r\n＝＋－＠]"  # noqa: RUF001
_FORMULA = re.compile(f"^'*{_STARTS}")
_GUARDED = re.compile(f"^'+{_STARTS}")


def guard(text: str) -> str:
    """Return a text with an apostrophe before what a spreadsheet would run; :func:`unguard` takes it away."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """Undo :func:`guard`; other texts stay as they are."""
    return text[1:] if _GUARDED.match(text) else text


def guarded(arrow: pa.Table) -> pa.Table:
    """Return a table for a CSV that people open, every text and every column's name through :func:`guard`.

    Parameters
    ----------
    arrow : pyarrow.Table
        The table, (n_rows, n_columns). Numbers stay numbers: what is negative begins with a sign and runs nothing.

    Returns
    -------
    pyarrow.Table
        Categories become their values. Write the table itself beside it, as Parquet, for programs to read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, kind in enumerate(arrow.schema.types):
        column = arrow.column(i)
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.replace_substring_regex(column, f"^('*{_STARTS})", "'\\1")
        arrow = arrow.set_column(i, guard(arrow.column_names[i]), column)
    return arrow
