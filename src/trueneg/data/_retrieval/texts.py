"""Documents and queries: JSONL of BEIR, Parquet, Arrow on disk, TREC tags, and the dotted fields of SMART."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data._retrieval.lines import json_lines, named, numbered, read_arrow
from trueneg.data.readers import one_line

ID = ("_id", "id", "docid", "doc_id", "docno", "query-id", "query_id", "corpus-id", "corpus_id", "qid", "pid")
TEXT = ("text", "body", "contents", "content", "document", "query", "question", "passage")
_TAG = re.compile(r"<(DOCNO|num)>\s*(?:Number:)?\s*(.*?)\s*(?:</\1>|$)", re.IGNORECASE)
_ANY = re.compile(r"<[^>]*>")


class Texts(NamedTuple):
    """Texts and their ids, in the order of the file: ``id`` (n,) and ``text`` (n,), both of str."""

    id: NDArray[Any]
    text: list[str]


def read_texts(path: str | Path, *, what: str) -> Texts:
    """Read documents or queries with their ids.

    Parameters
    ----------
    path : str or Path
        ``.jsonl`` (``_id``, ``text``, optional ``title``), ``.parquet`` of the same columns, a folder of Arrow shards,
        ``.tsv`` (id, text), ``.trec`` with ``<DOC>`` or ``<top>`` tags, or SMART's ``.I``, ``.T``, ``.W``.
    what : {"document", "query"}
        For the messages.

    Returns
    -------
    Texts
        A title comes first, a space between.

    Raises
    ------
    InputError
        Naming file and line: an entry without an id or text, an id given twice, a line cut short.
    """
    path = Path(path)
    kind = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if path.is_dir() or kind == ".parquet":
        rows = _from_table(path)
    elif kind in (".jsonl", ".ndjson", ".json"):
        rows = ((number, *_entry(entry, path, number)) for number, entry in json_lines(path))
    elif kind in (".tsv", ".txt"):
        rows = _from_tsv(path)
    else:
        rows = _from_tags(path)
    ids: list[str] = []
    texts: list[str] = []
    seen: dict[str, int] = {}
    for number, key, text in rows:
        if not text.strip():
            msg = f"{one_line(path)}, line {number:,}: {what} {one_line(key, 40)} has no text; give it one or drop it"
            raise InputError(msg)
        before = seen.setdefault(key, number)
        if before != number:
            msg = (
                f"{one_line(path)}, line {number:,}: the id {one_line(key, 40)} is there a second time (first on line "
                f"{before:,}); ids must be unique"
            )
            raise InputError(msg)
        ids.append(key)
        texts.append(text)
    if not ids:
        plural = {"query": "queries"}.get(what, f"{what}s")
        msg = f'{one_line(path)} holds no {plural}: one a line is needed, such as {{"_id": "1", "text": "..."}}'
        raise InputError(msg)
    out = np.empty(len(ids), dtype=object)
    out[:] = ids
    return Texts(out, texts)


def texts_with_something(path: Path) -> Texts:
    """Read a tagged file and leave out the entries without a text, where a collection is known to have some."""
    rows = [(key, text) for _, key, text in _from_tags(path) if text.strip()]
    ids = np.empty(len(rows), dtype=object)
    ids[:] = [key for key, _ in rows]
    return Texts(ids, [text for _, text in rows])


def _entry(entry: Any, path: Path, number: int) -> tuple[str, str]:
    key, text = named(entry, ID), named(entry, TEXT)
    if key is None or entry[key] in (None, ""):
        msg = f'{one_line(path)}, line {number:,}: no id; give each entry an "_id"'
        raise InputError(msg)
    value = "" if text is None or entry[text] is None else str(entry[text])
    title = entry.get("title") or ""
    return str(entry[key]), f"{title} {value}".strip() if title else value


def _from_table(path: Path) -> Iterator[tuple[int, str, str]]:
    table = read_arrow(path)
    names = table.column_names
    if named(names, ID) is None or named(names, TEXT) is None:
        msg = f"{one_line(path)} has the columns {', '.join(names)}; needed are _id and text"
        raise InputError(msg)
    number = 0
    for batch in table.to_batches(max_chunksize=65_536):
        for entry in batch.to_pylist():
            number += 1
            yield number, *_entry(entry, path, number)


def _from_tsv(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in numbered(path):
        key, tab, text = line.rstrip("\n").partition("\t")
        if not tab:
            msg = f"{one_line(path)}, line {number:,}: no tab; a line is 'id<tab>text'"
            raise InputError(msg)
        yield number, key, text


def _from_tags(path: Path) -> Iterator[tuple[int, str, str]]:
    """Read TREC tags, or SMART's dotted fields: whichever the first line shows."""
    smart: bool | None = None
    key, start, field = "", 0, ""
    parts: list[str] = []
    for number, line in numbered(path):
        if smart is None:
            smart = line.startswith(".I")
            if not smart and "<" not in line:
                msg = (
                    f"{one_line(path)}, line {number:,}: neither <DOC> or <top> nor '.I': name the file .jsonl, .tsv "
                    "or .parquet where it is one"
                )
                raise InputError(msg)
        mark = re.match(r"\.([A-Z])\b\s*(.*)", line) if smart else None
        tag = None if smart else _TAG.search(line)
        opens = (mark is not None and mark[1] == "I") or tag is not None
        if opens:
            if key:
                yield start, key, " ".join(parts)
            key, start, parts, field = (mark[2].strip() if mark else tag[2]), number, [], ""  # type: ignore[index]
        if mark is not None:
            field = mark[1]
        elif smart and field in "TW" and field:
            parts.append(line.strip())
        elif not smart and key:
            rest = line[tag.end() :] if tag else line
            cleaned = _ANY.sub(" ", rest).strip()
            if cleaned:
                parts.append(cleaned)
    if key:
        yield start, key, " ".join(parts)
