"""Which drawn cell a line of answers is about: by the row's key, never by its place in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    from trueneg.jobs.review.record import Record
    from trueneg.jobs.review.sheet import Line


class Cells:
    """Find the cell that a line of answers is about."""

    def __init__(self, record: Record, keys: np.ndarray) -> None:
        self.record, self.keys = record, keys
        self.places: dict[tuple[str, str], list[int]] = {}
        self.labels: dict[str, list[str]] = {}
        for code, drawn in record.drawn.items():
            self.labels[code] = [record.classes[c] for c in drawn.candidates.tolist()]
            for place, key in enumerate(drawn.keys.tolist()):
                self.places.setdefault((code, key), []).append(place)

    def find(self, line: Line) -> int:
        """Return the place in the finding's sample, or refuse the line."""
        if line.finding not in self.record.drawn:
            known = ", ".join(self.record.drawn)
            msg = f"{line.where}: no row was drawn for the finding {one_line(line.finding, 20)!r}, only for {known}"
            raise InputError(msg)
        found = self.places.get((line.finding, line.key)) or self._as_number(line)
        if len(found) > 1:  # several cells of one row, or an id that is not unique
            found = self._told_apart(line, found)
        if len(found) == 1:
            return found[0]
        key = one_line(line.key, 60)
        if found:
            what = f"the key {key!r} stands for several rows that were drawn; keep the columns 'row' and 'label'"
        elif line.key in set(self.keys.tolist()):
            what = f"the row {key!r} was not drawn for {line.finding}, and a row picked by hand would bias the figures"
        else:
            what = f"no row of the table has the key {key!r}"
        msg = f"{line.where}: {what}; give the answers that this folder's review.html exported"
        raise InputError(msg)

    def _as_number(self, line: Line) -> list[int]:
        """Forgive what a spreadsheet does to a key of digits (``007``, ``1E+15``); the row's number must agree."""
        drawn = self.record.drawn[line.finding]
        try:
            row, given = int(line.row), float(line.key.replace(",", "."))
        except ValueError:
            return []
        found = np.flatnonzero(drawn.rows == row).tolist()
        return [place for place in found if _same_number(drawn.keys[place], given)]

    def _told_apart(self, line: Line, found: list[int]) -> list[int]:
        drawn = self.record.drawn[line.finding]
        same_row = [p for p in found if str(drawn.rows[p]) == line.row.strip()] if line.row.strip() else found
        if len(same_row) <= 1:
            return same_row
        return [p for p in same_row if self.labels[line.finding][p] == line.label]


def _same_number(key: Any, given: float) -> bool:
    try:
        number = float(key)
    except ValueError:
        return False
    return bool(np.isclose(number, given, rtol=1e-5 if abs(given) >= 1e11 else 1e-12, atol=0))
