"""Apply repairs to files and frames; nothing here knows why a row is repaired.

A :class:`Repairs` names rows and new values. It is applied to record batches, to lines of JSON or to a frame; a row
that it does not name keeps its values, their types and its place.
"""

from __future__ import annotations

from trueneg.data._repairs.batches import lines_of, members, repair_batch, repair_lines, repaired_schema
from trueneg.data._repairs.files import repair_file
from trueneg.data._repairs.frames import repair_frame
from trueneg.data._repairs.what import EXTRA, NewValues, Repairs

__all__ = [
    "EXTRA",
    "NewValues",
    "Repairs",
    "lines_of",
    "members",
    "repair_batch",
    "repair_file",
    "repair_frame",
    "repair_lines",
    "repaired_schema",
]
