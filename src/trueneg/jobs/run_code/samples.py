"""Generated programs, one JSON object a line: ``task_id`` with ``solution`` (a whole program) or ``completion``."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.run_code.tasks import Task, open_text

__all__ = ["Sample", "read_samples"]


class Sample(NamedTuple):
    """One program; ``attempt`` counts from 0 within its task (and model), unless the file numbers them."""

    task: str
    attempt: int
    program: str
    model: str | None = None


def read_samples(path: Path, tasks: dict[str, Task]) -> list[Sample]:
    """Read programs, in the order of the file.

    Parameters
    ----------
    path : Path
        JSONL, also ``.gz``. A ``task_id`` may leave out what all ids of the tests begin with (``Mbpp/``). A number in
        ``attempt`` tells the attempt, a text in ``model`` who wrote the program.
    tasks : dict of str to Task
        The tasks that there are.

    Returns
    -------
    list of Sample

    Raises
    ------
    InputError
        For an unknown task, an attempt that is there twice, or a program that is no text, with its line.
    """
    if not path.is_file():
        msg = f"{one_line(path)}: there is no such file"
        raise InputError(msg)
    prefixes = {name.rpartition("/")[0] for name in tasks}
    prefix = f"{prefixes.pop()}/" if len(prefixes) == 1 and "" not in prefixes else ""
    found: list[Sample] = []
    seen: Counter[tuple[str, str | None]] = Counter()
    numbered: dict[tuple[str, int, str | None], int] = {}
    with open_text(path) as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    sample = _sample(line, f"{one_line(path)}, line {number}", tasks, prefix, seen)
                    first = numbered.setdefault((sample.task, sample.attempt, sample.model), number)
                    if first != number:
                        msg = (
                            f"{one_line(path)}, line {number}: attempt {sample.attempt} of {sample.task} is on line "
                            f"{first} too; number the attempts apart, or leave the numbers out"
                        )
                        raise InputError(msg)
                    found.append(sample)
        except UnicodeDecodeError as error:
            msg = f"{one_line(path)} is no UTF-8 text; write it again as UTF-8"
            raise InputError(msg) from error
    if not found:
        msg = f"{one_line(path)} holds no program; give one JSON object a line"
        raise InputError(msg)
    return found


def _sample(
    line: str, where: str, tasks: dict[str, Task], prefix: str, seen: Counter[tuple[str, str | None]]
) -> Sample:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        msg = f"{where}: this is no JSON ({one_line(error, 80)})"
        raise InputError(msg) from error
    if not isinstance(row, dict) or "task_id" not in row:
        msg = f"{where}: a task_id is missing; each line is an object with task_id and solution or completion"
        raise InputError(msg)
    task = _known(str(row["task_id"]), where, tasks, prefix)
    name = "solution" if "solution" in row else "completion"
    if not isinstance(row.get(name), str):
        what = f"its {name} is {type(row[name]).__name__}, not text" if name in row else "no solution and no completion"
        msg = f"{where}: {what}; give the program as text"
        raise InputError(msg)
    program = row[name] if name == "solution" else tasks[task].prompt + row[name]
    if "\0" in program or not program.isprintable() and any("\ud800" <= c <= "\udfff" for c in program):
        msg = f"{where}: its {name} holds characters that no program has (NUL or half a code point); mend the line"
        raise InputError(msg)
    model = row.get("model")
    if model is not None and not isinstance(model, str):
        msg = f"{where}: model {one_line(model, 40)!r} is no text; name who wrote the program, or leave it out"
        raise InputError(msg)
    attempt = row.get("attempt", seen[task, model])
    if not isinstance(attempt, int) or isinstance(attempt, bool):
        msg = f"{where}: attempt {one_line(attempt, 40)!r} is no whole number"
        raise InputError(msg)
    seen[task, model] += 1
    return Sample(task, attempt, program, model)


def _known(task: str, where: str, tasks: dict[str, Task], prefix: str) -> str:
    for name in (task, prefix + task):
        if name in tasks:
            return name
    close = difflib.get_close_matches(task, tasks, n=1, cutoff=0.5)
    tail = f"did you mean {close[0]!r}?" if close else f"the tests have {len(tasks)}, such as {next(iter(tasks))!r}"
    msg = f"{where}: there is no task {one_line(task, 60)!r}; {tail}"
    raise InputError(msg)
