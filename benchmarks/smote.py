"""Time and memory of SMOTE and SMOTE-NC against imbalanced-learn.

1,000,000 x 30 rows of which 50,000 are the minority, k = 5; and SMOTE-NC on 20,000 rows with two numeric and ten
nominal columns of 100 levels. Each figure is one call in a fresh process after a small warm-up (imports and
compiled code), one thread unless the name says two. Memory is the peak above the input *and* the output, which both
sides must hold; for SMOTE-NC that above the input. Before anything is timed, our neighbours of all 50,000 rows are held
to those of scikit-learn's exact search in float64.

Run: ``python benchmarks/smote.py``.
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
import confident_learning as common

N, D, MINORITY, K = 1_000_000, 30, 50_000, 5
NOMINAL = (20_000, 2, 10, 100, 4_000)  # rows, numeric columns, nominal columns, levels, minority
BAR = "CPU >= 2.5x less, at most 64 MiB above the output"
PEER = "imbalanced-learn"


def draw(n, d, minority, dtype):
    """Draw two overlapping Gaussians."""
    rng = np.random.default_rng(0)
    y = np.zeros(n, dtype=np.int64)
    y[rng.choice(n, minority, replace=False)] = 1
    X = rng.standard_normal(size=(n, d), dtype=np.float32).astype(dtype, copy=False)
    X += y[:, None]
    return X, y


def draw_nominal(n, numeric, nominal, levels, minority):
    """Draw numbers and nominal codes side by side."""
    X, y = draw(n, numeric, minority, np.float64)
    return np.c_[X, np.random.default_rng(1).integers(0, levels, size=(n, nominal))], y


def sampler(side, nominal=None):
    """Return one side's SMOTE, or its SMOTE-NC with these columns nominal."""
    if side == "ours":
        from trueneg.sample import SMOTE, SMOTENC

        return SMOTE(random_state=0) if nominal is None else SMOTENC(categorical_features=nominal, random_state=0)
    from imblearn.over_sampling import SMOTE, SMOTENC

    return SMOTE(random_state=0) if nominal is None else SMOTENC(nominal, random_state=0)


def measure(side, case):
    """Return CPU and wall seconds and MiB of one call."""
    if case == "nominal":
        columns = list(range(NOMINAL[1], NOMINAL[1] + NOMINAL[2]))
        model = sampler(side, columns)
        model.fit_resample(*draw_nominal(600, 2, 10, 5, 200))
        X, y = draw_nominal(*NOMINAL)
    else:
        model = sampler(side)
        # As many minority rows as make our search take its compiled path.
        model.fit_resample(*draw(6000, D, 2500, np.dtype(case)))
        X, y = draw(N, D, MINORITY, np.dtype(case))
    before = common.peak(reset=True)
    cpu, wall = time.process_time(), time.perf_counter()
    out = model.fit_resample(X, y)
    row = {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}
    size = 0 if case == "nominal" else sum(o.nbytes for o in out)
    return {**row, "mib": round(common.peak() - before - size / 2**20, 1)}


def neighbours_that_differ():
    """Count rows whose neighbour set is not that of scikit-learn in float64."""
    from sklearn.neighbors import NearestNeighbors

    from trueneg.sample._smote.nearest import EuclideanSpace, nearest_partners

    X, y = draw(N, D, MINORITY, np.float32)
    rows = np.flatnonzero(y)
    ours = np.sort(nearest_partners(EuclideanSpace(X), rows, K), axis=1)
    exact = X[rows].astype(np.float64)
    theirs = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(exact).kneighbors(return_distance=False)
    return int((ours != np.sort(rows[theirs], axis=1)).any(axis=1).sum())


def fresh(side, case, threads="1"):
    """Measure in a new process with this many BLAS threads."""
    env = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    done = subprocess.run([sys.executable, __file__, side, case], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a case."""
    differ = fresh("ours", "neighbours")
    if differ:
        msg = f"{differ} of {MINORITY} rows have other neighbours than scikit-learn finds"
        raise RuntimeError(msg)
    rows = []
    for dtype in ("float32", "float64"):
        ours, theirs = (fresh(side, dtype) for side in ("ours", "theirs"))
        name = f"SMOTE 1M x 30, 50k minority, {dtype}"
        rows.append({**common.row(name, PEER, ours, theirs, BAR), "ours_wall_s": ours["wall_s"]})
        if dtype == "float32":
            two, their_two = (fresh(side, dtype, threads="2") for side in ("ours", "theirs"))
            wall = common.row(f"{name}, wall time on two cores", PEER, two, their_two, "none")
            ratio = round(their_two["wall_s"] / two["wall_s"], 1)
            rows.append({**wall, "ratio": ratio, "ours_wall_s": two["wall_s"], "theirs_wall_s": their_two["wall_s"]})
    ours, theirs = (fresh(side, "nominal") for side in ("ours", "theirs"))
    row = common.row("SMOTENC 20k x 2 + 10 x 100 levels, 4k minority, memory", PEER, ours, theirs, "memory >= 10x less")
    rows.append({**row, "ratio": round(theirs["mib"] / max(ours["mib"], 1), 1), "ours_wall_s": ours["wall_s"]})
    row = common.row("SMOTENC 20k x 2 + 10 x 100 levels, 4k minority, CPU", PEER, ours, theirs, "none")
    return [*rows, row]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(neighbours_that_differ() if sys.argv[2] == "neighbours" else measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
