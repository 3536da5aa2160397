"""Time: the budget is kept and what it cost is said, and a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.writers import write_table
from trueneg.jobs.compare import Remedy
from trueneg.jobs.compare.plan import Plan, drawn, fit_plan
from trueneg.jobs.compare.task import make_task, open_source

YES = {"label": "label", "positive": "yes"}


def _slow(seconds):
    def fit(fold):
        time.sleep(seconds)
        return fold.model()

    return fit


def test_the_budget_is_kept_and_what_was_cut_is_said(make, monkeypatch):
    """A remedy of 0.6 s a fold does not fit 40 folds into 8 s: fewer are run, the rest is told, and time is kept."""
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    frame = make(150)
    trueneg.compare(frame, **YES, remedies=[], folds=2, repeats=1)  # imports are no part of it
    start = time.monotonic()
    out = trueneg.compare(frame, **YES, remedies=[Remedy("slow", "slow", _slow(0.6))], repeats=8, budget="8s")
    assert time.monotonic() - start < 10
    assert any("which is what the budget allows" in line for line in out.report["setup"]["said"])
    assert out.report["setup"]["repeats"] < 8
    assert 2 <= out["slow"].folds <= 12


def test_a_remedy_too_slow_for_the_budget_is_left_out_and_named(make, monkeypatch):
    """Where one fold each does not fit, the slowest is left out, never the baselines."""
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    remedies = [Remedy("slow", "slow", _slow(2.0)), Remedy("quick", "quick", lambda fold: fold.model())]
    out = trueneg.compare(make(150), **YES, remedies=remedies, budget="6s")
    assert out["slow"].verdict == "not run"
    assert "left out for the budget" in out["slow"].reason
    assert out["quick"].folds >= 5
    assert out["tuned-threshold"].folds >= 5


def test_a_budget_below_two_folds_is_refused_with_the_one_it_takes(make):
    """A comparison of one fold says nothing; better to ask for the time than to print a number."""
    slow = [Remedy("nothing-like-it", "slow", _slow(0.7))]
    with pytest.raises(InputError, match=r"allows \d fold where two are needed; give --budget \d+m"):
        trueneg.compare(make(150), **YES, remedies=slow, budget=0.3)


def test_plan_by_hand():
    """Repeats are given up first, then rows, then the slowest remedies; the three baselines never."""
    wished = Plan(40_000, 5, 4)
    seconds = {"nothing": 1.0, "other": 1.0}
    kept = fit_plan(wished, seconds, 40_000, 1000, 1, ("nothing",))
    assert (kept.rows, kept.repeats, kept.said) == (40_000, 4, [])
    fewer = fit_plan(wished, seconds, 40_000, 30, 1, ("nothing",))
    assert (fewer.rows, fewer.repeats) == (40_000, 2)
    part = fit_plan(wished, seconds, 40_000, 6, 1, ("nothing",))
    assert part.repeats == 1
    assert 10_000 < part.rows < 30_000
    assert any("a sample of about" in line for line in part.said)
    least = fit_plan(wished, seconds | {"snail": 3000.0}, 40_000, 6, 1, ("nothing",))
    assert least.rows == 1000
    assert list(least.left_out) == ["snail"]


def test_a_subsample_keeps_groups_whole_and_classes_in_proportion(make):
    """A sample that tears a patient apart, or loses the rare class, is another data set."""
    n = 6_000
    frame = make(n, rate=0.1, who=[f"p{i // 3}" for i in range(n)])
    source = open_source(frame, None, {**YES, "group": "who"})
    task = make_task(source, seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)
    positions = drawn(task, 1500, 0)
    assert 1200 <= len(positions) <= 1800
    assert set(np.bincount(task.groups[positions])) <= {0, 3}
    assert abs(task.codes[positions].mean() - task.codes.mean()) < 0.02
    np.testing.assert_array_equal(positions, drawn(task, 1500, 0))


def test_a_large_table_is_cut_to_the_budget(make, monkeypatch):
    """Above 4,000 rows a pilot tells what fits, before the first fold of everything would have spent it all."""
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)

    def dear(fold):
        time.sleep(len(fold.y) * 4e-4)
        return fold.model()

    frame = make(12_000)
    start = time.monotonic()
    out = trueneg.compare(frame, **YES, remedies=[Remedy("dear", "dear", dear)], budget="12s", repeats=1)
    assert time.monotonic() - start < 20
    assert out.report["input"]["rows"] < 9_000
    assert any("a sample of about" in line for line in out.report["setup"]["said"])
    assert out["dear"].folds >= 2


@pytest.fixture
def audited(make, tmp_path):
    """Two equal folders of one audit."""
    path = write_table(make(300, missed=0.2), tmp_path / "data.csv")
    result = trueneg.audit(path, **YES)
    return [result.save(tmp_path / name) for name in ("a.trueneg", "b.trueneg")]


def _verb(command):
    """The command without the folder's name, which differs."""
    return " ".join(command.split()[:2])


def _command(folder):
    asked = ["--remedies", "smote,ranker-eliminate,naive-bayes", "--folds", "4", "--repeats", "3"]
    return [sys.executable, "-m", "trueneg", "compare", str(folder), *asked]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_as_if_nothing_had_happened(audited):
    """Killed without warning in the middle, the same command takes up what is done and gives the same figures."""
    killed, whole = audited
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(_command(killed), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list((killed / ".stages").glob("compare-*/*.npz"))) < 12:
        assert time.monotonic() < deadline
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = {p: p.stat().st_mtime_ns for p in (killed / ".stages").glob("compare-*/*.npz")}
    assert 12 <= len(kept) < 72
    assert not (killed / "compare.json").exists()
    for folder in (killed, whole):
        done = subprocess.run(_command(folder), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items()), "a finished fold was run again"
    reports = [json.loads((folder / "compare.json").read_text()) for folder in (killed, whole)]
    for report in reports:
        assert report.pop("generated")
        assert _verb(report.pop("next")) == "trueneg review"
        report["tables"], report["figures"] = report["tables"][:-1], report["figures"][:3]
        for row in report["remedies"]:
            row.pop("seconds"), row.pop("peak bytes")
    assert reports[0] == reports[1]


def test_a_file_cut_short_is_made_again(make, audited):
    """Half a file is no result."""
    folder = audited[0]
    options = {"remedies": ["naive-bayes"], "folds": 3, "repeats": 1}
    first = trueneg.compare(folder, **options)
    path = next((folder / ".stages").glob("compare-*/naive-bayes-0-1.npz"))
    path.write_bytes(path.read_bytes()[:200])
    again = trueneg.compare(folder, **options)
    assert again["naive-bayes"].difference == first["naive-bayes"].difference
    assert len(path.read_bytes()) > 200


def test_another_remedy_later_uses_what_is_there(audited):
    """The baselines of an earlier run need not be trained again; a changed seed needs all anew."""
    folder = audited[0]
    trueneg.compare(folder, remedies=[], folds=3, repeats=1)
    kept = {p: p.stat().st_mtime_ns for p in (folder / ".stages").glob("compare-*/*.npz")}
    trueneg.compare(folder, remedies=["calibrated"], folds=3, repeats=1)
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())
    trueneg.compare(folder, remedies=[], folds=3, repeats=1, seed=1)
    assert len(list((folder / ".stages").glob("compare-*/nothing-*.npz"))) == 6
