"""The demo: the main job on real data whose planted errors are known, scored against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.jobs.audit.outcome import Audit
from trueneg.jobs.audit.run import audit

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN_SHARE = 0.25


def run_demo(out: Path, *, seed: int = 0) -> tuple[Audit, Path, str]:
    """Write the table, audit it, and say how many of the planted false negatives stand at the top.

    Returns
    -------
    tuple
        The audit, its folder, and one line with the score.
    """
    import pyarrow as pa
    from sklearn.datasets import load_digits

    from trueneg.data.writers import write_table

    digits = load_digits()
    truth = digits.target == 9
    hidden = np.random.default_rng(seed).choice(np.flatnonzero(truth), round(HIDDEN_SHARE * truth.sum()), replace=False)
    given = truth.copy()
    given[hidden] = False
    columns = {f"pixel_{j // 8}_{j % 8}": digits.data[:, j] for j in range(64)}
    table = pa.table({**columns, "label": np.where(given, "nine", "other")})
    out.mkdir(parents=True, exist_ok=True)
    path = out / "digits.csv"
    write_table(table, path)
    result = audit(path, label="label", positive="nine", seed=seed)
    folder = result.save(out / "digits.trueneg")
    found = next(f for f in result.findings if f.code == "TN201")
    top = np.asarray(found.rows[: len(hidden)])
    right = int(np.isin(top, hidden).sum())
    score = (
        f"Planted: {len(hidden)} of {int(truth.sum())} nines were labelled 'other'. "
        f"Of the first {len(top)} suspects {right} are planted ones ({wilson(right, len(top))}); "
        f"the audit said about {found.details['expected number']:.0f}."
    )
    return result, folder, score
