"""What a sampler computes with: the numeric and nominal columns of arrays, lists, sparse matrices and frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from trueneg.core.errors import InputError

__all__ = ["Table", "is_plain", "read_table"]


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
    elif table.kind == "pandas" and len(wanted) == values.shape[1] and is_plain(values):
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


def is_plain(frame: Any) -> bool:
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
