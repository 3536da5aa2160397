"""Time and memory of the TACRED neighbour cleaner against the same two strategies over scikit-learn's neighbours.

Run: ``python benchmarks/cleaner.py``. 100,000 x 128 float32 embeddings in 40 classes, 80 % of the rows negative and
a tenth of these truly positive, one thread, both strategies from given probabilities and trusted rows. The reference
takes ``NearestNeighbors(algorithm="brute", metric="cosine")`` on the same rows and counts votes with NumPy: it names
suspects and nothing else (no proposed label, evidence, ranking or guard). Both must name the same rows.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import confident_learning as common

ROWS, WIDTH, CLASSES, K, VOTES = 100_000, 128, 40, 5, 3
CASES = ("extrinsic", "intrinsic")


def draw(n, seed=0):
    """Draw embeddings around a centre a class, labels with hidden positives, probabilities, and trusted rows."""
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < 0.72, 0, rng.integers(1, CLASSES, n))
    centres = rng.normal(size=(CLASSES, WIDTH)).astype(np.float32) * 0.35
    points = centres[truth] + rng.standard_normal((n, WIDTH), dtype=np.float32)
    trusted = rng.random(n) < 0.05
    y = np.where((truth > 0) & (rng.random(n) < 0.3) & ~trusted, 0, truth)
    proba = np.full((n, CLASSES), 0.5 / (CLASSES - 1), dtype=np.float32)
    called = np.where((y > 0) & (rng.random(n) < 0.15), 0, y)  # positives that the model calls negative
    proba[np.arange(n), called] = 0.5
    return points, y, proba, trusted


def ours(case, points, y, proba, trusted):
    """Return the suspects of the cleaner, its guard opened."""
    from trueneg.clean.neighbors import NeighborNegativeCleaner

    cleaner = NeighborNegativeCleaner(
        strategy=case, n_neighbors=K, min_votes=VOTES, negative_label=0, max_removed_fraction=1.0, action="flag"
    )
    return np.sort(cleaner.fit(None, y, embeddings=points, pred_proba=proba, trusted=trusted).suspects_)


def theirs(case, points, y, proba, trusted):
    """Return the rows that the two strategies name, over scikit-learn's neighbours."""
    from sklearn.neighbors import NearestNeighbors

    negative = np.flatnonzero((y == 0) & ~trusted)
    search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine")
    if case == "extrinsic":
        pool = np.flatnonzero(trusted)
        near = search.fit(points[pool]).kneighbors(points[negative], return_distance=False)
        return negative[(y[pool][near] != 0).sum(axis=1) >= VOTES]
    asked = np.flatnonzero((y > 0) & (proba.argmax(axis=1) == 0))
    near = search.fit(points[negative]).kneighbors(points[asked], return_distance=False)
    return np.unique(negative[near])


def measure(side, case):
    """Warm up, load, and return CPU seconds, MiB above the input, and the rows named."""
    work = ours if side == "ours" else theirs
    work(case, *draw(20_000))
    data = draw(ROWS)
    before = common.peak(reset=True)
    start = time.process_time()
    rows = work(case, *data)
    spent = time.process_time() - start
    mib = common.peak() - before
    return {"cpu_s": round(spent, 3), "mib": round(mib, 1), "found": len(rows), "sum": int(rows.sum())}


def run():
    """Return one dict a strategy."""
    rows = []
    for case in CASES:
        one, two = (common.fresh(__file__, side, case) for side in ("ours", "theirs"))
        # Scikit-learn scores in float32: a few rows at the edge of k may differ.
        if abs(one["found"] - two["found"]) > 1e-3 * two["found"]:
            msg = f"{case}: {one['found']} suspects, the reference has {two['found']}"
            raise RuntimeError(msg)
        name = f"NeighborNegativeCleaner {ROWS:,} x {WIDTH}, {case}"
        rows.append(common.row(name, "scikit-learn", one, two, "none"))
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
