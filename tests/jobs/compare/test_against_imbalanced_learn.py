"""The same comparison run by hand with imbalanced-learn's pipelines, on KEEL's imbalanced sets and the same folds."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.preprocessing import StandardScaler

from trueneg.jobs.compare.differences import Row
from trueneg.jobs.compare.engine import Kept, Runner
from trueneg.jobs.compare.on_folds import OnFolds
from trueneg.jobs.compare.plan import folds_of
from trueneg.jobs.compare.remedies import chosen
from trueneg.jobs.compare.task import make_task, open_source

SOURCE = Path(os.environ.get("TRUENEG_DATA", "")) / "keel_imbalanced" / "keel_imbalanced_raw.zip"
SETS = [
    "vehicle1",
    "yeast1",
    "yeast-0-5-6-7-9_vs_4",
    "abalone9-18",
    "glass1",
    "winequality-red-4",
    "haberman",
    "ecoli3",
]


def _keel(name):
    with zipfile.ZipFile(SOURCE) as packed:
        text = packed.read(f"{name}.dat").decode()
    rows = [line.split(",") for line in text.splitlines() if line.strip() and not line.startswith("@")]
    label = ["yes" if row[-1].strip() == "positive" else "no" for row in rows]
    columns = {}
    for j in range(len(rows[0]) - 1):
        values = [row[j].strip() for row in rows]
        try:
            columns[f"c{j}"] = np.array(values, float)
        except ValueError:
            columns[f"c{j}"] = (np.array(values) == values[0]).astype(float)
    return pa.table({**columns, "label": label})


def _by_hand(frame, splits, sampler):
    """Balanced accuracy and log loss of every fold."""
    from imblearn.pipeline import make_pipeline

    x = np.column_stack([frame[c].to_numpy() for c in frame.column_names[:-1]])
    y = (np.asarray(frame["label"].to_pylist()) == "yes").astype(int)
    out = []
    for train, test in splits:
        steps = [StandardScaler(), *([sampler] if sampler else []), LogisticRegression(C=10.0, max_iter=300)]
        model = make_pipeline(*steps).fit(x[train], y[train])
        p = model.predict_proba(x[test])[:, 1]
        out.append([balanced_accuracy_score(y[test], p >= 0.5), log_loss(y[test], np.clip(p, 1e-6, 1 - 1e-6))])
    return np.array(out)


@pytest.mark.slow
@pytest.mark.skipif(
    "TRUENEG_DATA" not in os.environ or not SOURCE.exists(),
    reason="set TRUENEG_DATA to a folder that holds keel_imbalanced/keel_imbalanced_raw.zip",
)
@pytest.mark.parametrize("name", SETS)
def test_agrees_with_pipelines_run_by_hand(name):
    """What we say of a sampler is what a practitioner finds who runs it by hand: the same sign, about the same size."""
    pytest.importorskip("imblearn")
    from imblearn.over_sampling import SMOTE, RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    frame = _keel(name)
    source = open_source(frame, None, {"label": "label", "positive": "yes", "features": frame.column_names[:-1]})
    task = make_task(source, seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    assert not task.features.categorical.size
    splits = [folds_of(task, 5, r, 0) for r in range(2)]
    remedies = chosen("random-under,random-over,smote")
    runner = Runner(task, remedies, splits, "linear", "balanced_accuracy", 0, Kept(None), lambda *_: None, 1)
    runner.rest({}, None)
    assert not runner.failures
    rows = [Row(r.name, r.title, r.kind) for r in remedies]
    OnFolds(runner, rows).fill()
    flat = [one for repeat in splits for one in repeat]
    nothing = _by_hand(frame, flat, None)
    ours = {row.name: row for row in rows}
    assert ours["nothing"].value["log_loss"].value == pytest.approx(nothing[:, 1].mean(), abs=2e-3)
    assert ours["nothing"].value["balanced_accuracy"].value == pytest.approx(nothing[:, 0].mean(), abs=5e-3)
    peers = {
        "random-under": RandomUnderSampler(random_state=0),
        "random-over": RandomOverSampler(random_state=0),
        "smote": SMOTE(random_state=0),
    }
    for remedy, sampler in peers.items():
        by_hand = (_by_hand(frame, flat, sampler) - nothing).mean(axis=0)
        for j, metric in enumerate(("balanced_accuracy", "log_loss")):
            found = ours[remedy].difference[metric].estimate
            told = found.low > 0 or found.high < 0
            assert np.sign(found.value) == np.sign(by_hand[j]) or not told, (remedy, metric, str(found), by_hand[j])
            assert found.low <= by_hand[j] <= found.high or abs(found.value - by_hand[j]) < 0.02, (remedy, metric)
