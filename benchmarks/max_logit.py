"""Open-set figures and scores, one thread: OSCR against a sum at every threshold, and scores of logits against scipy.

Run: ``python benchmarks/max_logit.py``. The quadratic form of OSCR is written here after the published code of the
field: one sum over what is left at every threshold, in NumPy, without merging ties. Each figure is one call in a fresh
process after a warm-up; memory is the peak above the inputs. Before anything is timed, figures and scores must equal
those of pytorch-ood on the same rows, ties among them; its trapezoid under precision and recall is no average
precision, and is not compared.
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

KNOWN, ROWS, CLASSES = 30_000, 500_000, 100


def quadratic(known, scores, correct):
    """Return OSCR with a sum at every threshold."""
    order = np.argsort(scores)
    right, odd = (known & correct)[order].astype(float), (~known)[order].astype(float)
    n = len(order)
    ccr, fpr = np.zeros(n + 1), np.zeros(n + 1)
    for i in range(n):
        ccr[i], fpr[i] = right[i:].sum() / known.sum(), odd[i:].sum() / (~known).sum()
    return float(-np.diff(fpr) @ (ccr[1:] + ccr[:-1]) / 2)


def oscr_case(n):
    """Draw scores without ties."""
    rng = np.random.default_rng(0)
    known = np.arange(2 * n) < n
    return known, rng.normal(size=2 * n) + known, rng.random(2 * n) < 0.9


def measure(what, side):
    """Return seconds, MiB above the inputs and the value."""
    from scipy.special import log_softmax

    from trueneg.core.detection import oscr_curve
    from trueneg.reject.max_logit import max_softmax

    if what == "oscr":
        call = (lambda *a: oscr_curve(*a).area) if side == "ours" else quadratic
        small, data = oscr_case(50), oscr_case(KNOWN)
    else:
        rng = np.random.default_rng(0)
        small, data = (rng.normal(size=(9, 3)),), (5 * rng.normal(size=(ROWS, CLASSES)),)
        call = max_softmax if side == "ours" else (lambda z: log_softmax(z, axis=1).max(axis=1))
    call(*small)
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    found = call(*data)
    row = {"cpu_s": round(time.process_time() - cpu, 4), "wall_s": round(time.perf_counter() - wall, 4)}
    return {**row, "mib": round(peak() - before, 1), "value": float(np.mean(found() if callable(found) else found))}


def equal_to_pytorch_ood():
    """Return how far our figures and scores are from those of pytorch-ood, the largest of all."""
    from mahalanobis import stub

    stub()
    import torch
    from pytorch_ood.detector import EnergyBased, MaxLogit, MaxSoftmax
    from pytorch_ood.metrics import functional as theirs

    from trueneg.core.detection import auroc_of, fpr_at_tpr, oscr_curve
    from trueneg.reject.max_logit import energy, max_logit, max_softmax

    rng = np.random.default_rng(0)
    gaps = []
    for decimals in (12, 1, 0):  # no ties, some, nearly all
        known = rng.random(3000) < 0.6
        scores = (rng.normal(size=3000) + known).round(decimals)
        labels, said = np.where(known, rng.integers(0, 5, 3000), -1), rng.integers(0, 5, 3000)
        outlier, truth, guess = (torch.from_numpy(a) for a in (-scores, labels, said))
        gaps += [
            auroc_of(known, scores) - float(theirs.auroc(outlier, truth)),
            fpr_at_tpr(~known, -scores, n_boot=2, random_state=0).value - float(theirs.fpr_at_tpr(outlier, truth)),
            oscr_curve(known, scores, said == labels).area - float(theirs.oscr_score(outlier, guess, truth)),
        ]
    logits = 5 * rng.normal(size=(1000, 10))
    for ours, peer in ((max_logit, MaxLogit), (energy, EnergyBased)):
        gaps.append(np.abs(ours(logits) + peer.score(torch.from_numpy(logits)).numpy()).max())
    # Ours is the logarithm, which does not round to 1.
    gaps.append(np.abs(np.exp(max_softmax(logits)) + MaxSoftmax.score(torch.from_numpy(logits)).numpy()).max())
    return float(np.max(np.abs(gaps)))


def fresh(what, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, what, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a step."""
    import scipy

    if not fresh("figures", "pytorch-ood") <= 1e-12:
        raise RuntimeError("figures and scores differ from those of pytorch-ood")
    rows = []
    for what, name, peer in (
        ("oscr", f"OSCR, {KNOWN:,} known and {KNOWN:,} unknown rows", "quadratic form, NumPy"),
        ("msp", f"MSP scores of {ROWS:,} x {CLASSES} logits", "scipy"),
    ):
        ours, theirs = fresh(what, "ours"), fresh(what, "theirs")
        if abs(ours.pop("value") - theirs.pop("value")) > 1e-9:
            msg = f"{name}: both sides must agree"
            raise RuntimeError(msg)
        version = scipy.__version__ if peer == "scipy" else np.__version__
        row = {"name": name, "peer": peer, "peer_version": version}
        row["ratio"] = round(theirs["cpu_s"] / max(ours["cpu_s"], 1e-4), 2)
        row |= {f"{who}_{k}": v for who, found in (("ours", ours), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(equal_to_pytorch_ood() if sys.argv[1] == "figures" else measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
