"""Any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from trueneg.core.errors import InputError, missing_extra
from trueneg.llm._client.reply import ModelError, Reply, Request

__all__ = ["OpenAICompatible"]

_OFFICIAL = "https://api.openai.com/v1"
_AGAIN = frozenset((408, 409, 429))


class _Busy(Exception):
    """An answer that may be better next time; ``after`` is how long the server asks to wait."""

    def __init__(self, told: str, after: float | None = None) -> None:
        super().__init__(told)
        self.after = after


class OpenAICompatible:
    """A model behind ``POST base_url/chat/completions``.

    408, 409, 429 and 5xx answers, connections that break, silence, and half an answer are tried again, with exponential
    waits and jitter, or as long as ``Retry-After`` says. Any other refusal (a wrong key, an unknown model) is final.

    Parameters
    ----------
    model : str
        As the server names it.
    base_url : str, default="https://api.openai.com/v1"
        Of the server.
    api_key : str or None
        Sent as a bearer token. None: ``OPENAI_API_KEY`` for OpenAI's own server, and no token elsewhere.
    timeout : float, default=60
        Seconds of silence after which an attempt is given up.
    attempts : int, default=6
        At most, of one question.
    total : float, default=300
        Seconds for all attempts of one question together; a ``Retry-After`` beyond it ends them.
    structured : {"json_schema", "json_object", "none"}, default="json_schema"
        What the server knows of structured output.
    wait : float, default=0.5
        Seconds before the second attempt; doubled each time, up to 30.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = _OFFICIAL,
        api_key: str | None = None,
        timeout: float = 60.0,
        attempts: int = 6,
        total: float = 300.0,
        structured: str = "json_schema",
        wait: float = 0.5,
    ) -> None:
        try:
            import httpx2
            import stamina
        except ImportError:
            missing_extra("httpx2 with stamina", "llm")
        if urlsplit(base_url).scheme not in ("http", "https"):
            msg = f"base_url {base_url!r}: give one that begins with http:// or https://"
            raise InputError(msg)
        if attempts < 1 or not (timeout > 0 and total > 0 and wait >= 0):
            msg = f"attempts={attempts}, timeout={timeout}, total={total}, wait={wait}: give positive numbers"
            raise InputError(msg)
        if structured not in ("json_schema", "json_object", "none"):
            msg = f"structured={structured!r}: choose json_schema, json_object or none"
            raise InputError(msg)
        self.model, self.base_url = model, base_url.rstrip("/")
        self.attempts, self.total, self.structured, self.wait = attempts, total, structured, wait
        self.identity = f"{model} @ {self.base_url}"
        self.retried = 0
        key = api_key if api_key is not None else os.environ.get("OPENAI_API_KEY") if base_url == _OFFICIAL else None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._httpx, self._stamina = httpx2, stamina
        self._client = httpx2.Client(headers=headers, timeout=httpx2.Timeout(timeout, connect=min(timeout, 10)))

    def complete(self, request: Request) -> Reply:
        """Answer one request, trying again where that may help."""
        body = self._body(request)
        started = time.monotonic()

        def again(error: Exception) -> bool | float:
            if isinstance(error, _Busy) and error.after is not None:
                left = self.total - (time.monotonic() - started)
                return error.after if error.after < left else False
            return isinstance(error, _Busy | self._httpx.TransportError)

        tried = 0
        try:
            for attempt in self._stamina.retry_context(
                on=again,
                attempts=self.attempts,
                timeout=self.total,
                wait_initial=self.wait,
                wait_max=30.0,
                wait_jitter=self.wait,
            ):
                with attempt:
                    tried += 1
                    self.retried += tried > 1
                    return self._once(body)
        except _Busy as error:
            msg = f"{self.identity}: {error} after {tried} attempts; ask less at once, or later"
            raise ModelError(msg) from error
        except self._httpx.TransportError as error:
            late = isinstance(error, self._httpx.TimeoutException)
            why = "no answer in time" if late else f"no connection ({str(error)[:120] or type(error).__name__})"
            msg = f"{self.identity}: {why} after {tried} attempts; is the server there?"
            raise ModelError(msg, timed_out=late) from error
        raise ModelError(f"{self.identity}: it was not asked")  # pragma: no cover - the loop returns or raises

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in request.messages],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
        }
        if request.schema is not None and self.structured == "json_schema":
            wanted = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif request.schema is not None and self.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _once(self, body: dict[str, Any]) -> Reply:
        answer = self._client.post(f"{self.base_url}/chat/completions", json=body)
        code = answer.status_code
        if code in _AGAIN or code >= 500:
            raise _Busy(f"the server says {code}", _seconds(answer.headers.get("retry-after")))
        if code != 200:
            told = " ".join(answer.text.split())[:200]
            msg = (
                f"{self.identity}: the server refuses with {code} ({told}); check the key, the model's name and the URL"
            )
            raise ModelError(msg, fatal=code in (400, 401, 403, 404, 405, 422))
        try:
            return read_completion(answer.json())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise _Busy("the answer is no chat completion") from error


def read_completion(found: Any) -> Reply:
    """Read the JSON of a chat completion; what lacks its parts raises KeyError, TypeError or IndexError."""
    choice = found["choices"][0]
    message, usage = choice["message"], found.get("usage") or {}
    text = message.get("content")
    if text is not None and not isinstance(text, str):
        raise TypeError("content is no text")
    return Reply(
        text or "",
        str(choice.get("finish_reason") or ""),
        message.get("refusal"),
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
    )


def _seconds(after: str | None) -> float | None:
    """Return what a Retry-After header asks for: seconds, or until a date; None where it says nothing."""
    if not after:
        return None
    try:
        return max(0.0, float(after))
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
        except (ValueError, TypeError):
            return None


def parsed(text: str) -> Any:
    """Return the JSON of an answer, also where words or a fence stand around one object; None where there is none."""
    for piece in (text, text[text.find("{") : text.rfind("}") + 1]):
        try:
            return json.loads(piece)
        except (ValueError, RecursionError):
            continue
    return None
