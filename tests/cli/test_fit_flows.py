"""``trueneg fit intrusion`` and ``predict`` on flows as they come: blanks in names, infinities, clean traffic alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest


def _flows(path, n=4000, seed=0, attacks=0.2, label=True, **odd):
    """Write flows with the names and the gaps of a common exporter."""
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < attacks
    seconds = rng.choice([0.0, 1.0, 2.0, 5.0], n, p=[0.01, 0.33, 0.33, 0.33])
    size = np.where(bad, 1e5, 500) * rng.lognormal(0, 1, n)
    with np.errstate(divide="ignore"):
        speed = size / seconds
    rows = {
        " Timestamp": [f"07/07/2017 08:{i // 60 % 60:02d}:{i % 60:02d}" for i in range(n)],
        " Protocol": rng.choice(["tcp", "udp"], n),
        " Total Bytes": size,
        "Flow Bytes/s": [str(v).replace("inf", "Infinity") for v in speed],
        **odd,
    }
    if label:
        rows[" Label"] = np.where(bad, "Bot", "BENIGN")
    pacsv.write_csv(pa.table(rows), path)
    return int((seconds == 0).sum())


def test_what_is_left_out_or_filled_is_told(run, tmp_path):
    """Protects the reader of an alarm: columns that are not used, and numbers that are none, are told at each step."""
    _flows(tmp_path / "train.csv")
    gaps = _flows(tmp_path / "new.csv", 1000, seed=1)
    done = run("fit", "intrusion", "train.csv", "--label", " Label", "--out", "m", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all different): Timestamp" in done.stdout
    assert "taken as the column's mean: 'Flow Bytes/s'" in done.stdout
    said = run("predict", "new.csv", "--model", "m", "--out", "o.csv", cwd=tmp_path)
    assert f"among 1,000 rows, taken as the column's mean: 'Flow Bytes/s' {gaps}" in said.stdout
    assert gaps > 0


def test_clean_flows_alone_make_a_detector(run, tmp_path):
    """Protects networks that know no attack: one class, or no label at all, and attacks still raise alarms."""
    _flows(tmp_path / "labelled.csv", attacks=0.0)
    _flows(tmp_path / "plain.csv", attacks=0.0, label=False)
    _flows(tmp_path / "new.csv", 2000, seed=1)
    for source, how in (("labelled.csv", ["--label", " Label"]), ("plain.csv", ["--clean"])):
        done = run("fit", "intrusion", source, *how, "--out", "m", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said = run("predict", "new.csv", "--model", "m", "--out", "o.csv", "--id", " Label", cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        found = pacsv.read_csv(tmp_path / "o.csv").to_pydict()
        alarm, bad = np.array(found["predicted"]) == "attack", np.array(found[" Label"]) == "Bot"
        assert alarm[~bad].mean() <= 0.015
        assert alarm[bad].mean() > 0.1


def test_a_model_without_a_threshold_says_so(run, tmp_path):
    """Protects small sites: a model that raises no alarm, as there were too few flows, is not read as calm."""
    _flows(tmp_path / "few.csv", 400)
    assert run("fit", "intrusion", "few.csv", "--label", " Label", "--out", "m", cwd=tmp_path).returncode == 0
    said = run("predict", "few.csv", "--model", "m", "--out", "o.csv", "--hours", "1", cwd=tmp_path)
    assert "no threshold" in said.stdout
    assert "--recalibrate" in said.stdout
    assert "an hour" not in said.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train.csv", "--label", "Label"], "did you mean ' Label'?"),
        (["train.csv"], "--label ' Label'"),
        (["narrow.csv", "--recalibrate", "m"], "there is no column ' Total Bytes'"),
        (["train.csv", "--clean", "--label", " Label"], "leave out --label"),
        (["attacks.csv", "--recalibrate", "m"], "no row has the label 'BENIGN'"),
        (["header.csv", "--recalibrate", "m"], "it has no rows"),
        (["old", "--recalibrate", "old"], "another version"),
    ],
)
def test_bad_flows_are_one_line(arguments, said, run, made):
    """Protects users: what is wrong with their flows is one line that says what to do."""
    done = run("fit", "intrusion", *arguments, "--out", "n", cwd=made)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (made / "n").exists()


def test_alarms_by_the_hour_show_the_burst(run, made, tmp_path):
    """Protects who is on call: the hour of a burst is named and counted, whatever the order of rows."""
    n = 3000
    minute = np.random.default_rng(5).integers(0, 480, n)  # of eight hours; rows come in no order
    calm = [f"13/07/2017 {9 + m // 60:02d}:{m % 60:02d}:07" for m in minute]
    calm[3], calm[9] = "n/a", ""
    _flows(made / "calm.csv", n, seed=1, attacks=0.0, **{" Timestamp": calm})
    _flows(made / "burst.csv", 1000, seed=2, attacks=1.0, **{" Timestamp": ["4/7/2017 3:30"] * 1000})
    head, *rows = (made / "burst.csv").read_text().splitlines()
    text = "\n".join([head, *rows, *(made / "calm.csv").read_text().splitlines()[1:]])
    (made / "week.csv").write_text(text + "\n")
    out = tmp_path / "o.csv"
    said = run("predict", "week.csv", "--model", "m", "--out", out, "--time", " Timestamp", cwd=made)
    assert said.returncode == 0, said.stderr
    found = pacsv.read_csv(out)
    assert found.column_names == ["row", "predicted", "score"]  # no feature, nor carried
    alarm = np.array(found["predicted"]) == "attack"
    assert alarm[:1000].sum() > 200
    lines = said.stdout.splitlines()
    assert f"{alarm.sum()} alarms" in lines[1]
    assert f"alarms an hour over the 9 hours with rows; the budget is {40 / 9:.4g} an hour" in lines[2]
    assert lines[2].startswith(f"{alarm.sum() / 9:.0f} [")
    assert lines[3] == (
        f"busiest hour: 2017-07-04 03:00 (dates read day first), {alarm[:1000].sum()} alarms of 1,000 rows; "
        "the budget is 10 if all are normal"
    )
    assert "of 9 hours above the budget if all are normal, 1 beyond chance" in lines[4]
    assert lines[5].startswith(f"2 rows without a time that can be read: their {alarm[[1003, 1009]].sum()} alarms")
    silent = run("predict", "week.csv", "--model", "m", "--out", tmp_path / "p.csv", cwd=made)
    assert silent.returncode == 0
    assert (tmp_path / "p.csv").read_text() == out.read_text()


@pytest.mark.parametrize("unit", [10**3, 10**9])
def test_epochs_are_told_in_utc_and_may_be_carried(unit, run, made, tmp_path):
    """Protects numbers as times: hours are told in UTC, and --id may carry them, also those above 2 to the 53."""
    stamps = (1499072158 + np.arange(600) * 11) * unit + 1
    _flows(made / "epochs.csv", 600, seed=4, attacks=0.5, **{"stamp": stamps})
    options = ["--model", "m", "--out", tmp_path / "o.csv", "--time", "stamp", "--id", "stamp"]
    said = run("predict", "epochs.csv", *options, cwd=made)
    assert said.returncode == 0, said.stderr
    assert "over the 3 hours" in said.stdout
    assert ":00 UTC, " in said.stdout
    assert pacsv.read_csv(tmp_path / "o.csv")["stamp"].to_pylist() == stamps.tolist()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time", "Timestamp"], "did you mean ' Timestamp'?"),
        (["--time", " Protocol"], "no time of column ' Protocol' can be read"),
        (["--time", " Timestamp", "--hours", "2"], "--hours and --time: give one"),
        (["--time-format", "day-first"], "name it with --time"),
        (["--time", " Timestamp", "--time-format", "dayfirst"], "give day-first, month-first"),
        (["--time", "open"], "may be day first or month first; say which with --time-format"),
        (["--time", "same"], "all times of column 'same' are 2017-07-03T08:00:00"),
    ],
)
def test_bad_times_are_one_line(options, said, run, made, tmp_path):
    """Protects users: what is wrong with a column of times is one line, before any row is labelled."""
    days = [f"0{1 + i % 9}/07/2017 08:00" for i in range(100)]
    _flows(made / "times.csv", 100, open=days, same=["2017-07-03 08:00:00"] * 100)
    done = run("predict", "times.csv", "--model", "m", "--out", tmp_path / "o.csv", *options, cwd=made)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o.csv").exists()


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """Write what the commands above read."""
    where = tmp_path_factory.mktemp("flows")
    _flows(where / "train.csv")
    _flows(where / "attacks.csv", 400, attacks=1.0)
    (where / "header.csv").write_text((where / "train.csv").read_text().splitlines()[0] + "\n")
    (where / "narrow.csv").write_text("a,b\n1,2\n")
    for name in ("m", "old"):
        assert run("fit", "intrusion", "train.csv", "--label", " Label", "--out", name, cwd=where).returncode == 0
    stored = (where / "old" / "intrusion.json").read_text()
    (where / "old" / "intrusion.json").write_text(stored.replace("trueneg/intrusion/2", "trueneg/intrusion/1"))
    return where
