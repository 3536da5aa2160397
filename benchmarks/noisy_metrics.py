"""Time and memory of corrected metrics with intervals: 100 models x 10,000 draws x 11 metrics, one thread.

Run: ``python benchmarks/noisy_metrics.py``. No peer corrects a metric for label errors, so there is a bar in seconds
and no ratio. Each figure is the median of five rounds in a fresh process, after a warm-up call; memory is the peak
above what was loaded (Linux), and does not grow with the number of models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

CASES = {"known rates": (0.2, 0.001), "uncertain rates": (0.2, 0.001, (0.03, 0.0003))}
NAME = "noisy metrics: 100 models x 10,000 draws x 11 metrics"
BAR = "CPU <= 0.5 s"


def models(n=100):
    """Return the counts of n models on 10,000 rows, one in a hundred positive."""
    return [np.array([60 + i % 30, 40, 30, 9870], dtype=float) for i in range(n)]


def measure(case, rounds=5):
    """Correct all models, and return CPU and wall seconds of a round and the extra memory."""
    from trueneg.judge.noisy_metrics import METRICS, NoiseRates, corrected_metrics

    rates, tables = NoiseRates(*CASES[case]), models()
    got = corrected_metrics(tables[0], None, rates, n_draws=10_000, random_state=0)
    assert len(got) == len(METRICS) == 11
    before, cpu, wall = peak(reset=True), [], []
    for _ in range(rounds):
        spent, clock = time.process_time(), time.perf_counter()
        for seed, table in enumerate(tables):
            corrected_metrics(table, None, rates, n_draws=10_000, random_state=seed)
        cpu.append(time.process_time() - spent)
        wall.append(time.perf_counter() - clock)
    return {"cpu_s": round(median(cpu), 3), "wall_s": round(median(wall), 3), "mib": round(peak() - before, 1)}


def fresh(case):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, case], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a case."""
    rows = []
    for case in CASES:
        ours = fresh(case)
        row = {"name": f"{NAME}, {case}", "peer": "none", "ours_cpu_s": ours["cpu_s"], "ours_wall_s": ours["wall_s"]}
        rows.append({**row, "ours_mib": ours["mib"], "bar": BAR})
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure(sys.argv[1])))
    else:
        print(json.dumps(run(), indent=1))
