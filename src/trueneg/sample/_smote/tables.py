"""From a plan to rows of the caller's own container: arrays, lists, sparse matrices, pandas, polars and Arrow frames.

Kept rows are taken over in their own container and never pass through floating point. Children are made column by
column and get the column's type back: whole numbers are rounded, missing values stay missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from trueneg.core.errors import InputError
from trueneg.sample._smote.labels import gather, longer_index
from trueneg.sample._smote.plan import SamplingPlan, blend, blend_sparse, cast

__all__ = ["Table", "read_table"]


@dataclass
class Table:
    """X as given, and what a sampler computes with.

    Parameters
    ----------
    given : container of n rows
    kind : {"array", "list", "sparse", "pandas", "frame"}
    n : int
    x : ndarray or CSR matrix of shape (n, p), or None
        The numeric columns.
    codes : int32 array of shape (n, q), or None
        The nominal columns; a missing value is a level of its own.
    numeric, nominal : int64 arrays of shape (p,) and (q,)
        Positions of the columns.
    holes : bool
        Whether a numeric value is missing.
    """

    given: Any
    kind: Literal["array", "list", "sparse", "pandas", "frame"]
    n: int
    x: Any = None
    codes: NDArray[np.int32] | None = None
    numeric: Any = None
    nominal: Any = None
    holes: bool = False

    def rows(self, plan: SamplingPlan) -> Any:
        """Return the kept rows and the children, as the container given."""
        if not len(plan.parents):
            out = gather(self.given, plan.sample_indices)
            return out.asformat(self.given.format) if self.kind == "sparse" else out
        build = {"pandas": _pandas_rows, "frame": _frame_rows, "sparse": _sparse_rows}.get(self.kind, _array_rows)
        out = build(self, plan)
        return out.tolist() if self.kind == "list" else out


def read_table(estimator: Any, X: Any, *, nominal: Any = None, numbers: bool = True) -> Table:  # noqa: N803
    """Check X and split its columns.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and, from a frame, ``feature_names_in_``.
    X : container of shape (n, d)
    nominal : None, "all", "auto", or column positions, names or a mask
        Which columns are nominal; "auto" takes those of a frame that hold no numbers.
    numbers : bool, default=True
        Whether the values are read at all; choosing rows does not need them.
    """
    kind = _kind(X)
    whole = nominal is None and numbers and kind not in ("pandas", "frame")
    if whole:
        finite = "allow-nan"
        x = validate_data(estimator, X, accept_sparse="csr", dtype="numeric", ensure_all_finite=finite)
        n, d = x.shape
        return _with_holes(Table(X, kind, n, x, None, np.arange(d), np.empty(0, dtype=np.int64)))
    if kind in ("pandas", "frame"):
        validate_data(estimator, X, skip_check_array=True)
        n, d = X.shape
        if not n or not d:
            raise InputError(f"Found array with {n} sample(s) and {d} feature(s) while a minimum of 1 is required")
        values: Any = X
    else:
        values = validate_data(estimator, X, accept_sparse="csr", dtype=None, ensure_all_finite=False)
        n, d = values.shape
    if not numbers:
        return Table(X if kind in ("pandas", "frame", "list") else values if kind == "array" else X, kind, n)
    columns = _columns(values, kind)
    chosen = _nominal_positions(nominal, columns, kind, estimator)
    table = Table(X, kind, n, None, None, np.flatnonzero(~chosen), np.flatnonzero(chosen))
    if kind == "array":
        table.given = values
    table.x = _numeric_part(columns, table, values)
    if len(table.nominal):
        table.codes = np.stack([_codes(columns, values, j) for j in table.nominal], axis=1)
    return _with_holes(table)


def _with_holes(table: Table) -> Table:
    """Note whether a numeric value is missing."""
    x = table.x
    if x is not None and x.dtype.kind == "f":
        data = x.data if sparse.issparse(x) else x
        with np.errstate(over="ignore", invalid="ignore"):
            table.holes = bool(np.isnan(data.sum()) and np.isnan(data).any())
    return table


def _kind(X: Any) -> Literal["array", "list", "sparse", "pandas", "frame"]:  # noqa: N803
    if sparse.issparse(X):
        return "sparse"
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return "pandas"
    if isinstance(X, (list, tuple)):
        return "list"
    if isinstance(X, np.ndarray):
        return "array"
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return "frame" if isinstance(frame, nw.DataFrame) else "array"


@dataclass
class _Column:
    """Name and nature of a column."""

    name: Any
    numeric: bool
    series: Any = None  # narwhals, of frames
    dtype: Any = None


def _columns(values: Any, kind: str) -> list[_Column]:
    if kind not in ("pandas", "frame"):
        return [_Column(j, True) for j in range(values.shape[1])]
    import narwhals as nw

    if kind == "frame":
        frame = nw.from_native(values, eager_only=True)
        return [
            _Column(s.name, s.dtype.is_numeric() or s.dtype == nw.Boolean, s, s.dtype) for s in frame.iter_columns()
        ]
    import pandas as pd

    out = []
    for j, (name, dtype) in enumerate(values.dtypes.items()):
        base = getattr(dtype, "subtype", dtype)
        number = pd.api.types.is_numeric_dtype(base) or pd.api.types.is_bool_dtype(base)
        category = isinstance(dtype, pd.CategoricalDtype)
        out.append(_Column(name, bool(number and not category), values.iloc[:, j], dtype))
    return out


def _nominal_positions(nominal: Any, columns: list[_Column], kind: str, estimator: Any) -> NDArray[np.bool_]:
    """Return the mask of nominal columns; columns without numbers must be among them."""
    d = len(columns)
    mask = np.zeros(d, dtype=bool)
    if isinstance(nominal, str) and nominal == "all":
        return ~mask
    if isinstance(nominal, str) and nominal == "auto":
        if kind not in ("pandas", "frame"):
            msg = "categorical_features='auto' reads the types of a frame: for an array give positions, such as [0, 3]"
            raise InputError(msg)
        mask = np.array([not c.numeric for c in columns])
    elif nominal is not None:
        mask[_positions(nominal, columns)] = True
    text = [c for c, chosen in zip(columns, mask, strict=True) if not c.numeric and not chosen]
    if text:
        cure = "name it in categorical_features" if nominal is not None else "use SMOTENC, or encode it as numbers"
        msg = f"{type(estimator).__name__}: column {text[0].name!r} holds {text[0].dtype}, not numbers: {cure}"
        raise InputError(msg)
    if nominal is not None and (mask.all() or not mask.any()):
        msg = "all columns are nominal: use SMOTEN" if mask.all() else "no column is nominal: use SMOTE"
        raise InputError(msg)
    return mask


def _positions(nominal: Any, columns: list[_Column]) -> NDArray[np.int64]:
    """Turn positions, names or a mask into positions."""
    given = [nominal] if isinstance(nominal, str) else list(nominal) if isinstance(nominal, Sequence) else nominal
    values = np.asarray(given)
    if values.dtype.kind == "b":
        if values.shape != (len(columns),):
            raise InputError(f"categorical_features is a mask of {values.size} entries for {len(columns)} columns")
        return np.flatnonzero(values)
    if values.dtype.kind in "iu" and values.ndim == 1:
        bad = values[(values < 0) | (values >= len(columns))]
        if len(bad):
            raise InputError(f"categorical_features names column {bad[0]}; there are columns 0 to {len(columns) - 1}")
        return values.astype(np.int64)
    known = {c.name: j for j, c in enumerate(columns)}
    unknown = [name for name in values.ravel().tolist() if name not in known]
    if unknown:
        raise InputError(f"categorical_features names column {unknown[0]!r}, which X does not have")
    return np.array([known[name] for name in values.ravel().tolist()], dtype=np.int64)


def _numeric_part(columns: list[_Column], table: Table, values: Any) -> Any:
    """Return the numeric columns side by side: float32 where all are, else float64; a view where that is possible."""
    wanted = table.numeric
    if not len(wanted):
        return None
    if table.kind == "sparse":
        return values[:, wanted]
    if table.kind in ("array", "list"):
        try:
            part = values[:, wanted]
            x = part if part.dtype.kind in "fiub" else part.astype(np.float64)
        except (TypeError, ValueError) as error:
            msg = f"a numeric column of X holds what is no number ({error}): name it in categorical_features"
            raise InputError(msg) from error
    elif table.kind == "pandas" and len(wanted) == values.shape[1] and _is_plain(values):
        x = values.to_numpy()
    else:
        small = all(str(columns[j].dtype).lower() in ("float32", "float16") for j in wanted)
        x = np.empty((table.n, len(wanted)), dtype=np.float32 if small else np.float64, order="F")
        for to, j in enumerate(wanted):
            x[:, to] = _as_float(columns[j].series, table.kind, x.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = x.dtype.kind == "f" and not np.isfinite(x.sum())
    if suspect and np.isinf(x).any():
        row, column = np.argwhere(np.isinf(x))[0]
        msg = f"X row {row}, column {columns[wanted[column]].name!r} is infinite: drop the row or clip the value"
        raise InputError(msg)
    return x


def _is_plain(frame: Any) -> bool:
    """Say whether all columns have one floating NumPy type."""
    first = frame.dtypes.iloc[0]
    return isinstance(first, np.dtype) and first.kind == "f" and bool((frame.dtypes == first).all())


def _as_float(series: Any, kind: str, dtype: Any) -> NDArray[Any]:
    """Return a column with NaN where it is missing."""
    if kind == "pandas":
        return np.asarray(series.to_numpy(dtype=dtype, na_value=np.nan))
    import narwhals as nw

    return np.asarray(series.cast(nw.Float64).to_numpy())


def _codes(columns: list[_Column], values: Any, j: int) -> NDArray[np.int32]:
    """Number the levels of one nominal column."""
    if hasattr(columns[j].series, "iloc"):
        import pandas as pd

        codes = pd.factorize(columns[j].series)[0]
        return np.where(codes < 0, codes.max(initial=-1) + 1, codes).astype(np.int32)
    if columns[j].series is not None:
        import narwhals as nw

        return _arrow_codes(nw.from_native(columns[j].series, series_only=True).to_arrow())
    column = values[:, [j]].toarray().ravel() if sparse.issparse(values) else values[:, j]
    if column.dtype.kind != "O":
        return np.unique(column, return_inverse=True)[1].astype(np.int32)
    import pyarrow as pa

    try:
        return _arrow_codes(pa.array(column, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        levels: dict[Any, int] = {}
        try:
            return np.array([levels.setdefault(v, len(levels)) for v in column.tolist()], dtype=np.int32)
        except TypeError as error:
            msg = f"column {j} holds {type(column[0]).__name__} objects: argument must be a string or a number"
            raise TypeError(msg) from error


def _arrow_codes(values: Any) -> NDArray[np.int32]:
    """Number the levels of an Arrow array; null is the last one."""
    import pyarrow as pa

    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_nested(whole.type):
        msg = f"a column holds {whole.type}: argument must be a string or a number"
        raise TypeError(msg)
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    return coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int32)


# -- writing -----------------------------------------------------------------------------------------------------------


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
    if not len(table.nominal) and _is_plain(given):
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
