"""Cells: rows x candidates with verdicts, the one table behind every kind of data.

A cell says of one candidate of one row: 1 positive, 0 negative, -1 unjudged. Only cells that carry news are stored;
``absent`` says what the others are. Ids live once, in ``row_ids`` and ``candidate_ids``; everything else is codes.
Every constructor has a round trip, so that data leaves with the ids, values and nulls it came with.
"""

from __future__ import annotations

from trueneg.core._cells.columns import UNJUDGED
from trueneg.core._cells.groups import GroupCells
from trueneg.core._cells.labels import LabelCells
from trueneg.core._cells.retrieval import RetrievalCells
from trueneg.core._cells.stored import KINDS
from trueneg.core._cells.versions import VersionCells

__all__ = ["KINDS", "UNJUDGED", "Cells"]


class Cells(LabelCells, RetrievalCells, GroupCells, VersionCells):
    """Stored cells of a table of rows x candidates, in the order in which they were given.

    Parameters
    ----------
    row, candidate : (n,) int64
        Codes into ``row_ids`` and ``candidate_ids``. Candidate -1 (verdict -1 only) is the whole row left unjudged.
    verdict : (n,) int8
        1 positive, 0 negative, -1 unjudged.
    absent : {0, -1}
        What a cell that is not stored means: negative or unjudged. Required, since nothing in the data tells.
    kind : str
        One of ``KINDS``.
    row_ids, candidate_ids : (n_rows,), (n_candidates,)
        Unique ids, also of rows and candidates without a cell.
    score, weight : (n,) float, optional
        Larger score = more positive.
    group : (n,), optional
        What must stay together in a split.
    side : dict
        Tables beside the cells. A name starting with ``row_`` or ``candidate_`` has one entry for each of those,
        ``encoding`` (a dict) is how the values were written; any other has one entry for each cell.
    """
