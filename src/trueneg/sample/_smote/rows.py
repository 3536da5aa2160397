"""From a plan to rows of the caller's own container: arrays, lists, sparse matrices, pandas, polars and Arrow frames.

Kept rows are taken over in their own container and never pass through floating point. Children are made column by
column and get the column's type back: whole numbers are rounded, missing values stay missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trueneg.sample._smote.labels import gather, longer_index
from trueneg.sample._smote.plan import SamplingPlan, blend, blend_sparse, cast
from trueneg.sample._smote.tables import Table, is_plain

__all__ = ["build_rows"]


def build_rows(table: Table, plan: SamplingPlan) -> Any:
    """Return the kept rows and the children of a plan, as the container that the table was read from."""
    if not len(plan.parents):
        out = gather(table.given, plan.sample_indices)
        return out.asformat(table.given.format) if table.kind == "sparse" else out
    build = {"pandas": _pandas_rows, "frame": _frame_rows, "sparse": _sparse_rows}.get(table.kind, _array_rows)
    out = build(table, plan)
    return out.tolist() if table.kind == "list" else out


def _array_rows(table: Table, plan: SamplingPlan) -> NDArray[Any]:
    """Fill one array: the kept rows, then the children."""
    given = np.asarray(table.given) if table.kind == "list" else table.given
    only_numbers = not len(table.nominal)
    if only_numbers and not isinstance(given, np.ndarray):
        given = table.x
    n_kept = len(plan.kept)
    out = np.empty((len(plan.sample_indices), given.shape[1]), dtype=given.dtype)
    if n_kept == len(given):
        out[:n_kept] = given
    else:
        np.take(given, plan.kept, axis=0, out=out[:n_kept])
    if only_numbers:
        if given.dtype == table.x.dtype:
            blend(table.x, plan.parents, plan.weights, out=out[n_kept:])
        else:
            out[n_kept:] = blend(table.x, plan.parents, plan.weights)
        return out
    if len(table.numeric):
        made = blend(table.x, plan.parents, plan.weights)
        for to, j in enumerate(table.numeric):
            whole = given.dtype.kind == "O" and all(type(v) is int for v in given[:, j].tolist())
            out[n_kept:, j] = cast(made[:, to], np.dtype(np.int64)) if whole else made[:, to]
    sources: Any = plan.nominal_rows
    for to, j in enumerate(table.nominal):
        out[n_kept:, j] = given[sources[:, to], j]
    return out


def _sparse_rows(table: Table, plan: SamplingPlan) -> Any:
    """Stack the kept rows and the children, in the format given."""
    given = table.given.tocsr()
    kept = given if len(plan.kept) == table.n else given[plan.kept]
    made = blend_sparse(table.x.tocsr(), plan.parents, plan.weights) if len(table.numeric) else None
    if len(table.nominal):
        sources: Any = plan.nominal_rows
        dense = given[:, table.nominal].toarray()
        picked = np.stack([dense[sources[:, to], to] for to in range(len(table.nominal))], axis=1)
        parts = [p for p in (made, sparse.csr_matrix(picked)) if p is not None]
        order = np.argsort(np.concatenate([table.numeric, table.nominal]))
        made = sparse.hstack(parts, format="csr")[:, order]
    out = sparse.vstack([kept, made], format="csr", dtype=given.dtype)
    return out.asformat(table.given.format)


def _pandas_rows(table: Table, plan: SamplingPlan) -> Any:
    """Build a frame of children with the types of the given one, and put it below the kept rows."""
    import pandas as pd

    given = table.given
    index = longer_index(given.index, plan.kept, len(plan.parents))
    if not len(table.nominal) and is_plain(given):
        values = _array_rows(Table(table.x, "array", table.n, table.x, None, table.numeric, table.nominal), plan)
        return pd.DataFrame(values, index=index, columns=given.columns, copy=False)
    made: dict[int, Any] = {}
    if len(table.numeric):
        values = blend(table.x, plan.parents, plan.weights)
        made |= {int(j): _pandas_column(values[:, to], given.dtypes.iloc[j]) for to, j in enumerate(table.numeric)}
    if len(table.nominal):
        sources: Any = plan.nominal_rows
        made |= {int(j): given.iloc[:, j].array.take(sources[:, to]) for to, j in enumerate(table.nominal)}
    below = pd.DataFrame({j: made[j] for j in sorted(made)})
    above = given.iloc[plan.kept]
    below.columns = given.columns
    below.index = index[len(plan.kept) :]
    out = pd.concat([above, below])
    out.index = index
    return out


def _pandas_column(values: NDArray[Any], dtype: Any) -> Any:
    """Give numbers a column's type, nullable, sparse and Arrow-backed ones included."""
    import pandas as pd

    base = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", None))
    kind = getattr(dtype, "kind", "f")
    if isinstance(dtype, np.dtype):
        return cast(values, dtype).astype(dtype, copy=False)
    if kind == "b":
        flags = (values > 0.5).astype(object)
        flags[np.isnan(values)] = None
        return pd.Series(flags, dtype=object).astype(dtype).array
    if kind in "iu":
        values = np.rint(values)
        limit = np.iinfo(base if base is not None and np.dtype(base).kind in "iu" else np.int64)
        values = np.clip(values, float(limit.min), float(limit.max))
    missing = pd.Series(values, dtype=np.float64).astype("Float64" if kind in "iu" else np.float64)
    return missing.astype(dtype).array


def _frame_rows(table: Table, plan: SamplingPlan) -> Any:
    """Do for polars and Arrow frames what is done for pandas."""
    import narwhals as nw

    given = nw.from_native(table.given, eager_only=True)
    series = list(given.iter_columns())
    made: dict[int, Any] = {}
    if len(table.numeric):
        values = blend(table.x, plan.parents, plan.weights)
        for to, j in enumerate(table.numeric):
            made[int(j)] = _frame_column(values[:, to], series[j], given.implementation)
    if len(table.nominal):
        sources: Any = plan.nominal_rows
        made |= {int(j): series[j][sources[:, to]] for to, j in enumerate(table.nominal)}
    below = nw.from_dict({series[j].name: made[j] for j in sorted(made)}, backend=given.implementation)
    above = given if len(plan.kept) == table.n else given[plan.kept]
    return nw.concat([above, below.select(nw.all())], how="vertical").to_native()


def _frame_column(values: NDArray[Any], like: Any, backend: Any) -> Any:
    """Give numbers the type of a column; NaN becomes null where that column has nulls or no NaN."""
    import narwhals as nw

    hole = np.isnan(values)
    if like.dtype == nw.Boolean:
        flags = (
            [None if h else bool(v > 0.5) for v, h in zip(values, hole, strict=True)] if hole.any() else values > 0.5
        )
        return nw.new_series(like.name, flags, nw.Boolean, backend=backend)
    if like.dtype.is_integer():
        values = np.rint(values)
        if not hole.any():
            name = str(like.dtype).lower()
            values = cast(values, np.dtype(name if name.replace("u", "").startswith("int") else np.int64))
    out = nw.new_series(like.name, np.ascontiguousarray(values), backend=backend)
    if hole.any() and (like.dtype.is_integer() or like.null_count()):
        out = out.fill_nan(None)
    return out.cast(like.dtype)
