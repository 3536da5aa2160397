"""Time and memory of auditing 1,000,000 verdicts: the corrected share by three methods, closed and by bootstrap.

Run: ``python benchmarks/verdicts.py``. 1M verdicts on 100,000 problems, gold for 2,000 of them on 200 problems; each of
the six intervals is asked for, with items. One fresh process, one thread; memory is the peak above what was loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

NAME = "verdicts: audit of 1M, six intervals by item"


def data(n=1_000_000, per=10, seed=0):
    """Return gold (known on 200 problems), verdicts and problems."""
    rng = np.random.default_rng(seed)
    item = np.arange(n) // per
    truth = rng.random(n) < rng.beta(2, 2, n // per)[item]
    verdict = (rng.random(n) < np.where(truth, 0.9, 0.2)).astype(np.int8)
    verdict[rng.random(n) < 0.02] = -1
    return np.where(item < 200, truth, -1).astype(np.int8), verdict, item


def measure():
    """Audit once, imports not counted."""
    from trueneg.core.verdicts import METHODS, Calibration, corrected_rate

    gold, verdict, item = data()
    corrected_rate(verdict[:2000], Calibration.of(gold[:2000], verdict[:2000]))
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    calibration = Calibration.of(gold, verdict, item=item)
    for method in METHODS:
        for interval in ("closed", "bootstrap"):
            corrected_rate(verdict, calibration, method=method, interval=interval, item=item)
    return {
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "mib": round(peak() - before, 1),
    }


def run():
    """Return the one row."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, "-"], env=env, check=True, capture_output=True, text=True)
    got = json.loads(done.stdout.splitlines()[-1])
    return [
        {
            "name": NAME,
            "peer": "none",
            "ours_cpu_s": got["cpu_s"],
            "ours_wall_s": got["wall_s"],
            "ours_mib": got["mib"],
        }
    ]


if __name__ == "__main__":
    print(json.dumps(measure() if sys.argv[1:] else run()))
