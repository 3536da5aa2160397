"""Frames as Arrow, and any table tidied: names that differ, types that the rest can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data._readers.columnar import array_to_arrow
from trueneg.data._readers.table import refuse_duplicates

if TYPE_CHECKING:
    import pyarrow as pa


def frame_to_arrow(frame: Any, pa: Any, notes: list[str]) -> pa.Table:
    """Return any frame as Arrow."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, dict):
        import numpy as np

        return pa.table(
            {
                str(k): array_to_arrow(v, str(k), "the frame") if isinstance(v, np.ndarray) else pa.array(v)
                for k, v in frame.items()
            }
        )
    import narwhals as nw

    if nw.dependencies.is_pandas_dataframe(frame):
        names = [str(c) for c in frame.columns]
        refuse_duplicates(names, "the frame")
        if type(frame.index).__name__ != "RangeIndex":
            notes.append("the index of the frame is not read as a column")
        return pa.Table.from_pandas(frame, preserve_index=False)
    eager = nw.from_native(frame)
    if isinstance(eager, nw.LazyFrame):
        eager = eager.collect()
    return eager.to_arrow()


def named(names: Sequence[str]) -> list[str]:
    """Return the names of columns as a whole read settles them."""
    out = list(names)
    for i, name in enumerate(out):
        if not name.strip():
            fresh = f"column_{i + 1}"
            while fresh in out:
                fresh += "_"
            out[i] = fresh
    return out


def tidy(arrow: pa.Table, where: str, notes: list[str]) -> pa.Table:
    """Check the names, name the nameless columns, and drop what the rest of the code need not know."""
    import pyarrow as pa

    names = list(arrow.column_names)
    if not names:
        msg = f"{where}: it has no columns; write it again"
        raise InputError(msg)
    given, names = names, named(names)
    notes += [
        f"column {i + 1} has no name and is called {own!r}"
        for i, (old, own) in enumerate(zip(given, names, strict=True))
        if old != own
    ]
    refuse_duplicates(names, where)
    arrow = arrow.rename_columns(names).replace_schema_metadata(None)
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for i, kind in enumerate(arrow.schema.types):
        if kind in views:
            arrow = arrow.set_column(i, names[i], arrow.column(i).cast(views[kind]))
    return arrow
