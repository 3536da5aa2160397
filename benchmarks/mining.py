"""Mining against the bare matrix product and sentence-transformers, on the same given embeddings.

200,000 documents x 20,000 queries x 384 float32, one positive a query, five negatives of the first fifty under a
relative margin; as many threads as there are cores. Each side runs in a process of its own: CPU and wall time of one
run after a warm-up (imports and what is compiled on first use are not counted), and the peak resident memory above
what was resident before it. The bare product is the faster of NumPy's and torch's, in float32. The peer runs at its
defaults with a quarter of the queries, where it needs 4 GiB: its time grows with their number, its memory up to 16,384
(13 GiB). Then 1,000,000 documents x 20,000 queries once, ours alone.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np

DOCUMENTS, QUERIES, D, RANGE, KEPT = 200_000, 20_000, 384, 50, 5
LARGE, FEW = 1_000_000, 5_000


def _data(documents, queries):
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((documents, D), dtype=np.float32)
    positive = rng.permutation(documents)[:queries]
    for start in range(0, documents, 65_536):
        part = pool[start : start + 65_536]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    asked = pool[positive] + 0.05 * rng.standard_normal((queries, D), dtype=np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return asked, pool, positive


def _ours(asked, pool, positive):
    from trueneg.mine import BelowPositive, hard_negatives

    rule = BelowPositive(0.05, rule="relative")
    return len(hard_negatives(asked, pool, positive, n=KEPT, ranks=(0, RANGE), filters=rule))


def _product(asked, pool, positive):
    """Multiply in NumPy."""
    del positive
    held = np.empty((512, len(pool)), dtype=np.float32)
    for start in range(0, len(asked), 512):
        part = asked[start : start + 512]
        np.matmul(part, pool.T, out=held[: len(part)])
    return len(asked)


def _product_torch(asked, pool, positive):
    """Multiply in torch, in blocks that stay in cache: the faster of several shapes that were tried."""
    import torch

    del positive
    held, one, two = torch.empty(1024, 8192), torch.from_numpy(asked), torch.from_numpy(pool)
    for start in range(0, len(one), 1024):
        for begin in range(0, len(two), 8192):
            a, b = one[start : start + 1024], two[begin : begin + 8192]
            torch.mm(a, b.T, out=held[: len(a), : len(b)])
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


SIDES = {"ours": _ours, "numpy": _product, "torch": _product_torch, "sentence-transformers": _peer}


def _resident():
    with open("/proc/self/statm") as source:
        return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak(stop, held):
    while not stop.wait(0.05):
        held[0] = max(held[0], _resident())


def _side(name, documents, queries):
    data = _data(documents, queries)
    if importlib.util.find_spec("torch") is not None and name != "numpy":
        import torch  # noqa: F401 - what takes the products is loaded before the clock starts, on every side
    # Imports, and what is compiled on first use: as many cells as make the search choose what it chooses in the end.
    SIDES[name](*_data(40_000, 1000))
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
    ours = _measure("ours", documents, queries)
    products = [
        (_measure(name, documents, queries), name) for name in ("torch", "numpy") if importlib.util.find_spec(name)
    ]
    product, by = min(products, key=lambda one: one[0]["wall"])
    asked = queries if fast else FEW
    few, peer = (_measure(name, documents, asked) for name in ("ours", "sentence-transformers"))
    size, same = f"{documents:,} x {queries:,}", f"{documents:,} x {asked:,}"
    rows = [
        _row(f"mine {size}: CPU, ours / product", by, ours, product, ours["cpu"] / product["cpu"]),
        _row(f"mine {size}: wall, ours / product", by, ours, product, ours["wall"] / product["wall"]),
        _row(f"mine {same}: CPU", "sentence-transformers", few, peer, peer["cpu"] / few["cpu"]),
        _row(f"mine {same}: wall", "sentence-transformers", few, peer, peer["wall"] / few["wall"]),
        _row(f"mine {same}: memory", "sentence-transformers", few, peer, peer["mib"] / max(few["mib"], 1.0)),
    ]
    if not fast:
        rows.append(_row(f"mine {LARGE:,} x {queries:,}", "none", _measure("ours", LARGE, queries), None, None))
    return rows


def _row(name, peer, ours, theirs, ratio):
    return {
        "name": name,
        "peer": peer,
        "peer_version": "" if theirs is None else importlib.metadata.version(peer),
        "ours_cpu_s": round(ours["cpu"], 3),
        "theirs_cpu_s": None if theirs is None else round(theirs["cpu"], 3),
        "ours_wall_s": round(ours["wall"], 3),
        "theirs_wall_s": None if theirs is None else round(theirs["wall"], 3),
        "ratio": None if ratio is None else round(ratio, 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": None if theirs is None else round(theirs["mib"], 1),
        "bar": "none",
    }


if __name__ == "__main__":
    print(json.dumps(_side(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
