"""Encoding of texts against sentence-transformers, on 2,000 abstracts of Vaswani: CPU time, memory, the same vectors.

Each side loads the same all-MiniLM-L6-v2 in a process of its own and encodes 64 texts before it is timed; what is timed
is one call over all texts, on one thread. That the vectors are the peer's is a condition of the run: to 1e-5 for
``SentenceEncoder``, to a cosine of 0.99 for the int8 twin. Memory is the peak above the resident
memory before the call, and of the whole process in the rows that say so. Needs ``TRUENEG_DATA`` and the extras ``text``
and ``int8``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

N, FEW = 2000, 200


def _texts(n):
    from trueneg.data.registry import folder
    from trueneg.data.retrieval import read_vaswani

    documents = read_vaswani(folder("vaswani")).documents
    return [documents[i] for i in np.random.default_rng(0).permutation(len(documents))[:n].tolist()]


def _peer():
    from sentence_transformers import SentenceTransformer

    from trueneg.encoders.packaged import packaged_minilm

    model = SentenceTransformer(str(packaged_minilm()), device="cpu")
    return lambda texts: model.encode(texts, show_progress_bar=False)


def _sentence():
    from trueneg.encoders import SentenceEncoder

    return SentenceEncoder().encode


def _int8():
    from trueneg.encoders import OnnxEncoder

    return OnnxEncoder(threads=1).encode


SIDES = {"sentence-transformers": _peer, "SentenceEncoder": _sentence, "minilm-int8": _int8}


def _resident():
    with open("/proc/self/statm") as source:
        return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _watch(stop, held):
    while not stop.wait(0.02):
        held[0] = max(held[0], _resident())


def _side(name, n, out):
    texts = _texts(n)
    base = _resident()
    encode = SIDES[name]()
    encode(texts[:64])
    before, held, stop = _resident(), [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(stop, held))
    watch.start()
    start, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    value = encode(texts)
    wall, end = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    stop.set()
    watch.join()
    np.save(out, np.asarray(value, dtype=np.float32))
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    return {"cpu": cpu, "wall": wall, "mib": max(held[0] - before, 0.0), "process": held[0] - base}


def _measure(name, n, folder):
    out = Path(folder) / f"{name}.npy"
    command = [sys.executable, os.path.abspath(__file__), name, str(n), str(out)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | one)
    print(name, done.stdout.strip().splitlines()[-1], file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1]), np.load(out)


def run(fast: bool = False):
    """Measure the sides and return the rows of the results."""
    n = FEW if fast else N
    with tempfile.TemporaryDirectory() as folder:
        found = {name: _measure(name, n, folder) for name in SIDES}
    theirs, vectors = found.pop("sentence-transformers")
    rows = []
    for name, (ours, value) in found.items():
        cosines = (value * vectors).sum(axis=1) / np.linalg.norm(value, axis=1) / np.linalg.norm(vectors, axis=1)
        if name == "minilm-int8":
            if cosines.min() < 0.99:
                raise RuntimeError(f"{name}: a cosine of {cosines.min()} to the peer's vector")
        elif np.abs(value - vectors).max() > 1e-5:
            raise RuntimeError(f"{name}: vectors differ from the peer's by {np.abs(value - vectors).max()}")
        rows.append(_row(f"encode {n:,} texts: {name}", ours, theirs, theirs["cpu"] / ours["cpu"]))
        whole = theirs["process"] / max(ours["process"], 1.0)
        sizes = {"mib": ours["process"]}, {"mib": theirs["process"]}
        rows.append(_row(f"encode {n:,} texts: {name}, process and model", ours | sizes[0], theirs | sizes[1], whole))
    return rows


def _row(name, ours, theirs, ratio):
    return {
        "name": name,
        "peer": "sentence-transformers",
        "peer_version": importlib.metadata.version("sentence-transformers"),
        "ours_cpu_s": round(ours["cpu"], 2),
        "theirs_cpu_s": round(theirs["cpu"], 2),
        "ratio": round(ratio, 2),
        "ours_mib": round(ours["mib"], 1),
        "theirs_mib": round(theirs["mib"], 1),
        "ours_wall_s": round(ours["wall"], 2),
        "bar": "none",
    }


if __name__ == "__main__":
    print(json.dumps(_side(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
