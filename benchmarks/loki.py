"""Time and memory of Frechet-mean prediction over trees, against the dense product, one thread.

Run: ``python benchmarks/loki.py``. No package predicts so (none was found); the peer is the formula as it stands in the
reference code, a product of probabilities and a matrix of squared distances in NumPy, its matrix given beforehand.
Probabilities are float32. Each figure is one call in a fresh process after a warm-up; memory is the peak above the
inputs. Where both ran, expected squared distances of the two answers must be equal to rounding, or the run ends.
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

ROWS = 1000
CASES = {"10k": 10_000, "300k": 300_000}
PICKS = 300_000


def draw(n_vertices, rows):
    """Return a random tree's space, its leaves and probabilities of them, peaked as a softmax is."""
    from trueneg.heads.loki import MetricLabelSpace, locus_cover, random_tree

    space = MetricLabelSpace.from_tree(random_tree(n_vertices, random_state=0))
    leaves = locus_cover(space)
    rng = np.random.default_rng(1)
    proba = rng.standard_normal((rows, len(leaves)), np.float32)
    proba *= 5
    np.exp(proba, out=proba)
    proba /= proba.sum(axis=1, keepdims=True)
    return space, leaves, proba


def measure(case, side):
    """Return seconds and MiB above the inputs of one call."""
    from trueneg.heads.loki import frechet_predict, next_class

    small = draw(100, 20)
    frechet_predict(small[2], small[0], observed=small[1])
    next_class(small[0], [], n=10)
    space, leaves, proba = draw(CASES[case], 8 if side == "picks" else ROWS)
    squares = space.squared_distances(leaves).T.astype(np.float32) if side == "theirs" else None
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    if side == "picks":
        found = next_class(space, [], n=PICKS)
    elif side == "ours":
        found = frechet_predict(proba, space, observed=leaves)
    else:
        found = space.labels[(proba @ squares).argmin(axis=1)]
    row = {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}
    row["mib"] = round(peak() - before, 1)
    if side == "theirs":
        ours = frechet_predict(proba, space, observed=leaves)
        at = [np.searchsorted(space.labels, labels) for labels in (found, ours)]
        exact = [np.einsum("ij,ij->i", proba.astype(np.float64), squares[:, a].T.astype(np.float64)) for a in at]
        if (exact[1] > exact[0] * (1 + 1e-6)).any():
            raise RuntimeError("an answer lies farther than that of the dense product")
    return row


def fresh(case, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, case, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a case."""
    rows = []
    for case, side, name in (
        ("10k", "ours", "Loki, tree of 10,000 labels x 1,000 samples"),
        ("300k", "ours", "Loki, tree of 300,000 labels x 1,000 samples"),
        ("300k", "picks", "Loki, all picks of a tree of 300,000 labels"),
    ):
        ours = fresh(case, side)
        row = {"name": name, "peer": "none", "ours_cpu_s": ours["cpu_s"], "ours_mib": ours["mib"]}
        row["ours_wall_s"] = ours["wall_s"]
        if case == "10k":
            theirs = fresh(case, "theirs")
            row |= {"peer": "dense product (NumPy)", "theirs_cpu_s": theirs["cpu_s"], "theirs_mib": theirs["mib"]}
            row["ratio"] = round(theirs["cpu_s"] / ours["cpu_s"], 2)
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
