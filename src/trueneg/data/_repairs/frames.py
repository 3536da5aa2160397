"""Repairs on a frame of the user's own kind: its index, its types and its order stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._repairs.batches import repair_batch, repaired_schema, shown
from trueneg.data._repairs.what import EXTRA, SOURCE, WEIGHT, Repairs
from trueneg.data.readers import one_line, read_frame

if TYPE_CHECKING:
    import pyarrow as pa


def repair_frame(repairs: Repairs, frame: Any) -> Any:
    """Return a frame of the same kind with its rows repaired; the given one is not changed.

    Parameters
    ----------
    repairs : Repairs
        What to do; new values are Python values.
    frame : frame
        A pandas or polars frame (a lazy one stays lazy), a pyarrow table, a dict of columns (a pyarrow table comes
        back), or what narwhals reads.

    Raises
    ------
    InputError
        For a value that a column's type cannot hold.
    """
    import narwhals as nw
    import pyarrow as pa

    if isinstance(frame, pa.Table | pa.RecordBatch | dict):
        return _repair_arrow(repairs, read_frame(frame).arrow if isinstance(frame, dict) else frame)
    own = nw.from_native(frame)
    lazy = isinstance(own, nw.LazyFrame)
    eager = own.collect() if isinstance(own, nw.LazyFrame) else own
    kept = [name for name in eager.columns if str(name) not in EXTRA]
    eager = eager.select(kept)
    for name in kept:
        change = repairs.changes.get(str(name))
        if change is not None and len(change.rows):
            eager = eager.with_columns(_scattered(eager[name], *change.within(0, repairs.n_rows)))
    place = eager.implementation
    for name, column in zip(repairs.extra, repairs.columns(0, repairs.n_rows), strict=True):
        kind = {WEIGHT: nw.Float64, SOURCE: nw.Int64}.get(name, nw.String)
        values = column.to_numpy(zero_copy_only=False) if kind is not nw.String else column.to_pylist()
        series = nw.new_series(name, values, kind(), backend=place)
        eager = eager.with_columns(_aligned(series, eager))
    mask = repairs.keep(0, repairs.n_rows)
    if mask is not None:
        eager = eager.filter(mask.tolist())
    return (eager.lazy() if lazy else eager).to_native()


def _aligned(series: Any, eager: Any) -> Any:
    """Give a new column the index of the frame, where the frame has one: pandas would match rows by it."""
    import narwhals as nw

    native = eager.to_native()
    if not hasattr(native, "index") or not hasattr(series.to_native(), "set_axis"):
        return series
    return nw.from_native(series.to_native().set_axis(native.index), series_only=True)


def _scattered(series: Any, rows: np.ndarray, values: list[Any]) -> Any:
    try:
        out = series.scatter(rows.tolist(), values)
    except Exception as error:
        raise _cannot_hold(series, values) from error
    # A frame library may change the type, or put a null where a value does not fit, without a word.
    got = out[rows.tolist()].to_list()
    if out.dtype != series.dtype or any(not _same(a, b) for a, b in zip(got, values, strict=True)):
        raise _cannot_hold(series, values)
    return out


def _same(got: Any, wanted: Any) -> bool:
    return bool(got is None or got != got) if wanted is None else bool(got == wanted)


def _cannot_hold(series: Any, values: list[Any]) -> InputError:
    return InputError(
        f"column {one_line(series.name, 60)!r} holds {series.dtype}, which cannot hold the proposed value "
        f"{shown(values[0])}; change the column's type first"
    )


def _repair_arrow(repairs: Repairs, table: pa.Table | pa.RecordBatch) -> Any:
    import pyarrow as pa

    schema = repaired_schema(repairs, table.schema)
    batches, start = [], 0
    for batch in table.to_batches() if isinstance(table, pa.Table) else [table]:
        batches.append(repair_batch(repairs, batch, start, schema, table.schema.names))
        start += batch.num_rows
    return batches[0] if isinstance(table, pa.RecordBatch) else pa.Table.from_batches(batches, schema=schema)
