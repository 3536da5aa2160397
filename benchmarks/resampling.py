"""Exact curves of 164 tasks x 100 attempts against 10,000 shuffles a task, the way of the published notebook.

Run: ``python benchmarks/resampling.py``. The shuffles are vectorised over rows and read the same counts; both give the
utility at K = 1 .. 100. ``z`` is the largest distance of the two in standard errors of the shuffles, which must stay
within 3. One process, one thread; ours is the median of 21 rounds, imports not counted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

NAME = "resampling: exact curves of 164 tasks x 100 attempts"


def run():
    """Return the one row."""
    from trueneg.claims.resampling import _table, shuffled
    from trueneg.judge.resampling import AttemptTable

    counts = _table(None)
    peak(reset=True)
    before, times = peak(), []
    for _ in range(21):
        table = AttemptTable(counts.n, counts.accepted, counts.true_accepted)
        clock = time.perf_counter()
        got, right, _ = table._parts()
        utility = (right - 4.0 * (got - right)).mean(axis=0)
        times.append(time.perf_counter() - clock)
    mib = peak() - before
    clock = time.perf_counter()
    mean, error = shuffled(counts, 4.0, 10_000, 0)
    theirs = time.perf_counter() - clock
    z = float((np.abs(utility[1:] - mean) / error).max())
    if z > 3:
        msg = f"the exact curve lies {z:.1f} standard errors from the shuffles"
        raise RuntimeError(msg)
    ours = median(times)
    row = {"name": NAME, "peer": "10,000 shuffles", "ours_wall_s": round(ours, 6), "peer_wall_s": round(theirs, 3)}
    return [{**row, "ratio": round(theirs / ours, 1), "ours_mib": round(mib, 1), "z": round(z, 2)}]


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
