"""Pairs as rows: what a reviewer is shown, what is listed as suspect, and what a repair would write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, one_line
from trueneg.data.sniff import Roles
from trueneg.jobs.audit._retrieval.context import CLASSES, TOP, RetrievalContext
from trueneg.jobs.audit.folder import PAIRS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

KIND = "retrieval"
REMOVE = "remove"
MOST = 10_000  # suspects that are named


@dataclass(frozen=True)
class Proposal:
    """A judgment that should be added, changed or taken out.

    Attributes
    ----------
    code : str
        The finding.
    query, document : int
        Rows.
    given : str
        The grade as it is, or ``unjudged``.
    proposed : float or None
        The grade in its place; None takes the judgment out.
    reason : str
    split : int
        Number of the split; -1 for that which judges the query.
    """

    code: str
    query: int
    document: int
    given: str
    proposed: float | None
    reason: str
    split: int = -1


def pairs_table(context: RetrievalContext) -> Table:
    """Return the doubted pairs as a table: what a review is drawn from, and nothing that a retriever thinks of them."""
    import pyarrow as pa

    data, doubt = context.data, context.doubt
    ids = data.query_ids[doubt.query], data.document_ids[doubt.document]
    columns = {
        "pair": [json.dumps(pair, ensure_ascii=False) for pair in zip(*(map(str, side) for side in ids), strict=True)],
        "query_id": [str(v) for v in ids[0]],
        "document_id": [str(v) for v in ids[1]],
        "given": [CLASSES[v] for v in doubt.given.tolist()],
        "query": [data.queries[q] for q in doubt.query.tolist()],
        "document": [data.documents[d] for d in doubt.document.tolist()],
    }
    arrow = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return Table(arrow, "parquet", data.where)


def pairs_roles() -> Roles:
    """Return which column of the pairs plays which part."""
    return Roles(
        label="given", kind=KIND, labels=["given"], classes=list(CLASSES), text=["query", "document"], id="pair"
    )


def kept_pairs(folder: Path, source: Path | None) -> Table:
    """Read the pairs of an audit's folder again.

    Raises
    ------
    InputError
        Where they are not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return Table(pq.read_table(folder / PAIRS), "parquet", source)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{one_line(folder)}: {PAIRS} cannot be read; run 'trueneg audit' again"
        raise InputError(msg) from error


def suspects_of(context: RetrievalContext, proposals: list[Proposal], codes: list[str]) -> pa.Table:
    """Return the suspects, one row a pair: those of TN502 in their order, then the proposals of the other findings.

    Parameters
    ----------
    context : RetrievalContext
    proposals : list of Proposal
        Of the other findings.
    codes : list of str
        Findings that list suspects, in the order of the report.
    """
    import pyarrow as pa

    listed = [*(_agreed(context) if "TN502" in codes else []), *proposals]
    listed = [one for code in codes for one in listed if one.code == code]
    split = _splits(context)
    names = list(context.data.files)
    names = names or ["qrels"]
    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    place = {q: i for i, q in enumerate(context.asked.tolist())}
    at = np.array([place.get(one.query, -1) for one in listed], dtype=np.int64)
    document = np.array([one.document for one in listed], dtype=np.int64)
    ranks = [np.where(at >= 0, one.ranks(np.maximum(at, 0), document), 0) for one in context.lists]
    for one in listed:
        told = context.name(one.query, one.document)
        values = [
            one.code,
            names[one.split if one.split >= 0 else split.get(one.query, 0)],
            told["query"],
            told["asks"],
            told["document"],
            told["text"],
            one.given,
            REMOVE if one.proposed is None else f"{one.proposed:g}",
            one.reason,
        ]
        for name, value in zip(_COLUMNS, values, strict=True):
            rows[name].append(value)
    table = pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()})
    for number, (lists, rank) in enumerate(zip(context.lists, ranks, strict=True)):
        depth = lists.document.shape[1]
        shown = pa.array([int(v) if 0 < v <= depth else None for v in rank.tolist()], pa.int64())
        table = table.add_column(8 + number, f"rank, {lists.name}", shown)
    return table


_COLUMNS = ("finding", "split", "query", "query text", "document", "document text", "given", "proposed", "reason")


def _splits(context: RetrievalContext) -> dict[int, int]:
    """The first split that judges each query."""
    data = context.data
    order = np.argsort(data.split, kind="stable")[::-1]
    return dict(zip(data.query[order].tolist(), data.split[order].tolist(), strict=True))


def _agreed(context: RetrievalContext) -> list[Proposal]:
    doubt, said = context.doubt, context.said
    if not len(context.lists) > 1:
        return []
    order = doubt.order[: min(doubt.listed, MOST)]
    # What a reviewer called relevant comes first, what he called not relevant is no suspect any more.
    first = [i for i in doubt.order.tolist() if said[i] == 1]
    rest = [i for i in order.tolist() if said[i] < 0]
    names = " and ".join(one.name for one in context.lists)
    out = []
    for i in [*first, *rest]:
        q, d = int(doubt.query[i]), int(doubt.document[i])
        grade = float(context.grades(doubt.query[i : i + 1], doubt.document[i : i + 1])[0])
        why = "a reviewer says that it is relevant" if said[i] == 1 else f"{names} have it among their first {TOP}"
        given = "unjudged" if np.isnan(grade) else f"{grade:g}"
        out.append(Proposal("TN502", q, d, given, context.positive_from, why))
    return out
