"""Two audits side by side: what a repair changed, by the keys of the rows."""

from __future__ import annotations

import json
import shlex
import shutil

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.writers import write_table
from trueneg.jobs.diff import diff
from trueneg.jobs.repair import repair_to
from trueneg.report.difference import render


def _table(n=500, hidden=20):
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 3)) + 2 * truth[:, None]
    given = truth.copy()
    given[np.flatnonzero(truth)[:hidden]] = False
    columns = {f"x{j}": x[:, j] for j in range(3)}
    return pa.table(columns | {"label": np.where(given, "yes", "no").tolist()}), truth, given


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """A table without ids, its audit, and the audits of two repairs of it."""
    folder = tmp_path_factory.mktemp("diff")
    table, truth, given = _table()
    path = write_table(table, folder / "data.csv")
    outs = {"before": trueneg.audit(path, label="label", positive="yes").save()}
    for action in ("reannotate", "eliminate"):
        target = folder / f"{action}d.csv"
        repair_to(outs["before"], target, action=action, min_probability=0.5, findings=["TN201"])
        outs[action] = trueneg.audit(target, label="label", positive="yes").save()
    return outs, truth, given


def _of(found, code="TN201"):
    return next(s for s in found["suspects"] if s["finding"] == code)


def test_a_corrected_label_leaves_the_row_the_same(repaired):
    """Reannotated rows keep their key: every row is in both tables, and the suspects are seen to go."""
    outs, _, _ = repaired
    found = diff(outs["before"], outs["reannotate"])
    assert found["rows"] == {"both": 500, "removed": 0, "added": 0}
    suspects = _of(found)
    assert suspects["went"] > 0
    assert suspects["probable_before"] > suspects["probable_after"]
    assert suspects["removed"] == 0
    assert suspects["stayed"] + suspects["went"] == suspects["before"]
    assert suspects["stayed"] + suspects["came"] == suspects["after"]
    moved = {c["name"]: c["after"] - c["before"] for c in found["classes"]}
    assert moved["yes"] == -moved["no"] > 0


def test_an_eliminated_row_is_told_from_one_that_is_believed_now(repaired):
    """A suspect that went because its row is gone proves nothing; the count of such rows stands beside."""
    outs, _, _ = repaired
    found = diff(outs["before"], outs["eliminate"])
    removed = found["rows"]["removed"]
    assert removed > 0
    assert found["rows"]["both"] == 500 - removed
    assert _of(found)["removed"] == removed


def test_findings_that_went_came_and_moved_carry_both_figures(repaired):
    """What changed is seen only with the figures of both sides; an audit against itself shows no change at all."""
    outs, _, _ = repaired
    same = diff(outs["before"], outs["before"])
    assert {f["change"] for f in same["findings"]} <= {"same", "quiet"}
    assert all(s["went"] == s["came"] == 0 for s in same["suspects"])
    found = {f["code"]: f for f in diff(outs["before"], outs["reannotate"])["findings"]}
    assert found["TN201"]["change"] in ("changed", "gone")
    assert found["TN201"]["before"]["affected"] > (found["TN201"]["after"] or {"affected": 0})["affected"]
    back = {f["code"]: f["change"] for f in diff(outs["reannotate"], outs["before"])["findings"]}
    swapped = {"gone": "appeared", "appeared": "gone"}
    assert back == {code: swapped.get(f["change"], f["change"]) for code, f in found.items()}


def test_without_the_table_rows_are_matched_by_their_id(tmp_path):
    """A project may have moved its data: ids in the list of suspects still say which went."""
    table, _, _ = _table()
    table = table.append_column("key", pa.array([f"k{i}" for i in range(500)]))
    path = write_table(table, tmp_path / "data.csv")
    out = trueneg.audit(path, label="label", positive="yes", id="key").save()
    shutil.copytree(out, tmp_path / "other" / "data.trueneg")
    path.unlink()
    found = diff(out, tmp_path / "other" / "data.trueneg")
    assert _of(found)["stayed"] == _of(found)["before"] > 0
    assert found["rows"]["both"] is None
    assert "matched by their id" in found["notes"][0]


def test_other_kinds_and_no_audits_are_one_line(repaired, tmp_path):
    """A wrong folder, or audits of different kinds of table, cannot be put side by side."""
    outs, _, _ = repaired
    with pytest.raises(InputError, match="run 'trueneg audit PATH' first"):
        diff(outs["before"], tmp_path)
    rng = np.random.default_rng(0)
    tags = {f"tag_{j}": rng.integers(0, 2, 60) for j in range(2)}
    other = trueneg.audit(pa.table({"x": rng.normal(size=60), **tags}), label="tag_*", quick=True).save(tmp_path / "o")
    with pytest.raises(InputError, match="compare two of a kind"):
        diff(outs["before"], other)


def test_the_page_escapes_what_comes_from_the_data(repaired):
    """A class name or a key may hold markup; the page must show it, not run it."""
    outs, _, _ = repaired
    found = diff(outs["before"], outs["reannotate"])
    bad = "<script>alert(1)</script>"
    found["classes"][0]["name"] = bad
    found["suspects"][0]["first_went"][0]["key"] = bad
    page = render(found)
    assert bad not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_the_command_prints_tables_or_json_and_writes_the_page(repaired, tmp_path, run):
    """One command shows before and after: tables to read, JSON for programs, a page to send."""
    outs, _, _ = repaired
    base = ["diff", outs["before"], outs["reannotate"]]
    shown = run(*base, "--out", tmp_path / "d.html")
    assert shown.returncode == 0, shown.stderr
    assert "Suspects" in shown.stdout
    assert "TN201" in shown.stdout
    assert (tmp_path / "d.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    told = run(*base, "--json")
    assert json.loads(told.stdout)["schema"] == "trueneg/diff/1"
    assert (outs["reannotate"] / "diff.html").exists()
    missing = run("diff", "nothere", outs["before"])
    assert missing.returncode == 2
    assert len(missing.stderr.strip().splitlines()) == 1


def test_the_command_of_a_finding_runs(tmp_path, run):
    """The exact command that a report names for a suspect finding must do what it says, as it stands."""
    path = write_table(_table()[0], tmp_path / "data.csv")
    result = trueneg.audit(path, label="label", positive="yes")
    result.save()
    command = next(f for f in result.findings if f.code == "TN201").command
    program, *words = shlex.split(command)
    assert program == "trueneg"
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data.flagged.csv").exists()
