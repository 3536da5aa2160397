"""Which answers are the same answer: by text, by number, and by mathematics where ``math-verify`` is installed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra

_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}|\\mathrm\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]+)\}\s*\{([^{}]+)\}")
_THOUSANDS = re.compile(r"(?<=\d)[,\s](?=\d{3}(\D|$))")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d{1,3})?|[-+]?\.\d+")
_RATIO = re.compile(r"([-+]?[\d.]+)/([-+]?[\d.]+)")


def normal_form(answer: Any) -> str | None:
    r"""Return an answer in its plainest spelling: ``$1,000$`` is ``1000``; ``\frac{1}{2}``, ``0.50``, ``1/2`` are one.

    Parameters
    ----------
    answer : str, number or None
        As it was extracted.

    Returns
    -------
    str or None
        None where there is no answer.
    """
    if answer is None or (isinstance(answer, float) and answer != answer):
        return None
    text = str(answer).strip().strip("$").strip()
    text = _TEXT.sub(lambda m: m.group(1) or m.group(2) or "", text)
    text = text.replace("\\left", "").replace("\\right", "").replace("\\!", "").replace("\\,", "").replace("\\%", "%")
    text = _FRACTION.sub(r"\1/\2", text.replace("−", "-"))
    text = _THOUSANDS.sub("", text.rstrip(" .").strip())
    text = re.sub(r"\s+", " ", text).casefold()
    if not text:
        return None
    value = _number(text.replace(" ", ""))
    return text if value is None else f"{value.numerator}/{value.denominator}" if value.denominator > 1 else f"{value}"


def _number(text: str) -> Fraction | None:
    percent = text.endswith("%")
    bare = text[:-1] if percent else text
    ratio = _RATIO.fullmatch(bare)
    try:
        if ratio:
            found = Fraction(ratio.group(1)) / Fraction(ratio.group(2))
        elif len(bare) <= 100 and _NUMBER.fullmatch(bare):
            found = Fraction(bare)
        else:
            return None
    except (ValueError, ZeroDivisionError):
        return None
    return found / 100 if percent else found


def answer_classes(
    answers: Sequence[Any],
    *,
    equal: Literal["auto", "text", "math"] | Callable[[Any, Any], bool] = "auto",
    timeout: float = 2.0,
) -> NDArray[np.int64]:
    """Number the answers so that equal ones share a number: what a vote must count.

    A vote over raw strings splits ``1/2`` and ``0.5``. Answers are first brought to :func:`normal_form`; spellings that
    differ then are compared once each with the first of every class, in order of appearance.

    Parameters
    ----------
    answers : sequence of shape (n,)
        Extracted answers; None (nothing extracted) belongs to no class.
    equal : {"auto", "text", "math"} or callable, default="auto"
        ``text``: the normal form decides. ``math``: ``math-verify`` (extra ``llm``) decides what it does not settle;
        ``auto``: the same where it is installed, else ``text``. A callable ``equal(a, b)`` gets raw answers.
    timeout : float, default=2.0
        Whole seconds that one comparison may take, at least 1; one that takes longer is *not equal*. In any thread but
        the main one there is no limit, since the library's is a signal.

    Returns
    -------
    (n,) int64
        Class numbers from 0 in order of appearance; -1 where there is no answer.

    Raises
    ------
    MissingExtraError
        ``equal="math"`` without ``math-verify``.
    """
    same = _comparison(equal, timeout)
    forms = [normal_form(a) for a in answers]
    place: dict[str, int] = {}
    firsts: list[Any] = []
    for form, raw in zip(forms, answers, strict=True):
        if form is None or form in place:
            continue
        found = -1 if same is None else next((i for i, other in enumerate(firsts) if same(other, raw)), -1)
        if found < 0:
            found = len(firsts)
            firsts.append(raw)
        place[form] = found
    return np.array([-1 if form is None else place[form] for form in forms], dtype=np.int64)


def same_answer(
    answer: Any,
    reference: Any,
    *,
    equal: Literal["auto", "text", "math"] | Callable[[Any, Any], bool] = "auto",
    timeout: float = 2.0,
) -> bool:
    """Tell whether two answers are the same; no answer is equal to nothing. See :func:`answer_classes`."""
    left, right = normal_form(answer), normal_form(reference)
    if left is None or right is None:
        return False
    if left == right:
        return True
    same = _comparison(equal, timeout)
    return False if same is None else same(reference, answer)


def _comparison(equal: Any, timeout: float) -> Callable[[Any, Any], bool] | None:
    if callable(equal):
        chosen: Callable[[Any, Any], bool] = equal
        return lambda a, b: bool(chosen(a, b))
    if equal not in ("auto", "text", "math"):
        msg = f"equal={equal!r}: choose 'auto', 'text', 'math' or a function of two answers."
        raise InputError(msg)
    if equal == "text":
        return None
    try:
        from math_verify import parse, verify
    except ImportError:
        return None if equal == "auto" else missing_extra("math-verify", "llm")
    seconds = max(1, round(timeout)) if threading.current_thread() is threading.main_thread() else None
    parsed: dict[str, Any] = {}

    def expression(raw: Any) -> Any:
        text = str(raw)
        if text not in parsed:
            wrapped = text if "$" in text or "\\boxed" in text else f"${text}$"
            parsed[text] = parse(wrapped, parsing_timeout=seconds)
        return parsed[text]

    def same(first: Any, second: Any) -> bool:
        a, b = expression(first), expression(second)
        if not a or not b:
            return False
        return bool(verify(a, b, timeout_seconds=seconds)) or bool(verify(b, a, timeout_seconds=seconds))

    return same
