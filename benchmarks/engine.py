"""What Ray costs beside in-process work on one machine: its start, a batch, and a whole search.

Two workers on this machine's processors against this process, wall time: how long Ray takes to start; 200 batches that
do nothing; exact top-k of 2,000 queries over 400,000 documents x 384 float32 in a memory-mapped file, of which workers
open their parts by its path, and the same sent through Ray's memory. In-process the search has the same number of
threads. That scores and ids are equal, to the bit, is a condition of the run. Memory is that of all of Ray's processes.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

DOCUMENTS, QUERIES, D, K, BATCHES = 400_000, 2000, 384, 100, 200


def _resident():
    import psutil

    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20


class _Peak(threading.Thread):
    """Highest resident memory of the children, shared pages counted once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stop, self.mib = threading.Event(), 0.0

    def run(self):
        while not self.stop.wait(0.5):
            self.mib = max(self.mib, _resident())


def _timed(call):
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def _data(documents, queries, folder):
    rng = np.random.default_rng(0)
    path = Path(folder) / "documents.npy"
    held = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(documents, D))
    for start in range(0, documents, 50_000):
        part = rng.normal(size=(min(50_000, documents - start), D)).astype(np.float32)
        held[start : start + len(part)] = part
    held.flush()
    return rng.normal(size=(queries, D)).astype(np.float32), np.load(path, mmap_mode="r")


def run(fast: bool = False):
    """Measure and return the rows of the results."""
    from trueneg.core.neighbors import top_k
    from trueneg.engine import InProcess, RayEngine, sharded_top_k

    def same(batch):  # by value: workers have no module of this name
        return batch

    documents, queries = (DOCUMENTS // 20, QUERIES // 10) if fast else (DOCUMENTS, QUERIES)
    with tempfile.TemporaryDirectory() as folder:
        asked, pool = _data(documents, queries, folder)
        top_k(asked, pool, K)  # the first one compiles, and loads what multiplies fastest
        whole, here = _timed(lambda: top_k(asked, pool, K))
        shards, cut = _timed(lambda: sharded_top_k(asked, pool, K, engine=InProcess()))
        peak = _Peak()
        peak.start()
        with RayEngine(workers=2) as engine:
            _, started = _timed(engine.start)
            given = [{"row": np.arange(10)}] * BATCHES
            list(engine.map_batches(same, given[:4]))
            _, empty = _timed(lambda: list(engine.map_batches(same, given)))
            sharded_top_k(asked[:200], pool, K, engine=engine)  # compiled on first use in each worker
            by_path, path = _timed(lambda: sharded_top_k(asked, pool, K, engine=engine))
            engine.shared_files = False
            by_rows, rows = _timed(lambda: sharded_top_k(asked, pool, K, engine=engine))
        peak.stop.set()
        _, idle = _timed(lambda: list(InProcess().map_batches(same, given)))
    for found in (shards, by_path, by_rows):
        if not all(np.array_equal(one, other) for one, other in zip(found, whole, strict=True)):
            raise RuntimeError("a search by shards differs from that of the whole")
    print(f"{len(os.sched_getaffinity(0))} processors", file=sys.stderr)
    size = f"top-k {documents:,} x {D}, {queries:,} queries"
    return [
        _row("engine: Ray's start", started, 0.0, None, peak.mib),
        _row(f"engine: {BATCHES} batches that do nothing on Ray", empty, idle, None, peak.mib),
        _row(f"engine: {size}, in-process by shards / whole", cut, here, cut / here, None),
        _row(f"engine: {size}, Ray by path / in-process", path, here, path / here, peak.mib),
        _row(f"engine: {size}, Ray with the rows sent / in-process", rows, here, rows / here, peak.mib),
    ]


def _row(name, ours, theirs, ratio, mib):
    row = {"name": name, "peer": "ray", "peer_version": importlib.metadata.version("ray")}
    row |= {"ours_wall_s": round(ours, 3), "theirs_wall_s": round(theirs, 3), "bar": "none"}
    row |= {} if ratio is None else {"ratio": round(ratio, 2)}
    return row | ({} if mib is None else {"ours_mib": round(mib, 1)})
