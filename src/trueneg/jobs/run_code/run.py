"""Run programs on the inputs of their tasks, and write an attempts table."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson
from trueneg.data.readers import one_line
from trueneg.data.writers import atomic
from trueneg.jobs.run_code.samples import Sample, read_samples
from trueneg.jobs.run_code.tasks import SETS, Task, read_tasks
from trueneg.llm.sandbox import Answer, Sandbox

__all__ = ["Ran", "judge", "run_code"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Ran:
    """What a run found.

    Attributes
    ----------
    attempts, programs, resumed : int
        Attempts in the table, different programs among them, and how many of those an earlier run had done.
    outcomes : dict of str to int
        Attempts by outcome of the base tests.
    accepted : Estimate
        Share of the attempts that pass the base tests.
    false_accepts : Estimate or None
        Share of those that fail the tests the verifier does not see; None where there are no such tests.
    isolated : bool
        Whether bubblewrap stood around the programs.
    """

    attempts: int
    programs: int
    resumed: int
    outcomes: dict[str, int]
    accepted: Estimate
    false_accepts: Estimate | None
    isolated: bool


def run_code(
    samples: Path,
    *,
    tests: str,
    to: Path,
    jobs: int = 2,
    seconds: float = 4.0,
    memory: int = 1 << 30,
    allow_unsafe: bool = False,
    progress: Progress | None = None,
) -> Ran:
    """Run generated programs on tests and write an attempts table.

    Parameters
    ----------
    samples : Path
        Programs (:func:`trueneg.jobs.run_code.samples.read_samples`).
    tests : str
        ``humaneval+``, ``mbpp+`` or a file (:func:`trueneg.jobs.run_code.tasks.read_tasks`).
    to : Path
        The JSONL to write: ``problem, attempt, accepted, outcome, truth, test, detail, seconds, dataset``, and
        ``model`` where the samples have one. ``accepted`` is 1, 0 or -1 by the base tests; ``truth`` is 1 where the
        hidden tests pass too, 0 where an attempt is wrong, -1 where that ran out of time, null without hidden tests.
    jobs : int, default=2
        Programs that run at once.
    seconds : float, default=4.0
        Processor seconds for all inputs of a task, a quarter of it for one; or eight times what the reference needs,
        where that is more.
    memory : int, default=1 GiB
        Of a program.
    allow_unsafe : bool, default=False
        Run without bubblewrap where it cannot be used.
    progress : callable or None
        Called with a text, programs done, and their number.

    Returns
    -------
    Ran

    Raises
    ------
    InputError
        For bad samples or tests, or where the sandbox cannot be used.

    Notes
    -----
    Equal programs of a task run once. Every result is kept at once in ``to`` + ``.partial``; a run that was killed goes
    on from there.
    """
    if jobs < 1 or not seconds > 0:
        msg = f"jobs={jobs}, seconds={seconds:g}: give at least one job and more than 0 seconds"
        raise InputError(msg)
    sandbox = Sandbox(memory=memory, allow_unsafe=allow_unsafe)
    tasks = read_tasks(tests)
    found = read_samples(samples, tasks)
    if not to.parent.is_dir():
        msg = f"{one_line(to)}: its folder does not exist; make it first"
        raise InputError(msg)
    units = list(dict.fromkeys((s.task, s.program) for s in found))
    partial = to.with_name(to.name + ".partial")
    with _Kept(partial, _fingerprint(tests, seconds, memory, sandbox.isolated)) as kept:
        todo = [unit for unit in units if _key(*unit) not in kept.rows]
        resumed = len(units) - len(todo)
        report = progress or (lambda *_: None)
        report("running", resumed, len(units))
        for number, (unit, row) in enumerate(_run_all(todo, tasks, sandbox, seconds, jobs), resumed + 1):
            kept.add(_key(*unit), row)
            report(unit[0], number, len(units))
        name = tests.lower() if tests.lower() in SETS else Path(tests).name.partition(".")[0]
        rows = [_row(sample, name, kept.rows[_key(sample.task, sample.program)]) for sample in found]
    with atomic(to) as temporary, temporary.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    partial.unlink(missing_ok=True)
    return _summary(rows, len(units), resumed, sandbox.isolated)


def judge(task: Task, program: str, sandbox: Sandbox, *, seconds: float = 4.0) -> dict[str, Any]:
    """Run one program on the inputs of a task, and stop at the first that it gets wrong.

    Returns
    -------
    dict
        ``accepted``, ``outcome``, ``truth``, ``test`` (the first that failed, base first; None), ``detail`` and
        ``seconds``.
    """
    started, compare = time.monotonic(), task.comparison()
    each = [max(seconds / 4, 8 * reference) for reference in task.seconds] or None
    limit = max(seconds, 8 * sum(task.seconds))
    outcome, detail, test = "accept", "", None
    answers = sandbox.run(program, task.entry_point, task.inputs, seconds=limit, each=each)
    try:
        for index, answer in enumerate(answers):
            outcome, detail = _outcome(answer, compare, task.inputs[index], task.expected[index])
            if outcome != "accept":
                test = index
                break
    finally:
        answers.close()
    spent = time.monotonic() - started
    hidden = bool(task.plus)
    if test is None or (hidden and test >= len(task.base)):
        truth = {"accept": 1, "timeout": -1}.get(outcome, 0) if hidden else None
        row = {"accepted": 1, "outcome": "accept", "truth": truth}
    else:
        accepted = 0 if outcome == "reject" else -1
        row = {
            "accepted": accepted,
            "outcome": outcome,
            "truth": (-1 if outcome == "timeout" else 0) if hidden else None,
        }
    return {**row, "test": test, "detail": detail, "seconds": round(spent, 4)}


def _outcome(answer: Answer, compare: Any, given: Any, expected: Any) -> tuple[str, str]:
    """Return the outcome of one test and, where it is no pass, why."""
    if answer.kind == "raised":
        return "error", answer.detail
    if answer.kind != "value":
        return answer.kind, answer.detail
    try:
        right = compare(given, answer.value, expected)
    except RecursionError:
        return "reject", "its answer is nested too deeply to compare"
    return ("accept", "") if right else ("reject", "another value than expected")


def _run_all(
    units: list[tuple[str, str]], tasks: dict[str, Task], sandbox: Sandbox, seconds: float, jobs: int
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield results as they come; a few programs are in flight, so that a stop loses little."""
    locks = {name: Lock() for name, _ in units}

    def one(unit: tuple[str, str]) -> dict[str, Any]:
        task = tasks[unit[0]]
        with locks[unit[0]]:
            task.settle(sandbox)
        return judge(task, unit[1], sandbox, seconds=seconds)

    rest = iter(units)
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[dict[str, Any]], tuple[str, str]] = {}
        try:
            while True:
                for unit in islice(rest, jobs + 1 - len(running)):
                    running[pool.submit(one, unit)] = unit
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()


class _Kept:
    """Results by key, on the disk as soon as they are there."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.rows: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> _Kept:
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        whole = [line for line in lines[:-1] if line]  # the last one may have been cut by a kill
        with suppress(ValueError, KeyError, TypeError):
            if whole and json.loads(whole[0])["run"] == self.fingerprint:
                for line in whole[1:]:
                    row = json.loads(line)
                    self.rows[row.pop("key")] = row
        self._out = self.path.open("w", encoding="utf-8")
        self._out.write(json.dumps({"run": self.fingerprint}) + "\n")
        for key, row in self.rows.items():
            self._out.write(json.dumps({"key": key, **row}) + "\n")
        self._out.flush()
        return self

    def add(self, key: str, row: dict[str, Any]) -> None:
        self.rows[key] = row
        self._out.write(json.dumps({"key": key, **row}) + "\n")
        self._out.flush()

    def __exit__(self, *_: object) -> None:
        self._out.close()


def _fingerprint(tests: str, seconds: float, memory: int, isolated: bool) -> str:
    """Tell runs apart whose results must not be mixed."""
    path = Path(tests)
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else tests.lower()
    return f"{content} {seconds:g} s {memory} B {'isolated' if isolated else 'open'}"


def _key(task: str, program: str) -> str:
    return hashlib.sha256(json.dumps([task, program]).encode()).hexdigest()


def _row(sample: Sample, dataset: str, result: dict[str, Any]) -> dict[str, Any]:
    model = {} if sample.model is None else {"model": sample.model}
    return {"problem": sample.task, "attempt": sample.attempt, **result, "dataset": dataset, **model}


def _summary(rows: list[dict[str, Any]], programs: int, resumed: int, isolated: bool) -> Ran:
    outcomes: dict[str, int] = {}
    for row in rows:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    passed = [row for row in rows if row["accepted"] == 1]
    decided = [row for row in passed if row["truth"] in (0, 1)]
    wrong = wilson(sum(row["truth"] == 0 for row in decided), len(decided)) if decided else None
    return Ran(len(rows), programs, resumed, outcomes, wilson(len(passed), len(rows)), wrong, isolated)
