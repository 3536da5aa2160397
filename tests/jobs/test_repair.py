"""Repairs: what was chosen is done and listed, everything else is untouched, and nothing is lost."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.readers import read_table
from trueneg.data.sniff import row_keys
from trueneg.data.writers import write_table
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.repair import plan, repair_to
from trueneg.jobs.repair.values import edit_text

FILES = ["csv", "tsv", "csv.gz", "jsonl", "parquet", "arrow", "npz"]
FUZZ = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OURS = ["trueneg_action", "trueneg_reason", "trueneg_finding", "trueneg_given", "trueneg_weight", "trueneg_source"]


def _table(n=240, *, seed=0, key=False, labels=("no", "yes")):
    """A two-class table of which six positives stand as negative."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 2)) + 2 * y[:, None]
    y[np.flatnonzero(y)[:6]] = False
    p = np.clip(1 / (1 + np.exp(2 - x.sum(axis=1))), 0.01, 0.99)
    columns = {f"x{j}": x[:, j] for j in range(2)} | {"p": p}
    table = pa.table({**columns, "label": [labels[int(v)] for v in y]})
    return table.add_column(0, "key", pa.array([f"k{i}" for i in range(n)])) if key else table


def _audited(folder, table, suffix="csv", **options):
    """Write a table and audit it by given probabilities, which needs no model."""
    path = write_table(table, folder / f"data.{suffix}")
    options = {"label": "label", "positive": "yes", "features": ["x0", "x1"], "proba": ["p"]} | options
    result = trueneg.audit(path, **options)
    result.save(folder / "data.trueneg")
    return path, folder / "data.trueneg"


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """An audit for each format, made when first asked for."""
    made = {}

    def get(suffix="csv"):
        if suffix not in made:
            made[suffix] = _audited(tmp_path_factory.mktemp("audits"), _table(), suffix)
        return made[suffix]

    return get


def _record(target):
    return json.loads(target.with_name(target.name + ".repair.json").read_text(encoding="utf-8"))


def _suspects(folder, code="TN201"):
    return [r for r in read_table(folder / "suspects.parquet").arrow.to_pylist() if r["finding"] == code]


@pytest.mark.parametrize("suffix", FILES)
@FUZZ
@given(top=st.integers(1, 110))
def test_the_kept_rows_and_the_listed_ones_are_the_input(audits, tmp_path, suffix, top):
    """A user who eliminates must be able to put the file together again: nothing is lost that is not listed."""
    path, folder = audits(suffix)
    target = tmp_path / f"out.{suffix}"
    repair_to(folder, target, action="eliminate", top=top)
    before, after, record = read_table(path).arrow, read_table(target).arrow, _record(target)
    listed = [row[0] for row in record["removed"]["rows"]]
    kept = after["trueneg_source"].to_pylist()
    assert sorted(listed + kept) == list(range(len(before)))
    assert kept == sorted(kept)
    for name in before.column_names:
        assert after[name].type == before[name].type
        assert after[name].to_pylist() == before[name].take(pa.array(kept)).to_pylist()
    assert record["counts"]["eliminated"] == len(listed) == record["input"]["rows"] - len(kept)
    keys = row_keys(read_table(path), None, exclude=["label"])
    assert [row[1] for row in record["removed"]["rows"]] == keys[listed].tolist()


@pytest.mark.parametrize("suffix", FILES)
def test_each_action_does_what_it_says_to_the_first_suspects(audits, tmp_path, suffix):
    """The first lines of suspects.csv are what --top means, and no other row is touched."""
    path, folder = audits(suffix)
    before = read_table(path).arrow
    first = _suspects(folder)[:10]
    ranking = AuditFolder.open(folder).rankings["TN201"]
    p = dict(zip(ranking.row.tolist(), ranking.probability.tolist(), strict=True))
    for action in ("flag", "downweight", "reannotate"):
        target = tmp_path / f"{action}.{suffix}"
        done = repair_to(folder, target, action=action, top=10)
        after = {r["trueneg_source"]: r for r in read_table(target).arrow.to_pylist()}
        touched = {row for row, r in after.items() if r["trueneg_action"]}
        assert touched == {s["row"] for s in first}
        assert done.counts["chosen"] == 10
        for s in first:
            row = after[s["row"]]
            assert row["trueneg_action"] == action
            assert row["trueneg_reason"] == s["reason"]
            assert row["trueneg_finding"] == "TN201"
            assert row["label"] == ("yes" if action == "reannotate" else "no")
            if action == "reannotate":
                assert row["trueneg_given"] == "no"
            if action == "downweight":
                assert row["trueneg_weight"] == pytest.approx(1 - p[s["row"]])
        for row, label in enumerate(before["label"].to_pylist()):
            if row not in touched:
                assert after[row]["label"] == label
                assert after[row].get("trueneg_weight", 1) == 1
        assert set(read_table(target).arrow.column_names) - set(before.column_names) <= set(OURS)


def test_a_probability_chooses_from_the_whole_population(audits, tmp_path):
    """A bar below the last line of the list reaches the rows behind it, and the exact probability decides."""
    _, folder = audits()
    opened = AuditFolder.open(folder)
    found = [f["code"] for f in opened.report["findings"] if f["status"] in ("finding", "advice")]
    stand = [code for code in found if code in opened.rankings]
    for bar in (0.02, 0.3, 0.6):
        made = plan(folder, action="flag", min_probability=bar)
        wanted = {
            int(r)
            for code, ranking in opened.rankings.items()
            if code in stand
            for r in ranking.row[ranking.probability >= bar]
        }
        assert set(made.repairs.rows.tolist()) == wanted
    both = plan(folder, action="flag", min_probability=0.3, top=3)
    alone = plan(folder, action="flag", min_probability=0.3)
    assert set(both.repairs.rows.tolist()) <= set(alone.repairs.rows.tolist())
    assert len(both.repairs.rows) <= 3
    beyond = plan(folder, action="flag", top=len(_table()) * 2)
    assert len(beyond.repairs.rows) == sum(len(opened.rankings[c].row) for c in stand)


def test_one_finding_alone(tmp_path):
    """--finding keeps an action for missed positives away from the scarce positives."""
    _, folder = _audited(tmp_path, _table())
    chosen = plan(folder, action="flag", top=1000, findings="tn201")
    assert set(chosen.repairs.texts["trueneg_finding"]) == {"TN201"}
    with pytest.raises(InputError, match=r"--finding TN999: .* has no suspects of that code; there are TN201"):
        plan(folder, action="flag", top=1, findings=["TN999"])


@pytest.mark.parametrize("suffix", FILES)
def test_the_same_command_writes_the_same_bytes(audits, tmp_path, suffix):
    """A pipeline that runs twice must find nothing to commit: file and record are byte for byte the same."""
    _, folder = audits(suffix)
    target = tmp_path / f"out.{suffix}"
    seen = []
    for _ in range(2):
        repair_to(folder, target, action="reannotate", min_probability=0.3)
        seen.append((target.read_bytes(), (tmp_path / f"out.{suffix}.repair.json").read_bytes()))
    assert seen[0] == seen[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"out.{suffix}", f"out.{suffix}.repair.json"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_audit_and_repair_of_a_repaired_file_does_not_nest(tmp_path, suffix):
    """The loop goes round: the second round's columns replace the first's, and are no features of the audit."""
    _, folder = _audited(tmp_path, _table(), suffix)
    once = tmp_path / f"once.{suffix}"
    repair_to(folder, once, action="flag", top=5)
    result = trueneg.audit(once, label="label", positive="yes", proba=["p"], features=["x0", "x1"])
    result.save(tmp_path / "once.trueneg")
    twice = tmp_path / f"twice.{suffix}"
    repair_to(tmp_path / "once.trueneg", twice, action="downweight", top=3)
    names = read_table(twice).arrow.column_names
    assert len(names) == len(set(names))
    assert [n for n in names if n.startswith("trueneg_")] == [*OURS[:3], "trueneg_weight", "trueneg_source"]
    touched = [v for v in read_table(twice).arrow["trueneg_action"].to_pylist() if v]
    assert touched == ["downweight"] * 3


def test_a_format_by_the_name_or_that_of_the_input(audits, tmp_path):
    """The name decides; a name without an ending means the input's format, an unknown ending is refused."""
    _, folder = audits("csv.gz")
    repair_to(folder, tmp_path / "a.parquet", action="flag", top=1)
    assert read_table(tmp_path / "a.parquet").arrow["x0"].type == pa.float64()
    repair_to(folder, tmp_path / "plain", action="flag", top=1)
    assert (tmp_path / "plain").read_bytes()[:2] == b"\x1f\x8b"
    with pytest.raises(InputError, match="this kind of file is not read"):
        repair_to(folder, tmp_path / "a.xlsx", action="flag", top=1)


def test_the_input_is_never_written_to(audits, tmp_path):
    """By its name, through a symbolic link or through a hard link: the input is refused as the target."""
    source, _ = audits()
    path = tmp_path / "data.csv"
    shutil.copy(source, path)
    _, folder = _audited(tmp_path, read_table(path).arrow)
    (tmp_path / "soft.csv").symlink_to(path)
    os.link(path, tmp_path / "hard.csv")
    before = path.read_bytes()
    for name in ("data.csv", "soft.csv", "hard.csv", "../" + tmp_path.name + "/data.csv"):
        with pytest.raises(InputError, match="is the input itself"):
            repair_to(folder, tmp_path / name, action="flag", top=1)
    assert path.read_bytes() == before


def test_a_file_that_no_repair_wrote_is_not_replaced(audits, tmp_path):
    """A slip of the fingers in --to must not cost anybody a file."""
    _, folder = audits()
    target = tmp_path / "precious.csv"
    target.write_text("mine")
    with pytest.raises(InputError, match="exists and was not written by 'trueneg repair'"):
        repair_to(folder, target, action="flag", top=1)
    assert target.read_text() == "mine"
    with pytest.raises(InputError, match="its folder does not exist"):
        repair_to(folder, tmp_path / "no" / "x.csv", action="flag", top=1)
    with pytest.raises(InputError, match="is a folder"):
        repair_to(folder, tmp_path, action="flag", top=1)


def test_nothing_is_left_after_a_failure(audits, tmp_path, monkeypatch):
    """Ctrl-C and a full disk leave the folder as it was, and what an earlier repair wrote."""
    _, folder = audits()
    target = tmp_path / "out.csv"

    def interrupt(word, rows):
        if word == "writing":
            raise KeyboardInterrupt

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(KeyboardInterrupt):
        repair_to(folder, target, action="flag", top=1, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    repair_to(folder, target, action="flag", top=1)
    before = target.read_bytes()
    monkeypatch.setattr("trueneg.jobs.repair.run.repair_file", full)
    with pytest.raises(InputError, match="the disk is full and nothing was written"):
        repair_to(folder, target, action="flag", top=2)
    assert target.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("how", ["value", "type", "row", "column", "gone", "under our hands"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_changed_input_is_refused(audits, tmp_path, suffix, how):
    """A repair of rows that are not the audited ones would relabel strangers."""
    shutil.copytree(audits(suffix)[1].parent, tmp_path / "here")
    path, folder = tmp_path / "here" / f"data.{suffix}", tmp_path / "here" / "data.trueneg"
    assert plan(folder, action="flag", top=1).counts["chosen"] == 1  # as long as nothing has changed
    other = _table(seed=1)
    changed = {
        "value": _table().set_column(0, "x0", pa.array([9.0, *_table()["x0"].to_pylist()[1:]])),
        "type": _table().set_column(0, "x0", pa.array(["text"] * 240)),
        "row": _table().slice(1),
        "column": _table().append_column("more", other["x0"]),
    }
    progress = None
    if how in changed:
        write_table(changed[how], path)
    elif how == "gone":
        path.unlink()
    else:

        def progress(word, rows):
            if word == "writing":
                path.touch()

    with pytest.raises(InputError, match="run 'trueneg audit' again|not there any more") as caught:
        repair_to(folder, tmp_path / f"out.{suffix}", action="flag", top=1, progress=progress)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / f"out.{suffix}").exists()


def test_one_class_is_refused_and_a_lost_class_is_told(tmp_path):
    """A table of one class teaches nothing: refused with the remedy; of several classes, the lost one is named."""
    _, folder = _audited(tmp_path, _table())
    n_negative = 186
    with pytest.raises(InputError, match=r"only 'yes' would be left.*--action flag"):
        plan(folder, action="reannotate", top=n_negative, findings=["TN201"])
    assert plan(folder, action="flag", top=n_negative, findings=["TN201"]).counts["flagged"] == n_negative
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [100, 100, 3])
    x = rng.normal(size=(203, 2)) + 4 * np.column_stack([y == "a", y == "b"])
    table = pa.table({"x0": x[:, 0], "x1": x[:, 1], "y": y.tolist()})
    result = trueneg.audit(table, label="y")
    rows = np.flatnonzero(y == "c").tolist()
    made = plan(result, action="eliminate", frame=table, decisions=dict.fromkeys(rows, "accept"))
    assert made.notes == ["no row is left of: c"]
    assert made.classes["c"] == {"before": 3, "after": 0}


@pytest.mark.parametrize(
    ("labels", "kind"),
    [((0, 1), pa.int8()), ((0.0, 1.0), pa.float32()), ((False, True), pa.bool_()), (("no", "yes"), None)],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow", "npz"])
def test_a_new_label_has_the_type_and_spelling_of_the_column(tmp_path, labels, kind, suffix):
    """Numbers, truth values, categories: the proposed class is written as the column writes it."""
    table = _table(labels=labels)
    column = table["label"].cast(kind) if kind else table["label"].dictionary_encode()
    table = table.set_column(3, "label", column if suffix in ("parquet", "arrow") else column.cast(column.type))
    path, folder = _audited(tmp_path, table, suffix, positive=str(labels[1]).lower().removesuffix(".0"))
    target = tmp_path / f"out.{suffix}"
    repair_to(folder, target, action="reannotate", top=10, findings=["TN201"])
    before, after = read_table(path).arrow, read_table(target).arrow
    assert after["label"].type == before["label"].type
    first = {s["row"] for s in _suspects(folder)[:10]}
    high, low = (max if True in labels or 1 in labels or "yes" in labels else min)(before["label"].to_pylist()), None
    for row, (old, new) in enumerate(zip(before["label"].to_pylist(), after["label"].to_pylist(), strict=True)):
        assert new == (high if row in first else old)
    assert low is None


def test_a_csv_label_keeps_its_spelling(tmp_path):
    """``Yes`` with a blank, ``1.0`` and ``TRUE`` are written as the file writes them, not as the audit calls them."""
    for spelt, positive in ((("0.0", "1.0"), "1"), (("FALSE", "TRUE"), "true"), ((" no", "yes "), "yes")):
        folder = tmp_path / positive
        folder.mkdir()
        table = _table(labels=spelt)
        names = table.column_names
        with (folder / "data.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(names)
            out.writerows(zip(*(table[n].to_pylist() for n in names), strict=True))
        options = {"label": "label", "positive": positive, "features": ["x0", "x1"], "proba": ["p"]}
        trueneg.audit(folder / "data.csv", **options).save(folder / "data.trueneg")
        repair_to(folder / "data.trueneg", folder / "out.csv", action="reannotate", top=5, findings=["TN201"])
        with (folder / "out.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {r["label"] for r in rows} == set(spelt)
        assert {r["label"] for r in rows if r["trueneg_action"]} == {spelt[1]}
        with (folder / "data.csv").open(newline="") as file:
            assert [r["x0"] for r in csv.DictReader(file)] == [r["x0"] for r in rows]


def test_trusted_rows_are_never_touched(tmp_path):
    """Somebody has looked at them: no rank, no probability and no number chooses them."""
    table = _table()
    _, plain = _audited(tmp_path, table)
    worst = [s["row"] for s in _suspects(plain)[:5]]
    trusted = [i in worst for i in range(len(table))]
    _, folder = _audited(tmp_path, table.append_column("ok", pa.array(trusted)), trusted="ok")
    made = plan(folder, action="flag", top=10_000)
    assert not set(made.repairs.rows.tolist()) & set(worst)
    with pytest.raises(InputError, match=rf"{worst[0]} is no suspect of this audit \(trusted rows never are\)"):
        plan(folder, action="flag", decisions={worst[0]: "accept"})


def _review(folder, words, n=20):
    """Draw a sample and answer it."""
    trueneg.review(folder, n=n)
    with (folder / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        line["answer"], line["reviewer"] = words(line), "Ada"
    _write_answers(folder / "review.csv", lines)
    return lines


def _write_answers(path, lines):
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(lines[0]))
        out.writeheader()
        out.writerows(lines)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """An audit with a review: every third row accepted, every third rejected, every third unsure, one left open."""
    root = tmp_path_factory.mktemp("reviewed")
    path, folder = _audited(root, _table(key=True), id="key")
    words = iter(["accept", "reject", "unsure"] * 6 + ["accept", ""])
    return path, folder, _review(folder, lambda _: next(words))


def test_answers_choose_and_spare(reviewed, tmp_path):
    """Accepted rows are repaired with the reviewer's name; rejected, unsure and open ones are left alone."""
    path, folder, lines = reviewed
    target = tmp_path / "out.csv"
    done = repair_to(folder, target, action="reannotate", decisions=folder / "review.csv")
    after = read_table(target).arrow.to_pylist()
    labels = read_table(path).arrow["label"].to_pylist()
    accepted = {line["key"] for line in lines if line["answer"] == "accept"}
    assert done.counts["chosen"] == len(accepted)
    for row, old in zip(after, labels, strict=True):
        if row["key"] in accepted:
            assert row["trueneg_reason"] == "judged by Ada"
            assert row["label"] != old
        else:
            assert not row["trueneg_action"]
            assert row["label"] == old
    assert _record(target)["options"]["decisions"].endswith("review.csv")


def test_rank_and_answers_together(reviewed):
    """With --top beside the answers, a rejected suspect is spared and an accepted one is added."""
    _, folder, lines = reviewed
    row = {line["answer"]: set() for line in lines}
    for line in lines:
        row[line["answer"]].add(int(line["row"]))
    made = plan(folder, action="flag", top=10_000, decisions=folder / "review.csv")
    chosen = set(made.repairs.rows.tolist())
    assert row["accept"] <= chosen
    assert not (row["reject"] | row["unsure"]) & chosen
    silent = plan(folder, action="flag", top=10_000)
    assert not (row["reject"] | row["unsure"]) & set(silent.repairs.rows.tolist())
    assert any("left alone: judged right or unsure" in note for note in silent.notes)


def test_two_reviewers_in_a_folder(reviewed, tmp_path):
    """Where two judged, both are named; where they disagree, nobody has decided and the row is left alone."""
    _, folder, lines = reviewed
    accepted = [line["key"] for line in lines if line["answer"] == "accept"]
    _write_answers(tmp_path / "ada.csv", lines)
    second = [
        {**line, "reviewer": "Bob", "answer": "reject" if line["key"] == accepted[0] else line["answer"]}
        for line in lines
    ]
    _write_answers(tmp_path / "bob.csv", second)
    made = plan(folder, action="flag", decisions=tmp_path)
    assert set(made.repairs.texts["trueneg_reason"]) == {"judged by Ada and Bob"}
    assert made.counts["chosen"] == len(accepted) - 1


@pytest.mark.parametrize("fault", ["data", "row", "word", "open", "missing", "no review"])
def test_answers_that_do_not_fit_are_refused(reviewed, tmp_path, fault):
    """Answers of another audit, to rows that are not there, or to nothing: one line, and nothing is written."""
    _, folder, lines = reviewed
    lines = [dict(line) for line in lines]
    match = {
        "data": "belongs to other data",
        "row": "no row of the table has the key 'k99999'|there is no row|was not drawn",
        "word": "none of accept, reject and unsure",
        "open": "answers no row",
        "missing": "there is no such file",
        "no review": "run 'trueneg review' on it first",
    }[fault]
    path = tmp_path / "answers.csv"
    if fault == "data":
        lines[0]["data"] = "blake2b:0123456789abcdef"
    elif fault == "row":
        lines[0]["key"], lines[0]["row"] = "k99999", "99999"
    elif fault == "word":
        lines[0]["answer"] = "maybe"
    elif fault == "open":
        for line in lines:
            line["answer"] = ""
    if fault != "missing":
        _write_answers(path, lines)
    if fault == "no review":
        _, folder = _audited(tmp_path, _table())
    with pytest.raises(InputError, match=match) as caught:
        repair_to(folder, tmp_path / "out.csv", action="flag", decisions=path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_an_accepted_row_without_a_proposal_is_listed_not_lost(tmp_path):
    """Who says "wrong" but not what is right gets the row back with its label, marked and listed."""
    _, path = _audited(tmp_path, _table())
    opened = AuditFolder.open(path)
    ranking = opened.rankings["TN201"]
    folder = replace(opened, rankings={"TN201": replace(ranking, proposed=np.full(len(ranking.row), -1))})
    row = int(ranking.row[3])
    made = plan(folder, action="reannotate", decisions={row: "accept"})
    assert made.repairs.texts["trueneg_action"] == ["unresolved"]
    assert made.repairs.changes == {}
    assert [listed[0] for listed in made.unresolved["rows"]] == [row]
    assert made.counts["unresolved"] == 1
    assert made.counts["kept"] == made.counts["rows"]


def test_decisions_by_number(audits):
    """In Python the answers may be a dict; a row that does not exist or an unknown word is refused."""
    _, folder = audits()
    rows = [s["row"] for s in _suspects(folder)[:3]]
    made = plan(folder, action="flag", decisions={rows[0]: "accept", rows[1]: 0, rows[2]: "unsure"})
    assert made.repairs.rows.tolist() == [rows[0]]
    assert made.repairs.texts["trueneg_reason"] == ["judged by hand"]
    for wrong, match in (
        ({10**6: "accept"}, "is no row; rows are numbered 0 to 239"),
        ({"k1": "accept"}, "is no row"),
        ({rows[0]: "yes"}, "is not an answer"),
        ({(rows[0], "yes"): "accept"}, "is no suspect"),
        ({}, "answers no row"),
        ({rows[0]: "reject"}, "calls none of its 1 answered rows wrong"),
    ):
        with pytest.raises(InputError, match=match):
            plan(folder, action="flag", decisions=wrong)


def test_an_audit_without_suspects_has_nothing_to_repair(tmp_path):
    """No model, nothing found, or a bar too high: said with what to do."""
    path, folder = _audited(tmp_path, _table())
    with pytest.raises(InputError, match=r"say which suspects: --top N, --min-probability P, or --decisions FILE"):
        plan(folder, action="flag")
    with pytest.raises(InputError, match=r"no suspect has a probability of at least 1 \(the highest is 0\.\d+\)"):
        plan(folder, action="flag", min_probability=1.0)
    for wrong in ({"top": 0}, {"top": 1.5}, {"min_probability": 1.5}, {"min_probability": float("nan")}):
        with pytest.raises(InputError, match=r"--top|--min-probability"):
            plan(folder, action="flag", **wrong)
    with pytest.raises(InputError, match="action 'drop' is not known"):
        plan(folder, action="drop", top=1)
    trueneg.audit(path, label="label", positive="yes", features=["x0", "x1"], quick=True).save(folder)
    with pytest.raises(InputError, match=r"asked no model \(--quick\)"):
        plan(folder, action="flag", top=1)


def test_a_kind_that_has_no_label_column_is_refused_with_the_reason(audits):
    """Other kinds come later; until then the reason is said instead of a broken file."""
    opened = AuditFolder.open(audits()[1])
    report = {**opened.report, "input": {**opened.report["input"], "kind": "bags"}}
    with pytest.raises(InputError, match="'bags' cannot be repaired yet: it has no label column"):
        plan(replace_report(opened, report), action="flag", top=1)


def replace_report(folder, report):
    """Return the folder with another report."""
    return replace(folder, report=report)


# ------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "lazy"])
def test_frames_come_back_as_what_they_were(kind):
    """The repaired frame is of the kind that was audited, with its index, and equals the one through a file."""
    table = _table()
    frame = {"pandas": table.to_pandas(), "polars": pl.from_arrow(table), "arrow": table}.get(kind)
    if kind == "pandas":
        frame.index = pd.Index(np.arange(len(table))[::-1], name="back")
    frame = pl.from_arrow(table).lazy() if kind == "lazy" else frame
    result = trueneg.audit(frame, label="label", positive="yes", features=["x0", "x1"], proba=["p"])
    out = trueneg.repair(result, action="eliminate", frame=frame, top=10)
    assert type(out) is type(frame)
    out = out.collect() if kind == "lazy" else out
    listed = plan(result, action="eliminate", frame=frame, top=10).removed["rows"]
    assert len(out) == len(table) - 10
    source = out["trueneg_source"].to_pylist() if kind == "arrow" else out["trueneg_source"].to_list()
    assert sorted(source + [row[0] for row in listed]) == list(range(len(table)))
    if kind == "pandas":
        assert out.index.tolist() == [len(table) - 1 - s for s in source]
        assert out.index.name == "back"


def test_another_frame_is_refused():
    """A frame that was sorted or edited after its audit is not the audited one."""
    frame = _table().to_pandas()
    result = trueneg.audit(frame, label="label", positive="yes", features=["x0", "x1"], proba=["p"])
    with pytest.raises(InputError, match="the frame is not the table"):
        trueneg.repair(result, action="flag", frame=frame.sort_values("x0"), top=1)
    with pytest.raises(InputError, match="pass the frame"):
        trueneg.repair(result, action="flag", top=1)


@pytest.mark.slow
def test_file_and_frame_agree_over_many_batches(tmp_path):
    """A file of several batches is repaired as the whole is: row numbers go on from batch to batch."""
    n = 150_000
    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.2
    p = np.clip(np.where(y, 0.9, 0.1) + rng.normal(0, 0.1, n), 0.01, 0.99)
    given = np.where(y & (rng.random(n) < 0.9), "yes", "no")
    table = pa.table({"key": [f"k{i}" for i in range(n)], "p": p, "label": given.tolist()})
    path = write_table(table, tmp_path / "data.csv")
    result = trueneg.audit(path, label="label", positive="yes", proba=["p"], id="key", features=["p"], quick=True)
    result.save(tmp_path / "data.trueneg")
    for action in ("eliminate", "reannotate", "downweight"):
        done = repair_to(tmp_path / "data.trueneg", tmp_path / f"{action}.csv", action=action, min_probability=0.5)
        assert done.counts["chosen"] > 1000
        whole = trueneg.repair(result, action=action, min_probability=0.5)
        streamed = read_table(tmp_path / f"{action}.csv").arrow
        assert streamed.num_rows == whole.num_rows
        for name in whole.column_names:
            left = [v or None for v in streamed[name].to_pylist()]
            assert left == [v or None for v in whole[name].to_pylist()], name
    keys = {row[1] for row in _record(tmp_path / "eliminate.csv")["removed"]["rows"]}
    assert keys == set(table["key"].to_pylist()) - set(read_table(tmp_path / "eliminate.csv").arrow["key"].to_pylist())


# ------------------------------------------------------------------------------------------------- several labels


def _several(form, n=300, seed=0):
    """Two labels a row, of which some are missing."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 2)) < 0.4
    truth[:, 1] |= ~truth.any(axis=1)
    x = rng.normal(size=(n, 2)) + 3 * truth
    seen = truth.copy()
    gone = rng.choice(np.flatnonzero(truth[:, 0] & truth[:, 1]), 8, replace=False)
    seen[gone, 0] = False
    columns = {"x0": x[:, 0], "x1": x[:, 1]}
    if form == "columns":
        return pa.table({**columns, "y_cat": seen[:, 0].astype(int), "y_dog": seen[:, 1].astype(int)})
    names = [[w for w, on in zip(("cat", "dog"), row, strict=True) if on] for row in seen.tolist()]
    return pa.table({**columns, "y": names if form == "list" else ["; ".join(v) for v in names]})


def _audited_several(folder, form, suffix):
    path = write_table(_several(form), folder / f"data.{suffix}")
    options = {"label": "y_*"} if form == "columns" else {"label": "y", "kind": "multilabel"}
    options |= {"label_sep": ";"} if form == "text" else {}
    trueneg.audit(path, features=["x0", "x1"], **options).save(folder / "data.trueneg")
    return path, folder / "data.trueneg"


def _sets(table, form):
    if form == "columns":
        pairs = zip(table["y_cat"].to_pylist(), table["y_dog"].to_pylist(), strict=True)
        return [dict(zip(("cat", "dog"), pair, strict=True)) for pair in pairs]
    cells = table["y"].to_pylist()
    rows = cells if form == "list" else [[w.strip() for w in v.split(";") if w.strip()] for v in cells]
    return [{n: int(n in row) for n in ("cat", "dog")} for row in rows]


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("columns", "csv"), ("columns", "parquet"), ("columns", "jsonl"), ("text", "csv"), ("text", "jsonl"),
     ("text", "parquet"), ("list", "parquet"), ("list", "jsonl")],
)  # fmt: skip
def test_a_missing_label_is_put_where_it_belongs(tmp_path, form, suffix):
    """Reannotate changes the chosen cells and no other, whether labels are columns, a text or a list."""
    path, folder = _audited_several(tmp_path, form, suffix)
    cells = _suspects(folder)[:6]
    target = tmp_path / f"out.{suffix}"
    done = repair_to(folder, target, action="reannotate", top=6, findings=["TN201"])
    assert done.counts["cells"] == 6
    before, after = read_table(path).arrow, read_table(target).arrow
    wanted = _sets(before, form)
    for cell in cells:
        wanted[cell["row"]][cell["label"]] = 1
    assert _sets(after, form) == wanted
    for name in before.column_names:
        assert after[name].type == before[name].type
    said = dict(zip(after["trueneg_source"].to_pylist(), after["trueneg_reason"].to_pylist(), strict=True))
    assert all("is probably missing" in said[cell["row"]] for cell in cells)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_an_eliminated_cell_is_unjudged_and_its_row_stays(tmp_path, suffix):
    """One doubtful label is no reason to lose a row's other labels: the cell becomes null, which no one reads as 0."""
    path, folder = _audited_several(tmp_path, "columns", suffix)
    cells = _suspects(folder)[:5]
    target = tmp_path / f"out.{suffix}"
    repair_to(folder, target, action="eliminate", top=5, findings=["TN201"])
    wanted = _sets(read_table(path).arrow, "columns")
    for cell in cells:
        wanted[cell["row"]][cell["label"]] = None
    assert _sets(read_table(target).arrow, "columns") == wanted
    assert _record(target)["removed"]["rows"] == []


def test_what_a_column_of_labels_cannot_say_is_refused(tmp_path):
    """A separated list has no word for unjudged, and NPZ none for null."""
    _, folder = _audited_several(tmp_path, "text", "csv")
    with pytest.raises(InputError, match="cannot say that one of them is unjudged"):
        repair_to(folder, tmp_path / "out.csv", action="eliminate", top=1)
    (tmp_path / "npz").mkdir()
    _, folder = _audited_several(tmp_path / "npz", "columns", "npz")
    with pytest.raises(InputError, match="cannot hold a cell that is unjudged"):
        repair_to(folder, tmp_path / "npz" / "out.npz", action="eliminate", top=1)
    frame = _several("columns").to_pandas()
    result = trueneg.audit(frame, label="y_*", features=["x0", "x1"])
    with pytest.raises(InputError, match="cannot hold the proposed value null"):
        trueneg.repair(result, action="eliminate", frame=frame, top=1, findings=["TN201"])


def test_a_row_is_weighed_by_its_most_doubtful_cell(tmp_path):
    """A table has one weight a row: the smallest of those its cells would get."""
    _, folder = _audited_several(tmp_path, "columns", "csv")
    made = plan(folder, action="downweight", top=40)
    ranking = AuditFolder.open(folder).rankings
    for row, weight in zip(made.repairs.rows.tolist(), made.repairs.weights.tolist(), strict=True):
        most = max(float(r.probability[r.row == row].max(initial=0)) for r in ranking.values())
        assert weight >= 1 - most - 1e-6
        assert weight < 1


@pytest.mark.parametrize(
    ("old", "add", "drop", "sep", "new"),
    [
        ("a; b", ["c"], [], ";", "a; b; c"),
        ("a,b", ["c"], ["a"], ",", "b,c"),
        ("a; b", [], ["a"], ";", "b"),
        ("a", [], ["a"], ";", None),
        ("a", ["b"], ["a"], ";", "b"),
        (" A |b", ["b"], [], "|", " A |b"),
        ("", ["x"], [], ";", ";x"),
    ],
)
def test_editing_separated_labels(old, add, drop, sep, new):
    """The labels that stay keep their spelling and order; the last one is not taken out, since blank means unjudged."""
    if old:
        assert edit_text(old, add, drop, sep) == new
