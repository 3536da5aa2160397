"""An audit's folder: all that later commands need, and refused where it no longer fits the table."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.writers import write_table
from trueneg.jobs.audit.folder import RANKINGS, AuditFolder


def _table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 3)) + 2 * y[:, None]
    y[np.flatnonzero(y)[:6]] = False
    columns = {f"x{j}": x[:, j] for j in range(3)}
    return pa.table({"key": [f"k{i}" for i in range(n)], **columns, "label": np.where(y, "yes", "no").tolist()})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An audit and the folder it was saved to."""
    folder = tmp_path_factory.mktemp("audit")
    path = write_table(_table(), folder / "data.csv")
    result = trueneg.audit(path, label="label", positive="yes", id="key")
    result.save(folder / "data.trueneg")
    return result, folder / "data.trueneg"


def test_the_whole_population_is_kept(saved):
    """A review needs a denominator: every negative has its probability, not only the suspects that are shown."""
    result, folder = saved
    opened = AuditFolder.open(folder)
    ranking = opened.rankings["TN201"]
    labels = np.asarray(_table()["label"].to_pylist())
    np.testing.assert_array_equal(ranking.row, np.flatnonzero(labels == "no"))
    shown = {r["row"]: r["probability"] for r in result.suspects_arrow.to_pylist() if r["finding"] == "TN201"}
    place = {int(row): i for i, row in enumerate(ranking.row)}
    assert shown
    for row, probability in shown.items():
        assert round(float(ranking.probability[place[row]]), 4) == probability
    assert set(np.asarray(opened.classes)[ranking.proposed]) == {"yes"}
    assert (ranking.verdict == 0).all()


def test_table_and_roles_come_back(saved):
    """Later commands get the table and every column's part from the folder alone."""
    _, folder = saved
    opened = AuditFolder.open(folder)
    table = opened.table()
    roles = opened.roles(table)
    assert (roles.label, roles.positive, roles.id) == ("label", "yes", "key")
    assert opened.keys(table, roles).tolist() == _table()["key"].to_pylist()
    np.testing.assert_array_equal(opened.neighbors, saved[0].neighbors)


def test_both_can_be_moved_together(saved, tmp_path):
    """A project that is copied elsewhere must not lose its audits."""
    _, folder = saved
    shutil.copytree(folder.parent, tmp_path / "moved")
    opened = AuditFolder.open(tmp_path / "moved" / "data.trueneg")
    assert opened.path == tmp_path / "moved" / "data.csv"
    opened.table()


def test_another_table_is_refused(saved, tmp_path):
    """Answers and repairs must never be applied to rows that were not the audited ones."""
    _, folder = saved
    shutil.copytree(folder.parent, tmp_path / "moved")
    write_table(_table(seed=1), tmp_path / "moved" / "data.csv")
    opened = AuditFolder.open(tmp_path / "moved" / "data.trueneg")
    with pytest.raises(InputError, match="content has changed.*run 'trueneg audit' again"):
        opened.table()
    (tmp_path / "moved" / "data.csv").unlink()
    with pytest.raises(InputError, match="not there any more"):
        opened.table()


def test_keys_survive_a_corrected_label():
    """Before and after a repair the same row must have the same key, or a diff would match nothing."""
    plain = _table().drop_columns(["key"])
    flipped = plain.set_column(3, "label", pa.array(["yes", *plain["label"].to_pylist()[1:]]))
    keys = []
    for frame in (plain, flipped):
        audit = trueneg.audit(frame, label="label", positive="yes", quick=True)
        folder = AuditFolder(None, audit.report, {}, None)
        table = folder.table(frame)
        keys.append(folder.keys(table, folder.roles(table)).tolist())
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(plain)


def test_a_frame_is_asked_for_again(tmp_path):
    """The audit of a frame has no file: the frame must be handed over, and must be the same."""
    frame = _table()
    trueneg.audit(frame, label="label", positive="yes", quick=True).save(tmp_path / "out")
    opened = AuditFolder.open(tmp_path / "out")
    assert opened.path is None
    assert opened.rankings == {}
    with pytest.raises(InputError, match="audit of a frame: pass the frame"):
        opened.table()
    assert opened.table(frame).arrow.num_rows == len(frame)
    with pytest.raises(InputError, match="content has changed"):
        opened.table(frame.slice(1))


@pytest.mark.parametrize("fault", ["missing", "file", "json", "npz"])
def test_what_is_no_audit_is_refused_in_one_line(saved, tmp_path, fault):
    """A wrong or damaged folder gets one line with the command that mends it, not a traceback."""
    folder = tmp_path / "copy"
    if fault != "missing":
        shutil.copytree(saved[1], folder)
    if fault == "json":
        (folder / "audit.json").write_text("{", encoding="utf-8")
    if fault == "npz":
        (folder / RANKINGS).write_bytes((folder / RANKINGS).read_bytes()[:100])
    target = folder / "report.html" if fault == "file" else folder
    with pytest.raises(InputError, match="trueneg audit") as caught:
        AuditFolder.open(target)
    assert "\n" not in str(caught.value)
