"""Retrieval data: documents, queries and judgments from the layouts that people have, ids kept.

A folder of BEIR (``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``), the same as Parquet or as a Hugging Face
data set saved to disk (one folder of Arrow shards each), or TREC files. Every message names file and line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.cells import Cells
from trueneg.core.errors import InputError
from trueneg.data._retrieval.lines import Lines, read_pairs
from trueneg.data._retrieval.places import is_collection, part, qrels_file, qrels_files
from trueneg.data._retrieval.rewrite import rewrite_qrels
from trueneg.data._retrieval.texts import Texts, read_texts, texts_with_something
from trueneg.data.readers import one_line

__all__ = [
    "Collection",
    "Splits",
    "is_collection",
    "read_collection",
    "read_cranfield",
    "read_qrels",
    "read_run",
    "read_splits",
    "read_texts",
    "read_vaswani",
    "rewrite_qrels",
]


@dataclass(frozen=True, eq=False)
class Collection:
    """Documents, queries and what is known of their pairs.

    Attributes
    ----------
    documents, queries : list of str
    document_ids, query_ids : object arrays, in the same order
    qrels : Cells
        Judged pairs; rows and candidates are in the order of the queries and documents, and an absent pair is
        unjudged. Grades stay in ``side["grade"]``.
    unused : int
        Queries of the file that the judgments do not name (another split's): they are left out.
    where : Path
    """

    documents: list[str]
    document_ids: np.ndarray
    queries: list[str]
    query_ids: np.ndarray
    qrels: Cells
    unused: int
    where: Path


@dataclass(frozen=True, eq=False)
class Splits:
    """Documents, queries and the judgments of every split, as they are: a query may have no positive.

    Attributes
    ----------
    documents, queries : list of str
    document_ids, query_ids : object arrays, in the same order
    files : dict of str to Path
        Where the judgments of each split were read; the order numbers the splits.
    query, document, split : (n,) int64
        Rows of the queries and documents of each judged pair, and the number of its split.
    grade : (n,) float64
    where : Path
    """

    documents: list[str]
    document_ids: NDArray[Any]
    queries: list[str]
    query_ids: NDArray[Any]
    files: dict[str, Path]
    query: NDArray[np.int64]
    document: NDArray[np.int64]
    split: NDArray[np.int64]
    grade: NDArray[np.float64]
    where: Path


def read_splits(
    folder: str | Path, *, split: str | None = None, progress: Callable[[str, int, int], None] | None = None
) -> Splits:
    """Read a folder with all of its splits.

    Parameters
    ----------
    folder : str or Path
        As :func:`read_collection` takes it.
    split : str, optional
        Only these judgments; by default those of every file.
    progress : callable, optional
        Called with a text, files read, and their number.

    Returns
    -------
    Splits

    Raises
    ------
    InputError
        Naming file and line, as :func:`read_collection` does; a query without a positive is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise _no_folder(folder)
    tell = progress or (lambda *_: None)
    if (folder / "cran.all.1400").is_file():
        return _splits_of(read_cranfield(folder))
    files = qrels_files(folder) if split is None else {split: qrels_file(folder, split)}
    tell("reading the documents", 0, 2 + len(files))
    documents = read_texts(part(folder, "corpus"), what="document")
    tell("reading the queries", 1, 2 + len(files))
    queries = read_texts(part(folder, "queries"), what="query")
    place = [{key: i for i, key in enumerate(texts.id.tolist())} for texts in (queries, documents)]
    columns: list[list[NDArray[Any]]] = [[], [], [], []]
    for number, path in enumerate(files.values()):
        tell("reading the judgments", 2 + number, 2 + len(files))
        found = read_qrels(path)
        check_known(documents, queries, found, path)
        codes = [
            np.array([known[key] for key in ids.tolist()], dtype=np.int64)
            for known, ids in zip(place, (found.query, found.document), strict=True)
        ]
        for column, values in zip(columns, (*codes, np.full(len(codes[0]), number), found.value), strict=True):
            column.append(values)
    query, document, part_of, grade = (np.concatenate(column) for column in columns)
    return Splits(
        documents.text, documents.id, queries.text, queries.id, files, query, document, part_of, grade, folder
    )


def _splits_of(data: Collection) -> Splits:
    cells = data.qrels
    return Splits(
        data.documents,
        data.document_ids,
        data.queries,
        data.query_ids,
        {"qrels": data.where},
        cells.row.astype(np.int64),
        cells.candidate.astype(np.int64),
        np.zeros(len(cells.row), dtype=np.int64),
        np.asarray(cells.side["grade"], dtype=np.float64),
        data.where.parent,
    )


def read_qrels(path: str | Path) -> Lines:
    """Read judgments: TREC, BEIR's TSV, JSONL or Parquet; see :func:`trueneg.data._retrieval.lines.read_pairs`."""
    return read_pairs(path, what="qrels")


def read_run(path: str | Path) -> Lines:
    """Read a ranker's run: TREC's six columns, or JSONL, TSV with a header or Parquet of named columns."""
    return read_pairs(path, what="run")


def read_collection(
    folder: str | Path,
    *,
    split: str | None = None,
    positive_from: float = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Collection:
    """Read a folder with a corpus, queries and judgments.

    Parameters
    ----------
    folder : str or Path
        Holds ``corpus``, ``queries`` and ``qrels``, each a JSONL, TSV, TREC or Parquet file or a folder of Arrow
        shards; ``qrels`` may be a folder with one file a split.
    split : str, optional
        Which judgments; by default ``train``, or the only ones that there are.
    positive_from : float, default=1
        Grades from here on are positive.
    progress : callable, optional
        Called with a text, files read, and their number.

    Returns
    -------
    Collection

    Raises
    ------
    InputError
        Naming file and line: no text, an unknown id in the judgments, a query without a positive, half a line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise _no_folder(folder)
    tell = progress or (lambda *_: None)
    if (folder / "cran.all.1400").is_file():
        return read_cranfield(folder)
    qrels = qrels_file(folder, split)
    tell("reading the documents", 0, 3)
    documents = read_texts(part(folder, "corpus"), what="document")
    tell("reading the queries", 1, 3)
    queries = read_texts(part(folder, "queries"), what="query")
    tell("reading the judgments", 2, 3)
    return joined(documents, queries, read_qrels(qrels), qrels, positive_from=positive_from)


def check_known(documents: Texts, queries: Texts, qrels: Lines, where: Path) -> None:
    """Refuse judgments that name a query or a document that there is not."""
    for name, known, ids in (("query", queries.id, qrels.query), ("document", documents.id, qrels.document)):
        have = set(known.tolist())
        bad = next((i for i, key in enumerate(ids.tolist()) if key not in have), None)
        if bad is not None:
            other = "queries" if name == "query" else "corpus"
            msg = (
                f"{one_line(where)}, line {qrels.line[bad]:,}: the {name} {one_line(ids[bad], 40)} is not in the "
                f"{other}; add it there, or drop the line"
            )
            raise InputError(msg)


def joined(documents: Texts, queries: Texts, qrels: Lines, where: Path, *, positive_from: float = 1) -> Collection:
    """Bind judgments to the texts that they name, and check each."""
    check_known(documents, queries, qrels, where)
    named = set(qrels.query.tolist())
    keep = [i for i, key in enumerate(queries.id.tolist()) if key in named]
    query_ids = queries.id[keep]
    cells = Cells.from_qrels(
        qrels.query,
        qrels.document,
        qrels.value,
        positive_from=positive_from,
        queries=query_ids,
        documents=documents.id,
    )
    without = np.bincount(cells.row[cells.verdict == 1], minlength=len(query_ids)) == 0
    if without.any():
        key = query_ids[int(without.argmax())]
        line = qrels.line[(qrels.query == key).argmax()]
        msg = (
            f"{one_line(where)}, line {line:,}: the query {one_line(key, 40)} has no positive (grade {positive_from:g} "
            f"or more), as {int(without.sum()):,} in all; drop these queries, or give --positive-from"
        )
        raise InputError(msg)
    texts = [queries.text[i] for i in keep]
    return Collection(documents.text, documents.id, texts, query_ids, cells, len(queries.id) - len(keep), Path(where))


def read_vaswani(folder: str | Path) -> Collection:
    """Read the Vaswani collection as it is in the registry: 11,429 abstracts, 93 queries, 2,083 relevant pairs."""
    folder = Path(folder)
    documents = read_texts(folder / "doc-text.trec", what="document")
    queries = read_texts(folder / "query-text.trec", what="query")
    return joined(documents, queries, read_qrels(folder / "qrels"), folder / "qrels")


def read_cranfield(folder: str | Path) -> Collection:
    """Read the Cranfield collection: 1,400 abstracts with titles, 225 queries, grades 1 to 4, and -1 not relevant.

    The judgments number the queries 1 to 225 in the order of the file, whatever the file calls them. Two documents
    without any text (471 and 995) are left out, and so are the judgments that name them.
    """
    folder = Path(folder)
    documents = texts_with_something(folder / "cran.all.1400")
    queries = read_texts(folder / "cran.qry", what="query")
    numbers = np.empty(len(queries.id), dtype=object)
    numbers[:] = [str(i) for i in range(1, len(numbers) + 1)]
    found = read_qrels(folder / "cranqrel")
    known = set(documents.id.tolist())
    keep = np.array([key in known for key in found.document.tolist()])
    lines = Lines(found.query[keep], found.document[keep], found.value[keep], found.line[keep])
    return joined(documents, Texts(numbers, queries.text), lines, folder / "cranqrel")


def _no_folder(folder: Path) -> InputError:
    """Return the error for a path that is no folder."""
    if folder.is_file():
        return InputError(f"{one_line(folder)} is a file; name the folder that holds corpus, queries and qrels")
    return InputError(f"{one_line(folder)}: there is no such folder; check the path")
