"""``trueneg review`` as a user meets it: after an audit, before the next one."""

import csv
import io

import pytest

from trueneg.jobs.demo import run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Audit the demo's digits once."""
    folder = tmp_path_factory.mktemp("demo")
    run_demo(folder)
    return folder


def test_the_loop_from_a_sample_to_an_interval(demo, run):
    """What review prints must be true: what to expect, where to judge, and a next command that takes the answers."""
    done = run("review", "digits.trueneg", "--n", "40", cwd=demo)
    assert done.returncode == 0, done.stderr
    assert "TN201: 40 of 1,662 drawn now, 40 in all" in done.stdout
    assert "with 40 of 1,662 judged, expect a 95 % interval" in done.stdout
    assert "0 of 40 are answered in review.csv" in done.stdout
    sheet = demo / "digits.trueneg" / "review.csv"
    rows = list(csv.reader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    for row in rows[1:]:
        row[rows[0].index("answer")] = "reject"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    again = run("review", "digits.trueneg", "--n", "5", cwd=demo)
    assert "40 of 45 are answered in review.csv" in again.stdout
    following = again.stdout.strip().splitlines()[-1].removeprefix("Next: trueneg ").split()
    assert following[:2] == ["audit", "digits.csv"]
    audited = run(*following, cwd=demo)
    assert audited.returncode == 0, audited.stderr
    assert "40" in next(line for line in audited.stdout.splitlines() if "answers" in line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothere"], "run 'trueneg audit PATH' first"),
        (["digits.csv"], "is a file"),
        (["digits.trueneg", "--n", "0"], "at least one row"),
        (["digits.trueneg", "--width", "2"], "between 0 and 1"),
        (["digits.trueneg", "--n", "5", "--width", "0.1"], "both given"),
        (["digits.trueneg", "--finding", "TN999"], "--finding may be TN201"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(demo, arguments, message, run):
    """A slip costs one line that says how to mend it, and writes nothing."""
    before = sorted(p.name for p in demo.rglob("*"))
    done = run("review", *arguments, cwd=demo)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in demo.rglob("*")) == before
