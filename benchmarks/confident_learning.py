"""Time and memory of confident learning against cleanlab's find_label_issues, float32 probabilities, one thread.

Its batched form stands beside it without a bar: it keeps less in memory and names other rows (those of the lowest
scores, as many as it estimates errors). Run: ``python benchmarks/confident_learning.py``. Each figure is one call in
a fresh process, after a small warm-up call (imports and compiled code); memory is the peak above the loaded input
(Linux).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

CASES = {"1M x 10": (1_000_000, 10), "50k x 1000": (50_000, 1000)}
BAR = "CPU >= 5x less, extra memory < 64 MiB"


def draw(n, n_classes, seed=0, dtype=np.float32):
    """Draw labels with 10 % errors and the probabilities of a fair model, in small pieces."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, n_classes, n)
    y = np.where(rng.random(n) < 0.1, rng.integers(0, n_classes, n), true)
    proba = np.empty((n, n_classes), dtype=dtype)
    step = max(1, 200_000 // n_classes)
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        z = 1.5 * rng.normal(size=proba[part].shape)
        z[np.arange(len(z)), true[part]] += 3.0 + np.log(n_classes / 10)
        z = np.exp(z)
        proba[part] = z / z.sum(axis=1, keepdims=True)
    return y, proba


def peak(reset=False):
    """Return the peak resident memory in MiB since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def call(side, y, proba):
    """Run one side once."""
    if side == "ours":
        from trueneg.clean.confident_learning import ConfidentLearning

        return ConfidentLearning().fit(None, y, pred_proba=proba).suspect_mask_
    if side == "batched":
        from cleanlab.experimental.label_issues_batched import find_label_issues_batched

        found = np.zeros(len(y), dtype=bool)
        found[find_label_issues_batched(labels=y, pred_probs=proba, n_jobs=1, verbose=False)] = True
        return found
    from cleanlab.filter import find_label_issues

    return find_label_issues(y, proba, n_jobs=1)


def measure(side, case, call=call, draw=draw):
    """Warm up, load, and return CPU seconds, MiB above the input, and the rows named."""
    call(side, *draw(2000, 10))
    data = draw(*CASES[case])
    before = peak(reset=True)
    start = time.process_time()
    found = call(side, *data)
    spent = time.process_time() - start
    return {"cpu_s": round(spent, 3), "mib": round(peak() - before, 1), "found": int(np.asarray(found).sum())}


def fresh(script, side, case):
    """Measure in a new process, so that neither side inherits the other's memory."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, script, side, case], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(name, peer, ours, theirs, bar):
    """Put both sides into one result row."""
    return {
        "name": name,
        "peer": peer,
        "peer_version": version(peer),
        "ours_cpu_s": ours["cpu_s"],
        "theirs_cpu_s": theirs["cpu_s"],
        "ratio": round(theirs["cpu_s"] / ours["cpu_s"], 1),
        "ours_mib": ours["mib"],
        "theirs_mib": theirs["mib"],
        "bar": bar,
    }


def run():
    """Return two dicts a case: against the filter, and against its batched form."""
    rows = []
    for case in CASES:
        ours, theirs, batched = (fresh(__file__, side, case) for side in ("ours", "theirs", "batched"))
        rows.append(row(f"ConfidentLearning {case}", "cleanlab", ours, theirs, BAR))
        rows.append(row(f"ConfidentLearning {case}, against the batched form", "cleanlab", ours, batched, "none"))
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
