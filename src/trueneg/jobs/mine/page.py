"""The page of a mined list: what was found, the rules side by side, and examples to look at."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.data.retrieval import Collection
from trueneg.jobs.mine.rules import Rule
from trueneg.mine import Positives
from trueneg.report.mined import render_mined

_EXAMPLES = 12


def page(lines: list[str], rules: list[Rule], chosen: Rule, data: Collection, positives: Positives) -> str:
    """Draw the page."""
    mined = chosen.mined
    counts = [{"filter": name, "removed": f"{n:,}"} for name, n in mined.removed.items()]
    counts.insert(0, {"filter": "known positives", "removed": f"{mined.known:,}"})
    return render_mined(
        {
            "title": f"Hard negatives of {_named(data)}",
            "lines": [line.removeprefix("- ") for line in lines],
            "rules": [rule.row() for rule in rules],
            "chosen": chosen.name,
            "counts": counts,
            "examples": _examples(chosen, data, positives),
        }
    )


def _named(data: Collection) -> str:
    """Return the name of the folder that the user gave: judgments may lie in a folder of their own within it."""
    where = data.where.absolute()
    return (where.parent.parent if where.parent.name == "qrels" else where.parent).name or where.name


def _examples(chosen: Rule, data: Collection, positives: Positives) -> list[dict[str, Any]]:
    """Pick the hardest pair of some queries, spread over the list: those most worth a look."""
    mined = chosen.mined
    first = np.flatnonzero(np.diff(mined.query, prepend=-1) != 0)
    picked = first[np.argsort(-mined.score[first], kind="stable")]
    picked = picked[np.linspace(0, len(picked) - 1, min(_EXAMPLES, len(picked))).astype(int)] if len(picked) else picked
    out = []
    for i in picked.tolist():
        q, d = int(mined.query[i]), int(mined.document[i])
        out.append(
            {
                "query": _short(data.queries[q]),
                "positive": _short(data.documents[int(positives.document[positives.start[q]])]),
                "negative": _short(data.documents[d]),
                "about": f"score {mined.score[i]:.3f}, rank {int(mined.rank[i])} of the list, {mined.reason[i]}",
                "ids": f"query {data.query_ids[q]}, document {data.document_ids[d]}",
            }
        )
    return out


def _short(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
