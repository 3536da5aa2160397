"""Time and memory of prototypes against scikit-learn's NearestCentroid, one thread, 20k x 512, 1,000 classes.

Run: ``python benchmarks/teen.py``. NearestCentroid has no cosine and takes no new classes: it gets rows of length 1
made beforehand, and is fitted anew where ours adds ten classes of five shots. Each figure is one call in a fresh
process after a warm-up; memory is the peak above the inputs.
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

SHAPE = (20_000, 512, 1_000)


def draw(n, d, n_classes):
    """Draw float32 rows of length 1 around a centre a class, each class present."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % n_classes
    X = (rng.normal(size=(n_classes, d))[y] + 2 * rng.normal(size=(n, d))).astype(np.float32)
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def measure(step, side):
    """Return seconds and MiB above the inputs of one call."""
    from sklearn.neighbors import NearestCentroid

    from trueneg.heads import PrototypeClassifier

    def head():
        return PrototypeClassifier() if side == "ours" else NearestCentroid()

    small = draw(200, 8, 10)
    head().fit(*small).predict(small[0])
    X, y = draw(*SHAPE)
    base = y < SHAPE[2] - 10
    rows = np.flatnonzero(~base)[:50]
    seen = np.concatenate([np.flatnonzero(base), rows])
    model = head().fit(X[base], y[base]) if side == "ours" else head().fit(X[seen], y[seen])
    if step == "predict" and side == "ours":
        model.partial_fit(X[rows], y[rows])
    X_seen, y_seen = X[seen], y[seen]
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    if step == "predict":
        model.predict(X)
    elif side == "ours":
        model.partial_fit(X[rows], y[rows])
    else:
        head().fit(X_seen, y_seen)
    row = {"cpu_s": round(time.process_time() - cpu, 4), "wall_s": round(time.perf_counter() - wall, 4)}
    return {**row, "mib": round(peak() - before, 1)}


def fresh(step, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, step, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a step."""
    import sklearn

    rows = []
    for step, name in (("predict", "predict"), ("grow", "ten new classes of five shots")):
        ours, theirs = fresh(step, "ours"), fresh(step, "theirs")
        row = {"name": f"PrototypeClassifier, {name}, 20k x 512, K = 1,000", "peer": "scikit-learn"}
        row |= {"peer_version": sklearn.__version__, "ratio": round(theirs["cpu_s"] / ours["cpu_s"], 2)}
        row |= {f"{who}_{k}": v for who, found in (("ours", ours), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
