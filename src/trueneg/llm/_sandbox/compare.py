"""Whether an answer is the expected one, decided outside of the box on plain values."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["same"]


def same(answer: Any, expected: Any, *, atol: float = 0.0) -> bool:
    """Say whether two plain values are equal.

    Parameters
    ----------
    answer, expected : object
        Of plain types, as the box sends them.
    atol : float, default=0.0
        Absolute tolerance of floats wherever they stand; a float expected with 0 is compared within 1e-6.

    Returns
    -------
    bool
        As ``==``, but NaN equals NaN, floats are equal within the tolerance, and lists, tuples and dicts are compared
        item by item with it.
    """
    if isinstance(expected, float) or (atol and isinstance(expected, int) and not isinstance(expected, bool)):
        if not isinstance(answer, int | float) or isinstance(answer, bool):
            return False
        return _near(answer, expected, atol or 1e-6)
    if isinstance(expected, complex):
        if not isinstance(answer, int | float | complex):
            return False
        other = complex(answer)
        return _near(other.real, expected.real, atol or 1e-6) and _near(other.imag, expected.imag, atol or 1e-6)
    if isinstance(expected, list | tuple):
        if type(answer) is not type(expected) or len(answer) != len(expected):
            return False
        return all(same(a, e, atol=atol) for a, e in zip(answer, expected, strict=True))
    if isinstance(expected, dict):
        if not isinstance(answer, dict) or answer.keys() != expected.keys():
            return False
        return all(same(answer[key], item, atol=atol) for key, item in expected.items())
    return bool(answer == expected)


def _near(answer: float, expected: float, atol: float) -> bool:
    if math.isnan(expected):
        return math.isnan(answer)
    try:
        return answer == expected or abs(answer - expected) <= atol + 1e-7 * abs(expected)
    except OverflowError:  # a whole number beyond every float
        return False
