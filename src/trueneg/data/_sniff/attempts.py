"""Tables of attempts: which column is the problem, the verdict, the truth; and what cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._sniff.roles import Roles
from trueneg.data._sniff.values import table_name
from trueneg.data.readers import Table, one_line

ALIASES: Mapping[str, tuple[str, ...]] = {
    "problem": ("problem", "problem_id", "task_id", "question_id", "prompt_id"),
    "attempt": ("attempt", "attempt_id", "sample", "sample_id", "epoch"),
    "accepted": ("accepted", "accept", "passed"),
    "truth": ("truth", "correct", "valid"),
    "answer": ("answer", "extracted_answer", "prediction"),
    "steps": ("steps", "solution", "completion", "response"),
    "reward": ("reward", "rewards", "step_rewards"),
    "probability": ("probability",),
    "outcome": ("outcome",),
    "cost": ("cost", "tokens"),
    "judge": ("judge", "verifier"),
    "truth_by": ("truth_by", "gold_by"),
    "first_wrong": ("first_wrong", "mistake_index"),
    "error_type": ("error_type", "false_positive_type", "type"),
}
GROUPS = ("model", "dataset", "data_set", "difficulty", "level", "decoding", "method", "temperature")
CLASSES = ("rejected", "accepted")


def attempt_columns(names: list[str]) -> dict[str, str]:
    """Return which column plays which part, the first name of each part that there is."""
    lower = {name.lower(): name for name in reversed(names)}
    found = {part: next((lower[a] for a in known if a in lower), None) for part, known in ALIASES.items()}
    return {part: name for part, name in found.items() if name is not None}


def is_attempts(names: list[str]) -> bool:
    """Whether a table with these columns holds attempts: it names the problem and says what was accepted."""
    found = attempt_columns(names)
    return "problem" in found and "accepted" in found


def attempt_roles(table: Table, *, label: str | None, cost_fp: Any, id_column: str | None) -> Roles:
    """Settle the parts of a table of attempts, and refuse what cannot be one.

    Raises
    ------
    InputError
        No problem or no verdict, a value that is no verdict, one attempt at a problem twice, truth by the judge itself.
    """
    where = table_name(table)
    names = table.arrow.column_names
    found = attempt_columns(names)
    if label is not None and label in names:
        found["accepted"] = label
    for part in ("problem", "accepted"):
        if part not in found:
            msg = f"{where}: attempts need a column {part!r} (or {', '.join(ALIASES[part][1:])}); name it so"
            raise InputError(msg)
    for part in ("accepted", "truth"):
        if part in found:
            verdict_column(table, found[part], where)
    _refuse_twice(table, found, where)
    _refuse_own_gold(table, found, where)
    roles = Roles(label=found["accepted"], kind="attempts", labels=[found["accepted"]], classes=list(CLASSES))
    roles.positive, roles.group, roles.id, roles.cost_fp = "accepted", found["problem"], id_column, cost_fp
    roles.text = [found[part] for part in ("steps", "answer") if part in found]
    parts = ", ".join(f"{part} = {one_line(name, 40)}" for part, name in found.items())
    roles.notes.append(f"read as attempts: {parts}")
    if "truth" not in found:
        roles.notes.append("no column of truth: what the verifier lets pass is not known before a review")
    return roles


def verdict_column(table: Table, name: str, where: str) -> np.ndarray:
    """Return a column of verdicts (n,) int8: 1, 0, and -1 where it is null or -1."""
    values = table.arrow.column(name).to_pylist()
    known: dict[Any, int] = {None: -1, True: 1, False: 0, "1": 1, "0": 0, "-1": -1, "": -1, "true": 1, "false": 0}
    out = np.full(len(values), -1, dtype=np.int8)
    for i, value in enumerate(values):
        key = value.strip().lower() if isinstance(value, str) else value
        if isinstance(key, float):
            key = None if key != key else int(key) if key == int(key) else key
        if key == -1:
            continue
        if key not in known:
            msg = (
                f"{where}, row {i + 1:,}: {one_line(name, 40)} is {one_line(value, 40)}; give 1 (yes), 0 (no), or "
                "-1 or nothing where nobody said"
            )
            raise InputError(msg)
        out[i] = known[key]
    return out


def attempt_codes(table: Table, roles: Roles) -> np.ndarray:
    """Return the verdicts as class codes: 1 accepted, 0 rejected, -1 nothing said."""
    return verdict_column(table, roles.labels[0], table_name(table)).astype(np.int64)


def _refuse_twice(table: Table, found: Mapping[str, str], where: str) -> None:
    problem = table.arrow.column(found["problem"]).to_pylist()
    if any(p is None for p in problem):
        msg = f"{where}, row {problem.index(None) + 1:,}: the problem is missing; name the problem of every attempt"
        raise InputError(msg)
    if "attempt" not in found:
        return
    # Two models may number their attempts alike: those are not one attempt.
    model = next((name for name in table.arrow.column_names if name.lower() == "model"), None)
    models = [None] * len(problem) if model is None else table.arrow.column(model).to_pylist()
    first: dict[Any, int] = {}
    for i, key in enumerate(zip(problem, table.arrow.column(found["attempt"]).to_pylist(), models, strict=True)):
        before = first.setdefault(key, i)
        if before != i:
            msg = (
                f"{where}, row {i + 1:,}: attempt {one_line(key[1], 30)} at problem {one_line(key[0], 40)} is "
                f"there already (row {before + 1:,}); number the attempts of a problem, or drop the copy"
            )
            raise InputError(msg)


def _refuse_own_gold(table: Table, found: Mapping[str, str], where: str) -> None:
    if not {"judge", "truth_by", "truth"} <= found.keys():
        return
    columns = (table.arrow.column(found[part]).to_pylist() for part in ("judge", "truth_by", "truth"))
    for i, (judge, by, truth) in enumerate(zip(*columns, strict=True)):
        if truth is not None and by is not None and _plain(by) == _plain(judge):
            msg = (
                f"{where}, row {i + 1:,}: the truth is by {one_line(by, 40)}, which is also the judge; agreement "
                "with itself measures nothing: give truth by a person, or by something else than the judge"
            )
            raise InputError(msg)


def _plain(name: Any) -> str:
    return "".join(c for c in str(name).lower().rpartition("/")[2] if c.isalnum())
