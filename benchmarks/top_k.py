"""Exact top-k of a million rows against faiss flat at its defaults, torch in chunks with topk, and the bare product.

1,000,000 x 384 float32 of unit length, 1,000 queries, k = 100, inner product, as many threads as there are cores. Each
side runs in a process of its own: CPU and wall time of the best of its runs after a warm-up on 30,000 rows (imports and
what is compiled on first use are not counted), and the peak resident memory of the runs above what was resident before.
All sides must find the same rows. faiss is timed with and without filling its index, and the bar is on the latter.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N, QUERIES, D, K, CHUNK, WARM = 1_000_000, 1_000, 384, 100, 65_536, 30_000
RUNS = {"ours": 2, "ours_numpy": 1, "torch": 2, "product": 2, "faiss": 1}


def _data():
    rng = np.random.default_rng(0)
    pool, asked = (rng.standard_normal((n, D), dtype=np.float32) for n in (N, QUERIES))
    for rows in (pool, asked):
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
    return asked, pool


def _ours(asked, pool):
    from trueneg.core.neighbors import top_k

    return lambda: top_k(asked, pool, K, metric="inner")[1]


def _ours_numpy(asked, pool):
    from trueneg.core._neighbors import crew

    crew.load = lambda d, cells: None  # as where torch is not installed
    return _ours(asked, pool)


def _torch(asked, pool):
    import torch

    one, two = torch.from_numpy(asked), torch.from_numpy(pool)

    def search():
        scores, rows = torch.empty(len(one), 0), torch.empty(len(one), 0, dtype=torch.int64)
        for start in range(0, len(two), CHUNK):
            part = two[start : start + CHUNK]
            found = torch.mm(one, part.T).topk(min(K, len(part)))
            scores = torch.cat([scores, found.values], 1)
            rows = torch.cat([rows, found.indices + start], 1)
            best = scores.topk(min(K, scores.shape[1]))
            scores, rows = best.values, rows.gather(1, best.indices)
        return rows.numpy()

    return search


def _product(asked, pool):
    import torch

    one, two = torch.from_numpy(asked), torch.from_numpy(pool)
    out = torch.empty(len(one), 8192)

    def multiply():
        for start in range(0, len(two), 8192):
            part = two[start : start + 8192]
            torch.mm(one, part.T, out=out[:, : len(part)])

    return multiply


def _faiss(asked, pool):
    import faiss

    index = faiss.IndexFlatIP(D)
    index.add(pool)
    return lambda: index.search(asked, K)[1]


SIDES = {"ours": _ours, "ours_numpy": _ours_numpy, "torch": _torch, "product": _product, "faiss": _faiss}


def _status(field):
    """Read a memory field of /proc in MiB; the process's peak where there is no /proc."""
    try:
        return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _worker(name, out):
    if importlib.util.find_spec("torch") is not None and name != "ours_numpy":
        import torch  # noqa: F401 - what takes the products is loaded before the clock starts, on every side
    asked, pool = _data()
    SIDES[name](asked, pool[:WARM])()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, walls, cpus, rows = _status("VmRSS"), [], [], None
    search = SIDES[name](asked, pool)
    for _ in range(RUNS[name]):
        wall, cpu = time.perf_counter(), _cpu()
        rows = search()
        walls.append(time.perf_counter() - wall)
        cpus.append(_cpu() - cpu)
    told = {"cpu": min(cpus), "wall": min(walls), "mib": max(_status("VmHWM") - before, 0.0)}
    if rows is not None:
        np.save(out, np.sort(rows, axis=1))
    print(json.dumps(told))


def _measure(name):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.npy"
        command = [sys.executable, __file__, name, str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = np.load(out) if out.exists() else None
    print(name, done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "rows": rows}


def _same(name, theirs, ours):
    """Refuse other rows; at the last rank float32 scores may not tell two apart."""
    share = np.mean([np.isin(a, b).mean() for a, b in zip(theirs, ours, strict=True)])
    if share < 0.9999:
        msg = f"{name} and trueneg share {share:.5f} of the rows"
        raise RuntimeError(msg)


def _row(what, peer, package, ours, theirs, figure, *, inverse=False):
    ratio = ours[figure] / theirs[figure] if inverse else theirs[figure] / ours[figure]
    return {
        "name": f"top-k of 1M x 384, 1,000 queries, k = 100: {what}",
        "peer": peer,
        "peer_version": f"{package} {importlib.metadata.version(package)}",
        "ours_cpu_s": round(ours["cpu"], 3),
        "theirs_cpu_s": round(theirs["cpu"], 3),
        "ours_wall_s": round(ours["wall"], 3),
        "theirs_wall_s": round(theirs["wall"], 3),
        "ratio": round(ratio, 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": round(theirs["mib"], 1),
    }


def run():
    """Measure every side that is installed."""
    ours, plain = _measure("ours"), _measure("ours_numpy")
    rows = []
    for peer, package in (("faiss", "faiss-cpu"), ("torch", "torch")):
        if importlib.util.find_spec(peer) is None:
            continue
        theirs = _measure(peer)
        _same(peer, theirs["rows"], ours["rows"])
        rows.append(_row("CPU", peer, package, ours, theirs, "cpu"))
        rows.append(_row("wall", peer, package, ours, theirs, "wall"))
        rows.append(_row("CPU, without torch", peer, package, plain, theirs, "cpu"))
    if importlib.util.find_spec("torch") is not None:
        product = _measure("product")
        rows.append(_row("CPU, ours / product", "product", "torch", ours, product, "cpu", inverse=True))
    if not np.array_equal(plain["rows"], ours["rows"]):
        raise RuntimeError("with and without torch different rows were found")
    return rows


if __name__ == "__main__":
    _worker(*sys.argv[1:])
