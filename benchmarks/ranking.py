"""Time and memory of the suspect ranking against cleanlab's ensemble score, one thread, 1M x 10.

Run: ``python benchmarks/ranking.py``. The peer gets the same probabilities and the vote shares of the
same ten neighbours as a second model: the only one of its scores that uses that evidence. The bar is
against its weights fitted to the labels (``log_loss_search``, as ours are fitted); the cheap weights of
its default (``accuracy``) are shown beside it, without a bar: it is faster there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import confident_learning as common

BAR = "CPU >= 8x less, extra memory < 100 MiB"


def draw_near(n, n_classes):
    """Add ten neighbours, seven of ten of the row's own given class, as int32 ids."""
    y, proba = common.draw(n, n_classes, dtype=np.float64)
    rng = np.random.default_rng(1)
    order = np.argsort(y, kind="stable").astype(np.int32)
    starts = np.searchsorted(y[order], np.arange(n_classes + 1))
    near = rng.integers(0, n, (n, 10), dtype=np.int32)
    for column in range(7):
        low, high = starts[y], starts[y + 1]
        near[:, column] = order[(low + rng.random(n) * (high - low)).astype(np.int64)]
    shares = np.zeros((n, n_classes))
    for column in range(10):
        shares[np.arange(n), y[near[:, column]]] += 0.1
    return y, proba, near, shares


def call(side, y, proba, near, shares):
    """Run one side once."""
    if side == "ours":
        from trueneg.clean.ranking import SuspectRanker

        return SuspectRanker().fit(None, y, pred_proba=proba, neighbors=near).probability_
    from cleanlab.rank import get_label_quality_ensemble_scores

    weights = "log_loss_search" if side == "theirs" else "accuracy"
    return get_label_quality_ensemble_scores(y, [proba, shares], weight_ensemble_members_by=weights, verbose=False)


def run():
    """Return one dict a case."""
    ours, theirs, cheap = (common.fresh(__file__, side, "1M x 10") for side in ("ours", "theirs", "cheap"))
    name = "SuspectRanker 1M x 10, k = 10"
    return [
        common.row(f"{name}, against log_loss_search", "cleanlab", ours, theirs, BAR),
        common.row(f"{name}, against accuracy (default)", "cleanlab", ours, cheap, "none"),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(common.measure(*sys.argv[1:], call=call, draw=draw_near)))
    else:
        print(json.dumps(run(), indent=1))
