"""Time and memory of our comparison against the same remedies run by hand, as pipelines of imbalanced-learn.

Run: ``python benchmarks/compare.py``. Five remedies (nothing, class weights, random under- and over-sampling, SMOTE),
the same logistic regression, five folds twice over; one KEEL set (``vehicle1``, skipped without ``TRUENEG_DATA``) and
one made table of 50,000 x 20 with 5 % positives. By hand is what users write: ``cross_validate`` of each pipeline with
four scores. Ours does more (a sixth remedy, the tuned threshold; calibration, paired intervals, correction for label
errors, the page's figures), so there is no bar: the row says what that costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

KEEL = Path(os.environ.get("TRUENEG_DATA", "")) / "keel_imbalanced" / "keel_imbalanced_raw.zip"
ROWS, COLUMNS, FOLDS, REPEATS = 50_000, 20, 5, 2
REMEDIES = "nothing,class-weights,random-under,random-over,smote"


def keel(name="vehicle1"):
    """Return values (n, d) and labels (n,) bool of a KEEL set."""
    import zipfile

    with zipfile.ZipFile(KEEL) as packed:
        lines = packed.read(f"{name}.dat").decode().splitlines()
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("@")]
    return np.array([row[:-1] for row in rows], float), np.array([row[-1].strip() == "positive" for row in rows])


def made(rows, seed=0):
    """Return two overlapping classes, 5 % positives."""
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < 0.05
    x = rng.standard_normal((rows, COLUMNS))
    x[:, :5] += 0.7 * y[:, None]
    return x, y


def ours(x, y):
    """Compare with trueneg; return the remedies that were tried."""
    import pyarrow as pa

    from trueneg import compare

    table = pa.table({**{f"x{j}": x[:, j] for j in range(x.shape[1])}, "label": np.where(y, "yes", "no").tolist()})
    options = {"label": "label", "positive": "yes", "features": [f"x{j}" for j in range(x.shape[1])]}
    found = compare(table, remedies=REMEDIES, folds=FOLDS, repeats=REPEATS, seed=0, budget=None, **options)
    return len(found.report["remedies"]) if hasattr(found, "report") else None


def theirs(x, y):
    """Cross-validate the pipelines; return how many."""
    from imblearn.over_sampling import SMOTE, RandomOverSampler
    from imblearn.pipeline import make_pipeline
    from imblearn.under_sampling import RandomUnderSampler
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
    from sklearn.preprocessing import StandardScaler

    samplers = [
        None,
        None,
        RandomUnderSampler(random_state=0),
        RandomOverSampler(random_state=0),
        SMOTE(random_state=0),
    ]
    split = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    scores = ["matthews_corrcoef", "balanced_accuracy", "neg_log_loss", "roc_auc"]
    for i, sampler in enumerate(samplers):
        model = LogisticRegression(C=10.0, max_iter=300, class_weight="balanced" if i == 1 else None)
        steps = [StandardScaler(), *([sampler] if sampler else []), model]
        cross_validate(make_pipeline(*steps), x, y, cv=split, scoring=scores, error_score="raise")
    return len(samplers)


def measure(who, path):
    """Run one side once, after its imports on a small table; return CPU and wall seconds and the extra memory."""
    import time

    data = np.load(path)
    side = {"ours": ours, "theirs": theirs}[who]
    side(*made(400))
    before = peak(reset=True)
    cpu, wall = time.process_time(), time.perf_counter()
    remedies = side(data["x"], data["y"])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "mib": round(peak() - before, 1), "remedies": remedies}


def run(*, fast: bool = False):
    """Return one dict a table."""
    import importlib.metadata

    tables = {f"made {2_000 if fast else ROWS:,} x {COLUMNS}": made(2_000 if fast else ROWS)}
    if "TRUENEG_DATA" in os.environ and KEEL.exists():
        tables = {"KEEL vehicle1, 846 x 18": keel(), **tables}
    rows, env = [], dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as folder:
        for name, (x, y) in tables.items():
            path = Path(folder) / "table.npz"
            np.savez(path, x=x, y=y)
            got = {}
            for who in ("ours", "theirs"):
                done = subprocess.run(
                    [sys.executable, __file__, who, str(path)], env=env, check=True, capture_output=True, text=True
                )
                got[who] = json.loads(done.stdout.splitlines()[-1])
                print(f"{name}, {who}: {got[who]}", file=sys.stderr, flush=True)
            one, two = got["ours"], got["theirs"]
            rows.append(
                {
                    "name": f"compare, five remedies, {FOLDS} folds x {REPEATS}, {name}",
                    "peer": "imbalanced-learn",
                    "peer_version": importlib.metadata.version("imbalanced-learn"),
                    "ours_cpu_s": one["cpu_s"], "theirs_cpu_s": two["cpu_s"],
                    "ratio": round(two["cpu_s"] / one["cpu_s"], 2),
                    "ours_mib": one["mib"], "theirs_mib": two["mib"], "ours_wall_s": one["wall_s"], "bar": "none",
                }
            )  # fmt: skip
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))
    else:
        print(json.dumps(run(), indent=1))
