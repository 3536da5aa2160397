"""Queries as an instruction model is asked: the task before each, and examples that give nothing of it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueneg.core.errors import InputError
from trueneg.data.retrieval import Collection
from trueneg.mine import InstructionPrompt, Positives, WorkedExamples

__all__ = ["asking"]


def asking(
    data: Collection, positives: Positives, instruction: str, examples: int
) -> Callable[[Any], list[str]] | None:
    """Return what makes the texts that an encoder is given in place of the queries; None without an instruction.

    Parameters
    ----------
    data : Collection
        Its queries are those of one split: a pair of another one is never shown.
    positives : Positives
    instruction : str
    examples : int
        Worked examples before each query, for an encoder that counts its tokens.
    """
    if not instruction:
        return None

    def asked(encoder: Any) -> list[str]:
        count = getattr(encoder, "count", None)
        if examples and count is None:
            raise InputError(
                "--worked-examples needs an encoder that counts its tokens, so that no query is cut off: "
                "--encoder torch:FOLDER or gguf:FILE"
            )
        budget: dict[str, Any] = {}
        if count is not None:
            length = getattr(encoder, "max_length", None) or encoder.recipe.max_length
            budget = {"max_tokens": length - 1, "count": count}
        shown = WorkedExamples(data.queries, data.documents, positives) if examples else None
        return InstructionPrompt(instruction, examples=shown, k=examples, **budget).render(data.queries).texts

    return asked
