"""What the table itself says: the sizes of the classes, unjudged cells, equal rows that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit._multilabel.score import CHUNK_CELLS
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.represent import Representation


TITLES = {
    "TN101": "Labels per class and per row",
    "TN102": "Unjudged labels",
    "TN103": "Equal rows with different sets of labels",
    "TN201": "Missing labels",
    "TN202": "Labels that do not belong",
    "TN204": "The class with the largest share of missing labels",
}
TOO_FEW = 5


def classes_finding(codes: np.ndarray, names: list[str]) -> Finding:
    from trueneg.report.figures import bar

    counts, per_row = (codes == 1).sum(axis=0), (codes == 1).sum(axis=1)
    rows = np.flatnonzero((codes >= 0).any(axis=1))
    per_row = per_row[rows]
    mean = float(per_row.mean()) if rows.size else 0.0
    empty = int((per_row == 0).sum())
    smallest = int(np.argmin(counts))
    small = np.flatnonzero(counts < TOO_FEW)
    message = (
        f"{len(names)} classes, {mean:.2f} labels a row on average (most: {int(per_row.max(initial=0))}), "
        f"{empty:,} rows with none; the smallest class, {names[smallest]!r}, has {counts[smallest]:,}"
    )
    details = {
        "counts": {names[c]: int(counts[c]) for c in np.argsort(-counts, kind="stable")[:100]},
        "rows by number of labels": {str(i): int(v) for i, v in enumerate(np.bincount(per_row)) if v},
    }
    order = np.argsort(-counts, kind="stable")
    figure = bar(
        [names[c] for c in order],
        counts[order].tolist(),
        title="Labels of each class",
        id="classes",
        caption="As labelled; unjudged cells are not counted.",
        label="class",
        value="rows",
    )
    listed = ", ".join(names[c] for c in small[:10])
    return Finding(
        "TN101",
        TITLES["TN101"],
        "finding" if small.size else "passed",
        f"{message}; fewer than {TOO_FEW} rows: {listed}" if small.size else message,
        severity="medium" if small.size else "none",
        affected=int(counts[small].sum()),
        remedy="collect rows of these classes or merge them; nothing can be told about their labels"
        if small.size
        else "",
        rows=np.flatnonzero((codes[:, small] == 1).any(axis=1)).tolist(),
        details=details,
        figures=[figure],
    )


def unjudged_finding(codes: np.ndarray, names: list[str]) -> Finding:
    missing = codes < 0
    count = int(missing.sum())
    if not count:
        return Finding("TN102", TITLES["TN102"], "passed", f"all {codes.size:,} cells are judged")
    by_class = missing.sum(axis=0)
    worst = np.argsort(-by_class, kind="stable")[:20]
    return Finding(
        "TN102",
        TITLES["TN102"],
        "advice",
        f"{count:,} of {codes.size:,} cells are unjudged; they are never read as absent and never suspected",
        severity="low",
        estimate=wilson(count, codes.size),
        unit="share of cells",
        affected=count,
        remedy="train and score each class on its judged rows only",
        rows=np.flatnonzero(missing.any(axis=1)).tolist(),
        details={"by class": {names[c]: int(by_class[c]) for c in worst if by_class[c]}},
    )


def conflicts_finding(codes: np.ndarray, data: Representation | None) -> Finding:
    """Sets of equal rows of which one has a label that another is judged not to have."""
    title = TITLES["TN103"]
    if data is None:
        return Finding("TN103", title, "not applicable", "no features, text or embedding to compare rows by")
    size = np.bincount(data.duplicate_of)
    copied = np.flatnonzero(size[data.duplicate_of] > 1)
    copied = copied[np.argsort(data.duplicate_of[copied], kind="stable")]
    repeated = int(copied.size - (size > 1).sum())
    if not copied.size:
        return Finding("TN103", title, "passed", "no row repeats another one")
    content = data.duplicate_of[copied]
    start = np.flatnonzero(np.r_[True, content[1:] != content[:-1]])
    clash = np.zeros(len(start), bool)
    step = max(1, CHUNK_CELLS // copied.size)
    for low in range(0, codes.shape[1], step):
        part = codes[copied, low : low + step]
        present = np.logical_or.reduceat(part == 1, start)
        clash |= (present & np.logical_or.reduceat(part == 0, start)).any(axis=1)
    rows = copied[np.repeat(clash, np.diff(np.r_[start, copied.size]))]
    if not rows.size:
        return Finding(
            "TN103", title, "passed", f"{repeated:,} rows repeat another one, none contradicts it in a label"
        )
    return Finding(
        "TN103",
        title,
        "finding",
        f"{rows.size:,} rows stand in {int(clash.sum()):,} sets of equal content and different sets of labels",
        severity="high" if rows.size > 0.01 * len(codes) else "medium",
        estimate=wilson(int(rows.size), len(codes)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="decide every set once; a label that one copy has and another lacks is wrong on one of them",
        rows=rows.tolist(),
        details={"sets": int(clash.sum()), "repeated rows": repeated},
    )
