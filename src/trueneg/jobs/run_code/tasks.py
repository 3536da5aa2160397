"""Tasks to run programs on: inputs, and what the reference solution gives for them."""

from __future__ import annotations

import ast
import gzip
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.llm.sandbox import Sandbox, same

__all__ = ["Task", "known_tests", "open_text", "read_tasks"]

SETS = {"humaneval+": "humaneval_plus/HumanEvalPlus.jsonl.gz", "mbpp+": "mbpp_plus/MbppPlus.jsonl"}
REFERENCE_SECONDS = 60.0
# Mbpp tasks whose statement leaves the order, or the value that stands for "found", to the program.
_AS_SETS = frozenset(
    ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly")
    + ("larg_nnum", "intersection_array", "find_dissimilar", "Diff")
)
_FOUND_OR_NOT = frozenset(("check_str", "text_match_three", "text_starta_endb"))


@dataclass
class Task:
    """One task.

    Attributes
    ----------
    id, entry_point, prompt : str
        Its name, the function asked for, and what a completion continues.
    base, plus : list
        Inputs of the tests that a verifier sees, and of those that it does not; each is a list of arguments.
    canonical : str or None
        A program known to be right, from which the expected values are made.
    expected : list
        One value an input, base first; empty until :meth:`settle`.
    atol : float
        Tolerance of floats.
    seconds : list of float
        Processor seconds of the reference, one an input; empty where there is no reference.
    """

    id: str
    entry_point: str
    prompt: str
    base: list[Any]
    plus: list[Any]
    canonical: str | None
    atol: float = 0.0
    expected: list[Any] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def inputs(self) -> list[Any]:
        """All inputs, base first."""
        return [*self.base, *self.plus]

    def settle(self, sandbox: Sandbox) -> None:
        """Make the expected values with the reference, in the sandbox too; inputs that it refuses are left out."""
        if self.expected or self.canonical is None:
            return
        answers = list(sandbox.run(self.canonical, self.entry_point, self.inputs, seconds=REFERENCE_SECONDS))
        if len(answers) < len(self.inputs) or answers[-1].kind not in ("value", "raised"):
            told = answers[-1].detail if answers else "no answer"
            msg = f"task {self.id}: its reference solution does not run ({told}); mend or drop the task."
            raise InputError(msg)
        good = [i for i, answer in enumerate(answers) if answer.kind == "value"]
        if not any(i < len(self.base) for i in good):
            msg = f"task {self.id}: its reference solution fails on every base input ({answers[0].detail}); mend it."
            raise InputError(msg)
        n_base = len(self.base)
        inputs = self.inputs
        self.base = [inputs[i] for i in good if i < n_base]
        self.plus = [inputs[i] for i in good if i >= n_base]
        self.expected = [answers[i].value for i in good]
        self.seconds = [answers[i].seconds for i in good]

    def accepts(self, index: int, answer: Any) -> bool:
        """Say whether an answer to input ``index`` is right."""
        return self.comparison()(self.inputs[index], answer, self.expected[index])

    def comparison(self) -> Callable[[Any, Any, Any], bool]:
        """Return how answers are compared with expected values: (input, answer, expected) to bool."""
        if self.id.startswith("HumanEval/") and self.entry_point == "find_zero":
            return lambda given, answer, _: _is_root(given[0], answer, self.atol or 1e-4)
        if self.id.startswith("Mbpp/") and self.entry_point in _AS_SETS:
            return lambda _, answer, expected: _as_set(answer) == _as_set(expected)
        if self.id.startswith("Mbpp/") and self.entry_point in _FOUND_OR_NOT:
            return lambda _, answer, expected: (
                answer == expected if isinstance(answer, bool) else expected == (answer is not None)
            )
        if self.canonical is None:  # expected values came as JSON, which has no tuples and only texts as keys
            return lambda _, answer, expected: same(_as_json(answer), expected, atol=self.atol)
        return lambda _, answer, expected: same(answer, expected, atol=self.atol)


def _is_root(coefficients: list[float], answer: Any, atol: float) -> bool:
    if not isinstance(answer, int | float) or isinstance(answer, bool) or not math.isfinite(answer):
        return False
    try:
        return abs(sum(c * float(answer) ** i for i, c in enumerate(coefficients))) <= atol
    except OverflowError:
        return False


def _as_json(value: Any) -> Any:
    """Return what JSON makes of a value."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _as_json(item) for key, item in value.items()}
    return value


def _as_set(value: Any) -> Any:
    try:
        return frozenset(value)
    except TypeError:
        return value


def known_tests(tests: str) -> str | Path:
    """Return the name of a set of tests, or the path of a file of them; anything else is an InputError."""
    if tests.lower() in SETS:
        return tests.lower()
    path = Path(tests)
    if not path.is_file():
        msg = f"--tests {one_line(tests)}: there is no such file; name one, or {' or '.join(SETS)}"
        raise InputError(msg)
    return path


def read_tasks(tests: str) -> dict[str, Task]:
    """Read tasks by id.

    Parameters
    ----------
    tests : str
        ``humaneval+``, ``mbpp+``, or a JSONL file (also ``.gz``) with ``task_id``, ``entry_point``, an optional
        ``prompt``, and either ``inputs`` and ``expected``, or ``base_input``, an optional ``plus_input`` and
        ``canonical_solution``.

    Returns
    -------
    dict of str to Task

    Raises
    ------
    InputError
        Naming the line and what it lacks.
    """
    found = known_tests(tests)
    if isinstance(found, str):
        from trueneg.data.registry import file

        found = file(SETS[found])
    tasks: dict[str, Task] = {}
    with open_text(found) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{one_line(found)}, line {number}"
            task = _task(_object(line, where), where)
            if task.id in tasks:
                msg = f"{where}: the task {task.id} is there twice; keep one"
                raise InputError(msg)
            tasks[task.id] = task
    if not tasks:
        msg = f"{one_line(found)} holds no task; give one JSON object a line"
        raise InputError(msg)
    return tasks


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 text, packed by gzip where its name says so."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        msg = f"{where}: this is no JSON ({one_line(error, 80)})"
        raise InputError(msg) from error
    if not isinstance(row, dict):
        msg = f"{where}: this is no JSON object"
        raise InputError(msg)
    return row


def _task(row: dict[str, Any], where: str) -> Task:
    """Build one task; a row of assertions alone is refused, since a program could read them."""
    for name in ("task_id", "entry_point"):
        if not isinstance(row.get(name), str):
            msg = f"{where}: {name!r} is missing or is no text"
            raise InputError(msg)
    prompt, atol = row.get("prompt") or "", float(row.get("atol") or 0)
    if "inputs" in row and "expected" in row:
        inputs, expected = row["inputs"], row["expected"]
        if len(inputs) != len(expected) or not inputs:
            msg = f"{where}: {len(inputs)} inputs and {len(expected)} expected values; give as many, and one at least"
            raise InputError(msg)
        return Task(row["task_id"], row["entry_point"], prompt, list(inputs), [], None, atol, list(expected))
    if "base_input" not in row or "canonical_solution" not in row:
        msg = (
            f"{where}: give inputs and expected, or base_input and canonical_solution; a text of assertions is not "
            "used, since the program under test could read what it expects"
        )
        raise InputError(msg)
    base, plus = row["base_input"], row.get("plus_input") or []
    if row.get("assertion"):
        shapes = _shapes(row["assertion"], row["entry_point"])
        base, plus = ([_shaped_call(given, shapes) for given in part] for part in (base, plus))
    return Task(
        row["task_id"], row["entry_point"], prompt, list(base), list(plus), prompt + row["canonical_solution"], atol
    )


def _shapes(assertion: str, entry_point: str) -> list[list[Any]]:
    """Return the literal arguments of each call in the printed assertions: they tell tuples and sets from lists."""
    calls = [
        node
        for node in ast.walk(ast.parse(assertion))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point
    ]
    found = []
    for call in calls:
        try:
            found.append([ast.literal_eval(argument) for argument in call.args])
        except ValueError:
            continue
    return found


def _shaped_call(given: list[Any], shapes: list[list[Any]]) -> list[Any]:
    return [_shaped_argument(value, [s[i] for s in shapes if i < len(s)]) for i, value in enumerate(given)]


def _shaped_argument(value: Any, examples: list[Any]) -> Any:
    """Numbers that JSON has no place for came as texts; where the examples are numbers, they are numbers."""
    if isinstance(value, str) and examples and all(isinstance(e, int | float | complex) for e in examples):
        for kind in (float, complex):
            with suppress(ValueError):
                return kind(value)
    return _shaped(value, examples, list)


def _shaped(value: Any, examples: list[Any], outer: type) -> Any:
    """Give a value that went through JSON the types of its examples; deeper than they go, those of what it is in."""
    if isinstance(value, dict):
        inner = [item for e in examples if isinstance(e, dict) for item in e.values()]
        return {key: _shaped(item, inner, list) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    alike = [e for e in examples if isinstance(e, list | tuple | set)]
    kinds = {type(e) for e in alike} or {outer}
    kind = kinds.pop() if len(kinds) == 1 else list
    inside = [_shaped(item, _places(alike, i, len(value)), kind) for i, item in enumerate(value)]
    return inside if kind is list else kind(inside)


def _places(examples: list[Any], index: int, length: int) -> list[Any]:
    """Return the examples of an item: those at its place where they have one length, else all."""
    fixed = [e for e in examples if isinstance(e, tuple) and len(e) == length]
    if fixed and len({type(item) for e in fixed for item in e}) > 1:
        return [e[index] for e in fixed]
    return [item for e in examples for item in e]
