"""What separates the fields of a delimited file, and the digits of its fractions.

Its name says a comma or a tab. A spreadsheet in a country that writes 0,5 puts semicolons into a .csv, and others put
tabs or bars there: the head tells.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import dataclass

from trueneg.data._readers.encoding import HEAD_BYTES

NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
NAMED = {"csv": ",", "tsv": "\t"}
"""The delimiter that the name of a file promises."""
_RECORDS = 200
_COMMA, _POINT = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE), re.compile(r"[+-]?\d+\.\d+(e[+-]?\d+)?", re.I)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes
    ----------
    delimiter : str
        Between two fields.
    decimal : str
        In a fraction: ``"."``, or ``","`` where the fields are not separated by it.
    """

    delimiter: str = ","
    decimal: str = "."

    def notes(self, kind: str) -> list[str]:
        """Say what differs from what the name of the file promises."""
        told = []
        if self.delimiter != NAMED[kind]:
            told.append(f"fields are separated by {NAMES[self.delimiter]}")
        if self.decimal != ".":
            told.append("fractions are read with a decimal comma")
        return told


def dialect_of(head: bytes, kind: str, encoding: str) -> Dialect:
    """Return the dialect of a delimited file by its first bytes.

    The delimiter that the name promises is kept where it splits the header, unless it splits the records unevenly and
    another one splits all of them alike. A ``.tsv`` is always split by tabs.
    """
    named = NAMED[kind]
    text = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace")
    lines, cut = text.splitlines(keepends=True), len(head) >= HEAD_BYTES
    own = _records(lines, named, cut)
    best, chosen = own, named
    if kind == "csv" and not _even(own):
        others = [
            (records, other) for other in NAMES if other != named and _even(records := _records(lines, other, cut))
        ]
        best, chosen = max(others, key=lambda found: len(found[0][0]), default=(own, named))
    return Dialect(chosen, _decimal(best) if chosen != "," else ".")


def _records(lines: list[str], delimiter: str, cut: bool) -> list[list[str]]:
    """Return the first records, the header among them, as this delimiter splits them; one that was cut is left out."""
    found: list[list[str]] = []
    with suppress(csv.Error):
        for record in csv.reader(lines, delimiter=delimiter):
            if record:
                found.append(record)
            if len(found) > _RECORDS:
                return found
    return found[:-1] if cut and len(found) > 1 else found


def _even(records: list[list[str]]) -> bool:
    """Say whether there are several fields, and as many in every record as in the header."""
    return bool(records) and len(records[0]) > 1 and {len(record) for record in records} == {len(records[0])}


def _decimal(records: list[list[str]]) -> str:
    """Return the decimal sign: a comma where some fields are numbers with one and none has a point."""
    fields = [field.strip() for record in records[1:] for field in record]
    comma = any(_COMMA.fullmatch(field) for field in fields)
    return "," if comma and not any(_POINT.fullmatch(field) for field in fields) else "."
