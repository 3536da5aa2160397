"""Rows that are almost equal and carry different labels.

A text with one word changed, a picture saved again, a measurement with its last digit rounded: two annotators
saw nearly the same thing and judged it differently. Unlike equal rows (TN103) such a pair may be right on both
sides, when the small difference is what decides, so every pair is listed with its evidence and none is called wrong.

Text is compared by its words and pairs of neighbouring words (Jaccard similarity of at least 0.8; Broder, 1997,
"On the resemblance and containment of documents"), found through MinHash signatures. Everything else is compared
by distance: a pair counts where it is so much closer than the ten nearest rows around it that, among this many
rows of this dimension, fewer than one such pair in a hundred data sets would arise by chance.

Remedy: decide each pair once, together; keep near duplicates on one side of a split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.checks._near import near_rows, near_texts
from trueneg.jobs.audit.findings import SHOWN_ROWS, Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN106", "Near duplicates, different labels"


def run(context: Context) -> Finding:
    """Find pairs of nearly equal, judged rows whose labels clash; equal rows are TN103's."""
    if context.data is None:
        return Finding(CODE, TITLE, "not applicable", "no features, text or embedding to compare rows by")
    if context.quick:
        return Finding(CODE, TITLE, "skipped", "--quick compares no rows; leave it out")
    context.progress("near duplicates")
    # Two images that cannot be read are described alike and have nothing in common.
    unread = context.data.unread
    judged = np.flatnonzero((context.codes >= 0) if unread is None else (context.codes >= 0) & ~unread)
    content, labels = context.data.duplicate_of[judged], context.codes[judged]
    if context.roles.text:
        found = near_texts(_texts(context, judged), content, labels, seed=context.seed)
    else:
        found = near_rows(context.data.embedding[judged], content, labels, seed=context.seed)
    looked = f"looked at {found.words}"
    if not len(found.pairs):
        return Finding(CODE, TITLE, "passed", f"no two nearly equal rows carry different labels; {looked}")
    pairs = judged[found.pairs]
    rows = list(dict.fromkeys(pairs.ravel().tolist()))
    share = len(rows) / len(judged)
    return Finding(
        CODE,
        TITLE,
        "finding",
        f"{len(rows):,} rows stand in {len(pairs):,} pairs that are nearly equal and carry different labels; {looked}",
        severity="medium" if share > 0.01 else "low",
        estimate=wilson(len(rows), len(judged)) if found.complete else None,
        unit="share of labelled rows" if found.complete else "",
        affected=len(rows),
        remedy="read each pair and decide it once; where both labels are right, the small difference decides",
        rows=rows,
        details={"pairs": _evidence(context, pairs, found.closeness), "measure": found.measure},
    )


def _texts(context: Context, rows: np.ndarray) -> Any:
    """Return the text columns of these rows joined by blanks, as one Arrow array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.fill_null(context.arrow[name].combine_chunks().take(pa.array(rows)).cast(pa.large_string()), "")
        for name in context.roles.text
    ]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, " ")


def _evidence(context: Context, pairs: np.ndarray, closeness: np.ndarray) -> list[str]:
    """Say for the first pairs which rows, which labels and how close."""
    names = context.names
    return [
        f"rows {a} ({names[context.codes[a]]}) and {b} ({names[context.codes[b]]}): {value:.3g}"
        for (a, b), value in zip(pairs[: SHOWN_ROWS // 2].tolist(), closeness[: SHOWN_ROWS // 2], strict=False)
    ]
