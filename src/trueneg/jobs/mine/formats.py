"""Negatives as the files that trainers take: text by text, made as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.data.retrieval import Collection
from trueneg.data.writers import atomic
from trueneg.mine import Negatives, Positives

FORMATS = ("triples", "n-tuples", "labelled-pairs", "scored-lists", "tevatron")
_ROWS = 20_000  # rows held at a time


def rows_of(
    form: str,
    data: Collection,
    positives: Positives,
    mined: Negatives,
    n: int,
    taught: NDArray[np.float32] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a format; a query without a negative has none, and n-tuples need all of theirs.

    Scored lists tell the scores of the teachers where there are any, of the positives too; otherwise those of the
    source, which are None for the positives.
    """
    lists = iter(() if taught is None else taught)
    bounds = np.searchsorted(mined.query, np.arange(len(data.queries) + 1))
    for q, query in enumerate(data.queries):
        at = slice(bounds[q], bounds[q + 1])
        documents, scores = mined.document[at].tolist(), mined.score[at].tolist()
        known = positives.document[positives.start[q] : positives.start[q + 1]].tolist()
        if not documents:
            continue
        texts = [data.documents[d] for d in documents]
        if form == "triples":
            for p in known:
                yield from ({"anchor": query, "positive": data.documents[p], "negative": text} for text in texts)
        elif form == "n-tuples":
            if len(documents) == n:
                told = {f"negative_{i}": text for i, text in enumerate(texts, 1)}
                yield from ({"anchor": query, "positive": data.documents[p], **told} for p in known)
        elif form == "labelled-pairs":
            yield from ({"query": query, "document": data.documents[p], "label": 1} for p in known)
            yield from ({"query": query, "document": text, "label": 0} for text in texts)
        elif form == "scored-lists":
            yield {
                "query": query,
                "docs": [*(data.documents[p] for p in known), *texts],
                "labels": [1] * len(known) + [0] * len(texts),
                "doc_ids": [str(data.document_ids[d]) for d in (*known, *documents)],
                "scores": _scores(next(lists, None), len(known), scores),
            }
        else:
            yield {
                "query_id": str(data.query_ids[q]),
                "query": query,
                "positive_passages": [_passage(data, p) for p in known],
                "negative_passages": [_passage(data, d) for d in documents],
            }


def _scores(row: NDArray[np.float32] | None, positives: int, mined: list[float]) -> list[float | None]:
    if row is None:
        return [*([None] * positives), *mined]
    return [float(value) for value in row[: positives + len(mined)].tolist()]


def _passage(data: Collection, d: int) -> dict[str, str]:
    return {"docid": str(data.document_ids[d]), "title": "", "text": data.documents[d]}


def write_format(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Write rows as JSONL or Parquet, by the name of the file; return how many."""
    count = 0
    with atomic(path) as temporary:
        if path.suffix == ".parquet":
            count = _parquet(temporary, rows)
        else:
            with temporary.open("w", encoding="utf-8") as out:
                for row in rows:
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
    return count


def _parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    held: list[dict[str, Any]] = []
    count = 0

    def flush() -> None:
        nonlocal writer, held
        table = pa.Table.from_pylist(held, schema=writer.schema if writer is not None else None)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        held = []

    for row in rows:
        held.append(row)
        count += 1
        if len(held) == _ROWS:
            flush()
    if held or writer is None:
        flush()
    if writer is not None:
        writer.close()
    return count


def write_negatives(path: Path, mined: Negatives) -> None:
    """Write query, document, score, rank, reason and verdict, with ids, as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = mined.to_dict()
    columns |= {name: columns[name].astype(str) for name in ("query", "document", "reason")}
    with atomic(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
