"""Missing labels, labels that do not belong, and the class that misses most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trueneg.jobs.audit._multilabel.probability import cell_probability
from trueneg.jobs.audit._multilabel.tables import TITLES, TOO_FEW
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.folder import Ranking

NAMED = 0.5


@dataclass
class ScoredCells:
    """What the checks share: labels (n, K) int8, score and q (n, K) float32, neighbours (n, k) or None."""

    codes: np.ndarray
    names: list[str]
    usable: np.ndarray
    score: np.ndarray
    neighbors: np.ndarray | None
    weights: np.ndarray
    model: str


@dataclass
class Judged:
    """TN201, TN202 and TN204; the suspected cells (flat numbers, probabilities) and the whole populations."""

    findings: list[Finding]
    suspects: list[tuple[str, np.ndarray, np.ndarray]]
    rankings: dict[str, Ranking]


def judge_cells(cells: ScoredCells, cost_fn: Any, cost_fp: Any) -> Judged:
    """Judge the cells in both directions of error."""
    absent, present = cells.codes == 0, cells.codes == 1
    missing, sure = cell_probability(cells.score, absent, present, cells.usable)
    first, cells_201 = _directed(cells, "TN201", missing, absent & cells.usable, sure, cost_fn)
    last = _worst_class(cells, missing)
    wrong, sure = cell_probability(-cells.score, present, absent, cells.usable)
    second, cells_202 = _directed(cells, "TN202", wrong, present & cells.usable, sure, cost_fp)
    suspects = []
    if first.status == "finding":
        suspects.append(("TN201", cells_201, missing.ravel()[cells_201]))
    if second.status == "advice":
        suspects.append(("TN202", cells_202, wrong.ravel()[cells_202]))
    rankings = {
        "TN201": _population("TN201", missing, absent & cells.usable),
        "TN202": _population("TN202", wrong, present & cells.usable),
    }
    return Judged([first, second, last], suspects, rankings)


def _population(code: str, probability: np.ndarray, pool: np.ndarray) -> Ranking:
    """Every cell of one state, row by row; narrow types, since there are rows x labels of them."""
    row, column = np.nonzero(pool)
    label = column.astype(np.int32)
    verdict = np.full(len(row), int(code == "TN202"), np.int8)
    return Ranking(code, row.astype(np.int32), label, verdict, probability[pool], label)


def _directed(
    cells: ScoredCells, code: str, probability: np.ndarray, pool: np.ndarray, sure: bool, cost: Any
) -> tuple[Finding, np.ndarray]:
    """Make the finding of one direction; also the suspected cells as flat numbers, most probable first."""
    about, size = float(probability.sum(dtype=np.float64)), int(pool.sum())
    named = int((probability >= NAMED).sum())
    keep = min(size, max(100, 2 * named) if code == "TN201" else named)
    toward = cells.score if code == "TN201" else -cells.score
    cell = _top(toward, pool, keep)
    words = ("absent", "missing") if code == "TN201" else ("present", "wrong")
    details: dict[str, Any] = {
        "probability": "model-based: no reviewed cell stands behind it, so no interval is given",
        "expected number": round(about, 1),
        "cells judged": size,
        "model": cells.model,
        "neighbours used": cells.neighbors is not None,
        "weights": {n: round(float(w), 3) for n, w in zip(("odds", "neighbours", "size"), cells.weights, strict=True)},
        "reliable before a review": sure,
    }
    if (about < 1 and not named) or (code == "TN202" and not named):
        return Finding(code, TITLES[code], "passed", f"none of {size:,} labels stands out", details=details), cell[:0]
    row, column = np.divmod(cell, cells.codes.shape[1])
    details["first cells"] = [
        {"row": int(r), "label": cells.names[c], "probability": round(float(probability[r, c]), 4)}
        for r, c in zip(row[:20], column[:20], strict=True)
    ]
    amount = f"about {_round(about)}" if sure else "an unknown number (it cannot be told before a review)"
    severity = "high" if about > 0.01 * size else "medium"
    found = Finding(
        code,
        TITLES[code],
        "finding" if code == "TN201" else "advice",
        f"{amount} of {size:,} labels given as {words[0]} are probably {words[1]} (an order of magnitude, "
        f"model-based); {named:,} {'has' if named == 1 else 'have'} a probability of at least one half",
        severity=severity if code == "TN201" else "low",
        affected=max(named, round(about)),
        cost=None if cost is None else float(np.sum(cost * probability.sum(axis=1, dtype=np.float64))),
        remedy="look at the first cells of suspects.csv; treat those that stay in doubt as unjudged, not as absent",
        rows=row[np.sort(np.unique(row, return_index=True)[1])].tolist(),
        details=details,
        figures=[_falling(probability.ravel()[cell[: max(50, 3 * named)]], code)] if cell.size > 1 else [],
    )
    return found, cell


def _top(score: np.ndarray, pool: np.ndarray, keep: int) -> np.ndarray:
    """Flat numbers of the ``keep`` cells of the pool with the largest score; ties in the order of the table."""
    cell = np.flatnonzero(pool)
    values = score.ravel()[cell]
    if keep < cell.size:
        bar = np.partition(values, cell.size - keep)[cell.size - keep] if keep else np.inf
        cell, values = cell[values >= bar], values[values >= bar]
    return cell[np.argsort(-values, kind="stable")][:keep]


def _falling(probability: np.ndarray, code: str) -> dict[str, Any]:
    from trueneg.report.figures import line

    return line(
        list(range(1, len(probability) + 1)),
        probability.astype(float).tolist(),
        title=f"How fast the suspicion falls: {TITLES[code].lower()}",
        id=f"{code.lower()}-falling",
        caption="Model-based probability that the given state of the cell is wrong, most suspicious cell first.",
        x_label="rank of the cell",
        y_label="probability",
    )


def _worst_class(cells: ScoredCells, missing: np.ndarray) -> Finding:
    """TN204: missing labels as a share of all true ones of the class (given plus missing)."""
    counts = (cells.codes == 1).sum(axis=0)
    lost = missing.sum(axis=0, dtype=np.float64)
    share = np.where(counts >= TOO_FEW, lost / np.maximum(counts + lost, 1), 0.0)
    worst = int(np.argmax(share))
    if share[worst] < 0.005:
        return Finding("TN204", TITLES["TN204"], "passed", "no class misses more than 0.5 % of its labels")
    rows = np.flatnonzero((cells.codes[:, worst] == 0) & cells.usable[:, worst])
    rows = rows[np.argsort(-cells.score[rows, worst], kind="stable")]
    return Finding(
        "TN204",
        TITLES["TN204"],
        "advice",
        f"class {cells.names[worst]!r}: about {100 * share[worst]:.0f} % of its labels are probably missing "
        "(model-based)",
        severity="low",
        affected=round(float(lost[worst])),
        remedy="review this class first",
        rows=rows[:1000].tolist(),
        details={"share": {cells.names[c]: round(float(share[c]), 4) for c in np.argsort(-share)[:20]}},
    )


def _round(value: float) -> str:
    """Two significant digits: more would promise what is not known."""
    if value < 10:
        return f"{value:.0f}"
    digits = len(str(int(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,.0f}"
