"""A step of ADORE: its search, and the whole of it, against what people run now.

Search: 32 queries over 300,000 x 384 float32 documents in memory, k = 200, the mean of five calls after a warm-up. The
peers are faiss' flat index (which the released code of the paper searches with) and torch: product and ``topk``.
Each side runs in a process of its own; memory is the peak above what was resident once the documents were there.

Step: the search and the loss with its gradient, on 20,000 documents, where the search does not hide the rest. The peer
does as the released code does: faiss, then query by query a matrix of all 200 x 200 pairs.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np

DOCUMENTS, FEW, QUERIES, D, K, CALLS = 300_000, 20_000, 32, 384, 200, 5


def _data(documents):
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(documents, D)).astype(np.float32)
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    asked = pool[:QUERIES] + 0.05 * rng.normal(size=(QUERIES, D)).astype(np.float32)
    return asked.astype(np.float32), pool


def _ours(asked, pool):
    from trueneg.mine.star_adore import Search

    search = Search(pool)
    return lambda: search(asked, K)


def _faiss(asked, pool):
    import faiss

    index = faiss.IndexFlatIP(D)
    index.add(pool)
    return lambda: index.search(asked, K)[1]


def _torch(asked, pool):
    import torch

    q, d = torch.from_numpy(asked), torch.from_numpy(pool)
    return lambda: (q @ d.T).topk(K, dim=1)[1].numpy()


def _our_step(asked, pool):
    import torch

    from trueneg.mine.star_adore import AdoreLoss, NegativeSampler

    loss = AdoreLoss(NegativeSampler(pool, np.arange(QUERIES), topk=K))
    queries = torch.from_numpy(asked).requires_grad_()
    return lambda: torch.autograd.grad(loss(queries, np.arange(QUERIES)), queries)[0].numpy()


def _their_step(asked, pool):
    """One query at a time, a full matrix of pairs each, as the released code has it."""
    import torch

    search, queries = _faiss(asked, pool), torch.from_numpy(asked).requires_grad_()

    def step():
        total = 0.0
        for own, rows, query in zip(range(QUERIES), search(), queries, strict=True):
            label = torch.from_numpy((rows == own).astype(np.float32))
            if not label.any():
                rows, label = np.append(rows, own), torch.cat([label, torch.ones(1)])
            score = (query[None] * torch.from_numpy(pool[rows])).sum(1)
            better = (label[:, None] - label[None] > 0).float()
            rank = 1.0 / torch.arange(1, len(rows) + 1)
            rank[K:] = 0
            cost = torch.log1p(torch.exp(score[None] - score[:, None])) * (rank[:, None] - rank[None]).abs()
            total = total + (better * cost).sum() / better.sum()
        return torch.autograd.grad(total / QUERIES, queries)[0].numpy()

    return step


SIDES = {"ours": _ours, "faiss": _faiss, "torch": _torch, "our step": _our_step, "their step": _their_step}


def _resident():
    with open("/proc/self/statm") as source:
        return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak(stop, held):
    while not stop.wait(0.02):
        held[0] = max(held[0], _resident())


def _side(name, documents):
    import faiss  # noqa: F401 - both peers' libraries are resident on every side
    import torch  # noqa: F401

    data = _data(documents)
    SIDES[name](*_data(2000))()
    before, held, stop = _resident(), [0.0], threading.Event()
    watch = threading.Thread(target=_peak, args=(stop, held))
    watch.start()
    call = SIDES[name](*data)
    found = call()
    start, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(CALLS):
        call()
    wall, end = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    stop.set()
    watch.join()
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    mark = int(np.sort(found, axis=1).sum()) if found.dtype.kind == "i" else float(np.abs(found).sum())
    return {"cpu": cpu / CALLS, "wall": wall / CALLS, "mib": max(held[0] - before, 0.0), "found": str(mark)}


def _measure(name, documents):
    command = [sys.executable, os.path.abspath(__file__), name, str(documents)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(name, documents, done.stdout.strip().splitlines()[-1], file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(fast: bool = False):
    """Measure the sides and return the rows of the results."""
    documents = DOCUMENTS // 20 if fast else DOCUMENTS
    ours, flat, product = (_measure(name, documents) for name in ("ours", "faiss", "torch"))
    if not ours["found"] == flat["found"] == product["found"]:
        raise RuntimeError("the three searches found different documents")
    step, their = (_measure(name, FEW) for name in ("our step", "their step"))
    if abs(float(step["found"]) / float(their["found"]) - 1) > 1e-3:
        raise RuntimeError("the two steps have different gradients")
    size = f"{documents:,} x {D}, {QUERIES} queries, k = {K}"
    return [
        _row(f"ADORE search {size}", "faiss", ours, flat),
        _row(f"ADORE search {size}", "torch", ours, product),
        _row(f"ADORE step on {FEW:,} documents, as the released code", "faiss", step, their),
    ]


def _row(name, peer, ours, theirs):
    return {
        "name": name,
        "peer": peer,
        "peer_version": importlib.metadata.version({"faiss": "faiss-cpu"}.get(peer, peer)),
        "ours_cpu_s": round(ours["cpu"], 4),
        "theirs_cpu_s": round(theirs["cpu"], 4),
        "ratio": round(theirs["cpu"] / ours["cpu"], 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": round(theirs["mib"], 1),
        "bar": "none",
    }


if __name__ == "__main__":
    print(json.dumps(_side(sys.argv[1], int(sys.argv[2]))))
