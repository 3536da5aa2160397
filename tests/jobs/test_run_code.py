"""``trueneg run-code``: programs, tasks and the attempts table."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.jobs.audit.run import audit
from trueneg.jobs.run_code import run_code
from trueneg.jobs.run_code.run import judge
from trueneg.jobs.run_code.tasks import Task, _shaped_call, _shapes, read_tasks
from trueneg.llm.sandbox import Sandbox

needs_bwrap = pytest.mark.skipif(  # .ci/run installs it: a skip there would hide a missing sandbox
    shutil.which("bwrap") is None and os.environ.get("CI") != "true", reason="bubblewrap is not installed"
)
DATA = os.environ.get("TRUENEG_DATA")

TASKS = [
    {
        "task_id": "T/0",
        "entry_point": "add",
        "prompt": "def add(a, b):\n",
        "base_input": [[1, 2]],
        "plus_input": [[-1, 5], [0, 0]],
        "canonical_solution": "    return a + b\n",
    },
    {"task_id": "T/1", "entry_point": "twice", "inputs": [[2], [5]], "expected": [4, 10]},
]
SAMPLES = [
    {"task_id": "T/0", "completion": "    return a + b\n"},
    {"task_id": "T/0", "completion": "    return abs(a) + abs(b)\n"},
    {"task_id": "T/0", "completion": "    return a - b\n"},
    {"task_id": "0", "completion": "    return a + b\n"},
    {"task_id": "T/0", "completion": "    return a +\n"},
    {"task_id": "T/0", "completion": "    if a < 0:\n        while True: pass\n    return a + b\n"},
    {"task_id": "T/0", "completion": "    return a.b\n"},
    {"task_id": "T/1", "solution": "def twice(x): return 2 * x"},
    {"task_id": "T/1", "solution": "def twice(x): return x ** 2"},
    {"task_id": "T/1", "solution": "import sys\nsys.exit(0)"},
]


def _lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def files(tmp_path):
    """Return the samples and the tasks above as files."""
    return _lines(tmp_path / "samples.jsonl", SAMPLES), _lines(tmp_path / "tasks.jsonl", TASKS)


@needs_bwrap
def test_each_outcome_has_its_own_place(files, tmp_path):
    """A verdict, the truth, and what is no verdict must not be mixed: a time-out is no pass and no reject."""
    samples, tasks = files
    done = run_code(samples, tests=str(tasks), to=tmp_path / "attempts.jsonl", seconds=0.5)
    rows = _read(tmp_path / "attempts.jsonl")
    assert [(r["problem"], r["attempt"], r["accepted"], r["outcome"], r["truth"]) for r in rows] == [
        ("T/0", 0, 1, "accept", 1),
        ("T/0", 1, 1, "accept", 0),  # a false positive: the base test has no negative number
        ("T/0", 2, 0, "reject", 0),
        ("T/0", 3, 1, "accept", 1),
        ("T/0", 4, -1, "unparsed", 0),
        ("T/0", 5, 1, "accept", -1),
        ("T/0", 6, -1, "error", 0),
        ("T/1", 0, 1, "accept", None),
        ("T/1", 1, 0, "reject", None),
        ("T/1", 2, -1, "error", None),
    ]
    assert (done.attempts, done.programs) == (10, 9)
    assert done.false_accepts.value == pytest.approx(1 / 3)


@needs_bwrap
def test_two_sets_and_two_models_go_into_one_audit(tmp_path):
    """Tables of two sets, one behind the other, must audit as they are: sets and models side by side, curves of all."""
    table = ""
    for name in ("one", "two"):
        tests = [
            {**task, "task_id": f"{name}/{task['task_id'][2:]}"} for task in (TASKS[0], {**TASKS[0], "task_id": "T/2"})
        ]
        samples = [
            {"task_id": task["task_id"], "completion": f"    return {body}\n", "model": model}
            for task in tests
            for model, bodies in (("weak", ("abs(a) + abs(b)", "a - b")), ("strong", ("a + b", "b + a")))
            for body in bodies
        ]
        to = tmp_path / f"{name}.jsonl"
        run_code(
            _lines(tmp_path / "samples.jsonl", samples),
            tests=str(_lines(tmp_path / f"{name}.tests.jsonl", tests)),
            to=to,
        )
        table += to.read_text()
    (tmp_path / "attempts.jsonl").write_text(table)
    found = {f.code: f for f in audit(tmp_path / "attempts.jsonl", cost_fp=4).findings}
    assert found["TN601"].estimate.value == pytest.approx(1 / 3)  # of three that pass the base test, one in each task
    assert set(found["TN601"].details["by dataset"]) == {"one", "two"}
    sides = found["TN604"].details["by model, one attempt"]
    assert [(m, e["correct"].split()[0][:1]) for m, e in sides.items()] == [("weak", "0"), ("strong", "1")]
    assert found["TN604"].details["problems"] == 4


@needs_bwrap
def test_a_program_that_looks_for_the_expected_value_finds_none():
    """The frames and the memory of the checker are what a cheat reads first: the value must not be in its process."""
    program = (
        "import sys, gc\n"
        "word = '548281828172'  # backwards, so that the search does not find itself\n"
        "def f(x):\n"
        "    seen, frame = [], sys._getframe()\n"
        "    while frame:\n"
        "        seen += [*frame.f_locals.values(), *frame.f_globals.values()]; frame = frame.f_back\n"
        "    seen = [repr(o) for o in seen + gc.get_objects() if isinstance(o, (dict, list, str, bytes))]\n"
        "    return int(word[::-1]) if any(word[::-1] in o for o in seen) else any(x in o for o in seen)\n"
    )
    task = Task("t", "f", "", [["input"]], [], None, expected=[271_828_182_845])
    found = judge(task, program, Sandbox())
    assert next(Sandbox().run(program, "f", [["input"]])).value is True  # it does find its input
    assert (found["accepted"], found["outcome"]) == (0, "reject")


@needs_bwrap
def test_a_killed_run_goes_on(files, tmp_path):
    """After SIGKILL half-way no program may run twice and none may be lost."""
    samples = _lines(
        tmp_path / "slow.jsonl",
        [
            {"task_id": "T/1", "solution": f"import time\ntime.sleep(.1)\ndef twice(x): return {i} * x"}
            for i in range(40)
        ],
    )
    to = tmp_path / "attempts.jsonl"
    command = [sys.executable, "-m", "trueneg", "run-code", samples, "--tests", files[1], "--to", to, "--jobs", "1"]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = Path(f"{to}.partial")
    while not partial.exists() or partial.read_bytes().count(b"\n") < 6:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = partial.read_bytes().count(b"\n") - 1
    with partial.open("ab") as out:
        out.write(b'{"key": "half a li')
    assert not to.exists()
    ran = []
    done = run_code(samples, tests=str(files[1]), to=to, progress=lambda text, i, n: ran.append(i))
    assert done.resumed == kept
    assert ran == list(range(kept, 41))
    assert [row["accepted"] for row in _read(to)] == [int(i == 2) for i in range(40)]
    assert not partial.exists()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"task_id": "T/9", "solution": ""}, r"line 2: there is no task 'T/9'; did you mean 'T/"),
        ({"solution": "x"}, r"line 2: a task_id is missing"),
        ({"task_id": "T/1", "solution": 3}, r"line 2: its solution is int, not text"),
        ({"task_id": "T/1"}, r"line 2: no solution and no completion"),
        ({"task_id": "T/1", "solution": "a\0b"}, r"line 2: its solution holds characters that no program has"),
        ({"task_id": "T/1", "solution": "", "attempt": 0}, r"line 2: attempt 0 of T/1 is on line 1 too"),
        ({"task_id": "T/1", "solution": "", "attempt": "a"}, r"attempt 'a' is no whole number"),
        ({"task_id": "T/1", "solution": "", "model": 7}, r"line 2: model '7' is no text"),
    ],
)
@needs_bwrap
def test_bad_samples_are_one_line_each(files, tmp_path, row, told):
    """Unknown tasks, repeated attempts and programs that are no text must be told with their line, before any run."""
    first = {"task_id": "T/1", "solution": "", "attempt": 0}
    samples = _lines(tmp_path / "bad.jsonl", [first, row])
    with pytest.raises(InputError, match=told) as caught:
        run_code(samples, tests=str(files[1]), to=tmp_path / "out.jsonl")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no task"),
        ("{", r"line 1: this is no JSON"),
        ("[1]", "this is no JSON object"),
        ('{"task_id": "a"}', "'entry_point' is missing"),
        ('{"task_id": "a", "entry_point": "f", "test": "assert f(1) == 2"}', "could read what it expects"),
        ('{"task_id": "a", "entry_point": "f", "inputs": [[1]], "expected": []}', "1 inputs and 0 expected"),
    ],
)
def test_bad_tests_are_one_line_each(tmp_path, text, told):
    """A file of tests that cannot be used must say where and why, a text of assertions with the reason."""
    path = tmp_path / "tasks.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_tasks(str(path))


def test_the_command_refuses_in_one_line(tmp_path, capsys, files):
    """The command line must end with code 2 and one line, whatever is missing."""
    for arguments in (["x.jsonl", "--tests", "nothing+"], [str(files[0]), "--tests", str(files[1]), "--jobs", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(["run-code", *arguments, "--to", str(tmp_path / "a.jsonl"), "--allow-unsafe"])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_types_lost_in_json_are_read_off_the_assertion():
    """Tuples, sets and complex numbers of Mbpp's inputs must be what the printed assertion shows, at every depth."""
    shapes = _shapes("assert f((1, [2, 3]), {4}, [(5, 'a')], 1 + 2j) == 0", "f")
    given = [[7, [8]], [9, 9], [[1, "x"], [2, "y"]], "(3+1j)"]
    assert _shaped_call(given, shapes) == [(7, [8]), {9}, [(1, "x"), (2, "y")], 3 + 1j]


@needs_bwrap
def test_expected_values_of_a_file_are_json(tmp_path):
    """A file cannot spell a tuple: a program that returns one where the file has a list must pass, a set must not."""
    task = Task("t", "f", "", [[1]], [], None, expected=[{"1": [1, 2]}])
    for answer, accepted in (("{1: (1, 2)}", 1), ("{'1': [1, 2]}", 1), ("{1: {1, 2}}", 0), ("{2: (1, 2)}", 0)):
        assert judge(task, f"def f(x): return {answer}", Sandbox())["accepted"] == accepted


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="TRUENEG_DATA is not set")
@needs_bwrap
def test_outcomes_of_real_samples_are_those_measured_before(tmp_path):
    """On CodeGen's samples of HumanEval+ the verdicts must agree with those of another harness, time-outs aside."""
    folder = Path(DATA) / "humaneval_plus"
    read = [json.loads(line) for line in (folder / "codegen16B_outcomes.jsonl").read_text().splitlines()]
    known = {row["task_id"]: row["res"] for row in read}
    lines = (folder / "codegen16B_100_samples.jsonl").read_text().splitlines()
    rows, outcomes = [], []
    for task, line in list(zip(sorted(known), lines, strict=True))[:18]:  # its tasks are in the order of their names
        distinct = list(dict.fromkeys(json.loads(line)["samples"]))
        if len(distinct) == len(known[task]):  # a few were cut before they were told apart
            rows += [{"task_id": task, "completion": sample} for sample in distinct[:25]]
            outcomes += known[task][:25]
    run_code(_lines(tmp_path / "s.jsonl", rows), tests="humaneval+", to=tmp_path / "a.jsonl")
    differ = []
    for row, (base, plus) in zip(_read(tmp_path / "a.jsonl"), outcomes, strict=True):
        if -2 in (base, plus) or row["outcome"] == "timeout" or row["truth"] == -1:
            continue
        if (row["accepted"] == 1, row["truth"] == 1) != (base == -1, plus == -1):
            differ.append((row, base, plus))
    assert len(rows) > 300
    assert len(differ) <= 0.01 * len(rows), differ


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="TRUENEG_DATA is not set")
@needs_bwrap
@pytest.mark.parametrize(("tests", "step"), [("mbpp+", 25), ("humaneval+", 20)])
def test_references_of_both_sets_pass_and_nothing_fails(tests, step, tmp_path):
    """On real tasks the reference must pass all tests, and a program that answers nothing must pass none."""
    tasks = list(read_tasks(tests).values())[::step]
    samples = [
        {"task_id": task.id, "solution": program, "model": model}
        for task in tasks
        for model, program in (("reference", task.canonical), ("nothing", f"def {task.entry_point}(*_): pass"))
    ]
    run_code(_lines(tmp_path / "s.jsonl", samples), tests=tests, to=tmp_path / "a.jsonl")
    rows = _read(tmp_path / "a.jsonl")
    assert {row["dataset"] for row in rows} == {tests}
    assert [row["problem"] for row in rows if row["model"] == "reference" and row["truth"] != 1] == []
    assert [row["problem"] for row in rows if row["model"] == "nothing" and row["accepted"] != 0] == []
