"""How an audit is asked and how it leads on: settings beside the table, refusals, costs, evidence, the next command."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.writers import write_table
from trueneg.jobs.audit import run as audit_run


def _table(n=400, seed=0, hidden=20):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 3)) + 2 * y[:, None]
    y[np.flatnonzero(y)[:hidden]] = False
    return pa.table({**{f"x{j}": x[:, j] for j in range(3)}, "label": np.where(y, "yes", "no").tolist()})


def _found(result, code):
    return next(f for f in result.findings if f.code == code)


def test_settings_beside_the_table_name_columns_and_costs(tmp_path):
    """Whoever writes the columns down once must not type them again, and the report must tell where they came from."""
    path = write_table(_table(), tmp_path / "data.csv")
    (tmp_path / ".trueneg.toml").write_text(
        'label = "nothere"\ncost_fn = 50\ncost_fp = 1\n[files."data.csv"]\nlabel = "label"\npositive = "yes"\n'
    )
    result = trueneg.audit(path, select=["TN3"], positive="no")
    assert result.report["options"]["label"] == "label"
    assert result.report["options"]["cost_fn"] == 50
    assert result.report["options"]["positive"] == "no", "what is typed comes first"
    assert any(".trueneg.toml says: label = label, cost_fn = 50" in line for line in result.report["input"]["saw"])
    assert _found(result, "TN302").unit == "cost a row"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label = ", "is not TOML"),
        ('lable = "y"', "did you mean 'label'"),
        ("label = true", "label is True; give a text or a number"),
        ("text = 3", "text is 3; give a list of column names"),
        ("files = 3", "write [files."),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, text, says):
    """A misspelt setting that is silently ignored would give another audit than the one meant."""
    path = write_table(_table(40), tmp_path / "data.csv")
    (tmp_path / ".trueneg.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        trueneg.audit(path, label="label", quick=True)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "bags"}, "'bags' cannot be audited yet"),
        ({"kind": "retrieval"}, "'retrieval' is the audit of a folder"),
        ({"encoder": "minilm"}, "--encoder is for the folder of a retrieval collection"),
        ({"kind": "tabel"}, "'tabel' is unknown; say table or multilabel"),
        ({"quick": True, "thorough": True}, "give one of the two"),
        ({"reviewed": "answers.csv"}, "no audit lies in OUT"),
        ({"select": ["TN2", "TN9"]}, "--select TN9: no check has a code that begins so; there are TN101"),
        ({"ignore": ["TM201"]}, "--ignore TM201: no check has a code that begins so"),
        ({"seed": -1}, "seed -1: give a whole number from 0"),
        ({"out": __file__}, "is a file; name a folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_words(options, says):
    """Two depths at once, a kind without an audit, answers without a sample: each is one line, and nothing is read."""
    with pytest.raises(InputError) as caught:
        trueneg.audit(_table(120), label="label", **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("data", "columns", "error", "says"),
    [
        (_table(120), {"label": "label", "postive": "a"}, TypeError, "'postive'; did you mean 'positive'?"),
        (_table(120), {"label": [0, 1]}, InputError, "label is a list: give the name of a column"),
        (_table(120), {}, InputError, "it could be 'label'; say label='label'"),
        (np.zeros((4, 2)), {"label": "y"}, InputError, r"an array of shape (4, 2) has no names of columns"),
    ],
)
def test_a_mistake_in_a_session_is_told_in_its_words(data, columns, error, says):
    """From Python the remedy is Python: an argument, a frame, and no command line."""
    with pytest.raises(error) as caught:
        trueneg.audit(data, **columns)
    assert says in str(caught.value)


def test_an_audit_shows_itself_in_a_few_lines():
    """A session that shows an audit or a finding is told what was found, not flooded with rows and pages."""
    audit = trueneg.audit(_table(300), label="label", quick=True)
    shown = repr(audit)
    assert shown.startswith("Audit of (frame): ")
    assert len(shown.splitlines()) <= 2 + len(audit.findings)
    assert all(len(repr(finding)) < 1500 for finding in audit.findings)
    assert f".suspects ({len(audit.suspects)} rows)" in shown


def test_what_the_reader_noticed_is_told_once(tmp_path):
    """The report lists how the input was read, each sentence once."""
    path = tmp_path / "t.csv"
    path.write_text(",x,y\n" + "".join(f"{i},{i % 5}.5,{i % 2}\n" for i in range(40)))
    saw = trueneg.audit(path, label="y", quick=True).report["input"]["saw"]
    assert len(saw) == len(set(saw))
    assert any("has no name" in note for note in saw)


def test_every_run_ends_with_one_next_command(tmp_path):
    """After suspects a review of the exact folder, before anybody has looked; without any, something that helps."""
    folder = tmp_path / "a folder" / "data.trueneg"
    path = write_table(_table(), tmp_path / "data.csv")
    result = trueneg.audit(path, label="label", positive="yes")
    assert result.report["next"] == f"trueneg review {shlex.quote(str(tmp_path / 'data.trueneg'))}"
    assert result.save() == tmp_path / "data.trueneg"
    result.save(folder)
    report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    assert report["next"] == f"trueneg review {shlex.quote(str(folder))}"
    command = shlex.split(next(f for f in report["findings"] if f["code"] == "TN201")["command"])
    assert command[:3] == ["trueneg", "repair", str(folder)]
    assert command[-1] == str(tmp_path / "data.flagged.csv")
    assert _found(result, "TN201").command == shlex.join(command)
    clean = trueneg.audit(_table(hidden=0), label="label", positive="yes", select=["TN103"])
    assert clean.report["next"] == "trueneg claims list"
    with pytest.raises(InputError, match="say save"):
        clean.save()


def test_suspects_come_in_the_order_of_what_leaving_them_costs():
    """With a cost column the dearest row comes first, not the surest: that is what the user asked by giving it."""
    table = _table()
    cost = np.where(np.arange(len(table)) % 2 == 0, 100.0, 1.0)
    result = trueneg.audit(
        table.append_column("loss", pa.array(cost)), label="label", positive="yes", cost_fn="loss", cost_fp=1.0
    )
    rows = [r for r in result.suspects_arrow.to_pylist() if r["finding"] == "TN201"]
    costs = [r["cost"] for r in rows]
    assert costs == sorted(costs, reverse=True)
    assert [r["probability"] for r in rows] != sorted((r["probability"] for r in rows), reverse=True)
    for r in rows:
        assert r["cost"] == pytest.approx(cost[r["row"]] * r["probability"], abs=0.01)
    found = _found(result, "TN201")
    assert found.rows == [r["row"] for r in rows]
    assert found.details["order of the suspects"].startswith("cost")


def test_each_suspect_names_the_nearest_trusted_rows_and_the_rule():
    """A judge compares a doubtful row with verified ones; brute force says which are nearest."""
    table = _table()
    trusted = np.random.default_rng(1).random(len(table)) < 0.3
    result = trueneg.audit(
        table.append_column("ok", pa.array(trusted)), label="label", positive="yes", trusted="ok", select=["TN201"]
    )
    x = np.column_stack([table[f"x{j}"].to_numpy() for j in range(3)])
    x = (x - np.median(x, axis=0)) / x.std(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pool = np.flatnonzero(trusted)
    labels = table["label"].to_pylist()
    for r in result.suspects_arrow.to_pylist()[:20]:
        order = pool[np.argsort(-(x[pool] @ x[r["row"]]), kind="stable")[:3]]
        assert r["nearest_trusted"] == ", ".join(f"{i} ({labels[i]})" for i in order)
        assert r["rule"].startswith("log margin of probabilities")
        assert not trusted[r["row"]]


def test_a_check_that_crashes_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    """One faulty check must neither hide the other findings nor pass for a clean result: exit code 3."""
    from trueneg.cli.audit import audit as command
    from trueneg.jobs.audit.checks import tn103_conflicts

    def broken(context):
        raise RuntimeError("on purpose")

    monkeypatch.setattr(tn103_conflicts, "run", broken)
    path = write_table(_table(100), tmp_path / "data.csv")
    assert command(path, label="label", positive="yes", quick=True, fail_on="low") == 3
    report = json.loads((tmp_path / "data.trueneg" / "audit.json").read_text(encoding="utf-8"))
    status = {f["code"]: f["status"] for f in report["findings"]}
    assert status["TN103"] == "error"
    assert status["TN101"] in ("passed", "advice", "finding")


def test_fail_on_gates_by_severity(tmp_path):
    """A gate on high severity lets medium findings pass, a gate on medium stops at them."""
    from trueneg.cli.audit import audit as command

    rows = _table(400)
    x = rows["x0"].to_numpy().copy()
    columns = {"x0": x, "label": rows["label"]}
    x[1] = x[0]
    labels = rows["label"].to_pylist()
    labels[0], labels[1] = "yes", "no"
    path = write_table(pa.table({**columns, "label": labels}), tmp_path / "data.csv")
    for bar, code in (("high", 0), ("medium", 1), ("low", 1)):
        assert command(path, label="label", positive="yes", quick=True, select="TN103", fail_on=bar) == code


def test_ten_findings_at_first_and_a_clean_table_is_said_to_be_clean(capsys):
    """A wall of findings is not read; and silence about a clean table would read like a check that did not run."""
    from rich.console import Console

    from trueneg.report.terminal import terminal

    result = trueneg.audit(_table(hidden=0), label="label", positive="yes", select=["TN103", "TN102"])
    terminal(result.report, Console(width=100))
    told = capsys.readouterr().out
    assert "Nothing wrong was found by the 2 checks that ran." in told
    many = result.report | {"findings": [result.report["findings"][0] | {"status": "finding"}] * 13}
    terminal(many, Console(width=100))
    assert "and 3 more, in the report" in capsys.readouterr().out


def test_how_minus_one_and_nulls_were_read_is_told():
    """{-1, +1} could mean unjudged and positive; the reader must see which reading was taken, and how to change it."""
    table = _table(100)
    y = np.where(np.asarray(table["label"].to_pylist()) == "yes", 1, -1).tolist()
    y[5] = None
    plain = table.set_column(3, "label", pa.array(y))
    saw = " ".join(trueneg.audit(plain, label="label", quick=True).report["input"]["saw"])
    assert "-1 and +1 are read as negative and positive" in saw
    assert "1 rows have no label and are unjudged, never negative" in saw
    with pytest.raises(InputError, match="has only '1'"):
        trueneg.audit(plain, label="label", unlabeled="-1", quick=True)


def test_the_class_that_the_negatives_hide_most_of_is_named():
    """A small class that loses half of its rows to 'none' is worse off than a large one that loses more of them."""
    rng = np.random.default_rng(2)
    centre = np.array([[0, 0], [6, 0], [0, 6]])
    truth = np.repeat([0, 1, 2], [900, 400, 60])
    x = centre[truth] + rng.normal(size=(len(truth), 2))
    given = truth.copy()
    given[np.flatnonzero(truth == 2)[:25]] = 0
    given[np.flatnonzero(truth == 1)[:15]] = 0
    names = np.array(["none", "big", "small"])
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "label": names[given].tolist()})
    found = _found(trueneg.audit(table, label="label", negative="none"), "TN204")
    assert "'small' hides most for its size" in found.message
    hidden = found.details["share hidden among the negatives"]
    assert hidden["small"] > 0.2 > hidden["big"]
    assert hidden["none"] == 0.0


def test_the_reader_is_told_before_a_file_is_read(monkeypatch):
    """Options that exclude each other cost nothing: no file is opened for them."""
    monkeypatch.setattr(audit_run, "read_table", lambda *_: pytest.fail("the file was read"))
    with pytest.raises(InputError):
        trueneg.audit("data.csv", label="label", quick=True, thorough=True)


def test_the_next_audit_asks_what_this_one_asked():
    """A repaired table must be audited by the same options, or its figures answer another question."""
    from trueneg.cli import app
    from trueneg.jobs.audit.again import audit_command

    options = {"label": "the label", "positive": "-1", "negative": None, "text": ["a", "b c"], "cost_fn": 50.0}
    options |= {"miss_rate": 0.1, "select": [], "quick": False, "thorough": True, "seed": 3, "reviewed": "r.csv"}
    said = audit_command("it's fixed.csv", options)
    _, bound, _ = app.parse_args(shlex.split(said)[1:])
    got = bound.arguments
    assert str(got["path"]) == "it's fixed.csv"
    assert (got["label"], got["positive"], got["text"], got["cost_fn"]) == ("the label", "-1", "a,b c", "50.0")
    assert (got["miss_rate"], got["thorough"], got["seed"]) == (0.1, True, 3)
    assert set(got) == {"path", "label", "positive", "text", "cost_fn", "miss_rate", "thorough", "seed"}
    shallow = audit_command("x.csv", options, depth=False)
    assert "--thorough" not in shallow
    assert "--seed" not in shallow
