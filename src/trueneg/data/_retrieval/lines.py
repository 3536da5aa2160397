"""Judgments and runs as lines: TREC columns, BEIR's TSV with a header, JSONL, and Parquet."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

QUERY = ("query-id", "query_id", "query", "qid", "topic")
DOCUMENT = ("corpus-id", "corpus_id", "doc_id", "document", "docid", "docno", "pid")
GRADE = ("score", "relevance", "label", "grade", "rel")


class Lines(NamedTuple):
    """Pairs in the order of the file.

    ``query`` and ``document`` (n,) text ids; ``value`` (n,) float64, a grade or a score; ``line`` (n,) where each was
    read, from 1 (of a Parquet or Arrow table: the row).
    """

    query: NDArray[Any]
    document: NDArray[Any]
    value: NDArray[np.float64]
    line: NDArray[np.int64]


def opened(path: Path) -> IO[str]:
    """Open a text file, packed or not."""
    if not path.is_file():
        msg = f"{one_line(path)}: there is no such file"
        raise InputError(msg)
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of every line that is not blank; no UTF-8 is one clear error."""
    number = 0
    try:
        with opened(path) as source:
            for number, line in enumerate(source, 1):  # noqa: B007 - told in the error
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        msg = f"{one_line(path)}, line {number + 1:,}: this is no UTF-8 text; save the file as UTF-8"
        raise InputError(msg) from error
    except (EOFError, gzip.BadGzipFile) as error:
        msg = f"{one_line(path)}, line {number + 1:,}: the packed file is cut short; copy it again"
        raise InputError(msg) from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of every line of a JSONL file."""
    for number, line in numbered(path):
        try:
            entry = json.loads(line)
        except ValueError as error:
            cut = "the line is cut short" if not line.endswith("\n") else "the line is no JSON"
            msg = f"{one_line(path)}, line {number:,}: {cut} ({error}); write or copy the file again"
            raise InputError(msg) from error
        if not isinstance(entry, dict):
            msg = f'{one_line(path)}, line {number:,}: an object like {{"_id": ..., "text": ...}} is needed'
            raise InputError(msg)
        yield number, entry


def named(entry: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of the names that an entry has."""
    return next((name for name in names if name in entry), None)


def read_pairs(path: str | Path, *, what: str) -> Lines:
    """Read ``(query, document, number)`` lines.

    Parameters
    ----------
    path : str or Path
        TREC judgments (3 or 4 columns) or a TREC run (6 columns), BEIR's TSV with a header, JSONL or Parquet with
        named columns; text files may be packed with gzip.
    what : {"qrels", "run"}
        Which of the two it is: a line of six columns is a run, one of three or four are judgments.

    Raises
    ------
    InputError
        Naming file and line, for a line of another shape, a number that is none, or a pair given twice.
    """
    path = Path(path)
    kind = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if kind == ".parquet" or path.is_dir():
        rows: Any = _table_rows(path)
    elif kind in (".jsonl", ".ndjson", ".json"):
        rows = ((number, *_fields(entry, path, number)) for number, entry in json_lines(path))
    else:
        rows = _column_rows(path, what)
    query, document, value, at = [], [], [], []
    for number, q, d, v in rows:
        query.append(q)
        document.append(d)
        value.append(_number(v, path, number))
        at.append(number)
    found = Lines(_ids(query), _ids(document), np.array(value, dtype=np.float64), np.array(at, dtype=np.int64))
    if not len(found.query):
        msg = f"{one_line(path)} holds no {what}: give a file with one line a pair of query and document"
        raise InputError(msg)
    _no_pair_twice(found, path)
    return found


def _ids(values: list[str]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _number(value: Any, path: Path, number: int) -> float:
    try:
        out = float(value)
    except (TypeError, ValueError):
        out = math.nan
    if not math.isfinite(out):
        msg = f"{one_line(path)}, line {number:,}: {one_line(value, 40)!r} is no number; a grade or score is needed"
        raise InputError(msg)
    return out


def _fields(entry: Any, path: Path, number: int) -> tuple[str, str, Any]:
    names = named(entry, QUERY), named(entry, DOCUMENT), named(entry, GRADE)
    if None in names:
        msg = (
            f"{one_line(path)}, line {number:,}: fields {', '.join(map(str, entry))}; needed are one of "
            f"{', '.join(QUERY[:3])}, one of {', '.join(DOCUMENT[:3])} and one of {', '.join(GRADE[:3])}"
        )
        raise InputError(msg)
    q, d, v = (entry[name] for name in names)
    return str(q), str(d), v


def _table_rows(path: Path) -> Iterator[tuple[int, str, str, Any]]:
    table = read_arrow(path)
    _fields(dict.fromkeys(table.column_names), path, 1)  # refuses a table without the columns
    names = [named(table.column_names, group) for group in (QUERY, DOCUMENT, GRADE)]
    columns = [table.column(name).to_pylist() for name in names]
    for number, (q, d, v) in enumerate(zip(*columns, strict=True), 1):
        yield number, str(q), str(d), v


def read_arrow(path: Path) -> Any:
    """Read a Parquet file, or the Arrow shards of a data set that was saved to disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.is_dir():
            tables = []
            for shard in sorted(path.glob("*.arrow")):
                with pa.memory_map(str(shard)) as source:
                    tables.append(pa.ipc.open_stream(source).read_all())
            return pa.concat_tables(tables)
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{one_line(path)} cannot be read ({one_line(error, 80)}); write it again"
        raise InputError(msg) from error


def _column_rows(path: Path, what: str) -> Iterator[tuple[int, str, str, Any]]:
    header: list[str] | None = None
    for number, line in numbered(path):
        parts = line.rstrip("\n").split("\t") if "\t" in line else line.split()
        if header is None:
            header = []
            if named(parts, QUERY) and named(parts, DOCUMENT):
                header = parts
                continue
        if header:
            yield number, *_fields(dict(zip(header, parts, strict=False)), path, number)
            continue
        parts = line.split()
        wanted = (6,) if what == "run" else (3, 4)
        if len(parts) not in wanted:
            shape = "query Q0 document rank score tag" if what == "run" else "query 0 document grade"
            msg = (
                f"{one_line(path)}, line {number:,}: {len(parts)} columns; a line of {what} is '{shape}' "
                "(a file with a header names query-id, corpus-id, score)"
            )
            raise InputError(msg)
        if what == "run":
            yield number, parts[0], parts[2], parts[4]
        else:
            yield number, parts[0], parts[-2], parts[-1]


def _no_pair_twice(found: Lines, path: Path) -> None:
    seen: dict[tuple[str, str], int] = {}
    for q, d, n in zip(found.query.tolist(), found.document.tolist(), found.line.tolist(), strict=True):
        before = seen.setdefault((q, d), n)
        if before != n:
            msg = (
                f"{one_line(path)}, line {n:,}: query {one_line(q, 40)} and document {one_line(d, 40)} are there a "
                f"second time (first on line {before:,}); keep one"
            )
            raise InputError(msg)
