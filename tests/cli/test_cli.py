"""The command line as a user meets it."""

import json
import subprocess
import sys

import pytest

from trueneg.cli import main


def _run(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "trueneg", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize("name", ["nothere.csv", "rubbish.csv", "half.parquet", "empty.csv"])
def test_bad_files_are_one_line_and_exit_2(tmp_path, name, run):
    """A missing, binary, cut or empty file is one line with exit code 2, and nothing is written."""
    (tmp_path / "rubbish.csv").write_bytes(bytes(range(256)) * 400)
    (tmp_path / "half.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    (tmp_path / "empty.csv").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    done = run("audit", name, "--label", "y", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_label_the_candidates_are_listed_with_the_command(tmp_path, run):
    """Whoever forgets --label gets the exact command to run."""
    (tmp_path / "a.csv").write_text("x,spam\n" + "".join(f"{i * 0.37},{i % 2}\n" for i in range(50)))
    done = run("audit", "a.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "--label spam" in done.stderr


def test_quick_audit_writes_the_folder_and_gates(tmp_path):
    """--quick writes the report; --fail-on turns a finding into exit code 1; report redraws the page."""
    rows = "".join(f"{i % 20},{i % 2 if i < 40 else (i + 1) % 2}\n" for i in range(80))
    (tmp_path / "a.csv").write_text("x,y\n" + rows)
    done = _run("audit", "a.csv", "--label", "y", "--quick", "--fail-on", "low", cwd=tmp_path)
    assert done.returncode == 1, done.stderr + done.stdout
    out = tmp_path / "a.trueneg"
    page = (out / "report.html").read_text(encoding="utf-8")
    drawn = _run("report", str(out))
    assert (drawn.returncode, drawn.stdout) == (0, f"Report: {out / 'report.html'}\n")
    assert (out / "report.html").read_text(encoding="utf-8") == page


def test_explain_tells_a_code_and_refuses_an_unknown_one(run):
    """Every code of a report can be explained on the spot."""
    assert "False negatives" in run("explain", "tn201").stdout
    unknown = run("explain", "TN999")
    assert unknown.returncode == 2
    assert "TN201" in unknown.stderr


def test_claim_without_its_data_is_not_run_and_never_held(tmp_path, monkeypatch, run):
    """A claim whose data is missing says how to get it and does not count as held."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    done = run("claims", "run", "suspects-direction", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["holds"] is None
    assert "trueneg data get uci" in row["not_run"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "none"], "none: it is not there; name the folder of an audit"),
        (["report", "a.csv"], "a.csv: it is no JSON; name the folder of an audit"),
        (["review", "none"], "none holds no audit (there is no such folder); run 'trueneg audit PATH' first"),
        (["compare", "."], ". holds no audit (there is no audit.json in it); run 'trueneg audit PATH' first"),
    ],
)
def test_what_is_no_audit_is_said_without_the_words_of_the_system(arguments, says, tmp_path, monkeypatch, capsys):
    """No number of an errno and no place in a parser: what is missing, and what to name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in err
    assert "Errno" not in err


def test_claims_are_listed_a_line_each_and_told_in_full_by_name(capsys, monkeypatch):
    """Sixty claims are looked through on a screen or two; a name leads to the words, a wrong one to the nearest."""
    monkeypatch.setenv("COLUMNS", "80")
    from trueneg.claims import CLAIMS, load

    told = []
    for names in ([], ["teen-omniglot"], ["teen-omnigot"]):
        with pytest.raises(SystemExit):
            main(["claims", "list", *names])
        told.append(capsys.readouterr())
    lines = told[0].out.splitlines()
    assert len(lines) < 2 * len(CLAIMS)
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in CLAIMS)
    whole = " ".join(told[1].out.split())
    claim = load("teen-omniglot")
    assert " ".join(claim.statement.split()) in whole
    assert " ".join(claim.control.split()) in whole
    assert "did you mean teen-omniglot" in told[2].err


def test_help_lists_every_command_in_the_order_of_use(run):
    """A new user reads from the top: demo and audit first, the house's own last, and no command outside a group."""
    told = run("--help").stdout
    names = "demo audit review explain report repair compare diff run-code label mine evaluate fit predict claims data"
    places = [told.index(f"\n│ {name} ") for name in names.split()]
    assert places == sorted(places)
    assert " Commands " not in told


@pytest.mark.parametrize(
    ("arguments", "said", "see"),
    [
        (["audit"], 'Command "audit" parameter PATH requires an argument', "trueneg audit --help"),
        (["data", "get"], "parameter NAME requires an argument", "trueneg data get --help"),
        (["review", "OUT", "--seed", "-1"], 'Invalid value "-1" for --seed. Must be >= 0.', "trueneg review --help"),
        (["audti", "a.csv"], 'Did you mean "audit"', "trueneg --help"),
    ],
)
def test_a_mistyped_command_leads_to_its_help(arguments, said, see, capsys):
    """What is wrong is said in the words of the help, and where the help is."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in " ".join(err.replace("│", " ").split())
    assert err.endswith(f"See: {see}\n")


def test_every_command_has_a_line_in_its_helps_list(capsys):
    """Sub-commands too: a name alone does not say what it does."""
    for group in ([], ["claims"], ["data"]):
        with pytest.raises(SystemExit):
            main([*group, "--help"])
        rows = [line.strip("│ ") for line in capsys.readouterr().out.splitlines() if line.startswith("│ ")]
        assert [row for row in rows if row.isidentifier()] == []


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("audit", {"Columns": "--label --group", "Checks": "--quick --fail-on", "A retrieval collection": "--encoder"}),
        ("fit", {"Columns": "--label --unknown", "Of one head or rejecter alone": "--space --recalibrate"}),
    ],
)
def test_long_help_is_read_by_groups(command, groups, capsys, monkeypatch):
    """Thirty options in one list are not read: what belongs together stands together, and every option once."""
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told, found = "", {}
    for line in capsys.readouterr().out.splitlines():
        told = line.strip("╭─╮ ") if line.startswith("╭─") else told
        word = next((w for w in line.strip("│* ").split() if w.startswith("--")), None)
        if line.startswith("│") and word is not None and line.strip("│* ").startswith(word):
            assert word not in found
            found[word] = told
    for name, options in groups.items():
        assert {found[option] for option in options.split()} == {name}


def test_an_explanation_fills_the_width_and_has_no_markup(capsys, monkeypatch):
    """The text flows into the terminal's width; marks of the source are for the docs alone."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["explain", "tn201"])
    out = capsys.readouterr().out
    assert "`" not in out
    paragraph = max(out.split("\n\n"), key=len).splitlines()
    assert all(len(line) > 60 for line in paragraph[:-1])
