"""Inputs on which reference code breaks: every public function answers them, or refuses them in one line.

``degenerate_case(name)`` gives one of :data:`DEGENERATE`; ``check_degenerate(call)`` calls and raises
``AssertionError`` where the call ends in anything but an answer or an
:class:`~trueneg.core.errors.InputError` that says what is wrong, or where NumPy had to warn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueneg.core.errors import InputError

__all__ = ["DEGENERATE", "DegenerateCase", "check_degenerate", "degenerate_case"]

DEGENERATE = ("empty", "all_negative", "saturated", "duplicated", "integer", "two_classes", "ties", "one_group")
_ROWS, _CLASSES = 40, 3


@dataclass(frozen=True)
class DegenerateCase:
    """One degenerate table.

    Attributes
    ----------
    X : (n, 4) array
        Floats; integers in ``integer``.
    y : (n,) int64
        Class codes 0 to ``n_classes`` - 1, 0 the negative class.
    positive : (n,) int64
        1 where ``y`` is not 0.
    proba : (n, n_classes) float64
        Rows sum to one; exactly 0 and 1 in ``saturated`` and ``integer``.
    score : (n,) array
        Of being positive, in [0, 1]; integers 0 and 1 in ``integer``.
    groups : (n,) int64
        All the same in ``one_group``.
    n_classes : int
        3, and 2 in ``two_classes``.
    """

    X: np.ndarray
    y: np.ndarray
    positive: np.ndarray
    proba: np.ndarray
    score: np.ndarray
    groups: np.ndarray
    n_classes: int


def degenerate_case(name: str) -> DegenerateCase:
    """Return one degenerate table.

    Parameters
    ----------
    name : str
        One of :data:`DEGENERATE`: no row; no positive; probabilities of exactly 0 and 1; all rows the same; integers
        where floats are usual; two classes where there may be more; all scores the same; one group.

    Returns
    -------
    DegenerateCase

    Raises
    ------
    InputError
        For another name.
    """
    if name not in DEGENERATE:
        msg = f"case {name!r} is unknown; choose from {', '.join(DEGENERATE)}"
        raise InputError(msg)
    rng = np.random.default_rng(0)
    n = 0 if name == "empty" else _ROWS
    k = 2 if name == "two_classes" else _CLASSES
    y = rng.permutation(np.arange(n) % k)
    x = rng.normal(size=(n, 4)) + 2.0 * np.eye(_CLASSES, 4)[y]
    proba = rng.dirichlet(np.ones(k), n) * 0.5 + 0.5 * np.eye(k)[y] if n else np.zeros((0, k))
    groups = np.arange(n) // 2
    if name == "all_negative":
        y = np.zeros(n, dtype=np.int64)
    elif name in ("saturated", "integer"):
        proba = np.eye(k)[np.where(rng.random(n) < 0.2, (y + 1) % k, y)]
    elif name == "duplicated":
        x, proba = np.repeat(x[:1], n, axis=0), np.repeat(proba[:1], n, axis=0)
    elif name == "ties":
        proba = np.full((n, k), 1 / k)
    elif name == "one_group":
        groups = np.zeros(n, dtype=np.int64)
    score = 1 - proba[:, 0]
    if name == "integer":
        x, score = np.round(x).astype(np.int64), score.astype(np.int64)
    return DegenerateCase(x, y, (y > 0).astype(np.int64), proba, score, groups, k)


def check_degenerate(call: Callable[[DegenerateCase], Any], name: str) -> Any:
    """Call with a degenerate table; raise AssertionError unless it answers, or refuses in one line.

    Parameters
    ----------
    call : callable
        Takes a :class:`DegenerateCase`.
    name : str
        One of :data:`DEGENERATE`.

    Returns
    -------
    object
        The answer, or the InputError.
    """
    case = degenerate_case(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return call(case)
    except InputError as error:
        if "\n" in str(error) or len(str(error)) < 15:
            msg = f"on {name!r} the refusal says too little, or more than a line: {error}"
            raise AssertionError(msg) from error
        return error
    except Exception as error:
        msg = f"on {name!r} it ends in {type(error).__name__}: {error}"
        raise AssertionError(msg) from error
