"""Known positives: which documents answer which query, looked up for whole blocks at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.cells import Cells
from trueneg.core.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Positives:
    """Documents that answer a query, and documents that are known not to.

    Attributes
    ----------
    start : (n_queries + 1,) int64
        Where the documents of each query begin in `document`.
    document : (n,) int64
        Rows of the documents, rising within a query.
    negative : (m,) int64
        Sorted ``query * n_documents + document`` of the pairs judged not relevant.
    n_documents : int
    query_ids, document_ids : arrays
        What the rows are called.
    """

    start: Rows
    document: Rows
    negative: Rows
    n_documents: int
    query_ids: NDArray[Any]
    document_ids: NDArray[Any]

    @classmethod
    def of(cls, given: Any, n_queries: int, n_documents: int) -> Positives:
        """Read positives: Cells of kind retrieval, one document row a query, lists of rows, or pairs of shape (n, 2).

        Raises
        ------
        InputError
            A row that there is not, a query without a positive, or Cells of other queries or documents.
        """
        if isinstance(given, Positives):
            return given
        query_ids, document_ids = np.arange(n_queries), np.arange(n_documents)
        negative = np.empty(0, dtype=np.int64)
        if isinstance(given, Cells):
            if (len(given.row_ids), len(given.candidate_ids)) != (n_queries, n_documents):
                msg = (
                    f"positives speak of {len(given.row_ids):,} queries and {len(given.candidate_ids):,} documents, "
                    f"and there are {n_queries:,} and {n_documents:,}: build them with queries= and documents="
                )
                raise InputError(msg)
            query_ids, document_ids = given.row_ids, given.candidate_ids
            yes, no = given.verdict == 1, given.verdict == 0
            negative = np.unique(given.row[no] * n_documents + given.candidate[no])
            query, document = given.row[yes], given.candidate[yes]
        else:
            query, document = _pairs(given, n_queries)
        for rows, limit, name in ((query, n_queries, "query"), (document, n_documents, "document")):
            bad = np.flatnonzero((rows < 0) | (rows >= limit))
            if bad.size:
                msg = f"positives name the {name} {rows[bad[0]]}, and there are {limit:,}: rows count from 0"
                raise InputError(msg)
        keys = np.unique(query * n_documents + document)
        count = np.bincount(keys // max(n_documents, 1), minlength=n_queries)
        if (count == 0).any():
            first = int((count == 0).argmax())
            msg = (
                f"query {query_ids[first]!s} has no positive, as {int((count == 0).sum()):,} in all: a negative is one "
                "beside a positive, so drop these queries"
            )
            raise InputError(msg)
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return cls(start, keys % n_documents, negative, n_documents, query_ids, document_ids)

    @property
    def count(self) -> Rows:
        """Positives of each query."""
        return np.diff(self.start)

    def known(self, query: Rows, document: Rows) -> NDArray[np.bool_]:
        """Tell for pairs whether they are positive."""
        keys = np.repeat(np.arange(len(self.start) - 1), self.count) * self.n_documents + self.document
        return _holds(keys, query * self.n_documents + document)

    def judged(self, query: Rows, document: Rows) -> NDArray[np.bool_]:
        """Tell for pairs whether they are judged not relevant."""
        return _holds(self.negative, query * self.n_documents + document)

    def pairs(self, query: Rows) -> tuple[Rows, Rows]:
        """Return place in `query` and document of every positive of these queries."""
        count = self.count[query]
        place = np.repeat(np.arange(len(query)), count)
        within = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        return place, self.document[self.start[query][place] + within]


def _holds(keys: Rows, wanted: Rows) -> NDArray[np.bool_]:
    if not len(keys):
        return np.zeros(wanted.shape, dtype=bool)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[at] == wanted


def _pairs(given: Any, n_queries: int) -> tuple[Rows, Rows]:
    query: Any
    array: Any
    if isinstance(given, (list, tuple)) and any(np.ndim(one) == 1 for one in given):
        if len(given) != n_queries:
            msg = f"positives hold {len(given):,} lists for {n_queries:,} queries: give one list a query"
            raise InputError(msg)
        count = [len(one) for one in given]
        query = np.repeat(np.arange(n_queries), count)
        flat = [np.asarray(one) for one in given if len(one)]
        array = np.concatenate(flat) if flat else np.empty(0, dtype=np.int64)
    else:
        array = np.asarray(given)
        query = np.arange(n_queries)
        if array.ndim == 2 and array.shape[1] == 2:
            query, array = array.T
        elif array.shape != (n_queries,):
            msg = (
                f"positives have shape {array.shape}: give Cells, one document row a query, a list of rows a query, or "
                "pairs of shape (n, 2)"
            )
            raise InputError(msg)
    if array.dtype.kind not in "iu" and len(array):
        msg = f"positives hold {array.dtype} values: rows of documents are needed; ids go in as Cells.from_qrels"
        raise InputError(msg)
    return np.asarray(query, dtype=np.int64), array.astype(np.int64)
