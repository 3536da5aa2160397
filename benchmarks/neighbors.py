"""Exact top-k against what people use now: cleanlab's neighbour graph, faiss flat, the bare product.

20,000 x 128 float32 (50 clusters with noise), k = 10, cosine, never itself, one BLAS thread. Each side runs
in a process of its own: best CPU time of seven runs after a warm-up on 2,100 rows (compiling and imports are
not counted), and the peak resident memory of the runs above what was resident just before the first. A sixth
process streams a pool of 1,000,000 x 64 past 10,000 queries once, where only the memory has a bar. A seventh searches
300,000 x 384 again and again, 32 queries and one at a time: the array, and a pool that is measured once.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N, D, K, WARM, REPEATS = 20_000, 128, 10, 2_100, 7
POOL, QUERIES, WIDTH = 1_000_000, 10_000, 64
AGAIN, COLUMNS, BEST, FEW = 300_000, 384, 200, (32, 1)


def _data():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, D)) * 0.7
    return (centres[rng.integers(0, 50, N)] + rng.normal(size=(N, D))).astype(np.float32)


def _ours(x):
    from trueneg.core.neighbors import top_k

    return top_k(x, x, K, exclude=np.arange(len(x)))[1]


def _ours_two(x):
    from trueneg.core.neighbors import top_k

    return top_k(x, x.view(), K, exclude=np.arange(len(x)))[1]


def _cleanlab(x):
    from cleanlab.internal.neighbor.knn_graph import create_knn_graph_and_index

    graph, _ = create_knn_graph_and_index(x, n_neighbors=K, metric="cosine")
    return graph.indices.reshape(len(x), -1)


def _faiss(x):
    import faiss

    faiss.omp_set_num_threads(1)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(unit)
    found = index.search(unit, K + 1)[1]
    # Drop the row itself wherever it stands among its k + 1 nearest.
    keep = np.argsort(found == np.arange(len(x))[:, None], axis=1, kind="stable")[:, :K]
    return np.take_along_axis(found, keep, axis=1)


def _product(x):
    out = np.empty((1024, len(x)), dtype=np.float32)
    for start in range(0, len(x), 1024):
        np.matmul(x[start : start + 1024], x.T, out=out[: len(x[start : start + 1024])])


_SIDES = {"ours": _ours, "ours_two": _ours_two, "cleanlab": _cleanlab, "faiss": _faiss, "product": _product}


def _status(field: str) -> float:
    """Read a memory field of /proc in MiB; the process's peak where there is no /proc."""
    try:
        text = Path("/proc/self/status").read_text()
        return int(text.split(field + ":")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _worker(name: str) -> None:
    work, x = _SIDES[name], _data()
    work(x[:WARM].copy())
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, times, rows = _status("VmRSS"), [], None
    for _ in range(REPEATS):
        start = time.process_time()
        rows = work(x)
        times.append(time.process_time() - start)
    result = {"cpu": min(times), "mib": max(_status("VmHWM") - before, 0.0)}
    if rows is not None:
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        result["sum"] = float(np.einsum("id,ijd->ij", unit[:500], unit[rows[:500]]).sum(dtype=np.float64))
    print(json.dumps(result))


def _stream() -> None:
    """Search the large pool once, after a warm-up on its first rows."""
    from trueneg.core.neighbors import top_k

    pool = np.random.default_rng(0).standard_normal((POOL, WIDTH), dtype=np.float32)
    queries = pool[:QUERIES] + np.float32(0.1)
    top_k(queries[:WARM], pool[:WARM], K)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before, start = _status("VmRSS"), time.process_time()
    scores, _ = top_k(queries, pool, K)
    cpu = time.process_time() - start
    if not np.isfinite(scores).all():
        msg = "some queries have fewer than k neighbours"
        raise RuntimeError(msg)
    print(json.dumps({"cpu": cpu, "mib": max(_status("VmHWM") - before, 0.0)}))


def _again() -> None:
    """Search one pool again and again with few queries: the array anew each time, and measured once."""
    from trueneg.core.neighbors import Pool, top_k

    if importlib.util.find_spec("torch") is not None:
        import torch  # noqa: F401 - what may take the products is loaded before the clock starts

    array = np.random.default_rng(0).standard_normal((AGAIN, COLUMNS), dtype=np.float32)
    sides = {"array": array, "pool": Pool(array)}
    result = {}
    for few in FEW:
        queries = array[:few] + np.float32(0.05)
        for name, side in sides.items():
            top_k(queries, side, BEST)
            times = []
            for _ in range(REPEATS):
                start = time.process_time()
                top_k(queries, side, BEST)
                times.append(time.process_time() - start)
            result[f"{name} {few}"] = min(times)
    print(json.dumps(result))


def _measure(name: str) -> dict:
    threads = {f"{v}_NUM_THREADS": "1" for v in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    source = str(Path(__file__).resolve().parents[1] / "src")
    env = {**os.environ, **threads, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, __file__, name], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


def _row(name: str, peer: str, ours: dict, theirs: dict, ratio: float, bar: str) -> dict:
    version = _version("numpy" if peer == "product" else "faiss-cpu" if peer == "faiss" else peer)
    return {
        "name": name,
        "peer": peer,
        "peer_version": version,
        "ours_cpu_s": round(ours["cpu"], 3),
        "theirs_cpu_s": round(theirs["cpu"], 3),
        "ratio": round(ratio, 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": round(theirs["mib"], 1),
        "bar": bar,
    }


def run() -> list[dict]:
    """Measure every peer that is installed; a ratio is theirs / ours, except against the bare product."""
    ours, two, product = _measure("ours"), _measure("ours_two"), _measure("product")
    rows = []
    for peer, package, least in (("cleanlab", "cleanlab", 3), ("faiss", "faiss", 2)):
        if importlib.util.find_spec(package) is None:
            continue
        theirs = _measure(peer)
        if abs(theirs["sum"] - ours["sum"]) > 1e-4 * abs(ours["sum"]):
            msg = f"{peer} and trueneg found different neighbours: {theirs['sum']} and {ours['sum']}"
            raise RuntimeError(msg)
        rows.append(_row("neighbors: CPU", peer, ours, theirs, theirs["cpu"] / ours["cpu"], f">= {least}"))
        if peer == "cleanlab":
            ratio = theirs["mib"] / max(ours["mib"], 1.0)
            rows.append(_row("neighbors: memory", peer, ours, theirs, ratio, ">= 5"))
        ratio = theirs["cpu"] / two["cpu"]
        rows.append(_row("neighbors: CPU, two arrays", peer, two, theirs, ratio, "none"))
    rows.append(_row("neighbors: ours / product", "product", ours, product, ours["cpu"] / product["cpu"], "<= 1.5"))
    ratio = two["cpu"] / product["cpu"]
    rows.append(_row("neighbors: ours / product, two arrays", "product", two, product, ratio, "<= 1.5"))
    one = _measure("stream")
    rows.append(
        {
            "name": f"neighbors: {QUERIES:,} queries, pool of {POOL:,} x {WIDTH}",
            "peer": "none",
            "peer_version": "",
            "ours_cpu_s": round(one["cpu"], 3),
            "theirs_cpu_s": None,
            "ratio": None,
            "ours_mib": round(one["mib"], 1),
            "theirs_mib": None,
            "bar": "<= 1024 MiB",
        }
    )
    again = _measure("again")
    for few in FEW:
        ours, theirs = again[f"pool {few}"], again[f"array {few}"]
        rows.append(
            {
                "name": f"neighbors: pool of {AGAIN:,} x {COLUMNS} measured once / at each search, queries: {few}",
                "peer": "none",
                "peer_version": "",
                "ours_cpu_s": round(ours, 3),
                "theirs_cpu_s": round(theirs, 3),
                "ratio": round(theirs / ours, 2),
                "ours_mib": None,
                "theirs_mib": None,
                "bar": "none",
            }
        )
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        if sys.argv[1] == "stream":
            _stream()
        elif sys.argv[1] == "again":
            _again()
        else:
            _worker(sys.argv[1])
    else:
        for line in run():
            print(json.dumps(line))
