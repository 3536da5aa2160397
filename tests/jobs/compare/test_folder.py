"""From an audit's folder: the audit's own model and options, the review's answers, the exact next command."""

from __future__ import annotations

import shlex
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.data.writers import write_table
from trueneg.jobs.review.sheet import read_lines, write_lines

OPTIONS = {"label": "label", "positive": "yes"}


@pytest.fixture(scope="module")
def reviewed(make, tmp_path_factory):
    """An audit whose suspects a person judged; the person knows the truth."""
    folder = tmp_path_factory.mktemp("reviewed")
    rng = np.random.default_rng(7)
    truth = make(500, shift=3.0)
    label = np.asarray(truth["label"].to_pylist())
    missed = (label == "yes") & (rng.random(500) < 0.5)
    given = truth.set_column(4, "label", pa.array(np.where(missed, "no", label).tolist()))
    path = write_table(given, folder / "data.csv")
    out = trueneg.audit(path, **OPTIONS).save(folder / "data.trueneg")
    review = trueneg.review(out, n=200)
    lines = read_lines(review.sheet)
    judged = [replace(line, answer=int(missed[int(line.row)])) for line in lines]
    write_lines(judged, review.sheet)
    return out, missed


def test_answers_of_a_review_are_a_remedy(reviewed):
    """Rows that a person relabelled are relabelled in the training parts, and nowhere else."""
    out, missed = reviewed
    result = trueneg.compare(out, remedies=["reviewed"], folds=4, repeats=1)
    row = result["reviewed"]
    assert row.status == "done"
    changed = int(row.note.split()[0])
    assert 0 < changed <= missed.sum()
    assert any("200 rows were judged" in line for line in result.report["input"]["saw"])


def test_the_audits_model_is_the_base_learner(reviewed):
    """A comparison of another model's remedies would answer another question."""
    out, _ = reviewed
    result = trueneg.compare(out, remedies=[], folds=3, repeats=1)
    said = [line for line in result.report["setup"]["shared"] if "the kind of model is the audit's" in line]
    assert said


def test_the_next_command_repairs_with_the_winner(reviewed, monkeypatch):
    """What wins can be done at once: the command is one that the parser takes, with folder and file filled in."""
    from trueneg.cli import app
    from trueneg.jobs.compare import advice
    from trueneg.jobs.compare.remedies import REMEDIES
    from trueneg.jobs.compare.task import make_task, open_source

    out, _ = reviewed
    task = make_task(open_source(out, None, {}), seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    commands = [r for r in REMEDIES if r.apply.startswith("trueneg ")]
    assert {r.name for r in commands} >= {"ranker-eliminate", "ranker-reannotate", "ranker-downweight", "reviewed"}
    for remedy in commands:
        monkeypatch.setattr(advice, "winner", lambda rows, metric, remedy=remedy: remedy)
        words = shlex.split(advice.next_command([], task, "mcc"))
        assert words[:3] == ["trueneg", "repair", str(out)]
        assert words[-1] == str(out.parent / "data-repaired.csv")
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_nothing_to_adopt_asks_for_judgments(reviewed, monkeypatch):
    """Where nothing is told apart, the next step is to learn which labels are right."""
    from trueneg.jobs.compare import advice
    from trueneg.jobs.compare.task import make_task, open_source

    out, _ = reviewed
    task = make_task(open_source(out, None, {}), seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    monkeypatch.setattr(advice, "winner", lambda rows, metric: None)
    assert advice.next_command([], task, "mcc") == f"trueneg review {out}"


def test_what_the_reader_noticed_is_told_once(tmp_path):
    """How a table was read stands in the comparison's report, each sentence once."""
    from trueneg.jobs.compare.task import make_task, open_source

    path = tmp_path / "t.csv"
    path.write_text(";x;y\n" + "".join(f"{i};{i % 5},5;{i % 2}\n" for i in range(40)))
    task = make_task(
        open_source(path, None, {"label": "y"}), seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None
    )
    assert len(task.saw) == len(set(task.saw))
    assert "fields are separated by a semicolon" in task.saw
