"""What is asked, what comes back, and what a back-end is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueneg.core.errors import TruenegError

__all__ = ["Backend", "ModelError", "Reply", "Request"]

Message = Mapping[str, str]


class ModelError(TruenegError):
    """A language model did not answer; the message says why and what to do.

    ``fatal`` where asking for something else would fail as well (a wrong key, an unknown model); ``timed_out`` where it
    ran out of time.
    """

    def __init__(self, message: str, *, fatal: bool = False, timed_out: bool = False) -> None:
        super().__init__(message)
        self.fatal, self.timed_out = fatal, timed_out


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes
    ----------
    messages : tuple of dict
        ``role`` and ``content`` each.
    sample : int
        Which of several answers to the same messages; part of the cache's key, without which all would be one.
    seed : int
        Of this sample.
    temperature : float
    max_tokens : int
    schema : dict or None
        JSON schema of the answer.
    """

    messages: tuple[Message, ...]
    sample: int = 0
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 512
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes
    ----------
    text : str
        Empty where there is none.
    finish : str
        Why it ended, as the server says: ``stop``, ``length`` (cut off), ``content_filter``.
    refusal : str or None
        The model's own words where it refused.
    prompt_tokens, completion_tokens : int
        As the server counts them, 0 where it does not.
    error : str or None
        Why there is no answer; such a reply is never kept.
    timed_out : bool
        The reason was time.
    cached : bool
        It was asked before.
    """

    text: str = ""
    finish: str = ""
    refusal: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None
    timed_out: bool = False
    cached: bool = field(default=False, compare=False)


class Backend(Protocol):
    """Answers requests.

    Attributes
    ----------
    identity : str
        Tells models apart in the cache.
    """

    identity: str

    def complete(self, request: Request) -> Reply:
        """Answer one request, or raise :class:`ModelError`."""
        ...


def chat(prompt: str | Sequence[Message], system: str | None = None) -> tuple[Message, ...]:
    """Return a prompt as messages; what is messages already stays."""
    turns: tuple[Message, ...] = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)
    return ({"role": "system", "content": system}, *turns) if system else turns
