"""``trueneg repair`` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from trueneg.data.writers import write_table


@pytest.fixture(scope="module")
def audited(tmp_path_factory, run):
    """A folder with data.csv and its audit, made by the command."""
    root = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4 == 0
    p = np.clip(np.where(y, 0.95, 0.05) + rng.normal(0, 0.02, 200), 0.01, 0.99)
    y[:40] = False
    table = pa.table({"zip": [f"0{i:04}" for i in range(200)], "p": p, "label": np.where(y, "yes", "no").tolist()})
    write_table(table, root / "data.csv")
    done = run("audit", "data.csv", "--label", "label", "--positive", "yes", "--proba", "p", "--quick", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def test_a_repair_says_what_it_did_and_what_is_next(audited, run):
    """One line of figures, where every row is listed, and the next command; zip codes keep their zeros."""
    done = run("repair", "data.trueneg", "--action", "eliminate", "--top", 5, "--to", "less.csv", cwd=audited)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("less.csv: 195 of 200 rows; 5 eliminated (TN201 5)")
    assert "less.csv.repair.json" in done.stdout
    assert done.stdout.rstrip().endswith("Next: trueneg audit less.csv --label label --positive yes --proba p --quick")
    kept = (audited / "less.csv").read_text().splitlines()
    assert len(kept) == 196
    assert all(line.startswith(('"0', "0")) for line in kept[1:])
    record = json.loads((audited / "less.csv.repair.json").read_text())
    assert record["input"]["path"] == "data.csv"
    assert record["audit"] == "data.trueneg"
    assert len(record["removed"]["rows"]) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data.trueneg", "--action", "flag", "--to", "x.csv"], "say which suspects: --top N"),
        (["nothere", "--action", "flag", "--top", "1", "--to", "x.csv"], "run 'trueneg audit PATH' first"),
        (["data.csv", "--action", "flag", "--top", "1", "--to", "x.csv"], "is a file; name the folder"),
        (["data.trueneg", "--action", "flag", "--top", "1", "--to", "data.csv"], "is the input itself"),
        (["data.trueneg", "--action", "flag", "--top", "1", "--to", "no/x.csv"], "its folder does not exist"),
        (["data.trueneg", "--action", "flag", "--top", "1", "--to", "x.xlsx"], "this kind of file is not read"),
        (["data.trueneg", "--action", "flag", "--top", "0", "--to", "x.csv"], "--top 0: give a whole number"),
        (["data.trueneg", "--action", "flag", "--min-probability", "7", "--to", "x.csv"], "between 0 and 1"),
        (["data.trueneg", "--action", "flag", "--min-probability", "1", "--to", "x.csv"], "the highest is"),
        (["data.trueneg", "--action", "flag", "--decisions", "no.csv", "--to", "x.csv"], "run 'trueneg review'"),
        (["data.trueneg", "--action", "reannotate", "--top", "9999", "--to", "x.csv"], "only 'yes' would be left"),
        (["data.trueneg", "--action", "flag", "--top", "1", "--finding", "TN9", "--to", "x.csv"], "there are TN201"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(audited, arguments, said, run):
    """Whatever is wrong is said in one line with the remedy, and no file appears."""
    before = sorted(audited.iterdir())
    done = run("repair", *arguments, cwd=audited)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(audited.iterdir()) == before


def test_an_action_that_is_none_is_refused_before_anything_is_read(audited, run):
    """A mistyped action costs no time."""
    done = run("repair", "data.trueneg", "--action", "delete", "--top", "1", "--to", "x.csv", cwd=audited)
    assert done.returncode == 2
    assert not (audited / "x.csv").exists()


def test_bad_arguments_load_nothing_heavy(audited):
    """What can be refused by looking at the words is refused before Arrow and scikit-learn are loaded."""
    code = (
        "import sys\nfrom trueneg.cli import main\n"
        "try: main(['repair', 'data.trueneg', '--action', 'flag', '--to', 'x.csv'])\n"
        "except SystemExit as e: code = e.code\n"
        "assert code == 2\nheavy = {'numpy', 'pyarrow', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=audited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals as on a terminal")
def test_ctrl_c_leaves_nothing(tmp_path, run):
    """An interrupt while the file is written: neither the file nor a half of it stays."""
    n = 150_000
    rng = np.random.default_rng(0)
    p = (np.where(rng.random(n) < 0.3, 0.95, 0.05) + rng.normal(0, 0.01, n)).clip(0, 1).round(6)
    label = np.where((p > 0.7) & (rng.random(n) < 0.9), "yes", "no").tolist()
    table = pa.table({"p": p, "t": [f"some words to write {i}" for i in range(n)], "label": label})
    write_table(table, tmp_path / "data.jsonl")
    arguments = ["data.jsonl", "--label", "label", "--positive", "yes", "--proba", "p", "--features", "p", "--quick"]
    assert run("audit", *arguments, "--select", "TN2", cwd=tmp_path).returncode == 0
    before = sorted(tmp_path.iterdir())
    code = (  # a test runner in the background may have told its children to ignore the signal
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from trueneg.cli import main\nmain(sys.argv[1:])"
    )
    arguments = ["repair", "data.trueneg", "--action", "flag", "--top", "9", "--to", "x.jsonl"]
    command = [sys.executable, "-c", code, *arguments]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while sorted(tmp_path.iterdir()) == before and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    if running.returncode == 0:  # it was done first: then it is whole
        assert (tmp_path / "x.jsonl.repair.json").exists()
        return
    assert running.returncode == 130, said
    assert sorted(tmp_path.iterdir()) == before
