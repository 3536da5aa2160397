"""The answers as a table that people edit: no spreadsheet runs a cell of it, and a fault is told with its line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.spreadsheet import guard, unguard
from trueneg.data.writers import atomic

COLUMNS = ("key", "row", "finding", "label", "given", "proposed", "answer", "note", "reviewer", "data")
NEEDED = ("key", "finding", "answer", "data")
WORDS = {"accept": 1, "reject": 0, "unsure": -1, "": -2}
OPEN = -2


@dataclass(frozen=True)
class Line:
    """One line of a file of answers.

    Attributes
    ----------
    file, number : str, int
        Where it stands: the file's name and the line on which it begins.
    key, row, finding, label, given, proposed : str
        The cell that it is about; ``row`` is empty where the column was removed.
    answer : int
        1 accept (the given label is wrong), 0 reject, -1 unsure, -2 open.
    note, reviewer : str
        Free text.
    data : str
        Hash of the data that the review was drawn from.
    """

    file: str
    number: int
    key: str
    row: str
    finding: str
    label: str
    given: str
    proposed: str
    answer: int
    note: str
    reviewer: str
    data: str

    @property
    def where(self) -> str:
        """File and line, for a message."""
        return f"{self.file}, line {self.number:,}"


def write_lines(lines: Iterable[Line], path: Path) -> None:
    """Write the answers, whole or not at all, with the byte order mark that spreadsheets need for UTF-8."""
    word = {code: name for name, code in WORDS.items()}
    with atomic(path) as file, file.open("w", encoding="utf-8-sig", errors="replace", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(COLUMNS)
        for line in lines:
            values = {**vars(line), "answer": word[line.answer], "data": f"blake2b:{line.data}"}
            out.writerow([guard(str(values[name])) for name in COLUMNS])


def read_lines(path: Path, called: str | None = None) -> list[Line]:
    """Read a file of answers.

    Parameters
    ----------
    path : Path
        CSV as written by :func:`write_lines` or exported by the page, edited or not. The delimiter may have become a
        semicolon or a tab and the encoding UTF-16 or CP1252, as spreadsheets have it.
    called : str, optional
        What messages call it; by default its name without the folder.

    Returns
    -------
    list of Line
        Lines without any content are left out.

    Raises
    ------
    InputError
        One line with the file, the line, what is wrong and what to do.
    """
    name = one_line(called or path.name, 80)
    text = _text(path, name)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[Line] = []
    columns: list[str] = []
    begin = 1
    try:
        for row in rows:
            if not columns:
                columns = _columns(row, name)
            elif any(cell.strip() for cell in row):
                if len(row) != len(columns):
                    msg = (
                        f"{name}, line {begin:,}: {len(row)} fields where the header has {len(columns)}; put a note "
                        "that holds the delimiter or a line break in quotes, or repair that line"
                    )
                    raise InputError(msg)
                found.append(_line(dict(zip(columns, row, strict=True)), name, begin))
            begin = rows.line_num + 1
    except csv.Error as error:
        msg = f"{name}, line {begin:,}: it cannot be read ({one_line(error, 80)}); check the quotes of that line"
        raise InputError(msg) from error
    if not columns:
        raise InputError(_headless(name))
    return found


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        msg = f"{one_line(path)}: there is no such file; give the CSV that the review's page exported"
        raise InputError(msg) from None
    except OSError as error:
        msg = f"{one_line(path)}: it cannot be read ({error.strerror}); give the CSV that the review's page exported"
        raise InputError(msg) from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tries: Sequence[str] = ("utf-16",)
    else:
        tries = ("utf-8-sig", "cp1252")
    for encoding in tries:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    msg = f"{name}: this is not text, so it holds no answers; give the CSV that the review's page exported"
    raise InputError(msg)


def _headless(name: str) -> str:
    return f"{name}: it holds no answers (its first line must name the columns {', '.join(COLUMNS)})"


def _columns(row: list[str], name: str) -> list[str]:
    columns = [cell.strip().lower() for cell in row]
    if not set(columns) & set(NEEDED):
        raise InputError(_headless(name))
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        msg = f"{name}, line 1: the column {missing[0]!r} is missing; it ties the answers to their rows, put it back"
        raise InputError(msg)
    twice = [column for column in columns if column in COLUMNS and columns.count(column) > 1]
    if twice:
        msg = f"{name}, line 1: the column {twice[0]!r} occurs twice; remove one"
        raise InputError(msg)
    return columns


def _line(cells: dict[str, str], name: str, number: int) -> Line:
    word = cells["answer"].strip().lower()
    if word not in WORDS:
        msg = (
            f"{name}, line {number:,}: the answer {one_line(cells['answer'], 40)!r} is none of accept, reject and "
            "unsure; write one of them, or leave it empty"
        )
        raise InputError(msg)
    data = cells["data"].strip().removeprefix("blake2b:")
    if not data:
        msg = f"{name}, line {number:,}: the column 'data' is empty; it ties the answer to the data, put it back"
        raise InputError(msg)
    texts = {column: unguard(cells.get(column, "")) for column in COLUMNS}
    texts["reviewer"] = texts["reviewer"].strip()
    return Line(**{**texts, "file": name, "number": number, "answer": WORDS[word], "data": data})  # type: ignore[arg-type]
