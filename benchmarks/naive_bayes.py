"""Time and memory of Gaussian naive Bayes against scikit-learn's GaussianNB, one thread, 20k x 768, 100 classes.

Run: ``python benchmarks/naive_bayes.py``. ``"diag"`` is GaussianNB's own model, ``"tied"`` the paper's. Both sides get
the same float32 features and are fitted beforehand where predict is measured. Each figure is the CPU time of one call
in a fresh process after a small warm-up. Every decision must be that of float64: of GaussianNB for its own model, of
the density written out, feature by feature, for the tied one. A single other decision ends the run.
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
BAR = "CPU >= 30x less to predict"


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
    if step == "predict" and side != "theirs":
        row["differ"] = int((found != exact(side, model, X.astype(np.float64), y)).sum())
    return row


def exact(side, model, X, y):
    """Return the decisions of float64."""
    if side == "diag":
        return head("theirs").fit(X, y).predict(X)
    best, score = np.zeros(len(X), int), np.full(len(X), -np.inf)
    for k in range(len(model.classes_)):
        log = np.log(model.class_prior_[k]) - 0.5 * (np.square(X - model.theta_[k]) / model.var_).sum(axis=1)
        best, score = np.where(log > score, k, best), np.maximum(log, score)
    return model.classes_[best]


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
            if ours.get("differ"):
                msg = f"{name}: {ours['differ']} decisions are not those of float64"
                raise RuntimeError(msg)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
