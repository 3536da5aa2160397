"""Relevance judgments and a ranker's run, as columns or nested mappings."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trueneg.core._cells.columns import (
    UNJUDGED,
    boxed,
    codes_of,
    column_of,
    floats_of,
    mark_unlabeled,
    restore,
    same_length,
)
from trueneg.core._cells.stored import StoredCells
from trueneg.core.errors import InputError


class RetrievalCells(StoredCells):
    """Cells that can be read from judgments and runs and written as such."""

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
    ) -> Self:
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
        row, row_ids = codes_of(query, "query", universe=queries)
        candidate, candidate_ids = codes_of(document, "document", universe=documents)
        column, null = column_of(relevance, "relevance")
        null = mark_unlabeled(column, null, unlabeled)
        same_length(len(row), document=candidate, relevance=column)
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
            relevance = restore(self.verdict, np.array([0, 1]))
        else:
            relevance = self._grades()
        return self._pairs("relevance", relevance, form)

    def _grades(self) -> NDArray[Any]:
        grade, level = self.side["grade"], self._encoding("positive_from", 1)
        null = mark_unlabeled(grade, column_of(grade, "grade")[1], self._encoding("unlabeled"))
        given = np.full(len(grade), UNJUDGED)
        given[~null] = grade[~null].astype(np.float64) >= level
        changed = given != self.verdict
        if not changed.any():
            return grade
        out = boxed(grade.tolist())
        filler = self._encoding("unlabeled")
        new = boxed([filler, 0 if level > 0 else level - 1, level])
        out[changed] = new[self.verdict[changed] + 1]
        return column_of(out, "grade")[0]

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
    ) -> Self:
        """Read a ranker's run (columns, or ``{query: {document: score}}``): scores, and no verdict yet."""
        if isinstance(query, Mapping):
            query, document, score, queries = _from_nested(query, queries)
        row, row_ids = codes_of(query, "query", universe=queries)
        candidate, candidate_ids = codes_of(document, "document", universe=documents)
        scores = floats_of(score, "score", finite=True)
        same_length(len(row), document=candidate, score=scores)
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


def _from_nested(nested: Mapping[Any, Mapping[Any, Any]], rows: Any) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Flatten ``{query: {document: value}}``; queries without a document stay known."""
    sizes = np.fromiter(map(len, nested.values()), dtype=np.int64, count=len(nested))
    query = np.repeat(boxed(list(nested)), sizes).tolist()
    document = list(chain.from_iterable(nested.values()))
    values = list(chain.from_iterable(inner.values() for inner in nested.values()))
    return query, document, values, list(nested) if rows is None else rows
