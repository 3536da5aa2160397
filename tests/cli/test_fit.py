"""``trueneg fit``, ``predict`` and ``report`` of a model, as a user meets them."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from trueneg.jobs.fit import Model

WORDS = ["rash", "reaction", "penicillin", "fever", "cough", "aspirin", "rest", "sleep", "blood"]


def _table(path, n=600):
    """Write notes whose label follows from words and age."""
    draw = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["key", "text", "age", "sex", "label"])
        for i in range(n):
            words, age = [draw.choice(WORDS) for _ in range(5)], draw.randint(1, 90)
            ill = ("rash" in words and "penicillin" in words) or ("reaction" in words and age < 40)
            label = "" if i % 50 == 7 else "allergy" if ill else "none"
            out.writerow([f"0{i:04}", " ".join(words), age, draw.choice("fm"), label])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run):
    """Fit both heads once."""
    where = tmp_path_factory.mktemp("fit")
    _table(where / "notes.csv")
    settings = ["--set", "n_clauses=50", "--set", "specificity=8"]
    done = run("fit", "tsetlin", "notes.csv", "--label", "label", "--out", "rules", *settings, cwd=where)
    assert done.returncode == 0, done.stderr
    assert "held out" in done.stdout
    other = run("fit", "naive_bayes", "notes.csv", "--label", "label", "--out", "bayes", cwd=where)
    assert other.returncode == 0, other.stderr
    return where


@pytest.mark.parametrize("model", ["rules", "bayes"])
def test_labels_of_a_stream_are_those_of_the_model_in_memory(folder, run, model):
    """Protects predict: what is written row by row, keys as spelt, is what the loaded model says of the whole table."""
    from trueneg.data.readers import read_table

    done = run("predict", "notes.csv", "--model", model, "--out", f"{model}.parquet", "--id", "text", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = pq.read_table(folder / f"{model}.parquet")
    table = read_table(folder / "notes.csv").arrow
    labels, margin = Model.load(folder / model).predict(table)
    assert found["predicted"].to_pylist() == labels.tolist()
    assert found["margin"].to_pylist() == pytest.approx(margin)
    assert found["row"].to_pylist() == list(range(len(table)))
    assert found["text"].to_pylist() == table["text"].to_pylist()
    truth = table["label"].to_pylist()
    right = [a == b for a, b in zip(labels, truth, strict=True) if b]
    assert sum(right) / len(right) > (0.95 if model == "rules" else 0.75)


def test_the_page_shows_measured_rules(folder, run):
    """Protects the page: rules in words with their intervals, everything escaped, and a policy without network."""
    stored = json.loads((folder / "rules" / "model.json").read_text(encoding="utf-8"))
    stored["about"]["rules"][0]["text"] = "<script>alert(1)</script>"
    done = run("report", "rules", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "rules" / "report.html").read_text(encoding="utf-8")
    for rule in stored["about"]["rules"][1:5]:
        assert rule["text"].replace(">", "&gt;") in page
    assert "default-src &#39;none&#39;" in page
    assert "reaction" in page
    from trueneg.report.model import render

    assert "<script>alert" not in render(stored)
    bayes = run("report", "bayes", cwd=folder)
    assert bayes.returncode == 0
    page = (folder / "bayes" / "report.html").read_text(encoding="utf-8")
    assert ">Classes</h2>" in page
    assert all(f">{part}</h2>" not in page for part in ("Threshold", "Scores", "How to read this"))


def test_a_model_holds_no_pickle_and_is_the_same_for_any_number_of_threads(folder):
    """Protects trust and reproducibility: npz and JSON alone, equal arrays from two threads of another process."""
    import numpy as np

    arguments = ["--label", "label", "--set", "n_clauses=50", "--set", "specificity=8", "--jobs", "2"]
    command = [sys.executable, "-m", "trueneg", "fit", "tsetlin", "notes.csv", "--out", "again", *arguments]
    assert subprocess.run(command, capture_output=True, check=False, cwd=folder).returncode == 0
    assert sorted(p.name for p in (folder / "again").iterdir()) == ["head.npz", "model.json"]
    with np.load(folder / "rules" / "head.npz") as a, np.load(folder / "again" / "head.npz") as b:
        for name in ("include", "lower", "weight"):
            np.testing.assert_array_equal(a[name], b[name])


def test_search_chooses_settings_and_tells_them(folder, run):
    """Protects --search: the model kept has the settings that it says it chose, and learned from all rows."""
    arguments = ["--label", "label", "--search", "--set", "max_iter=3", "--out", "chosen"]
    done = run("fit", "tsetlin", "notes.csv", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    told = next(line for line in done.stdout.splitlines() if line.startswith("chosen of"))
    params = Model.load(folder / "chosen").fitted.model.get_params()
    for name in ("n_clauses", "threshold", "specificity"):
        assert f"{name} {params[name]:g}" in told
    assert params["max_iter"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "tsetlinn", "notes.csv", "--label", "label", "--out", "x"], "did you mean 'tsetlin'"),
        (["fit", "tsetlin", "notes.csv", "--label", "label", "--out", "x", "--set", "claus=3"], "did you mean"),
        (["fit", "tsetlin", "notes.csv", "--label", "label", "--out", "x", "--set", "n_clauses"], "name=value"),
        (["fit", "tsetlin", "notes.csv", "--label", "label", "--out", "x", "--set", "n_clauses=0"], "n_clauses=0"),
        (["fit", "tsetlin", "notes.csv", "--label", "lable", "--out", "x"], "did you mean 'label'"),
        (["fit", "naive_bayes", "notes.csv", "--label", "label", "--out", "x", "--search"], "leave it out"),
        (
            ["fit", "tsetlin", "notes.csv", "--label", "label", "--out", "x", "--search", "--set", "threshold=9"],
            "--search chooses",
        ),
        (["fit", "tsetlin", "notes.csv", "--label", "label", "--out", "x", "--held-out", "1"], "--held-out"),
        (["predict", "notes.csv", "--model", "nowhere", "--out", "y.csv"], "trueneg fit"),
        (["predict", "notes.csv", "--model", "rules", "--out", "notes.csv"], "never written to"),
        (["predict", "notes.csv", "--model", "rules", "--out", "y.xyz"], "kind of file"),
        (["predict", "short.csv", "--model", "rules", "--out", "y.csv"], "no column"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, run, arguments, said):
    """Protects users: what is wrong is one line with the remedy and exit code 2, and no file is left."""
    (folder / "short.csv").write_text("text\nrash\n", encoding="utf-8")
    before = (folder / "notes.csv").read_bytes()
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (folder / "notes.csv").read_bytes() == before
    assert not (folder / "x").exists()
    assert not (folder / "y.csv").exists()
