"""Flows a second through IntrusionRejecter and through a scikit-learn pipeline, and a million rows through the network.

Run: ``python benchmarks/intrusion.py``. Both get the same 41 columns (38 numbers, 3 of text), learn from 20,000 flows
and score 200,000 in batches of 10,000, one thread: a random forest of 100 trees and an isolation forest of 200 behind
scaling and one-hot columns. The peer is a ColumnTransformer, RandomForestClassifier and IsolationForest on pandas
frames. Each side runs in a fresh process after a warm-up; memory is the peak above the inputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

LEARN, SCORE, BATCH = 20_000, 200_000, 10_000


def draw(n, seed):
    """Draw flows as a pandas frame, and which are attacks."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    attack = rng.random(n) < 0.45
    numbers = {f"n{j}": rng.lognormal(attack * (j % 4) * 0.5, 1 + (j % 3), n).round(2) for j in range(20)}
    numbers |= {f"r{j}": np.clip(rng.normal(0.3 + 0.1 * attack * (j % 3), 0.2, n), 0, 1).round(2) for j in range(18)}
    text = {"proto": rng.choice(["tcp", "udp", "icmp"], n), "flag": rng.choice(list("ABCDEFGHIJK"), n)}
    text["service"] = rng.choice([f"s{i}" for i in range(66)], n)
    return pd.DataFrame(text | numbers), attack


def peer(frame, attack):
    """Fit the scikit-learn side; return what scores a batch."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import IsolationForest, RandomForestClassifier
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = ["proto", "flag", "service"]
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("n", StandardScaler(), [c for c in frame if c not in words]), ("c", hot, words)])
    rows = columns.fit_transform(frame)
    forest = RandomForestClassifier(100, random_state=0).fit(rows, attack)
    calm = IsolationForest(n_estimators=200, random_state=0).fit(rows[~attack])

    def score(batch):
        found = columns.transform(batch)
        return np.log(forest.predict_proba(found)[:, 0] + 1e-9) + calm.score_samples(found)

    return score


def ours(frame, attack):
    """Fit ours; return what scores a batch."""
    from trueneg.reject.intrusion import IntrusionRejecter

    model = IntrusionRejecter(normal=False, random_state=0).fit(frame, attack)
    return lambda batch: model.score_counted(batch)[0]


def network(side):
    """Return the score of a million rows of 118 features through three hidden layers, or torch's."""
    rng = np.random.default_rng(0)
    sizes = (118, 128, 64, 32, 1)
    layers = [
        (rng.normal(size=(a, b)).astype(np.float32) / 12, np.zeros(b, np.float32))
        for a, b in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    X = rng.normal(size=(1_000_000, 118)).astype(np.float32)
    if side == "ours":
        from trueneg.reject.intrusion import FlowNetwork

        net = FlowNetwork()
        net.layers_ = layers
        return lambda: net.score_samples(X)
    import torch

    torch.set_num_threads(1)
    parts = []
    for weight, bias in layers:
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = torch.tensor(weight.T), torch.tensor(bias)
        parts += [layer, torch.nn.ReLU()]
    model, rows = torch.nn.Sequential(*parts[:-1]), torch.from_numpy(X)

    def run_all():
        with torch.no_grad():
            return torch.cat([model(rows[i : i + 8192]) for i in range(0, len(rows), 8192)])

    return run_all


def measure(step, side):
    """Return seconds and MiB above the inputs."""
    if step == "network":
        call = network(side)
        call()
    else:
        score = (ours if side == "ours" else peer)(*draw(LEARN, 0))
        flows = draw(SCORE, 1)[0]
        batches = [flows[i : i + BATCH] for i in range(0, SCORE, BATCH)]
        score(batches[0])
        call = lambda: [score(batch) for batch in batches]  # noqa: E731
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    call()
    row = {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}
    return {**row, "mib": round(peak() - before, 1)}


def fresh(step, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, step, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a step."""
    import sklearn
    import torch

    rows = []
    for step, name, who, version in (
        ("stream", "IntrusionRejecter, 200,000 flows in batches", "scikit-learn", sklearn.__version__),
        ("network", "FlowNetwork, 1,000,000 x 118", "torch", torch.__version__),
    ):
        mine, theirs = fresh(step, "ours"), fresh(step, "theirs")
        row = {"name": name, "peer": who, "peer_version": version}
        row["ratio"] = round(theirs["cpu_s"] / mine["cpu_s"], 2)
        row |= {f"{side}_{k}": v for side, found in (("ours", mine), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
