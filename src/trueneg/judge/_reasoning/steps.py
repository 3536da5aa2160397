"""Is every step of a solution right? By rules that need no model, and by a language model that is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.shapes import Verdicts
from trueneg.core.verdicts import Calibration, make_verdicts, same_answer

_N = r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?"
_OPERATORS = r"[-+*/×÷·]|\\times|\\cdot|\\div"
_EQUATION = re.compile(
    rf"(?<![\w.^)}}\]/*])\(?({_N}(?:\s*(?:{_OPERATORS})\s*{_N})+)\)?\s*=\s*\$?({_N})(?![\w(^/]|\s*(?:{_OPERATORS})|\.\d)"
)
# What stands around an equation and makes it a part of another one, or one of remainders.
_BEFORE = re.compile(r"([-+*/×÷·^(\[{_|]|\\times|\\cdot|\\div)\s*$")
_AFTER = re.compile(r"\s*(\\p?mod|\\bmod|\(?mod\b|\\?%)")
_TOKEN = re.compile(rf"({_OPERATORS})|(\d+(?:,\d{{3}})*(?:\.\d+)?)")
_VERDICT = re.compile(r"\b(true|false)\b", re.IGNORECASE)
PROMPT = (
    "Problem:\n{item}\n\nSolution:\n{candidate}\n\nVerify each step of the solution. Ignore slips that do "
    "not affect its validity. Answer True if every step is valid and False if one is not. Output only True or False."
)


@dataclass(frozen=True)
class StepCheck:
    """The first wrong step of one solution.

    Attributes
    ----------
    first_wrong : int or None
        Its index from 0; None where the rules found none, which does not say that there is none.
    error : str or None
        ``arithmetic`` (an equation of numbers that is false), ``answer`` (the last step does not come to the answer),
        ``empty`` (no step at all).
    detail : str
        The place, in the solution's words.
    checked : int
        Equations that were computed.
    """

    first_wrong: int | None
    error: Literal["arithmetic", "answer", "empty"] | None
    detail: str
    checked: int


def split_steps(solution: str | Sequence[str]) -> list[str]:
    """Return the steps of a solution: blank lines and ``## Step`` headings part them; a list stays as it is."""
    if not isinstance(solution, str):
        return [str(step) for step in solution]
    parts = re.split(r"\n\s*\n|\n(?=#+\s*step\b)", solution, flags=re.IGNORECASE)
    return [p.strip() for p in parts if p.strip()]


def check_steps(solution: str | Sequence[str], *, answer: Any = None) -> StepCheck:
    """Check by rules: every equation of plain numbers is computed, and the last step must come to the answer.

    Nothing is evaluated but sums, differences, products and quotients of numbers as written, exactly; a result that is
    given rounded counts as right to its own digits.

    Parameters
    ----------
    solution : str or sequence of str
        Text, which is parted into steps, or the steps.
    answer : str or number, optional
        The answer that was extracted from it; None leaves that rule out.
    """
    steps = split_steps(solution)
    if not steps:
        return StepCheck(None if answer is None else 0, "empty", "there is no step", 0)
    checked = 0
    for index, step in enumerate(steps):
        for found in _EQUATION.finditer(step):
            left, right = found.groups()
            value = _value(left)
            if value is None or _BEFORE.search(step[: found.start()]) or _AFTER.match(step[found.end() :]):
                continue
            checked += 1
            if not _rounds_to(value, right):
                return StepCheck(index, "arithmetic", f"{left.strip()} = {right}", checked)
    if answer is not None and not _mentions(steps[-1], answer):
        return StepCheck(len(steps) - 1, "answer", f"the last step does not come to {answer}", checked)
    return StepCheck(None, None, "", checked)


class RuleStepVerifier:
    """A verifier of whole solutions by :func:`check_steps`: rejects what is computed wrongly, else says nothing.

    Its silence is no acceptance: rules see slips of arithmetic and no gap in an argument.
    """

    def verify(self, items: Sequence[Any], candidates: Sequence[Any]) -> Verdicts:
        """Judge ``candidates[i]`` (text or steps) for ``items[i]``."""
        _same(items, candidates)
        found = [check_steps(c) for c in candidates]
        wrong = [f.error is not None for f in found]
        return make_verdicts(["reject" if w else "abstain" for w in wrong], reason=[f.detail for f in found])


class AnswerVerifier:
    """The usual automatic check: is the extracted answer the reference? Blind to how it was reached.

    Parameters
    ----------
    equal : str or callable, default="auto"
        As in :func:`trueneg.core.verdicts.answer_classes`.
    """

    def __init__(self, equal: Any = "auto") -> None:
        self.equal = equal

    def verify(self, items: Sequence[Any], candidates: Sequence[Any]) -> Verdicts:
        """Judge the answer ``candidates[i]`` against the reference ``items[i]``; no answer is ``unparsed``."""
        _same(items, candidates)
        outcome = [
            "unparsed"
            if answer is None or not str(answer).strip()
            else "accept"
            if same_answer(answer, reference, equal=self.equal)
            else "reject"
            for reference, answer in zip(items, candidates, strict=True)
        ]
        return make_verdicts(outcome)


class ModelStepVerifier:
    """Ask a language model whether every step is valid.

    Parameters
    ----------
    generator : Generator or callable
        ``generate(prompts, n, seed)``, or a function of a list of prompts that returns a text each.
    prompt : str, default=PROMPT
        With ``{item}`` and ``{candidate}``.
    n : int, default=1
        Answers asked for each; more than one are joined by majority, and their share is the probability.
    seed : int, default=0
        Handed on.

    Notes
    -----
    The verdict is the last True or False of the text; a text without one is ``unparsed`` and never an acceptance.
    Such judges miss most false positives (recall .18 to .71 for three of them on 453 human-judged solutions): judge a
    part by hand and correct (:func:`trueneg.core.verdicts.corrected_rate`).
    """

    def __init__(self, generator: Any, *, prompt: str = PROMPT, n: int = 1, seed: int = 0) -> None:
        self.generator, self.prompt, self.n, self.seed = generator, prompt, n, seed

    def verify(self, items: Sequence[Any], candidates: Sequence[Any]) -> Verdicts:
        """Judge ``candidates[i]`` (text or steps) for the problem ``items[i]``."""
        _same(items, candidates)
        pairs = zip(items, candidates, strict=True)
        prompts = [self.prompt.format(item=i, candidate="\n\n".join(split_steps(c))) for i, c in pairs]
        said = _asked(self.generator, prompts, self.n, self.seed)
        outcome, share = [], []
        for texts in said:
            votes = [v for v in (_last_verdict(t) for t in texts) if v is not None]
            mean = float(np.mean(votes)) if votes else float("nan")
            outcome.append(
                "unparsed" if not votes else "abstain" if mean == 0.5 else "accept" if mean > 0.5 else "reject"
            )
            share.append(mean if self.n > 1 else float("nan"))
        return make_verdicts(outcome, probability=share, reason=[t[0][:500] if t else "" for t in said])

    def calibrate(
        self, items: Sequence[Any], candidates: Sequence[Any], gold: Any, *, gold_by: str, judge: str
    ) -> Calibration:
        """Judge candidates whose truth is known; who made it and which model judges must be told, and differ."""
        return Calibration.of(gold, self.verify(items, candidates).accept, gold_by=gold_by, judge=judge)


def _asked(generator: Any, prompts: list[str], n: int, seed: int) -> list[list[str]]:
    if hasattr(generator, "generate"):
        out = generator.generate(prompts, n, seed)
    elif isinstance(generator, Callable):  # type: ignore[arg-type]
        out = [[t] if isinstance(t, str) else list(t) for t in generator(prompts)]
    else:
        msg = f"{type(generator).__name__} is no generator: give generate(prompts, n, seed), or a function."
        raise InputError(msg)
    if len(out) != len(prompts):
        msg = f"the generator answered {len(out)} of {len(prompts)} prompts: return one list a prompt, in their order."
        raise InputError(msg)
    return [[str(t) for t in texts] for texts in out]


def _last_verdict(text: str) -> bool | None:
    found = _VERDICT.findall(text)
    return found[-1].lower() == "true" if found else None


def _same(items: Sequence[Any], candidates: Sequence[Any]) -> None:
    if len(items) != len(candidates):
        msg = f"{len(items)} items and {len(candidates)} candidates: give one candidate for each item."
        raise InputError(msg)


def _value(expression: str) -> Fraction | None:
    """Compute numbers joined by + - * /, products first, exactly; None where a denominator is 0."""
    terms: list[Fraction] = []
    operator, sign, expect = "+", 1, True
    for op, number in _TOKEN.findall(expression):
        if op:
            if expect and op in "+-":
                sign = -sign if op == "-" else sign
            else:
                operator, expect = op, True
            continue
        value = sign * Fraction(number.replace(",", ""))
        sign, expect = 1, False
        if operator in ("*", "×", "·", "\\times", "\\cdot"):
            terms[-1] *= value
        elif operator in ("/", "÷", "\\div"):
            if value == 0:
                return None
            terms[-1] /= value
        else:
            terms.append(-value if operator == "-" else value)
    return sum(terms, Fraction(0))


def _rounds_to(value: Fraction, written: str) -> bool:
    text = written.replace(",", "").lstrip("+")
    digits = len(text.partition(".")[2])
    return abs(value - Fraction(text)) <= Fraction(1, 2 * 10**digits) if digits else value == Fraction(text)


def _mentions(step: str, answer: Any) -> bool:
    plain = re.sub(r"[\s$\\{},]", "", step).casefold()
    return re.sub(r"[\s$\\{},]", "", str(answer)).casefold() in plain
