"""Judgments written again in the form in which they came: every line that is not changed stays as it is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from trueneg.core.errors import InputError
from trueneg.data._retrieval.lines import DOCUMENT, GRADE, QUERY, named, read_arrow
from trueneg.data.readers import one_line
from trueneg.data.writers import atomic

Changes = Mapping[tuple[str, str], float | None]


def rewrite_qrels(path: Path, target: Path, changes: Changes) -> dict[str, int]:
    """Write judgments with some changed, taken out or added.

    Parameters
    ----------
    path : Path
        Judgments as :func:`trueneg.data.retrieval.read_qrels` takes them. They are not changed.
    target : Path
        Written whole or not at all, in the form of ``path``: TREC columns, TSV with a header or JSONL, packed where
        ``target`` ends in ``.gz``; Parquet where ``path`` is Parquet or a folder of Arrow shards.
    changes : mapping of (query, document) to a grade or None
        None takes the pair out; a pair that is not there is added at the end.

    Returns
    -------
    dict of str to int
        ``kept``, ``changed``, ``removed`` and ``added`` pairs.

    Raises
    ------
    InputError
        Where the name of ``target`` says another form.
    """
    table, wanted = _kind(path), _kind(target)
    if table != wanted:
        ends = {"table": ".parquet", "json": ".jsonl", "lines": "the ending of " + path.name}
        msg = f"--to {one_line(target)}: the judgments keep their form; end the name in {ends[table]}"
        raise InputError(msg)
    count = dict.fromkeys(("kept", "changed", "removed", "added"), 0)
    with atomic(target) as temporary:
        if table == "table":
            _table(path, temporary, changes, count)
        else:
            lines = _json_lines if table == "json" else _lines
            packed = target.suffix == ".gz"
            # mtime=0: the same judgments give the same bytes.
            with temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if packed else raw as out:
                for line in lines(path, changes, count):
                    out.write(line.encode("utf-8"))
    return count


def _kind(path: Path) -> str:
    kind = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if path.is_dir() or kind == ".parquet":
        return "table"
    return "json" if kind in (".jsonl", ".ndjson", ".json") else "lines"


def _opened(path: Path) -> IO[str]:
    """Open with the line ends as they are."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _grade(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _lines(path: Path, changes: Changes, count: dict[str, int]) -> Iterator[str]:
    """Yield TREC columns or a TSV with a header."""
    header: list[str] | None = None
    left, width, tab, end = dict(changes), 0, False, "\n"
    with _opened(path) as source:
        for line in source:
            body = line.rstrip("\r\n")
            if not body.strip():
                yield line
                continue
            parts = body.split("\t") if "\t" in body else body.split()
            if header is None:
                header = parts if named(parts, QUERY) and named(parts, DOCUMENT) else []
                tab, end = "\t" in body, line[len(body) :] or "\n"
                if header:
                    yield line
                    continue
            places = _places(header, len(parts))
            width = len(parts)
            key = (parts[places[0]], parts[places[1]])
            if key not in left:
                count["kept"] += 1
                yield line if line.endswith("\n") else line + end
                continue
            new = left.pop(key)
            count["removed" if new is None else "changed"] += 1
            if new is not None:
                parts[places[2]] = str(_grade(new))
                yield ("\t" if "\t" in body else " ").join(parts) + end
    for (query, document), new in left.items():
        if new is None:
            continue
        places = _places(header or [], width)
        parts = ["0" if not header else ""] * (len(header) if header else width)
        for place, value in zip(places, (query, document, str(_grade(new))), strict=True):
            parts[place] = value
        count["added"] += 1
        yield ("\t" if tab else " ").join(parts) + end


def _places(header: list[str], width: int) -> tuple[int, int, int]:
    """Return the columns of query, document and grade."""
    if header:
        names = [named(header, group) for group in (QUERY, DOCUMENT, GRADE)]
        q, d, g = (header.index(str(name)) for name in names)
        return q, d, g
    return 0, width - 2, width - 1


def _json_lines(path: Path, changes: Changes, count: dict[str, int]) -> Iterator[str]:
    left = dict(changes)
    names: list[str] = []
    with _opened(path) as source:
        for line in source:
            if not line.strip():
                yield line
                continue
            entry = json.loads(line)
            names = [str(named(entry, group)) for group in (QUERY, DOCUMENT, GRADE)]
            key = (str(entry[names[0]]), str(entry[names[1]]))
            if key not in left:
                count["kept"] += 1
                yield line if line.endswith("\n") else line + "\n"
                continue
            new = left.pop(key)
            count["removed" if new is None else "changed"] += 1
            if new is not None:
                yield json.dumps({**entry, names[2]: _grade(new)}, ensure_ascii=False) + "\n"
    for (query, document), new in left.items():
        if new is not None:
            count["added"] += 1
            yield json.dumps(dict(zip(names, (query, document, _grade(new)), strict=True)), ensure_ascii=False) + "\n"


def _table(path: Path, target: Path, changes: Changes, count: dict[str, int]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = read_arrow(path)
    names = [str(named(table.column_names, group)) for group in (QUERY, DOCUMENT, GRADE)]
    query, document, grade = (table.column(name).to_pylist() for name in names)
    left: dict[tuple[str, str], Any] = dict(changes)
    keep = []
    for i, key in enumerate(zip(map(str, query), map(str, document), strict=True)):
        if key not in left:
            count["kept"] += 1
            keep.append(i)
            continue
        new = left.pop(key)
        count["removed" if new is None else "changed"] += 1
        if new is not None:
            grade[i] = _grade(new)
            keep.append(i)
    added = [(q, d, _grade(new)) for (q, d), new in left.items() if new is not None]
    count["added"] = len(added)
    rows = pa.array(keep, pa.int64())
    place = table.column_names.index(names[2])
    kind = table.schema.field(names[2])
    whole = table.set_column(place, kind, pa.array(grade, kind.type)).take(rows)
    if added:
        columns = dict(zip(names, map(list, zip(*added, strict=True)), strict=True))
        nulls = [None] * len(added)
        more = [pa.array(columns.get(f.name, nulls)).cast(f.type) for f in whole.schema]
        whole = pa.concat_tables([whole, pa.table(more, schema=whole.schema)])
    pq.write_table(whole, target)
