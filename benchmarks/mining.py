"""Mining against the bare matrix product and sentence-transformers, on the same given embeddings.

200,000 documents x 20,000 queries x 384 float32, one positive a query, five negatives of the first fifty under a
relative margin. Each side runs in a process of its own: CPU time of one run after a warm-up, and the peak resident
memory of the run above what was resident before it. The peer runs at a tenth of both sizes, where it fits, and is
compared with ours there.
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

DOCUMENTS, QUERIES, D, RANGE, KEPT, TENTH = 200_000, 20_000, 384, 50, 5, 10


def _data(documents, queries):
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(documents, D)).astype(np.float32)
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    positive = rng.permutation(documents)[:queries]
    asked = pool[positive] + 0.05 * rng.normal(size=(queries, D)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return asked, pool, positive


def _ours(asked, pool, positive):
    from trueneg.mine import BelowPositive, hard_negatives

    rule = BelowPositive(0.05, rule="relative")
    return len(hard_negatives(asked, pool, positive, n=KEPT, ranks=(0, RANGE), filters=rule))


def _product(asked, pool, positive):
    del positive
    held = np.empty((512, len(pool)), dtype=np.float32)
    for start in range(0, len(asked), 512):
        part = asked[start : start + 512]
        np.matmul(part, pool.T, out=held[: len(part)])
    return len(asked)


def _peer(asked, pool, positive):
    import torch
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    class Given:
        similarity_fn_name, device = "cosine", "cpu"

        def encode(self, texts, **_):
            side = pool if texts[0][0] == "d" else asked
            return side[np.fromiter((int(t[1:]) for t in texts), dtype=np.int64)]

        encode_query = encode_document = encode

        def similarity(self, a, b):
            return torch.as_tensor(a) @ torch.as_tensor(b).T

        def similarity_pairwise(self, a, b):
            return (torch.as_tensor(a) * torch.as_tensor(b)).sum(1)

    rows = Dataset.from_dict({"anchor": [f"q{i}" for i in range(len(asked))], "positive": [f"d{i}" for i in positive]})
    corpus = [f"d{i}" for i in range(len(pool))]
    how = {"range_max": RANGE, "num_negatives": KEPT, "relative_margin": 0.05, "sampling_strategy": "top"}
    return len(mine_hard_negatives(rows, Given(), corpus=corpus, output_format="n-tuple", verbose=False, **how)) * KEPT


SIDES = {"ours": _ours, "product": _product, "sentence-transformers": _peer}


def _resident():
    with open("/proc/self/statm") as source:
        return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak(stop, held):
    while not stop.wait(0.05):
        held[0] = max(held[0], _resident())


def _side(name, documents, queries):
    data = _data(documents, queries)
    SIDES[name](
        *_data(8000, 1000)
    )  # imports, and what is compiled on first use: more cells than the path without numba takes
    before, held, stop = _resident(), [0.0], threading.Event()
    watch = threading.Thread(target=_peak, args=(stop, held))
    watch.start()
    start, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    found = SIDES[name](*data)
    wall, end = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    stop.set()
    watch.join()
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    return {"cpu": cpu, "wall": wall, "mib": max(held[0] - before, 0.0), "found": found}


def _measure(name, documents, queries):
    command = [sys.executable, os.path.abspath(__file__), name, str(documents), str(queries)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(name, documents, queries, done.stdout.strip().splitlines()[-1], file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(fast: bool = False):
    """Measure the sides and return the rows of the results."""
    documents, queries = (DOCUMENTS // 20, QUERIES // 20) if fast else (DOCUMENTS, QUERIES)
    ours, product = (_measure(name, documents, queries) for name in ("ours", "product"))
    small = (documents // (1 if fast else TENTH), queries // (1 if fast else TENTH))
    few, peer = (_measure(name, *small) for name in ("ours", "sentence-transformers"))
    size, tenth = f"{documents:,} x {queries:,}", f"{small[0]:,} x {small[1]:,}"
    return [
        _row(f"mine {size}: ours / product", "product", ours, product, ours["cpu"] / product["cpu"]),
        _row(f"mine {tenth}: CPU", "sentence-transformers", few, peer, peer["cpu"] / few["cpu"]),
        _row(f"mine {tenth}: memory", "sentence-transformers", few, peer, peer["mib"] / max(few["mib"], 1.0)),
    ]


def _row(name, peer, ours, theirs, ratio):
    package = "numpy" if peer == "product" else peer
    return {
        "name": name,
        "peer": peer,
        "peer_version": importlib.metadata.version(package),
        "ours_cpu_s": round(ours["cpu"], 3),
        "theirs_cpu_s": round(theirs["cpu"], 3),
        "ratio": round(ratio, 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": round(theirs["mib"], 1),
        "bar": "none",
    }


if __name__ == "__main__":
    print(json.dumps(_side(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
