"""Columns of numbers and of categories as binary features: cuts of a thermometer, and one feature a category."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from trueneg.core.errors import InputError

__all__ = ["Binarizer", "cuts_of", "thermometer"]


def cuts_of(column: NDArray[np.float64], n_cuts: int, strategy: str) -> NDArray[np.float64]:
    """Return rising cuts of one column, at most ``n_cuts``; each parts the values seen (NaN is left out).

    A column of few values gets a cut at each but the lowest.
    """
    values = np.unique(column[~np.isnan(column)])
    if len(values) <= n_cuts + 1:
        return values[1:]
    if strategy == "uniform":
        return np.linspace(values[0], values[-1], n_cuts + 2)[1:-1]
    inner = np.arange(1, n_cuts + 1) / (n_cuts + 1)
    found = np.unique(np.quantile(column[~np.isnan(column)], inner, method="higher"))
    return found[found > values[0]]


def thermometer(X: NDArray[np.float64], cuts: list[NDArray[np.float64]]) -> NDArray[np.uint8]:
    """Return one feature a cut, 1 where the value reaches it; nothing is reached by NaN."""
    parts = [(X[:, [j]] >= own).astype(np.uint8) for j, own in enumerate(cuts)]
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(X), 0), np.uint8)


class Binarizer(TransformerMixin, BaseEstimator):
    """Turn a table into binary features that read as words: ``age >= 40``, ``colour = red``.

    A number becomes a thermometer: one feature for each cut that it reaches. A category becomes one feature a value. A
    column with gaps in the rows fitted gets one more, ``age is missing``.

    Parameters
    ----------
    n_cuts : int, default=8
        Cuts a numeric column at most.
    strategy : {"quantile", "uniform"}, default="quantile"
        Cuts at quantiles of the rows fitted, or at equal distances.
    max_categories : int, default=50
        The most frequent values of a column of categories; a row of any other has none of its features.

    Attributes
    ----------
    columns_ : list of str
        Names of the columns, ``x0``, ``x1`` ... where an array had none.
    cuts_ : list of ndarray or None
        Of each column; None for categories.
    categories_ : list of list or None
        Of each column; None for numbers.
    gaps_ : ndarray of bool, shape (n_columns,)
        Which columns had gaps.

    Notes
    -----
    Fit it inside each fold: cuts are learned from rows.
    """

    def __init__(self, *, n_cuts: int = 8, strategy: str = "quantile", max_categories: int = 50) -> None:
        self.n_cuts = n_cuts
        self.strategy = strategy
        self.max_categories = max_categories

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Binarizer:
        """Learn cuts and categories from a frame or array (n, n_columns).

        Raises
        ------
        InputError
            Where a parameter is out of range or there are no columns.
        """
        if self.strategy not in ("quantile", "uniform"):
            msg = f"strategy={self.strategy!r}: choose 'quantile' or 'uniform'."
            raise InputError(msg)
        for name, value in (("n_cuts", self.n_cuts), ("max_categories", self.max_categories)):
            if not isinstance(value, int | np.integer) or value < 1:
                msg = f"{name}={value!r} must be a whole number from 1 up."
                raise InputError(msg)
        names, columns = _columns(X)
        validate_data(self, X, reset=True, skip_check_array=True)
        self.columns_, self.n_features_in_ = names, len(names)
        self.cuts_, self.categories_ = [], []
        gaps = []
        for column in columns:
            numbers = _numbers(column)
            gaps.append(bool(_gaps(column, numbers).any()))
            self.cuts_.append(None if numbers is None else cuts_of(numbers, self.n_cuts, self.strategy))
            self.categories_.append(None if numbers is not None else self._frequent(column))
        self.gaps_ = np.array(gaps, dtype=bool)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the binary features, (n, n_out), in the order of :meth:`get_feature_names_out`."""
        check_is_fitted(self, "cuts_")
        names, columns = _columns(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        if len(names) != self.n_features_in_:
            msg = f"X has {len(names)} features, but Binarizer is expecting {self.n_features_in_} features as input."
            raise InputError(msg)
        parts = []
        for j, column in enumerate(columns):
            cuts, categories = self.cuts_[j], self.categories_[j]
            numbers = _numbers(column)
            if cuts is not None:
                if numbers is None:
                    msg = f"column {self.columns_[j]!r} held numbers when fitted and now holds something else."
                    raise InputError(msg)
                parts.append(thermometer(numbers[:, None], [cuts]))
            else:
                texts = np.array([_text(value) for value in column], dtype=object)
                parts.append((texts[:, None] == np.array(categories, dtype=object)[None, :]).astype(np.uint8))
            if self.gaps_[j]:
                parts.append(_gaps(column, numbers).astype(np.uint8)[:, None])
        return np.concatenate(parts, axis=1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return what each feature says."""
        check_is_fitted(self, "cuts_")
        names: list[str] = []
        for j, column in enumerate(self.columns_):
            cuts, categories = self.cuts_[j], self.categories_[j]
            names += [f"{column} >= {cut:.6g}" for cut in cuts] if cuts is not None else []
            names += [f"{column} = {value}" for value in categories or []]
            names += [f"{column} is missing"] if self.gaps_[j] else []
        return np.array(names, dtype=object)

    def _frequent(self, column: NDArray[Any]) -> list[str]:
        values, counts = np.unique(
            np.array([t for t in map(_text, column) if t is not None], dtype=object), return_counts=True
        )
        order = np.lexsort((np.arange(len(values)), -counts))[: self.max_categories]
        return sorted(str(v) for v in values[order])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags


def _columns(X: Any) -> tuple[list[str], list[NDArray[Any]]]:
    """Return names and columns of a frame or array."""
    import narwhals as nw

    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        array = check_array(X, dtype=None, ensure_all_finite=False, estimator="Binarizer")
        return [f"x{j}" for j in range(array.shape[1])], list(array.T)
    return list(frame.columns), [frame[name].to_numpy() for name in frame.columns]


def _numbers(column: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return a column as float64, None where it holds anything but numbers and gaps."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    if column.dtype.kind != "O" or any(isinstance(v, str | bytes) for v in column):
        return None
    try:
        return np.array([np.nan if v is None else float(v) for v in column], dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _gaps(column: NDArray[Any], numbers: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    if numbers is not None:
        return np.isnan(numbers)
    return np.array([_text(v) is None for v in column], dtype=bool)


def _text(value: Any) -> str | None:
    # NaN is the one value that is not itself.
    return None if value is None or value != value else str(value)  # noqa: PLR0124
