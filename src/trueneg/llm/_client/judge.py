"""A language model as a verifier: a yes or no, with a probability and a reason, or nothing said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.shapes import Verdicts
from trueneg.core.verdicts import make_verdicts
from trueneg.llm._client.http import parsed
from trueneg.llm._client.reply import Reply
from trueneg.llm._client.runner import LanguageModel

__all__ = ["ModelVerifier"]

QUESTION = "Is the answer correct? Check every step, not the result alone."
SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "correct": {"type": "boolean"},
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["reason", "correct", "probability"],
    "additionalProperties": False,
}


class ModelVerifier:
    """Judges candidates by asking a language model for ``correct``, ``probability`` and ``reason`` as JSON.

    A refusal abstains; an answer that is no such JSON is ``unparsed``; no answer is ``timeout`` or ``error``. None of
    these is ever an accept. The probability is the model's own word: calibrate it on candidates whose truth is known
    (:class:`trueneg.core.verdicts.Calibration`) before any figure rests on it.

    Parameters
    ----------
    model : LanguageModel
        Asked at temperature 0.
    question : str
        What is asked of each pair.
    seed : int, default=0
    """

    def __init__(self, model: LanguageModel, *, question: str = QUESTION, seed: int = 0) -> None:
        self.model, self.question, self.seed = model, question, seed

    def verify(self, items: Sequence[Any], candidates: Sequence[Any]) -> Verdicts:
        """Judge ``candidates[i]`` for ``items[i]``; the cost is in tokens."""
        if len(items) != len(candidates):
            msg = f"{len(items)} items and {len(candidates)} candidates: give one item a candidate."
            raise InputError(msg)
        form = 'Answer with JSON alone: {"reason": "...", "correct": true or false, "probability": 0 to 1}'
        prompts = [
            f"Problem:\n{item}\n\nAnswer:\n{candidate}\n\n{self.question}\n{form}"
            for item, candidate in zip(items, candidates, strict=True)
        ]
        replies = self.model.ask(prompts, seed=self.seed, schema=SCHEMA, temperature=0.0) if prompts else []
        rows = [_read(row[0]) for row in replies]
        cost = [reply[0].prompt_tokens + reply[0].completion_tokens for reply in replies]
        return make_verdicts(
            [row[0] for row in rows],
            probability=np.array([row[1] for row in rows], dtype=np.float64),
            reason=[row[2] for row in rows],
            cost=np.array(cost, dtype=np.float64),
        )


def _read(reply: Reply) -> tuple[str, float, str]:
    """Return outcome, probability of being correct, and reason."""
    if reply.error is not None:
        return ("timeout" if reply.timed_out else "error"), float("nan"), reply.error
    if reply.refusal or reply.finish == "content_filter":
        return "abstain", float("nan"), reply.refusal or "the answer was filtered"
    found = parsed(reply.text)
    if not isinstance(found, dict) or not isinstance(found.get("correct"), bool):
        return "unparsed", float("nan"), " ".join(reply.text.split())[:200]
    given: Any = found.get("probability")
    number = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1
    said = "accept" if found["correct"] else "reject"
    return said, float(given) if number else float("nan"), str(found.get("reason", ""))
