"""Read attempts from result files of others: evalplus, inspect."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

# The field's words for how a run ended, in ours.
_STATUS = {"pass": "accept", "success": "accept", "fail": "reject", "failed": "reject", "timeout": "timeout"}
_YES, _NO = {"C", "CORRECT", "TRUE", "YES", "1", "1.0", "PASS"}, {"I", "INCORRECT", "FALSE", "NO", "0", "0.0", "FAIL"}


def read_evalplus(path: str | Path) -> dict[str, np.ndarray]:
    """Read ``eval_results.json`` of evalplus: the base tests are the verifier, base and plus tests the truth.

    Parameters
    ----------
    path : path
        The file; the form with one entry a sample (``base_status``, ``plus_status``) and the older one with a list of
        ``[status, details]`` under ``base`` and ``plus`` are both read.

    Returns
    -------
    dict of arrays, one entry a sample
        ``problem``, ``attempt``, ``accepted`` (1, 0, -1), ``correct`` (1, 0, -1 where the plus tests were not run or
        did not end), ``outcome`` (of the base tests), ``outcome_plus``.

    Raises
    ------
    InputError
        Not such a file.
    """
    content = _json(Path(path))
    entries = content.get("eval") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        msg = f"{path} has no 'eval' table of tasks: give the eval_results.json that evalplus wrote."
        raise InputError(msg)
    rows: list[tuple[str, int, str, str]] = []
    for task, found in entries.items():
        if isinstance(found, dict):
            plus = found.get("plus") or []
            pairs = [(b[0], plus[i][0] if i < len(plus) else None) for i, b in enumerate(found.get("base", []))]
        else:
            pairs = [(one.get("base_status"), one.get("plus_status")) for one in found]
        rows += [(str(task), i, _outcome(base), _outcome(plus)) for i, (base, plus) in enumerate(pairs)]
    return _columns(rows)


def read_inspect(path: str | Path, *, verifier: str | None = None, truth: str | None = None) -> dict[str, np.ndarray]:
    """Read the samples of an inspect log (``.json``, or the zipped ``.eval``): one attempt an epoch.

    Parameters
    ----------
    path : path
        The log.
    verifier, truth : str, optional
        Names of the scorers that accept and that know; by default the first scorer is the verifier and the second, if
        there is one, the truth. A score of NaN or "N" is nothing said.

    Returns
    -------
    dict of arrays, one entry a sample and epoch
        As :func:`read_evalplus`.

    Raises
    ------
    InputError
        Not such a log, no sample, no such scorer, or one epoch of a sample twice.
    """
    samples = _inspect_samples(Path(path))
    names = list(dict.fromkeys(name for one in samples for name in (one.get("scores") or {})))
    if not names:
        msg = f"{path} holds no scored sample: score the run first ('inspect score')."
        raise InputError(msg)
    first = verifier or names[0]
    second = truth or next((name for name in names if name != first), None)
    for name in (first, second):
        if name is not None and name not in names:
            msg = f"{path} has no scorer {name!r}: choose from {', '.join(names)}."
            raise InputError(msg)
    rows = []
    for one in samples:
        scores = one.get("scores") or {}
        base = "error" if one.get("error") else _scored(scores.get(first))
        rows.append(
            (str(one.get("id")), int(one.get("epoch", 1)), base, _scored(scores.get(second)) if second else "abstain")
        )
    return _columns(rows)


def _columns(rows: list[tuple[str, int, str, str]]) -> dict[str, np.ndarray]:
    first: dict[tuple[str, int], int] = {}
    for place, (task, number, _, _) in enumerate(rows, 1):
        if (before := first.setdefault((task, number), place)) != place:
            msg = (
                f"attempt {number} at {one_line(task, 60)} is there twice (samples {before:,} and {place:,}): "
                "number the attempts apart, or drop the copy."
            )
            raise InputError(msg)
    problem, attempt, base, plus = (np.array(column) for column in zip(*rows, strict=True))
    accepted = np.where(base == "accept", 1, np.where(base == "reject", 0, -1)).astype(np.int8)
    # Whatever fails the base tests is wrong, whether or not the plus tests were run.
    correct = np.where(base == "reject", 0, np.where(plus == "accept", 1, np.where(plus == "reject", 0, -1)))
    return {
        "problem": problem,
        "attempt": attempt,
        "accepted": accepted,
        "correct": correct.astype(np.int8),
        "outcome": base,
        "outcome_plus": plus,
    }


def _outcome(status: Any) -> str:
    return "abstain" if status is None else _STATUS.get(str(status).lower(), "error")


def _scored(score: Any) -> str:
    value = score.get("value") if isinstance(score, dict) else score
    if isinstance(value, float) and value != value:
        return "abstain"
    text = str(value).upper()
    return "accept" if text in _YES else "reject" if text in _NO else "abstain"


def _inspect_samples(path: Path) -> list[dict[str, Any]]:
    if path.exists() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as log:
            names = sorted(n for n in log.namelist() if n.startswith("samples/") and n.endswith(".json"))
            samples = [json.loads(log.read(name)) for name in names]
    else:
        content = _json(path)
        samples = (content.get("samples") or []) if isinstance(content, dict) else []
    if not samples:
        msg = f"{path} holds no sample: give an inspect log written with its samples (.eval or .json)."
        raise InputError(msg)
    return samples


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as JSON ({str(error)[:100]}): check the path."
        raise InputError(msg) from error
