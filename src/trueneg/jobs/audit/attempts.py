"""The audit of attempts at problems: a verifier's verdicts, and what they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.jobs.audit._attempts.context import AttemptsContext, context_of

__all__ = ["AttemptsContext", "context_of", "suspects_of"]

SHOWN_COLUMNS = ("finding", "row", "problem", "attempt", "probability")


def suspects_of(context: AttemptsContext, table: Any, *, listed: bool) -> Any:
    """Return accepted attempts that may be wrong, most doubtful first: an Arrow table, one row each.

    Parameters
    ----------
    context : AttemptsContext
    table : Table
        The table, for the attempts' ids.
    listed : bool
        Whether TN601 was asked for.
    """
    import pyarrow as pa

    from trueneg.data.sniff import attempt_columns

    doubted = context.doubted if listed else context.doubted[:0]
    ranking = context.ranking
    p = (ranking.probability if ranking.recalibrated is None else ranking.recalibrated)[: len(doubted)]
    order = np.argsort(-p, kind="stable")
    order = order[p[order] > 0][:10_000]
    rows = doubted[order]
    found = attempt_columns(table.arrow.column_names)
    place = table.arrow.column(found["attempt"]).take(pa.array(rows)) if "attempt" in found else pa.array(rows)
    return pa.table(
        {
            "finding": pa.array(["TN601"] * len(rows), pa.string()),
            "row": pa.array(rows, pa.int64()),
            "problem": pa.array(context.names[context.problem[rows]].tolist(), pa.string()),
            "attempt": pa.array([str(v) for v in place.to_pylist()], pa.string()),
            "probability": pa.array(p[order].round(4), pa.float64()),
        }
    )
