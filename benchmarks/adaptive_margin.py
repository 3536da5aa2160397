"""Margins, fused teachers and a step of the soft-label loss, one thread.

Run: ``python benchmarks/adaptive_margin.py``. Margins and fusion take 20,000 queries x 100 candidates against the loop
over queries that trainers write (and that mining in sentence-transformers runs after its search), in NumPy. The loss is
a step forward and back on 64 lists of 32 documents of 384 dimensions, from the vectors on, against DistillKLDivLoss of
sentence-transformers. Both sides of a case must agree before anything is timed. Each figure is the shortest
of five calls (one of the loss) in a fresh process after a warm-up; memory is the peak above the inputs.
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

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

QUERIES, DEPTH, LISTS, STEPS = 20_000, 100, 64, 200
T = 0.05


def lists(n):
    """Draw sorted scores of candidates, the positive's score, and two more teachers, some scores missing."""
    rng = np.random.default_rng(0)
    score = -np.sort(-rng.normal(size=(n, DEPTH)).astype(np.float32), axis=1)
    positive = rng.normal(1.5, 0.5, n).astype(np.float32)
    others = [rng.normal(size=(n, DEPTH)).astype(np.float32) for _ in range(2)]
    others[0][rng.random((n, DEPTH)) < 0.2] = -np.inf
    return score, positive, others


def margins_ours(score, positive, others):
    """Apply the two margins that adapt to the query by our filters."""
    from trueneg.mine import BelowPositive, Positives
    from trueneg.mine.mining import Block

    n = len(score)

    class Given:
        def score(self, query, document):
            del document
            return positive[query]

    rows = np.broadcast_to(np.arange(1, DEPTH + 1), score.shape)
    known = Positives.of(np.zeros(n, dtype=np.int64), n, DEPTH + 1)
    block = Block(np.arange(n), rows, score, np.ones(score.shape, dtype=bool), known, Given())
    return (BelowPositive(95) & BelowPositive(0.5, rule="spread"))(block).sum(axis=1)


def margins_theirs(score, positive, others):
    """Apply the same one query at a time."""
    del others
    out = np.empty(len(score), dtype=np.int64)
    for i, row in enumerate(score):
        best = np.float64(positive[i])
        percent = np.float32(best - abs(best) * 0.05)
        spread = np.float32(best - 0.5 * row.std(dtype=np.float64))
        out[i] = ((row <= percent) & (row <= spread)).sum()
    return out


def fusion_ours(score, positive, others):
    """Fuse three teachers by z-scores."""
    from trueneg.mine import TeacherFusion

    del positive
    tables = {"a": score, "b": others[0], "c": others[1]}
    rows = np.broadcast_to(np.arange(DEPTH), score.shape)
    fuse = TeacherFusion({name: (lambda q, d, t=t: t[q, d]) for name, t in tables.items()})
    return fuse.score(np.arange(len(score)), rows).score


def fusion_theirs(score, positive, others):
    """Fuse them one query at a time."""
    del positive
    out = np.empty(score.shape, dtype=np.float32)
    for i in range(len(score)):
        total = np.zeros(DEPTH)
        for table in (score, *others):
            row = table[i].astype(np.float64)
            there = np.isfinite(row)
            value = row[there]
            z = (value - value.mean()) / value.std()
            full = np.full(DEPTH, z.min())
            full[there] = z
            total += full
        out[i] = total / 3
    return out


def batches():
    """Draw vectors of queries and documents, and a teacher's scores."""
    import torch

    draw = torch.Generator().manual_seed(0)
    make = lambda *shape: torch.nn.functional.normalize(torch.randn(*shape, generator=draw), dim=-1)  # noqa: E731
    return make(LISTS, 384).requires_grad_(), make(LISTS, 32, 384), torch.randn(LISTS, 32, generator=draw)


def loss_ours(queries, documents, teacher):
    """Take the steps with ours."""
    import torch

    from trueneg.losses import soft_label_kl

    held = documents.clone().requires_grad_()
    for _ in range(STEPS):
        queries.grad = held.grad = None
        scores = torch.bmm(held, queries[:, :, None])[:, :, 0]
        loss = soft_label_kl(scores, teacher, temperature=T, target_temperature=1.0)
        loss.backward()
    return np.array([loss.item(), queries.grad.norm().item(), held.grad.norm().item()])


def loss_theirs(queries, documents, teacher):
    """Take the steps with theirs, which wants the documents as columns and scales by the temperature squared."""
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss

    columns = [column.contiguous().requires_grad_() for column in documents.unbind(1)]
    theirs = DistillKLDivLoss(None, student_temperature=T, teacher_temperature=1.0)
    for _ in range(STEPS):
        queries.grad = None
        for column in columns:
            column.grad = None
        loss = theirs.compute_loss_from_embeddings([queries, *columns], teacher)
        loss.backward()
    whole = sum(column.grad.norm() ** 2 for column in columns).sqrt()
    return np.array([loss.item(), queries.grad.norm().item(), whole.item()]) / T**2


CASES = {
    "margins": (lists, margins_ours, margins_theirs, f"margins, {QUERIES:,} x {DEPTH}", "loop over queries, NumPy"),
    "fusion": (lists, fusion_ours, fusion_theirs, f"three teachers, {QUERIES:,} x {DEPTH}", "loop over queries, NumPy"),
    "loss": (batches, loss_ours, loss_theirs, f"soft-label loss, {STEPS} steps", "sentence-transformers"),
}


def measure(what, side):
    """Time one side of a case."""
    draw, ours, theirs = CASES[what][:3]
    call = ours if side == "ours" else theirs
    if what == "loss":
        import torch

        torch.set_num_threads(1)
        data = draw()
    else:
        call(*lists(200))
        data = draw(QUERIES)
    before, best = peak(reset=True), {}
    for _ in range(1 if what == "loss" else 5):  # the shortest of five: a call takes some hundredths of a second
        cpu, wall = time.process_time(), time.perf_counter()
        found = np.asarray(call(*data), dtype=np.float64)
        row = {"cpu_s": round(time.process_time() - cpu, 4), "wall_s": round(time.perf_counter() - wall, 4)}
        best = row if not best or row["cpu_s"] < best["cpu_s"] else best
    return {**best, "mib": round(peak() - before, 1), "value": found.ravel()[:: max(1, found.size // 1000)].tolist()}


def fresh(what, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, what, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a case."""
    rows = []
    for what, (_, _, _, name, peer) in CASES.items():
        ours, theirs = fresh(what, "ours"), fresh(what, "theirs")
        if not np.allclose(ours.pop("value"), theirs.pop("value"), rtol=1e-4, atol=1e-5):
            msg = f"{name}: both sides must agree"
            raise RuntimeError(msg)
        package = peer if what == "loss" else "numpy"
        row = {"name": name, "peer": peer, "peer_version": version(package)}
        row["ratio"] = round(theirs["cpu_s"] / max(ours["cpu_s"], 1e-4), 2)
        row |= {f"{who}_{k}": v for who, found in (("ours", ours), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:]) if len(sys.argv) == 3 else run(), indent=None if len(sys.argv) == 3 else 1))
