"""Class labels and label sets: in through ``from_labels`` and ``from_multilabel``, and out again."""

from __future__ import annotations

import operator
from itertools import chain, repeat
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trueneg.core._cells.columns import UNJUDGED, codes_of, restore, same_length, verdicts_of
from trueneg.core._cells.stored import StoredCells
from trueneg.core.errors import InputError


class LabelCells(StoredCells):
    """Cells that can be read from labels and written as labels."""

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
    ) -> Self:
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
        codes, ids = codes_of(y, "y", universe=classes, unlabeled=unlabeled, nullable=True)
        rows = np.arange(len(codes)) if row_ids is None else row_ids
        same_length(len(codes), row_ids=rows, weight=weight, group=group)
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
        return restore(self.codes(), self.candidate_ids, self._encoding("unlabeled"))

    @classmethod
    def from_multilabel(
        cls,
        labels: Any,
        *,
        absent: Literal[0, -1],
        unlabeled: Any = None,
        row_ids: Any = None,
        candidate_ids: Any = None,
    ) -> Self:
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
    ) -> Self:
        verdict, how = verdicts_of(values, "labels", unlabeled)
        news = verdict != absent
        if form == "sparse":  # a place stored twice must be refused even where one of the two is no news
            news = np.ones(len(verdict), dtype=bool)
        rows = np.arange(shape[0]) if row_ids is None else row_ids
        candidates = np.arange(shape[1]) if candidate_ids is None else candidate_ids
        same_length(shape[0], row_ids=rows)
        same_length(shape[1], candidate_ids=candidates)
        more: dict[str, Any] = {"absent": absent, "kind": "multilabel", "row_ids": rows, "candidate_ids": candidates}
        side = {"encoding": {"verdict": how, "form": form}}
        return cls(row[news].astype(np.int64), candidate[news].astype(np.int64), verdict[news], side=side, **more)

    @classmethod
    def _from_sets(cls, labels: Any, *, absent: int, unlabeled: Any, row_ids: Any, candidate_ids: Any) -> Self:
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
        codes, ids = codes_of(list(chain.from_iterable(full)), "labels", universe=candidate_ids)
        row = np.r_[np.repeat(np.arange(len(sets)), sizes), np.flatnonzero(null)]
        candidate = np.r_[codes, np.full(int(null.sum()), -1)]
        rows = np.arange(len(sets)) if row_ids is None else row_ids
        same_length(len(sets), row_ids=rows)
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
            return restore(self.dense().reshape(-1), how["values"], how["unlabeled"]).reshape(self.shape)
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
