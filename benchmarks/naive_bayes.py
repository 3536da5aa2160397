"""Time and memory of Gaussian naive Bayes against scikit-learn's GaussianNB, one thread, 20k x 768, 100 classes.

Run: ``python benchmarks/naive_bayes.py``. ``"diag"`` is GaussianNB's own model, ``"tied"`` the paper's. Both sides get
the same float32 features and are fitted beforehand where predict is measured. Each figure is the CPU time of one call
in a fresh process after a small warm-up; a decision that differs from GaussianNB's on float64 features is counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import confident_learning as common

SHAPE = (20_000, 768, 100)
BAR = "CPU >= 30x less to predict, equal decisions"


def draw(n, d, n_classes, seed=0):
    """Draw float32 features with class means and variances that overlap, far from zero."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    means = 5.0 + 0.15 * rng.normal(size=(n_classes, d))
    scale = rng.uniform(0.8, 1.2, (n_classes, d))
    return (means[y] + scale[y] * rng.normal(size=(n, d))).astype(np.float32), y


def head(side):
    if side == "theirs":
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()
    from trueneg.heads import GaussianNaiveBayes

    return GaussianNaiveBayes(covariance_type=side)


def measure(side, step):
    """Return CPU seconds and MiB above the input of one call, and how many decisions differ from the peer's."""
    small = draw(500, 20, 5)
    head(side).fit(*small).predict(small[0])
    X, y = draw(*SHAPE)
    model = head(side)
    if step == "predict":
        model.fit(X, y)
    before = common.peak(reset=True)
    start = time.process_time()
    found = model.fit(X, y) if step == "fit" else model.predict(X)
    row = {"cpu_s": round(time.process_time() - start, 3), "mib": round(common.peak() - before, 1)}
    if step == "predict" and side == "diag":
        exact = X.astype(np.float64)
        row["differ"] = int((found != head("theirs").fit(exact, y).predict(exact)).sum())
    return row


def run():
    """Return one dict a case."""
    rows = []
    for step in ("predict", "fit"):
        theirs = common.fresh(__file__, "theirs", step)
        for side in ("diag", "tied"):
            ours = common.fresh(__file__, side, step)
            name = f"GaussianNaiveBayes {side}, {step}, 20k x 768, K = 100"
            bar = BAR if step == "predict" else "none"
            rows.append(common.row(name, "scikit-learn", ours, theirs, bar))
            if "differ" in ours:
                rows[-1]["decisions_that_differ"] = ours["differ"]
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
