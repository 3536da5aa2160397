"""The table of suspects: each row with the evidence against its label, dearest to leave first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.audit.suspicion import doubted

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.findings import Finding
    from trueneg.jobs.audit.suspicion import Suspicion

TRUSTED_SHOWN = 3
REVIEWED = {1: "wrong", -1: "unsure"}


def suspects_table(context: Context, findings: list[Finding]) -> pa.Table:
    """Return all rows that a suspect finding names, finding by finding, in the order of the finding.

    Columns: row, id (where there is one), finding, given, proposed, probability (that the given label is wrong), cost
    (of leaving it, where costs were given), reviewed (what a reviewer said, where there was a review),
    given_probability and proposed_probability (the model's), nearest_row, nearest_trusted (where rows are trusted),
    rule and reason.
    """
    import pyarrow as pa

    found = [
        (context.suspicion(finding.code), np.asarray(finding.rows, np.int64))
        for code in doubted(context)
        for finding in findings
        if finding.code == code and finding.status == "finding"
    ]
    place = [np.searchsorted(s.row, rows) for s, rows in found]
    row = _joined([rows for _, rows in found], np.int64)
    proposed = _joined([s.proposed[at] for (s, _), at in zip(found, place, strict=True)], np.int64)
    names = np.asarray(context.names, dtype=object)
    columns: dict[str, Any] = {"row": row}
    if context.roles.id:
        columns["id"] = context.arrow[context.roles.id].take(pa.array(row))
    columns |= {
        "finding": pa.array([s.code for s, rows in found for _ in rows], pa.string()),
        "given": pa.array([str(v) for v in names[context.codes[row]]], pa.string()),
        "proposed": pa.array([str(names[int(k)]) if k >= 0 else None for k in proposed], pa.string()),
        "probability": np.round(
            _joined([s.probability[at] for (s, _), at in zip(found, place, strict=True)], float), 4
        ),
    }
    if any(s.cost is not None for s, _ in found):
        columns["cost"] = pa.array(
            [c for (s, _), at in zip(found, place, strict=True) for c in _costs(s, at)], pa.float64()
        )
    if any(s.review is not None for s, _ in found):
        columns["reviewed"] = pa.array([a for s, rows in found for a in _answers(s, rows)], pa.string())
    columns |= {
        "given_probability": _at(context, row, context.codes[row]),
        "proposed_probability": _at(context, row, proposed),
        "nearest_row": np.full(len(row), -1) if context.neighbors is None else context.neighbors[row, 0],
    }
    if context.trusted is not None:
        columns["nearest_trusted"] = pa.array(_nearest_trusted(context, row, names), pa.string())
    columns["rule"] = pa.array([_rule(context, s) for s, rows in found for _ in rows], pa.string())
    columns["reason"] = pa.array(_reasons(context, row, proposed), pa.string())
    return pa.table(columns)


def _joined(parts: list[np.ndarray], kind: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _costs(found: Suspicion, place: np.ndarray) -> list[float | None]:
    if found.cost is None:
        return [None] * len(place)
    return np.round(found.cost[place] * found.probability[place], 6).tolist()


def _answers(found: Suspicion, rows: np.ndarray) -> list[str | None]:
    if found.review is None:
        return [None] * len(rows)
    said = dict(zip(found.review.rows.tolist(), found.review.answers.tolist(), strict=True))
    return [REVIEWED.get(said.get(int(row), -2)) for row in rows]


def _rule(context: Context, found: Suspicion) -> str:
    """Name the rule that put the rows of a direction where they stand."""
    evidence = "probabilities"
    if context.neighbors is not None and context.ranker(doubted(context)[found.code]).b_ > 0:
        evidence += " and neighbours"
    ordered = "" if found.cost is None else ", ordered by cost"
    return f"log margin of {evidence}, {found.words}{ordered}"


def _reasons(context: Context, row: np.ndarray, proposed: np.ndarray) -> list[str]:
    """Say in words which evidence speaks against the given label of each listed row."""
    given, other = context.codes[row], np.maximum(proposed, 0)
    p_given, p_other = _at(context, row, given), _at(context, row, other)
    names = np.asarray(context.names, dtype=object)
    words = [
        f"model: {names[k]} {b:.2f}, {names[g]} {a:.2f}"
        for g, k, a, b in zip(given, other, p_given, p_other, strict=True)
    ]
    if context.neighbors is None:
        return words
    near = context.neighbors[row]
    label = np.where(near >= 0, context.codes[np.maximum(near, 0)], -1)
    votes = (label == other[:, None]).sum(axis=1)
    known = (label >= 0).sum(axis=1)
    return [
        f"{said}; {v} of {n} nearest rows are {names[k]}"
        for said, v, n, k in zip(words, votes, known, other, strict=True)
    ]


def _at(context: Context, row: np.ndarray, label: np.ndarray) -> np.ndarray:
    if context.probability is None or not row.size:
        return np.zeros(len(row))
    return np.round(context.probability[row, np.maximum(label, 0)].astype(float), 4)


def _nearest_trusted(context: Context, row: np.ndarray, names: np.ndarray) -> list[str | None]:
    """Name the nearest rows whose label was verified, with that label: what a judge would compare the row with."""
    trusted = context.trusted
    if trusted is None or context.data is None or not row.size:
        return [None] * len(row)
    pool = np.flatnonzero(trusted & (context.codes >= 0))
    asked = row[: context.MAX_NEIGHBOR_QUERIES]
    if not pool.size:
        return [None] * len(row)
    from trueneg.core.neighbors import top_k

    embedding = context.data.embedding
    # Equal rows and rows of the same group are wanted here: they are the best evidence there is.
    _, near = top_k(embedding[asked], embedding[pool], min(TRUSTED_SHOWN, len(pool)))
    words = [
        ", ".join(f"{pool[j]} ({names[context.codes[pool[j]]]})" for j in ids if j >= 0) or None
        for ids in near.tolist()
    ]
    return words + [None] * (len(row) - len(words))
