"""What ``trueneg audit`` does with bad input, from end to end: one line, exit code 2, nothing written."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from trueneg.cli import main

SCRIPT, ESCAPE = "<script>alert(1)</script>", "\x1b[31mred\x1b]0;title\x07"
OUTPUTS = ("audit.json", "report.html", "suspects.csv", "suspects.parquet")


def _columns(n=60, **more):
    x = np.random.default_rng(0).normal(size=n)
    return {"x": x, "y": np.where(x > 0, "yes", "no"), **more}


def _vectors(n=60):
    rows = [[0.5, 1.0, 2.0] for _ in range(n)]
    rows[41] = [0.5, 1.0]
    return rows


def _proba(row=None, value=0.0, n=60):
    p = np.full(n, 0.25)
    if row is not None:
        p[row] = value
    return p


def _tree(folder):
    """Every file below a folder with its bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _folders(folder):
    return sorted(p for p in folder.rglob("*") if p.is_dir())


def _run(capfd, *arguments):
    """Run the command line in this process: exit code, standard output and error."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    out, err = capfd.readouterr()
    return ended.value.code, out, err


TABLES = {
    "misspelt column": (_columns(), ["--label", "yy"], ["there is no column 'yy'", "did you mean 'y'?"]),
    "one class": (_columns(y=["no"] * 60), ["--label", "y"], ["'y' has only 'no'", "at least two classes"]),
    "no class": (_columns(y=pa.nulls(60, pa.string())), ["--label", "y"], ["no value at all", "two classes"]),
    "vectors of another length": (
        _columns(e=_vectors()),
        ["--label", "y", "--embedding", "e"],
        ["2 numbers in row 42", "give every row the same number"],
    ),
    "nan in the embedding": (
        _columns(e0=_proba(), e1=_proba(7, np.nan)),
        ["--label", "y", "--embedding", "e0,e1"],
        ["'e1' has nan in row 8", "fill it in or drop the row"],
    ),
    "nan in the probabilities": (
        _columns(p=_proba(11, np.nan)),
        ["--label", "y", "--proba", "p"],
        ["'p' has nan in row 12", "fill it in or drop the row"],
    ),
    "infinite score": (
        _columns(s=_proba(0, np.inf)),
        ["--label", "y", "--proba", "s"],
        ["'s' has inf in row 1", "fill it in or drop the row"],
    ),
    "probabilities that do not sum to one": (
        _columns(p_no=_proba(), p_yes=_proba()),
        ["--label", "y", "--proba", "p_no,p_yes"],
        ["row 1 sum to 0.5 and not to 1 (60 such rows)", "normalise them"],
    ),
    "duplicated ids": (
        _columns(k=["a", *(str(i) for i in range(58)), "a"]),
        ["--label", "y", "--id", "k"],
        ["id 'a' occurs 2 times in 'k'", "ids must differ"],
    ),
    "positive value that does not occur": (
        _columns(),
        ["--label", "y", "--positive", "ja"],
        ["the positive value 'ja' does not occur in 'y'", "its values are 'no', 'yes'"],
    ),
    "negative cost": (_columns(), ["--label", "y", "--cost-fn=-3"], ["cost_fn is -3.0", "at least 0"]),
    "unknown check": (_columns(), ["--label", "y", "--kind", "tabel"], ["'tabel'", "table"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_be_audited(tmp_path, capfd, monkeypatch, case):
    """Each mistake in the data is told in one line with its place and its cure, before anything is written."""
    columns, options, says = TABLES[case]
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    monkeypatch.chdir(tmp_path)
    before = _tree(tmp_path), _folders(tmp_path)
    code, out, err = _run(capfd, "audit", "t.parquet", *options)
    assert code == 2, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert all(word in err for word in says), err
    assert (_tree(tmp_path), _folders(tmp_path)) == before


def _half_parquet(path):
    parquet.write_table(pa.table(_columns(5000)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _rubbish(path):
    """500 MB that begin as a table and go on as zeros; the file is sparse and costs the disk nothing."""
    with path.open("wb") as file:
        file.write(b"x,y\n" + b"1,a\n2,b\n" * 20_000)
        file.truncate(500 * 2**20)


def _random(path):
    with path.open("wb") as file:
        file.write(np.random.default_rng(0).bytes(2**20))
        file.truncate(500 * 2**20)


FILES = {
    "missing": (
        lambda p: p.with_name("tabel.csv").write_text("x,y\n1,2\n"),
        "table.csv",
        ["no such file", "tabel.csv"],
    ),
    "folder": (lambda p: p.mkdir(), "table.csv", ["this is a folder", "name a file in it"]),
    "empty": (lambda p: p.write_bytes(b""), "table.csv", ["the file is empty", "write it again"]),
    "random bytes": (_random, "table.csv", ["not text", "check the file"]),
    "a table, then zeros": (_rubbish, "table.csv", ["not text throughout", "check the file"]),
    "half a parquet": (_half_parquet, "table.parquet", ["the Parquet file is cut off", "write it again"]),
    "utf-32": (
        lambda p: p.write_bytes("x,y\n1,a\n".encode("utf-32")),
        "table.csv",
        ["UTF-32", "iconv -f UTF-32 -t UTF-8"],
    ),
    "windows": (
        lambda p: p.write_bytes("x,y\n1,“a”\n2,b\n".encode("cp1252")),
        "table.csv",
        ["encoding is unknown", "iconv -f CP1252 -t UTF-8"],
    ),
    "unknown format": (lambda p: p.write_bytes(b"x"), "table.xyz", [".csv", ".parquet"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read(tmp_path, capfd, monkeypatch, case):
    """Whatever lies behind the name, the answer is one line, soon, in little memory, and nothing is written."""
    make, name, says = FILES[case]
    make(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = _run(capfd, "audit", name, "--label", "y")
    assert code == 2, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert all(word in err for word in says), err
    assert sorted(tmp_path.rglob("*")) == before


def _nothing_half_written(folder):
    """No output, and no temporary file anywhere; stages that were finished may stay for the next run."""
    left = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()] if folder.exists() else []
    assert all(name.startswith(".stages/") and name.endswith((".npz", ".parquet", ".json")) for name in left), left


def _kept(folder):
    """The results in an audit's folder, without the stages."""
    return {name: data for name, data in _tree(folder).items() if name.parts[0] != ".stages"}


@contextlib.contextmanager
def _no_file_beyond(size):
    """Let this process write no file longer than that: Linux refuses the rest as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("first", "more"), [("suspects.csv", ["--no-cache"]), ("report.html", []), ("audit.json", ["--no-cache"])]
)
def test_a_disk_that_fills_while_writing(tmp_path, run, first, more):
    """Whichever file no longer fits, the folder keeps nothing of the run: never half a result."""
    parquet.write_table(pa.table(_columns(400)), tmp_path / "t.parquet")
    given = ["audit", tmp_path / "t.parquet", "--label", "y", "--quick"]
    assert run(*given, "--no-cache", "--out", tmp_path / "whole").returncode == 0
    with _no_file_beyond((tmp_path / "whole" / first).stat().st_size - 100):
        done = run(*given, *more)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "disk is full" in done.stderr
    assert ".writing-" not in done.stderr
    assert done.stdout == ""
    folder = tmp_path / "t.trueneg"
    assert not folder.exists() or (not more and {p.name for p in folder.iterdir()} == {".stages"})


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="a small file system needs root")
def test_a_small_file_system(tmp_path, capfd):
    """A disk that is really full, with the result of an earlier audit on it: that one must survive whole."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        parquet.write_table(pa.table(_columns(400)), tmp_path / "t.parquet")
        given = ["audit", tmp_path / "t.parquet", "--label", "y", "--quick", "--no-cache", "--out", small / "o"]
        code, _, err = _run(capfd, *given)
        assert code == 0, err
        whole = _tree(small)
        (small / "filler").write_bytes(b"\0" * (os.statvfs(small).f_bavail * os.statvfs(small).f_frsize - 8192))
        code, _, err = _run(capfd, *given, "--seed", "7")
        assert code == 2, err
        assert len(err.splitlines()) == 1, err
        assert "disk is full" in err
        (small / "filler").unlink()
        assert _tree(small) == whole
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("after", [0.0, 0.3, 2.0])
def test_ctrl_c(tmp_path, after):
    """Interrupted while modules load or models are fitted, a run says so in one line and leaves no output."""
    rng = np.random.default_rng(0)
    n = 30_000
    columns = {f"x{i}": rng.normal(size=n) for i in range(30)}
    parquet.write_table(
        pa.table({**columns, "y": (columns["x0"] + rng.normal(size=n) > 1).astype(int)}), tmp_path / "t.parquet"
    )
    command = [sys.executable, "-m", "trueneg", "audit", str(tmp_path / "t.parquet"), "--label", "y"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.Popen(command, **pipes, env={**os.environ, "OMP_NUM_THREADS": "1"})
    waited = 0.0
    # The command loads its models only after the table was read and found good.
    while done.poll() is None and waited < 60 and not _loaded(done.pid, "sklearn"):
        time.sleep(0.05)
        waited += 0.05
    time.sleep(after)
    assert done.poll() is None, "the audit was over before it could be interrupted"
    done.send_signal(signal.SIGINT)
    out, err = done.communicate(timeout=60)
    # Inside code that a library makes from text Python ends by the signal itself, which a shell calls 130 as well.
    assert done.returncode in (130, -signal.SIGINT), err
    assert len(err.splitlines()) == 1, err
    assert "interrupted" in err
    assert out == ""
    _nothing_half_written(tmp_path / "t.trueneg")


def _loaded(pid, name):
    """Say whether a process has mapped a compiled part of a package."""
    maps = Path(f"/proc/{pid}/maps")
    return maps.exists() and f"/{name}/" in maps.read_text(errors="replace")


@pytest.mark.parametrize("last", OUTPUTS)
def test_ctrl_c_while_writing(tmp_path, capfd, monkeypatch, last):
    """Interrupted between two files, the folder must not hold the one without the other."""
    import trueneg.data.writers as writers

    parquet.write_table(pa.table(_columns(100)), tmp_path / "t.parquet")
    replace, settled = os.replace, []

    def interrupt(source, target, **more):
        if Path(target) == tmp_path / "t.trueneg" / last and not settled:
            settled.append(target)
            raise KeyboardInterrupt
        return replace(source, target, **more)

    given = ["audit", tmp_path / "t.parquet", "--label", "y", "--quick", "--no-cache"]
    for seed in range(2):  # into no folder, and into one that holds an audit
        before = _tree(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(writers.os, "replace", interrupt)
            code, _, err = _run(capfd, *given, "--seed", seed)
        assert (code, len(settled)) == (130, 1), err
        assert len(err.splitlines()) == 1, err
        assert _tree(tmp_path) == before
        settled.clear()
        assert _run(capfd, *given)[0] == 0
        assert set(OUTPUTS) <= {p.name for p in (tmp_path / "t.trueneg").iterdir()}


def test_markup_and_terminal_sequences_from_the_data_stay_text(tmp_path, capfd):
    """A cell, a column or a class must run nowhere: neither in the page nor in the terminal nor in an error."""
    x = np.random.default_rng(0).normal(size=200)
    for bad in (SCRIPT, ESCAPE):
        labels = np.where(x + np.random.default_rng(1).normal(0, 0.7, 200) > 0, bad, "no")
        table = pa.table(
            {"x": x, bad: [f"{bad} {i}" for i in range(200)], f"{bad}y": labels, f"{bad}id": np.arange(200)}
        )
        parquet.write_table(table, tmp_path / "t.parquet")
        given = ["--label", f"{bad}y", "--positive", bad, "--text", bad, "--id", f"{bad}id"]
        code, out, err = _run(capfd, "audit", tmp_path / "t.parquet", *given, "--no-cache")
        assert code == 0, err
        assert "\x1b]" not in out + err
        assert "\x1b[31mred" not in out + err
        page = (tmp_path / "t.trueneg" / "report.html").read_text(encoding="utf-8")
        assert SCRIPT not in page
        assert "\x1b" not in page
        for wrong in (
            ["--label", f"{bad}z"],
            ["--label", f"{bad}y", "--positive", f"{bad}!"],
            ["--label", f"{bad}y", "--id", bad[:-1]],
        ):
            code, out, err = _run(capfd, "audit", tmp_path / "t.parquet", *wrong)
            assert code == 2
            assert "\x1b" not in out + err
            assert len(err.splitlines()) == 1
