"""Cells: rows x candidates with verdicts, the one table behind every kind of data.

A cell says of one candidate of one row: 1 positive, 0 negative, -1 unjudged. Only cells that carry news are stored;
``absent`` says what the others are. Ids live once, in ``row_ids`` and ``candidate_ids``; everything else is codes.
Every constructor has a round trip, so that data leaves with the ids, values and nulls it came with.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["KINDS", "UNJUDGED", "Cells"]

UNJUDGED = -1
KINDS = ("table", "multilabel", "retrieval", "attempts", "versions", "boxes", "bags")
_FAMILIES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (np.bool_, "boolean"),
    (str, "text"),
    (int, "integer"),
    (np.integer, "integer"),
)
_FAMILIES += ((float, "float"), (np.floating, "float"))


# --------------------------------------------------------------------------------------------- reading a column
def _family(kind: type) -> str:
    """Name the family of a Python or NumPy scalar type, so that ``str`` and ``np.str_`` count as one."""
    return next((name for parent, name in _FAMILIES if issubclass(kind, parent)), kind.__name__)


def _object_column(items: list[Any], name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a list of Python values: find the nulls, refuse mixed types, go native where nothing is lost."""
    n = len(items)
    null = np.zeros(n, dtype=bool)
    for kind in set(map(type, items)):
        if kind.__name__ in {"NoneType", "NAType", "NaTType"}:
            null |= np.fromiter(map(operator.is_, map(type, items), repeat(kind)), dtype=bool, count=n)
    out = np.empty(n, dtype=object)
    out[:] = items
    out[null] = None
    if any(issubclass(kind, (float, np.floating)) for kind in set(map(type, out.tolist()))):
        items = out.tolist()
        null |= np.fromiter(map(operator.ne, items, items), dtype=bool, count=n)
        out[null] = None
    families = {_family(kind) for kind in set(map(type, out[~null].tolist()))}
    if len(families) > 1:
        msg = f"{name} mixes {' and '.join(sorted(families))} values: convert the column to one type"
        raise InputError(msg)
    if not null.any() and families <= {"boolean", "integer", "float"} and n:
        native = {"boolean": np.bool_, "integer": np.int64, "float": np.float64}[families.pop()]
        try:
            return out.astype(native), null
        except OverflowError:  # integers beyond 64 bits stay Python integers
            pass
    return out, null


def _boxed(items: list[Any]) -> NDArray[np.object_]:
    """Put values into an object array one each, even where they are sequences themselves."""
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def _column(values: Any, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a one-dimensional array and its null mask, whatever container the values came in."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        values = values.data if not mask.any() else values.data.astype(object)
        if mask.any():
            values[mask] = None  # a copy: astype made it
    if hasattr(values, "isna") and not isinstance(getattr(values, "dtype", None), np.dtype):
        values = values.astype(object).to_numpy() if values.isna().any() else np.asarray(values)
    nulls = getattr(values, "null_count", 0)
    if (nulls() if callable(nulls) else nulls) > 0:  # integers with nulls would come out as floats
        values = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
    elif hasattr(values, "to_pylist") and not hasattr(values, "__array__"):
        values = values.to_pylist()
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        msg = f"{name} must be a column of values, not {type(values).__name__}"
        raise InputError(msg)
    array = _boxed(list(values)) if isinstance(values, (list, tuple, range)) else np.asarray(values)
    if array.ndim != 1:
        msg = f"{name} must be one-dimensional, not of shape {array.shape}: pass one column"
        raise InputError(msg)
    if array.dtype.kind == "O":
        return _object_column(array.tolist(), name)
    if array.dtype.kind == "f":
        return array, np.isnan(array)
    if array.dtype.kind in "Mm":
        return array, np.isnat(array)
    if array.dtype.kind not in "biuUST":
        msg = f"{name} has dtype {array.dtype}, which cannot hold labels or ids: convert it to text or numbers"
        raise InputError(msg)
    return array, np.zeros(len(array), dtype=bool)


def _mark_unlabeled(values: NDArray[Any], null: NDArray[np.bool_], unlabeled: Any) -> NDArray[np.bool_]:
    """Add to the null mask the values that the user calls unlabelled."""
    if unlabeled is None or not len(values):
        return null
    number = isinstance(unlabeled, (int, float, np.integer, np.floating))
    if values.dtype.kind == "O":
        same = np.fromiter(map(operator.eq, values.tolist(), repeat(unlabeled)), dtype=bool, count=len(values))
    elif number == (values.dtype.kind in "biuf"):
        same = np.asarray(values == unlabeled, dtype=bool)
    else:
        return null
    return null | same


def _factorize(values: NDArray[Any], null: NDArray[np.bool_], name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return codes (n,) into the sorted distinct values, -1 where null, and those values."""
    codes = np.full(len(values), -1, dtype=np.int64)
    if values.dtype.kind != "O":
        ids, inverse = np.unique(values[~null], return_inverse=True)
        codes[~null] = inverse.reshape(-1)
        return codes, ids
    items = values[~null].tolist()
    try:
        ordered = sorted(dict.fromkeys(items))
    except TypeError as error:
        msg = f"{name} holds values that cannot be compared or hashed ({error}): convert them to text or numbers"
        raise InputError(msg) from error
    place = dict(zip(ordered, range(len(ordered)), strict=True))
    codes[~null] = np.fromiter(map(place.__getitem__, items), dtype=np.int64, count=len(items))
    return codes, _boxed(ordered)


def _unique_ids(values: Any, name: str) -> NDArray[Any]:
    """Read a column of ids, which may hold no null and no value twice; the order is kept."""
    ids, null = _column(values, name)
    if null.any():
        msg = f"{name} has {int(null.sum())} null ids (first at position {int(null.argmax())}): every id needs a value"
        raise InputError(msg)
    codes, distinct = _factorize(ids, null, name)
    if len(distinct) != len(ids):
        twice = distinct[np.bincount(codes).argmax()]
        msg = f"{name} holds {twice!s} more than once: ids must be unique"
        raise InputError(msg)
    return ids


def _codes(
    values: Any, name: str, *, universe: Any = None, unlabeled: Any = None, nullable: bool = False
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Read a column as codes into its distinct values, or into ``universe`` in that order."""
    column, null = _column(values, name)
    null = _mark_unlabeled(column, null, unlabeled)
    if null.any() and not nullable:
        msg = f"{name} has {int(null.sum())} nulls (first at position {int(null.argmax())}): drop or fill those rows"
        raise InputError(msg)
    codes, ids = _factorize(column, null, name)
    if universe is None:
        return codes, ids
    known = _unique_ids(universe, f"the known values of {name}")
    place = dict(zip(known.tolist(), range(len(known)), strict=True))
    moved = np.array([place.get(value, -1) for value in ids.tolist()], dtype=np.int64)
    if (moved < 0).any():
        lost = ids[moved < 0]
        msg = (
            f"{name} holds {len(lost)} values that are not among the known ones, such as {lost[0]!s}: add or drop them"
        )
        raise InputError(msg)
    codes[codes >= 0] = moved[codes[codes >= 0]]
    return codes, known


def _restore(codes: NDArray[Any], ids: NDArray[Any], unlabeled: Any = None) -> NDArray[Any]:
    """Turn codes back into values; -1 becomes ``unlabeled``, else the null that the dtype has, else None."""
    null = codes < 0
    if not null.any():
        return ids[codes] if len(ids) else ids[:0]
    kind = ids.dtype.kind
    number = isinstance(unlabeled, (int, float, np.integer, np.floating)) and not isinstance(unlabeled, bool)
    if unlabeled is None and kind in "fMm":
        filler = np.array([np.nan if kind == "f" else "NaT"], dtype=ids.dtype)
    elif number and kind in "iuf" and ids.dtype.type(unlabeled) == unlabeled:
        filler = np.array([unlabeled], dtype=ids.dtype)
    elif isinstance(unlabeled, str) and kind == "U":
        filler = np.array([unlabeled])
    else:
        filler, ids = _boxed([unlabeled]), _boxed(ids.tolist())
    return np.concatenate([ids, filler])[np.where(null, len(ids), codes)]


def _verdicts(values: Any, name: str, unlabeled: Any = None) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """Read binary labels {0, 1}, {-1, +1} or booleans, null unjudged; -1 is unjudged only with ``unlabeled=-1``.

    Returns the verdicts (n,) and how they were written, for the way back.
    """
    column, null = _column(values, name)
    null = _mark_unlabeled(column, null, unlabeled)
    _, seen = _factorize(column, null, name)
    found = set(seen.tolist())
    if not found <= {-1, 0, 1}:
        other = next(value for value in seen.tolist() if value not in {-1, 0, 1})
        msg = f"{name} must be 0 or 1, -1 or +1, or null, but holds {other!s}: turn it into a yes or no first"
        raise InputError(msg)
    if {-1, 0} <= found:
        msg = f"{name} holds -1 beside 0: say unlabeled=-1 if -1 means unlabelled, or unlabeled=0 if 0 does"
        raise InputError(msg)
    negative = -1 if -1 in found else 0
    verdict = np.full(len(column), UNJUDGED, dtype=np.int8)
    verdict[~null] = (column[~null] == 1).astype(np.int8)
    ids = _boxed([negative, 1]) if column.dtype.kind == "O" else np.array([negative, 1]).astype(column.dtype)
    if column.dtype.kind == "O" and all(isinstance(value, bool) for value in found):
        ids = _boxed([False, True])
    return verdict, {"values": ids, "unlabeled": unlabeled}


def _same_length(n: int, **columns: Any) -> None:
    """Refuse columns that are not n long, naming the first."""
    for name, column in columns.items():
        if column is not None and len(column) != n:
            msg = f"{name} has {len(column)} entries where {n} are needed: one for each cell, in the same order"
            raise InputError(msg)


def _occurrence(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the entries of each code 0, 1, 2 ... in order of appearance."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, dtype=np.int64)
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return out


def _floats(values: Any, name: str, *, finite: bool = False) -> NDArray[np.floating[Any]]:
    """Read numbers; float32 stays float32."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            msg = f"{name} must be numbers: {error}"
            raise InputError(msg) from error
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        msg = f"{name} has a null or infinite value (first at position {first}): drop or fill it"
        raise InputError(msg)
    return array


# ------------------------------------------------------------------------------------------------------- Cells
@dataclass(frozen=True, eq=False)
class Cells:
    """Stored cells of a table of rows x candidates, in the order in which they were given.

    Parameters
    ----------
    row, candidate : (n,) int64
        Codes into ``row_ids`` and ``candidate_ids``. Candidate -1 (verdict -1 only) is the whole row left unjudged.
    verdict : (n,) int8
        1 positive, 0 negative, -1 unjudged.
    absent : {0, -1}
        What a cell that is not stored means: negative or unjudged. Required, since nothing in the data tells.
    kind : str
        One of ``KINDS``.
    row_ids, candidate_ids : (n_rows,), (n_candidates,)
        Unique ids, also of rows and candidates without a cell.
    score, weight : (n,) float, optional
        Larger score = more positive.
    group : (n,), optional
        What must stay together in a split.
    side : dict
        Tables beside the cells. A name starting with ``row_`` or ``candidate_`` has one entry for each of those,
        ``encoding`` (a dict) is how the values were written; any other has one entry for each cell.
    """

    row: NDArray[np.int64]
    candidate: NDArray[np.int64]
    verdict: NDArray[np.int8]
    score: NDArray[np.floating[Any]] | None = None
    weight: NDArray[np.floating[Any]] | None = None
    group: NDArray[Any] | None = None
    absent: int = field(kw_only=True)
    kind: str = field(kw_only=True)
    row_ids: NDArray[Any] = field(kw_only=True)
    candidate_ids: NDArray[Any] = field(kw_only=True)
    side: dict[str, Any] = field(kw_only=True, default_factory=dict)

    def __post_init__(self) -> None:
        if self.absent not in (0, UNJUDGED) or isinstance(self.absent, bool):
            msg = f"absent must be 0 (a missing cell is negative) or -1 (it is unjudged), not {self.absent!r}"
            raise InputError(msg)
        if self.kind not in KINDS:
            msg = f"kind {self.kind!r} is not known: use one of {', '.join(KINDS)}"
            raise InputError(msg)
        put = object.__setattr__
        for name, dtype in (("row", np.int64), ("candidate", np.int64), ("verdict", np.int8)):
            put(self, name, _integers(getattr(self, name), name).astype(dtype, copy=False))
        for name in ("score", "weight"):
            if getattr(self, name) is not None:
                put(self, name, _floats(getattr(self, name), name))
        for name in ("row_ids", "candidate_ids"):
            put(self, name, _unique_ids(getattr(self, name), name))
        if self.group is not None:
            put(self, "group", _column(self.group, "group")[0])
        self._check()

    def _check(self) -> None:
        """Refuse cells that contradict themselves."""
        n = len(self.row)
        columns = {"candidate": self.candidate, "verdict": self.verdict, "score": self.score, "weight": self.weight}
        _same_length(n, **columns, group=self.group)
        for name, table in self.side.items():
            if name != "encoding":
                prefix = name.partition("_")[0]
                _same_length(
                    {"row": self.shape[0], "candidate": self.shape[1]}.get(prefix, n), **{f"side {name}": table}
                )
        if n == 0:
            return
        for name, codes, low, high in (
            ("row", self.row, 0, self.shape[0]),
            ("candidate", self.candidate, -1, self.shape[1]),
        ):
            if codes.min() < low or codes.max() >= high:
                msg = f"{name} codes run from {codes.min()} to {codes.max()}, but there are {high} {name} ids"
                raise InputError(msg)
        if not np.isin(self.verdict, (-1, 0, 1)).all():
            msg = "verdict must be 1 (positive), 0 (negative) or -1 (unjudged)"
            raise InputError(msg)
        if (self.verdict[self.candidate < 0] != UNJUDGED).any():
            msg = "candidate -1 stands for a whole unjudged row: its verdict must be -1"
            raise InputError(msg)
        self._check_duplicates()

    def _check_duplicates(self) -> None:
        """Refuse a cell that is given twice, since its two verdicts could differ."""
        distinct, first, count = np.unique(
            self.row * (self.shape[1] + 1) + self.candidate + 1, return_index=True, return_counts=True
        )
        if len(distinct) < len(self.row):
            at = first[count.argmax()]
            who = self.candidate_ids[self.candidate[at]] if self.candidate[at] >= 0 else "(whole row)"
            msg = (
                f"{int((count > 1).sum())} cells are given more than once, such as row {self.row_ids[self.row[at]]!s}, "
                f"candidate {who!s}: keep one of each"
            )
            raise InputError(msg)

    # ---------------------------------------------------------------------------------------------- looking
    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        counts = ", ".join(f"{value} {name}" for name, value in self.counts().items())
        rows, candidates = self.shape
        return f"Cells({self.kind}: {rows} rows x {candidates} candidates; stored {counts}; absent={self.absent})"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of candidates."""
        return len(self.row_ids), len(self.candidate_ids)

    def counts(self) -> dict[str, int]:
        """Count the stored cells by verdict."""
        unjudged, negative, positive = np.bincount(self.verdict.astype(np.int64) + 1, minlength=3).tolist()
        return {"positive": positive, "negative": negative, "unjudged": unjudged}

    def codes(self) -> NDArray[np.int64]:
        """Return the label code of each row (n_rows,), -1 where unlabelled; only for kind ``table``."""
        self._need("table", "codes")
        out = np.full(self.shape[0], UNJUDGED, dtype=np.int64)
        positive = self.verdict == 1
        rows = self.row[positive]
        if len(np.unique(rows)) < len(rows):
            msg = "a row of a table has more than one positive class: use kind 'multilabel'"
            raise InputError(msg)
        out[rows] = self.candidate[positive]
        return out

    def dense(self) -> NDArray[np.int8]:
        """Return the verdicts as a matrix (n_rows, n_candidates), absent cells filled in."""
        out = np.full(self.shape, self.absent, dtype=np.int8)
        whole = self.candidate < 0
        out[self.row[whole]] = UNJUDGED
        out[self.row[~whole], self.candidate[~whole]] = self.verdict[~whole]
        return out

    def with_verdict(self, verdict: NDArray[Any]) -> Cells:
        """Return the same cells with other verdicts (n,)."""
        return replace(self, verdict=np.asarray(verdict))

    def _need(self, kind: str, what: str) -> None:
        if self.kind != kind:
            msg = f"{what} is for cells of kind {kind!r}, and these are {self.kind!r}"
            raise InputError(msg)

    def _encoding(self, name: str, default: Any = None) -> Any:
        return self.side.get("encoding", {}).get(name, default)

    def _verdict_values(self) -> NDArray[Any]:
        """Write the verdicts as they were read."""
        how = self._encoding("verdict", {"values": np.array([0, 1]), "unlabeled": None})
        return _restore(self.verdict, how["values"], how["unlabeled"])

    # ---------------------------------------------------------------------------------------- class labels
    @classmethod
    def from_labels(
        cls,
        y: Any,
        *,
        classes: Any = None,
        unlabeled: Any = None,
        row_ids: Any = None,
        weight: Any = None,
        group: Any = None,
    ) -> Cells:
        """Read one class label a row; an absent cell is negative.

        Parameters
        ----------
        y : (n,) labels of any one type
            Null is unlabelled. -1 is a class like any other unless ``unlabeled=-1``; so {-1, +1} is a binary label.
        classes : sequence, default None
            All classes in the wished order, also those without a row; default: those seen, sorted.
        unlabeled : scalar, default None
            A value that means unlabelled beside null; where both occur, both come back as this value.
        row_ids : (n,), default None
            Unique ids; default 0 to n - 1.
        """
        codes, ids = _codes(y, "y", universe=classes, unlabeled=unlabeled, nullable=True)
        rows = np.arange(len(codes)) if row_ids is None else row_ids
        _same_length(len(codes), row_ids=rows, weight=weight, group=group)
        verdict = np.where(codes < 0, UNJUDGED, 1).astype(np.int8)
        side = {"encoding": {"unlabeled": unlabeled}}
        more: dict[str, Any] = {
            "weight": weight,
            "group": group,
            "absent": 0,
            "kind": "table",
            "row_ids": rows,
            "candidate_ids": ids,
        }
        return cls(np.arange(len(codes)), codes, verdict, side=side, **more)

    def to_labels(self) -> NDArray[Any]:
        """Return the labels (n_rows,) as given; a null is NaN or NaT where the dtype has one, else None."""
        return _restore(self.codes(), self.candidate_ids, self._encoding("unlabeled"))

    # ------------------------------------------------------------------------------------------ label sets
    @classmethod
    def from_multilabel(
        cls,
        labels: Any,
        *,
        absent: Literal[0, -1],
        unlabeled: Any = None,
        row_ids: Any = None,
        candidate_ids: Any = None,
    ) -> Cells:
        """Read several labels a row.

        Parameters
        ----------
        labels : (n, k) array, frame or SciPy sparse matrix of verdicts; or a sequence of n label collections
            A matrix cell is 0 or 1 (or -1 or +1), null unjudged. In a collection, and where a sparse matrix stores
            nothing, a label is absent; None for a collection leaves the whole row unjudged.
        absent : {0, -1}
            Required: is a label that is not there negative, or nobody's verdict?
        unlabeled : scalar, default None
            The matrix value that means unjudged: -1, or 0 where only the positives were ever marked.
        """
        more: dict[str, Any] = {
            "absent": absent,
            "unlabeled": unlabeled,
            "row_ids": row_ids,
            "candidate_ids": candidate_ids,
        }
        if hasattr(labels, "tocoo"):
            coo = labels.tocoo()
            return cls._from_matrix(coo.data, coo.row, coo.col, coo.shape, "sparse", **more)
        if getattr(labels, "ndim", 1) == 2 or hasattr(labels, "columns"):
            if candidate_ids is None and hasattr(labels, "columns"):
                more["candidate_ids"] = list(getattr(labels, "column_names", labels.columns))
            matrix = np.ma.asanyarray(labels) if isinstance(labels, np.ma.MaskedArray) else np.asarray(labels)
            row, candidate = np.divmod(np.arange(matrix.size), max(matrix.shape[1], 1))
            return cls._from_matrix(matrix.reshape(-1), row, candidate, matrix.shape, "matrix", **more)
        return cls._from_sets(labels, absent=absent, unlabeled=unlabeled, row_ids=row_ids, candidate_ids=candidate_ids)

    @classmethod
    def _from_matrix(
        cls,
        values: NDArray[Any],
        row: NDArray[Any],
        candidate: NDArray[Any],
        shape: tuple[int, ...],
        form: str,
        *,
        absent: int,
        unlabeled: Any,
        row_ids: Any,
        candidate_ids: Any,
    ) -> Cells:
        verdict, how = _verdicts(values, "labels", unlabeled)
        news = verdict != absent
        if form == "sparse":  # a place stored twice must be refused even where one of the two is no news
            news = np.ones(len(verdict), dtype=bool)
        rows = np.arange(shape[0]) if row_ids is None else row_ids
        candidates = np.arange(shape[1]) if candidate_ids is None else candidate_ids
        _same_length(shape[0], row_ids=rows)
        _same_length(shape[1], candidate_ids=candidates)
        more: dict[str, Any] = {"absent": absent, "kind": "multilabel", "row_ids": rows, "candidate_ids": candidates}
        side = {"encoding": {"verdict": how, "form": form}}
        return cls(row[news].astype(np.int64), candidate[news].astype(np.int64), verdict[news], side=side, **more)

    @classmethod
    def _from_sets(cls, labels: Any, *, absent: int, unlabeled: Any, row_ids: Any, candidate_ids: Any) -> Cells:
        if unlabeled is not None:
            msg = "unlabeled is for a matrix: in label collections None is the row that is unlabelled"
            raise InputError(msg)
        sets = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
        kinds = set(map(type, sets))
        bad = [kind.__name__ for kind in kinds if issubclass(kind, (str, bytes)) or not hasattr(kind, "__len__")]
        if set(bad) - {"NoneType"}:
            msg = f"labels must be a matrix or a collection a row, not {bad[0]}: for one label a row use from_labels"
            raise InputError(msg)
        null = np.fromiter(map(operator.is_, sets, repeat(None)), dtype=bool, count=len(sets))
        full = [labels_of for labels_of in sets if labels_of is not None]
        sizes = np.zeros(len(sets), dtype=np.int64)
        sizes[~null] = np.fromiter(map(len, full), dtype=np.int64, count=len(full))
        codes, ids = _codes(list(chain.from_iterable(full)), "labels", universe=candidate_ids)
        row = np.r_[np.repeat(np.arange(len(sets)), sizes), np.flatnonzero(null)]
        candidate = np.r_[codes, np.full(int(null.sum()), -1)]
        rows = np.arange(len(sets)) if row_ids is None else row_ids
        _same_length(len(sets), row_ids=rows)
        verdict = np.where(candidate < 0, UNJUDGED, 1)
        more: dict[str, Any] = {"absent": absent, "kind": "multilabel", "row_ids": rows, "candidate_ids": ids}
        return cls(row, candidate, verdict, side={"encoding": {"form": "sets"}}, **more)

    def to_multilabel(self, form: Literal["matrix", "sparse", "sets"] | None = None) -> Any:
        """Return the labels in the form in which they came, or in ``form``.

        ``"matrix"`` is an array (n_rows, n_candidates); ``"sparse"`` a SciPy COO array of the stored cells; ``"sets"``
        a list of lists, None for an unjudged row, refused where a cell says what a set cannot.
        """
        self._need("multilabel", "to_multilabel")
        form = form or self._encoding("form", "matrix")
        how = self._encoding("verdict", {"values": np.array([0, 1]), "unlabeled": None})
        if form == "matrix":
            return _restore(self.dense().reshape(-1), how["values"], how["unlabeled"]).reshape(self.shape)
        if form == "sparse":
            return self._to_sparse()
        if form != "sets":
            msg = f"form must be 'matrix', 'sparse' or 'sets', not {form!r}"
            raise InputError(msg)
        whole = self.candidate < 0
        told = ~whole & (self.verdict != 1) & (self.verdict != self.absent)
        if told.any() or np.isin(self.row[~whole & (self.verdict == 1)], self.row[whole]).any():
            msg = f"{int(told.sum())} cells say what label sets cannot (judged, but not positive): use form='matrix'"
            raise InputError(msg)
        keep = np.flatnonzero(~whole & (self.verdict == 1))
        keep = keep[np.argsort(self.row[keep], kind="stable")]
        ends = np.searchsorted(self.row[keep], np.arange(1, self.shape[0] + 1))
        flat = self.candidate_ids[self.candidate[keep]].tolist()
        unjudged = np.zeros(self.shape[0], dtype=bool)
        unjudged[self.row[whole]] = True
        spans = zip(np.r_[0, ends[:-1]].tolist(), ends.tolist(), unjudged.tolist(), strict=True) if len(ends) else ()
        return [None if skip else flat[start:end] for start, end, skip in spans]

    def _to_sparse(self) -> Any:
        from scipy import sparse  # noqa: PLC0415 - only those who ask for SciPy's matrix pay for it

        if (self.candidate < 0).any():
            msg = "a sparse matrix cannot hold an unjudged row: use form='matrix' or form='sets'"
            raise InputError(msg)
        values = self._verdict_values()
        if values.dtype.kind == "O":
            values = values.astype(np.float64)
        return sparse.coo_array((values, (self.row, self.candidate)), shape=self.shape)

    # ------------------------------------------------------------------------------------------- retrieval
    @classmethod
    def from_qrels(
        cls,
        query: Any,
        document: Any = None,
        relevance: Any = None,
        *,
        positive_from: float = 1,
        absent: Literal[0, -1] = -1,
        unlabeled: Any = None,
        queries: Any = None,
        documents: Any = None,
    ) -> Cells:
        """Read relevance judgments: three columns, or one mapping ``{query: {document: relevance}}``.

        Parameters
        ----------
        relevance : (n,) numbers
            Grades; ``positive_from`` (default 1) and more is positive, less is negative, a grade of -1 too, null is
            unjudged. The grades stay in ``side["grade"]``.
        absent : {0, -1}, default -1
            An absent pair is unjudged, unless the pool is complete.
        queries, documents : sequence, default None
            All ids, where some have no judgment.
        """
        if isinstance(query, Mapping):
            query, document, relevance, queries = _from_nested(query, queries)
        row, row_ids = _codes(query, "query", universe=queries)
        candidate, candidate_ids = _codes(document, "document", universe=documents)
        column, null = _column(relevance, "relevance")
        null = _mark_unlabeled(column, null, unlabeled)
        _same_length(len(row), document=candidate, relevance=column)
        grade = np.full(len(column), np.nan)
        try:
            grade[~null] = column[~null].astype(np.float64)
        except (TypeError, ValueError) as error:
            msg = f"relevance must be numbers: {error}"
            raise InputError(msg) from error
        verdict = np.where(null, UNJUDGED, grade >= positive_from)
        side = {"grade": column, "encoding": {"positive_from": positive_from, "unlabeled": unlabeled}}
        more: dict[str, Any] = {
            "absent": absent,
            "kind": "retrieval",
            "row_ids": row_ids,
            "candidate_ids": candidate_ids,
        }
        return cls(row, candidate, verdict, side=side, **more)

    def to_qrels(self, form: Literal["columns", "mapping"] = "columns") -> dict[Any, Any]:
        """Return ``{"query", "document", "relevance"}`` columns in the given order, or a nested mapping.

        A cell whose verdict was changed since gets ``positive_from``, 0 or null as its grade, the others keep theirs.
        """
        self._need("retrieval", "to_qrels")
        if "grade" not in self.side:
            relevance = _restore(self.verdict, np.array([0, 1]))
        else:
            relevance = self._grades()
        return self._pairs("relevance", relevance, form)

    def _grades(self) -> NDArray[Any]:
        grade, level = self.side["grade"], self._encoding("positive_from", 1)
        null = _mark_unlabeled(grade, _column(grade, "grade")[1], self._encoding("unlabeled"))
        given = np.full(len(grade), UNJUDGED)
        given[~null] = grade[~null].astype(np.float64) >= level
        changed = given != self.verdict
        if not changed.any():
            return grade
        out = _boxed(grade.tolist())
        filler = self._encoding("unlabeled")
        new = _boxed([filler, 0 if level > 0 else level - 1, level])
        out[changed] = new[self.verdict[changed] + 1]
        return _column(out, "grade")[0]

    @classmethod
    def from_run(
        cls,
        query: Any,
        document: Any = None,
        score: Any = None,
        *,
        absent: Literal[0, -1] = -1,
        queries: Any = None,
        documents: Any = None,
    ) -> Cells:
        """Read a ranker's run (columns, or ``{query: {document: score}}``): scores, and no verdict yet."""
        if isinstance(query, Mapping):
            query, document, score, queries = _from_nested(query, queries)
        row, row_ids = _codes(query, "query", universe=queries)
        candidate, candidate_ids = _codes(document, "document", universe=documents)
        scores = _floats(score, "score", finite=True)
        _same_length(len(row), document=candidate, score=scores)
        more: dict[str, Any] = {
            "absent": absent,
            "kind": "retrieval",
            "row_ids": row_ids,
            "candidate_ids": candidate_ids,
        }
        return cls(row, candidate, np.full(len(row), UNJUDGED, dtype=np.int8), scores, **more)

    def to_run(self, form: Literal["columns", "mapping"] = "columns") -> dict[Any, Any]:
        """Return ``{"query", "document", "score"}`` columns in the given order, or a nested mapping."""
        self._need("retrieval", "to_run")
        if self.score is None:
            msg = "these cells have no score: build them with from_run"
            raise InputError(msg)
        return self._pairs("score", self.score, form)

    def _pairs(self, name: str, values: NDArray[Any], form: str) -> dict[Any, Any]:
        query, document = self.row_ids[self.row], self.candidate_ids[self.candidate]
        if form == "columns":
            return {"query": query, "document": document, name: values}
        if form != "mapping":
            msg = f"form must be 'columns' or 'mapping', not {form!r}"
            raise InputError(msg)
        out: dict[Any, Any] = {key: {} for key in self.row_ids.tolist()}
        for key, other, value in zip(query.tolist(), document.tolist(), values.tolist(), strict=True):
            out[key][other] = value
        return out

    # -------------------------------------------------------------------------------------------- attempts
    @classmethod
    def from_attempts(
        cls,
        problem: Any,
        correct: Any,
        *,
        attempt: Any = None,
        score: Any = None,
        unlabeled: Any = None,
        problems: Any = None,
        side: Mapping[str, Any] | None = None,
    ) -> Cells:
        """Read verified attempts at problems, one a cell; an absent attempt is unjudged.

        ``correct`` (n,) is a yes or no, null where no verifier spoke; ``attempt`` (n,) are ids, by default the
        number within the problem in order of appearance.
        """
        row, row_ids = _codes(problem, "problem", universe=problems)
        verdict, how = _verdicts(correct, "correct", unlabeled)
        candidate, candidate_ids = _codes(_occurrence(row) if attempt is None else attempt, "attempt")
        _same_length(len(row), correct=verdict, attempt=candidate, score=score)
        more: dict[str, Any] = {
            "absent": UNJUDGED,
            "kind": "attempts",
            "row_ids": row_ids,
            "candidate_ids": candidate_ids,
        }
        tables = {**(side or {}), "encoding": {"verdict": how}}
        return cls(row, candidate, verdict, score, side=tables, **more)

    def to_attempts(self) -> dict[str, NDArray[Any]]:
        """Return the columns ``problem``, ``attempt``, ``correct`` (and ``score``) in the given order."""
        self._need("attempts", "to_attempts")
        out = {"problem": self.row_ids[self.row], "attempt": self.candidate_ids[self.candidate]}
        out["correct"] = self._verdict_values()
        return out if self.score is None else {**out, "score": self.score}

    # ------------------------------------------------------------------------------------------------ bags
    @classmethod
    def from_bags(
        cls, bag: Any, label: Any, *, instance: Any = None, instance_label: Any = None, unlabeled: Any = None
    ) -> Cells:
        """Read bags of instances, one instance a cell, unjudged unless ``instance_label`` says more.

        Parameters
        ----------
        bag : (n,) ids
            The bag of each instance.
        label : (n,) 0 or 1, null unlabelled
            The label of its bag, the same for every instance of a bag; kept as ``side["row_verdict"]`` (n_bags,).
        instance : (n,) ids, default None
            Default: the number within the bag in order of appearance.
        """
        row, row_ids = _codes(bag, "bag")
        told, how = _verdicts(label, "label", unlabeled)
        candidate, candidate_ids = _codes(_occurrence(row) if instance is None else instance, "instance")
        _same_length(len(row), label=told, instance=candidate)
        of_bag = np.full(len(row_ids), UNJUDGED, dtype=np.int8)
        of_bag[row] = told
        if (of_bag[row] != told).any():
            first = row_ids[row[int((of_bag[row] != told).argmax())]]
            msg = f"bag {first!s} has more than one label: give every instance the label of its bag"
            raise InputError(msg)
        verdict, how_instance = np.full(len(row), UNJUDGED, dtype=np.int8), None
        if instance_label is not None:
            verdict, how_instance = _verdicts(instance_label, "instance_label", unlabeled)
            _same_length(len(row), instance_label=verdict)
        side = {"row_verdict": of_bag, "encoding": {"bag": how, "verdict": how_instance}}
        more: dict[str, Any] = {"absent": UNJUDGED, "kind": "bags", "row_ids": row_ids, "candidate_ids": candidate_ids}
        return cls(row, candidate, verdict, side=side, **more)

    def to_bags(self) -> dict[str, NDArray[Any]]:
        """Return the columns ``bag``, ``instance``, ``label`` (and ``instance_label`` if given or changed)."""
        self._need("bags", "to_bags")
        how = self._encoding("bag", {"values": np.array([0, 1]), "unlabeled": None})
        out = {"bag": self.row_ids[self.row], "instance": self.candidate_ids[self.candidate]}
        out["label"] = _restore(self.side["row_verdict"][self.row], how["values"], how["unlabeled"])
        written = self._encoding("verdict")
        if written is None and (self.verdict == UNJUDGED).all():
            return out
        written = written or {"values": np.array([0, 1]), "unlabeled": None}
        return {**out, "instance_label": _restore(self.verdict, written["values"], written["unlabeled"])}

    # ----------------------------------------------------------------------------------------------- boxes
    @classmethod
    def from_boxes(
        cls,
        image: Any,
        box: Any,
        category: Any,
        *,
        annotation: Any = None,
        score: Any = None,
        images: Any = None,
        categories: Any = None,
        unlabeled: Any = None,
    ) -> Cells:
        """Read boxes in images, one a cell; whatever has no box is negative.

        Parameters
        ----------
        image : (n,) ids
        box : (n, 4) float
            Corners x1, y1, x2, y2, finite and in order; kept as ``side["box"]``.
        category : (n,)
            Null is a box that nobody named: unjudged. Kept as codes in ``side["category"]``.
        annotation : (n,) ids, default None
            Default: the number within the image in order of appearance.
        images : sequence, default None
            All images, also those without a box (all negative).
        """
        row, row_ids = _codes(image, "image", universe=images)
        codes, names = _codes(category, "category", universe=categories, unlabeled=unlabeled, nullable=True)
        candidate, candidate_ids = _codes(_occurrence(row) if annotation is None else annotation, "annotation")
        boxes = _floats(box, "box", finite=True)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        _same_length(len(row), box=boxes, category=codes, annotation=candidate, score=score)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            msg = f"box must have shape (n, 4), not {boxes.shape}: give x1, y1, x2, y2"
            raise InputError(msg)
        wrong = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
        if wrong.any():
            first = int(wrong.argmax())
            msg = f"{int(wrong.sum())} boxes end before they start (first at {first}): give corners x1, y1, x2, y2"
            raise InputError(msg)
        side = {"box": boxes, "category": codes, "encoding": {"categories": names, "unlabeled": unlabeled}}
        more: dict[str, Any] = {"absent": 0, "kind": "boxes", "row_ids": row_ids, "candidate_ids": candidate_ids}
        return cls(row, candidate, np.where(codes < 0, UNJUDGED, 1), score, side=side, **more)

    def to_boxes(self) -> dict[str, NDArray[Any]]:
        """Return ``image``, ``annotation``, ``box``, ``category`` (and ``score``) of the boxes not judged negative."""
        self._need("boxes", "to_boxes")
        keep = self.verdict != 0
        category = np.where(self.verdict == UNJUDGED, -1, self.side["category"])
        out = {"image": self.row_ids[self.row[keep]], "annotation": self.candidate_ids[self.candidate[keep]]}
        out["box"] = self.side["box"][keep]
        out["category"] = _restore(category[keep], self._encoding("categories"), self._encoding("unlabeled"))
        return out if self.score is None else {**out, "score": self.score[keep]}

    # -------------------------------------------------------------------------------------------- versions
    @classmethod
    def from_versions(
        cls, predictions: Mapping[Any, Any], y: Any = None, *, unlabeled: Any = None, row_ids: Any = None
    ) -> Cells:
        """Read what several model versions predict for the same inputs, and judge whether each is right.

        Parameters
        ----------
        predictions : mapping of version to (n,) labels
            Null is "no answer", unjudged.
        y : (n,) labels, default None
            The truth; where it is null, or altogether missing, no version is judged.
        """
        if not predictions:
            msg = "predictions is empty: give at least one version"
            raise InputError(msg)
        columns = [_column(values, f"predictions of {name!s}") for name, values in predictions.items()]
        n = len(columns[0][0])
        truth, blank = _column([None] * n if y is None else y, "y")
        _same_length(n, y=truth, row_ids=row_ids, **{str(k): v[0] for k, v in zip(predictions, columns, strict=True)})
        parts = [*columns, (truth, _mark_unlabeled(truth, blank, unlabeled))]
        values = _stacked([_blanked(part, null) for part, null in parts])
        codes, classes = _codes(values, "predictions and y", nullable=True)
        codes = codes.reshape(len(parts), n)
        predicted, label = codes[:-1].T.reshape(-1), codes[-1]
        row, candidate = np.divmod(np.arange(predicted.size), len(columns))
        verdict = np.where((predicted < 0) | (label[row] < 0), UNJUDGED, predicted == label[row])
        dtypes = [part.dtype for part, _ in parts]
        how = {"classes": classes, "dtypes": dtypes, "unlabeled": unlabeled, "y": y is not None}
        more: dict[str, Any] = {
            "absent": UNJUDGED,
            "kind": "versions",
            "row_ids": np.arange(n) if row_ids is None else row_ids,
        }
        side = {"predicted": predicted, "row_label": label, "encoding": how}
        return cls(row, candidate, verdict, candidate_ids=_boxed(list(predictions)), side=side, **more)

    def to_versions(self) -> tuple[dict[Any, NDArray[Any]], NDArray[Any] | None]:
        """Return the predictions by version and the labels (None where none were given)."""
        self._need("versions", "to_versions")
        classes, dtypes = self._encoding("classes"), self._encoding("dtypes")
        table = np.full(self.shape, -1, dtype=np.int64)
        table[self.row, self.candidate] = self.side["predicted"]
        out = {
            name: _as_dtype(_restore(table[:, at], classes), dtypes[at])
            for at, name in enumerate(self.candidate_ids.tolist())
        }
        if not self._encoding("y"):
            return out, None
        return out, _as_dtype(_restore(self.side["row_label"], classes, self._encoding("unlabeled")), dtypes[-1])


# ---------------------------------------------------------------------------------------------- small helpers
def _integers(values: Any, name: str) -> NDArray[Any]:
    """Read codes: integers or booleans in one dimension."""
    array = np.asarray(values)
    if array.ndim == 1 and array.size == 0:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        msg = f"{name} must be a one-dimensional array of integer codes, not {array.dtype} of shape {array.shape}"
        raise InputError(msg)
    return array


def _from_nested(nested: Mapping[Any, Mapping[Any, Any]], rows: Any) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Flatten ``{query: {document: value}}``; queries without a document stay known."""
    sizes = np.fromiter(map(len, nested.values()), dtype=np.int64, count=len(nested))
    query = np.repeat(_boxed(list(nested)), sizes).tolist()
    document = list(chain.from_iterable(nested.values()))
    values = list(chain.from_iterable(inner.values() for inner in nested.values()))
    return query, document, values, list(nested) if rows is None else rows


def _blanked(values: NDArray[Any], null: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return the values as objects, None where null."""
    out = _boxed(values.tolist())
    out[null] = None
    return out


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put columns below each other without changing their values."""
    return np.concatenate(list(parts)) if parts else np.zeros(0, dtype=object)


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give restored labels the dtype they came in, where that can hold them."""
    if dtype.kind not in "fMm" and None in set(values.tolist()):  # a cast would turn None into False or "None"
        return values
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values
