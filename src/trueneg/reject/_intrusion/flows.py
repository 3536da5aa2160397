"""Flow tables as numbers: counts on a log scale, standardised and clipped; categories one-hot, unseen ones counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin

from trueneg.core.errors import InputError

__all__ = ["FlowEncoder"]

_TAIL = 20.0  # a non-negative column that goes beyond this is a count, bytes or a duration: its logarithm is used
_ROWS = 65_536
_NOTHING = ("", "-", "?", "(empty)", "n/a", "na", "nan", "none", "null")  # what exports write where there is no number
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"


class FlowEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn flow tables into float32 rows.

    Numbers: ``log1p`` where a column is never negative and goes beyond 20 (bytes, counts, durations), then standardised
    on the rows learned from and clipped, so that one absurd value cannot outweigh all the rest. Categories become one
    column each; a category never learned becomes all zeros, and :meth:`unseen` says which rows hold one: their share is
    the first sign that the traffic is another one.

    Parameters
    ----------
    clip : float, default=10.0
        Standard deviations at which numbers are cut.
    max_categories : int, default=256
        Categories kept of a column, the most frequent first; the others count as unseen.
    missing : {"error", "mean"}, default="error"
        What a missing or infinite number does: one line that names it, or the mean. With "mean" a text column is one of
        numbers where ``-``, ``?`` and the like are all that keeps it from being read as such, and in other tables a
        text among numbers counts as missing.

    Attributes
    ----------
    columns_ : list of str
        Columns of the table; ``x0``, ``x1``, ... of an array.
    categories_ : dict of str to list of str
        Of each text column.
    logged_ : ndarray of bool, shape (n_numbers,)
        Which numbers are on a log scale.
    mean_, scale_ : ndarray of shape (n_numbers,)
        After the logarithm; a constant column has scale 1.
    n_features_out_ : int
        Columns of the result.
    """

    def __init__(self, *, clip: float = 10.0, max_categories: int = 256, missing: str = "error") -> None:
        self.clip, self.max_categories, self.missing = clip, max_categories, missing

    def fit(self, X: Any, y: Any = None) -> FlowEncoder:
        """Learn scales and categories from a frame, an Arrow table or an array (n, d)."""
        if self.missing not in ("error", "mean"):
            msg = f"missing={self.missing!r}: choose 'error' or 'mean'."
            raise InputError(msg)
        table = _table(X)
        if len(table) == 0 or len(_first(table)) == 0:
            raise InputError("the flow table is empty: give at least one row and one column.")
        self.columns_ = list(table)
        self.n_features_in_ = len(table)
        if self.missing == "mean":
            table = {c: _filled(v) for c, v in table.items()}
        self.categories_ = {c: self._kept(v) for c, v in table.items() if not _is_number(v)}
        self.numbers_ = [c for c in self.columns_ if c not in self.categories_]
        numbers = self._numbers(table, None)
        low, high = (f(numbers, axis=0, initial=0.0) for f in (np.min, np.max))
        self.logged_ = (low >= 0) & (high > _TAIL)
        numbers[:, self.logged_] = np.log1p(numbers[:, self.logged_])
        self.mean_ = numbers.mean(axis=0)
        spread = numbers.std(axis=0)
        self.scale_ = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(self.mean_)), spread, 1.0)
        self.n_features_out_ = len(self.numbers_) + sum(map(len, self.categories_.values()))
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the rows as numbers, (n, n_features_out_) float32."""
        return self.transform_counted(X)[0]

    def unseen(self, X: Any) -> NDArray[np.bool_]:
        """Return which rows hold a category that was never learned, (n,)."""
        return self.transform_counted(X)[1]

    def gaps(self, X: Any) -> dict[str, int]:
        """Return how many rows have no finite number in a column of numbers, by column; only those with any."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "scale_")
        table = _table(X)
        found = {c: int((~np.isfinite(self._floats(table[c], c))).sum()) for c in self.numbers_ if c in table}
        return {c: count for c, count in found.items() if count}

    def transform_counted(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return both, from one pass over the table."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "scale_")
        table = _table(X)
        if isinstance(X, np.ndarray) and len(table) != self.n_features_in_:
            msg = f"X has {len(table)} features, but FlowEncoder is expecting {self.n_features_in_} features as input"
            raise InputError(msg)
        for column in self.columns_:
            if column not in table:
                msg = f"the flow table has no column {column!r}; it needs {', '.join(self.columns_)}."
                raise InputError(msg)
        n = len(_first(table))
        out = np.zeros((n, self.n_features_out_), dtype=np.float32)
        lost = np.zeros(n, dtype=bool)
        wide = len(self.numbers_)
        fill = np.where(self.logged_, np.expm1(self.mean_), self.mean_)
        for start in range(0, n if wide else 0, _ROWS):
            rows = slice(start, start + _ROWS)
            numbers = self._numbers({c: table[c][rows] for c in self.numbers_}, fill)
            numbers[:, self.logged_] = np.log1p(np.maximum(numbers[:, self.logged_], 0.0))
            numbers -= self.mean_
            numbers /= self.scale_
            out[rows, :wide] = np.clip(numbers, -self.clip, self.clip, out=numbers)
        at = wide
        for column, kept in self.categories_.items():
            place = _places(table[column], kept)
            known = np.flatnonzero(place >= 0)
            out[known, at + place[known]] = 1.0
            lost |= place < 0
            at += len(kept)
        return out, lost

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "params": self.get_params(),
            "columns": self.columns_,
            "categories": self.categories_,
            "logged": self.logged_.tolist(),
            "mean": self.mean_.tolist(),
            "scale": self.scale_.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FlowEncoder:
        """Return the encoder that :meth:`to_dict` wrote."""
        found = cls(**stored["params"])
        found.columns_, found.categories_ = list(stored["columns"]), dict(stored["categories"])
        found.numbers_ = [c for c in found.columns_ if c not in found.categories_]
        found.n_features_in_ = len(found.columns_)
        found.logged_ = np.array(stored["logged"], dtype=bool)
        found.mean_, found.scale_ = np.array(stored["mean"], dtype=float), np.array(stored["scale"], dtype=float)
        found.n_features_out_ = len(found.numbers_) + sum(map(len, found.categories_.values()))
        return found

    def _kept(self, values: Any) -> list[str]:
        """Return the categories of a column, the most frequent first, ties by their text."""
        import pyarrow.compute as pc

        counted = pc.value_counts(values)
        pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
        ranked = sorted(((c, v) for v, c in pairs if v is not None), key=lambda p: (-p[0], p[1]))
        return [v for _, v in ranked[: self.max_categories]]

    def _floats(self, values: Any, name: str) -> NDArray[np.float64]:
        """Return a number column of another table: read as text there, it is turned into numbers where that can be."""
        if _is_number(values):
            return np.asarray(values, dtype=np.float64)
        numbers, other = _apart(values)
        # One odd text among numbers is a gap; a column of other texts is another column.
        if other.any() and (self.missing == "error" or np.isnan(numbers).all()):
            from trueneg.data.readers import one_line

            row = int(np.flatnonzero(other)[0])
            cell = one_line(values[row].as_py(), 40)
            msg = (
                f"column {name!r} held numbers when the model was fitted, but {cell!r} in row {row}: repair it or "
                "give the column that was learned from."
            )
            raise InputError(msg)
        return numbers

    def _numbers(self, table: Mapping[str, Any], fill: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return number columns as float64 (n, k); what is missing is refused, or filled (None: by the means)."""
        n = len(_first(table)) if table else 0
        out = np.empty((n, len(self.numbers_)), order="F")
        for j, column in enumerate(self.numbers_):
            out[:, j] = self._floats(table[column], column)
        bad = ~np.isfinite(out)
        if bad.any():
            i, j = np.argwhere(bad)[0]
            if self.missing == "error":
                msg = (
                    f"column {self.numbers_[j]!r}, row {i}: NaN or infinity; repair it, leave the row out, "
                    "or encode with missing='mean'."
                )
                raise InputError(msg)
            if fill is None:
                fill = np.where(bad, 0.0, out).sum(axis=0) / np.maximum((~bad).sum(axis=0), 1)
            out[bad] = np.broadcast_to(fill, out.shape)[bad]
        return out


def _first(table: Mapping[str, Any]) -> Any:
    return next(iter(table.values()))


def _table(X: Any) -> dict[str, Any]:
    """Return columns by name: NumPy arrays of numbers, Arrow arrays of text."""
    import pyarrow as pa

    if issparse(X):
        raise InputError("X is sparse: give flows as a dense array, X.toarray(), or a table.")
    if isinstance(X, Mapping):
        return dict(X)
    if isinstance(X, pa.Table | pa.RecordBatch):
        return {name: _column(X.column(i), name) for i, name in enumerate(X.schema.names)}
    if not isinstance(X, np.ndarray) and (hasattr(X, "columns") or hasattr(X, "__narwhals_dataframe__")):
        import narwhals.stable.v2 as nw

        frame = nw.from_native(X, eager_only=True)
        return {str(name): _column(frame.get_column(name).to_arrow(), str(name)) for name in frame.columns}
    array = np.asarray(X)
    if array.ndim != 2:
        msg = f"X has shape {array.shape}: give flows as rows of a 2-D array. Reshape your data, one row a flow."
        raise InputError(msg)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: give real numbers.")
    if array.shape[1] == 0:
        msg = f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required: give at least one column."
        raise InputError(msg)
    return {f"x{j}": _object_column(array[:, j]) for j in range(array.shape[1])}


def _object_column(values: NDArray[Any]) -> Any:
    import pyarrow as pa

    if values.dtype.kind in "biuf":
        return values
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        if any(isinstance(v, dict | list | set | tuple) for v in values):
            raise TypeError("argument must be a string or a number: a cell of X is neither.") from None
        return pa.array([None if v is None else str(v) for v in values], pa.string())


def _column(values: Any, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # of no chunk, in some versions
            values = pa.concat_arrays(values.chunks)
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
    try:
        return pc.cast(values, pa.string())
    except pa.ArrowInvalid as error:
        msg = f"column {name!r} holds {kind}, neither numbers nor text: leave it out."
        raise InputError(msg) from error


def _is_number(values: Any) -> bool:
    return isinstance(values, np.ndarray)


def _filled(values: Any) -> Any:
    """Return a text column as numbers, NaN for gaps, where it holds both and nothing else; others as they are."""
    if _is_number(values):
        return values
    numbers, other = _apart(values)
    there = int(np.isfinite(numbers).sum())
    # Digits without a gap, or with nulls alone, were given as text: they are codes.
    return numbers if there and not other.any() and len(numbers) - there > values.null_count else values


def _apart(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the numbers of a text column (n,), NaN elsewhere, and which values are neither numbers nor gaps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(values)
    number = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
    found = pc.cast(pc.if_else(number, text, pa.scalar(None, text.type)), pa.float64())
    gap = pc.or_(pc.is_null(text), pc.is_in(pc.utf8_lower(text), value_set=pa.array(_NOTHING, text.type)))
    other = ~(number.to_numpy(zero_copy_only=False) | pc.fill_null(gap, True).to_numpy(zero_copy_only=False))
    return found.to_numpy(zero_copy_only=False), other


def _places(values: Any, kept: list[str]) -> NDArray[np.int64]:
    """Return the position of each value among the kept ones, -1 where it is none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_number(values):  # a code that looked like text where the model was fitted
        values = pa.array([f"{v:g}" for v in values], pa.string())
    found = pc.index_in(values, value_set=pa.array(kept, pa.string()))
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
