"""Hyp-OC against the ways of its authors' code, one thread: drawing pseudo-negatives, and the logistic layer.

Run: ``python benchmarks/hyp_oc.py``. The peer's forms are written here after the paper's code, with torch alone: a
MultivariateNormal with a full covariance made anew each step, and logits over a tensor of rows x classes x dimensions.
Each figure is one call in a fresh process after a warm-up at a small size; memory is the peak above the inputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

WIDE, BATCH, REPEATS = 4096, 8, 200
ROWS, CLASSES, SMALL = 1024, 400, 128


def draw(side, width, repeats):
    """Return a call that draws a batch of pseudo-negatives, and how often it does."""
    import torch

    from trueneg.reject.hyp_oc import PseudoNegatives

    features = torch.randn(BATCH, width)
    if side == "ours":
        source = PseudoNegatives(width)
        return (lambda: [source(features) for _ in range(repeats)]), repeats

    def full():
        spread = torch.distributions.MultivariateNormal(features.mean(0), torch.eye(width))
        return spread.sample((BATCH,))

    return full, 1


def logits(side, rows, classes, width):
    """Return a call that gives the logits of the hyperbolic layer."""
    import torch

    from trueneg.reject.hyp_oc import PoincareMLR, exponential_at_origin, mobius_add

    layer = PoincareMLR(width, classes)
    x = 0.5 * torch.randn(rows, width, dtype=torch.float64) / width**0.5

    def naive():
        c = layer.curvature
        p = exponential_at_origin(layer.point, c)
        a = layer.normal * (1 - c * p.square().sum(-1, keepdim=True))
        z = mobius_add(-p[None].expand(rows, -1, -1), x[:, None].expand(-1, classes, -1), c)
        norm = a.norm(dim=-1)
        inside = 2 * c**0.5 * (z * a).sum(-1) / ((1 - c * z.square().sum(-1)) * norm)
        return 2 / (1 - c * p.square().sum(-1)) * norm / c**0.5 * torch.asinh(inside)

    def call():
        with torch.no_grad():
            return layer(x) if side == "ours" else naive()

    return call, 1


def measure(what, side):
    """Return seconds a call, and MiB above the inputs."""
    import torch

    torch.set_num_threads(1)
    if what == "draw":
        draw(side, 16, 2)[0]()
        call, times = draw(side, WIDE, REPEATS)
    else:
        logits(side, 8, 3, 4)[0]()
        call, times = logits(side, ROWS, CLASSES, SMALL)
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    call()
    row = {
        "cpu_s": round((time.process_time() - cpu) / times, 6),
        "wall_s": round((time.perf_counter() - wall) / times, 6),
    }
    return {**row, "mib": round(peak() - before, 1)}


def fresh(what, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, what, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a step."""
    import torch

    rows = []
    for what, name in (
        ("draw", f"Hyp-OC, draw {BATCH} pseudo-negatives, d = {WIDE:,}"),
        ("logits", f"Hyp-OC, hyperbolic logits, {ROWS:,} x {CLASSES} classes, d = {SMALL}"),
    ):
        ours, theirs = fresh(what, "ours"), fresh(what, "theirs")
        row = {"name": name, "peer": "the authors' form, torch", "peer_version": torch.__version__}
        row["ratio"] = round(theirs["cpu_s"] / max(ours["cpu_s"], 1e-6), 2)
        row |= {f"{who}_{k}": v for who, found in (("ours", ours), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
