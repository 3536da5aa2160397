"""How programs are written: names, line length, comments; of those that are right and those that only pass."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap

MEASURES = ("snake_names", "short_names", "long_lines", "longest_line", "comments")
_SNAKE = re.compile(r"_*[a-z][a-z0-9]*(_[a-z0-9]+)*_*")
_WIDTH = 79


def code_quality(program: str) -> dict[str, float]:
    """Measure how one Python program is written, without running it.

    Parameters
    ----------
    program : str
        Source text; it is parsed and tokenised, never executed.

    Returns
    -------
    dict of str to float
        ``snake_names``: share of its own names that are lower case with underscores; ``short_names``: share of them
        with one letter; ``long_lines``: share of lines above 79 characters; ``longest_line``: its length;
        ``comments``: lines with a comment or within a docstring, of all lines that are not blank. All are NaN where it
        is no Python.
    """
    try:
        tree = ast.parse(program)
        tokens = list(tokenize.generate_tokens(io.StringIO(program).readline))
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return dict.fromkeys(MEASURES, float("nan"))
    names = _names(tree)
    lines = [line for line in program.splitlines() if line.strip()]
    told = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    told |= {row for first, last in _docstrings(tree) for row in range(first, last + 1)}
    n_lines, n_names = max(len(lines), 1), len(names)
    return {
        "snake_names": sum(bool(_SNAKE.fullmatch(n)) for n in names) / n_names if n_names else float("nan"),
        "short_names": sum(len(n.strip("_")) <= 1 for n in names) / n_names if n_names else float("nan"),
        "long_lines": sum(len(line) > _WIDTH for line in lines) / n_lines,
        "longest_line": float(max((len(line) for line in lines), default=0)),
        "comments": len(told) / n_lines,
    }


def quality_gap(
    programs: Sequence[str],
    correct: ArrayLike,
    *,
    task: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    random_state: Any = 0,
) -> dict[str, tuple[Estimate, Estimate, Estimate]]:
    """Compare how accepted programs are written that are correct, and that only pass.

    Parameters
    ----------
    programs : sequence of str
        Accepted programs; equal ones are measured once.
    correct : array-like of shape (n,)
        1 correct, 0 false pass.
    task : array-like of shape (n,), optional
        Their tasks, which are resampled; programs by default.
    level, n_boot, random_state
        Of the bootstrap.

    Returns
    -------
    dict of measure to (correct, false, difference)
        ``difference`` is correct less false. A measure that too few programs have is left out.
    """
    right = np.asarray(correct)
    if len(right) != len(programs) or not np.isin(right, (0, 1)).all() or len(np.unique(right)) < 2:
        raise InputError("correct needs 1 or 0 for each program, and both kinds.")
    once = {text: code_quality(text) for text in dict.fromkeys(programs)}
    found = {}
    for name in MEASURES:
        value = np.array([once[text][name] for text in programs])
        known = np.isfinite(value)
        if len(np.unique(right[known])) < 2:
            continue
        group = None if task is None else np.asarray(task)[known]
        options: dict[str, Any] = {"groups": group, "n_boot": n_boot, "level": level, "random_state": random_state}
        stats = (_mean(1), _mean(0), _difference)
        parts = [bootstrap(stat, value[known], right[known], **options) for stat in stats]
        found[name] = (parts[0], parts[1], parts[2])
    return found


def _mean(kind: int) -> Any:
    def mean(value: np.ndarray, right: np.ndarray) -> float:
        mine = value[right == kind]
        return float(mine.mean()) if len(mine) else float("nan")

    return mean


def _difference(value: np.ndarray, right: np.ndarray) -> float:
    return float(_mean(1)(value, right) - _mean(0)(value, right))


def _names(tree: ast.AST) -> list[str]:
    """Names that the program gives itself: functions, arguments, variables; each once."""
    out: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            out[node.name] = None
        elif isinstance(node, ast.arg):
            out[node.arg] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            out[node.id] = None
    return list(out)


def _docstrings(tree: ast.AST) -> list[tuple[int, int]]:
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                out.append((first.lineno, first.end_lineno or first.lineno))
    return out
