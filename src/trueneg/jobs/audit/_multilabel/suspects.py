"""The suspected cells as a table, each with the nearest row that speaks for the proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit._multilabel.findings import ScoredCells


def suspects_frame(
    table: Table, roles: Roles, cells: ScoredCells | None, suspects: list[tuple[str, np.ndarray, np.ndarray]]
) -> pa.Table:
    import pyarrow as pa

    k = 1 if cells is None else cells.codes.shape[1]
    cell = np.concatenate([np.empty(0, np.int64), *(s[1] for s in suspects)])
    probability = np.concatenate([np.empty(0), *(s[2] for s in suspects)])
    row, column = np.divmod(cell, k)
    missing = np.concatenate([np.empty(0, bool), *(np.full(len(s[1]), s[0] == "TN201") for s in suspects)])
    columns: dict[str, Any] = {"row": pa.array(row, pa.int64())}
    if roles.id:
        columns["id"] = table.arrow[roles.id].take(pa.array(row, pa.int64()))
    names = np.asarray([""] if cells is None else cells.names, dtype=object)
    text = pa.string()
    columns |= {
        "finding": pa.array(np.where(missing, "TN201", "TN202").tolist(), text),
        "label": pa.array(names[column].tolist(), text),
        "given": pa.array(np.where(missing, "absent", "present").tolist(), text),
        "proposed": pa.array(np.where(missing, "present", "absent").tolist(), text),
        "probability": np.round(probability.astype(float), 4),
        "nearest_row": _nearest(cells, row, column, missing),
    }
    return pa.table(columns)


def _nearest(cells: ScoredCells | None, row: np.ndarray, column: np.ndarray, missing: np.ndarray) -> np.ndarray:
    if cells is None or cells.neighbors is None:
        return np.full(len(row), -1, np.int64)
    near = cells.neighbors[row]
    label = np.where(near >= 0, cells.codes[np.maximum(near, 0), column[:, None]], -1)
    like = label == np.where(missing, 1, 0)[:, None]
    return near[np.arange(len(row)), like.argmax(axis=1)].astype(np.int64)
