"""Many questions: concurrent, cached, counted, resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from trueneg.core.errors import InputError
from trueneg.llm._client.cache import Cache, key_of
from trueneg.llm._client.reply import Backend, Message, ModelError, Reply, Request, chat

__all__ = ["LanguageModel", "Usage"]

Progress = Callable[[str, int, int], None]


@dataclass
class Usage:
    """What a model was asked so far, and what that cost.

    Attributes
    ----------
    asked, cached, failed : int
        Questions that went to the back-end, that were answered before, and that got no answer.
    prompt_tokens, completion_tokens : int
        Of those that were asked.
    cost : float or None
        In the unit of the prices; None without prices.
    """

    asked: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None

    def __str__(self) -> str:
        """Return a line."""
        tokens = f"{self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        cost = "" if self.cost is None else f", cost {self.cost:.4g}"
        return f"{self.asked:,} asked, {self.cached:,} from the cache, {self.failed:,} failed; {tokens}{cost}"


class LanguageModel:
    """A back-end with a cache, a limit on what runs at once, and counts; writes texts as a ``Generator``.

    Parameters
    ----------
    backend : Backend
        ``OpenAICompatible``, ``LocalModel``, ``FunctionModel``, or what has ``identity`` and ``complete``.
    cache : Cache or path or None
        Where answers are kept as they come: a run that was killed goes on, and nothing that was kept is asked again.
    concurrency : int, default=4
        Questions that are under way at once.
    temperature, max_tokens : float, int
        Of every question, unless said otherwise.
    prices : (float, float) or None
        Per million tokens of questions and of answers.
    system : str or None
        A system message before every prompt.
    progress : callable or None
        Called with a text, questions done, and their number.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        cache: Cache | Any = None,
        concurrency: int = 4,
        temperature: float = 1.0,
        max_tokens: int = 512,
        prices: tuple[float, float] | None = None,
        system: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        if concurrency < 1:
            msg = f"concurrency={concurrency}: at least one question must be under way."
            raise InputError(msg)
        self.backend, self.concurrency = backend, concurrency
        self.cache = cache if cache is None or isinstance(cache, Cache) else Cache(cache)
        self.temperature, self.max_tokens, self.system = temperature, max_tokens, system
        self.prices, self.progress = prices, progress
        self.usage = Usage(cost=None if prices is None else 0.0)

    def generate(self, prompts: Sequence[str | Sequence[Message]], n: int = 1, seed: int = 0) -> list[list[str]]:
        """Return ``n`` texts for each prompt; the same seed gives the same texts where the model keeps to it.

        Raises
        ------
        ModelError
            Where a question got no answer, after all others were asked: what was answered is in the cache.
        """
        replies = self.ask(prompts, n=n, seed=seed)
        failed = [reply.error for row in replies for reply in row if reply.error is not None]
        if failed:
            kept = (
                "what was answered is kept, run it again" if self.cache is not None else "give a cache to keep the rest"
            )
            msg = f"{len(failed)} of {len(replies) * n} questions got no answer ({failed[0]}); {kept}"
            raise ModelError(msg)
        return [[reply.text for reply in row] for row in replies]

    def ask(
        self,
        prompts: Sequence[str | Sequence[Message]],
        *,
        n: int = 1,
        seed: int = 0,
        schema: Mapping[str, Any] | None = None,
        temperature: float | None = None,
    ) -> list[list[Reply]]:
        """Return ``n`` replies for each prompt, in order; one without an answer holds its ``error``.

        Parameters
        ----------
        prompts : sequence of str or of messages
            Questions.
        n : int, default=1
            Samples of each; sample ``i`` has the seed ``seed + i``, and its own place in the cache.
        seed : int, default=0
        schema : dict or None
            JSON schema that the answers shall keep to.
        temperature : float or None
            Instead of the model's own.

        Raises
        ------
        ModelError
            Where the first refusal shows that no question will be answered (a wrong key, an unknown model).
        """
        if n < 1:
            msg = f"n={n}: ask for one sample at least."
            raise InputError(msg)
        heat = self.temperature if temperature is None else temperature
        requests = [
            Request(chat(prompt, self.system), i, seed + i, heat, self.max_tokens, schema)
            for prompt in prompts
            for i in range(n)
        ]
        keys = [key_of(self.backend.identity, request) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        found: dict[str, Reply] = {}
        for done, (key, reply) in enumerate(self._replies(unique), 1):
            found[key] = reply
            self._count(reply)
            if self.progress is not None:
                self.progress("asking", done, len(unique))
        flat = [found[key] for key in keys]
        return [flat[k : k + n] for k in range(0, len(flat), n)]

    def _replies(self, requests: dict[str, Request]) -> Iterator[tuple[str, Reply]]:
        """Yield replies as they come: those of the cache first."""
        todo = {}
        for key, request in requests.items():
            kept = None if self.cache is None else self.cache.get(key)
            if kept is None:
                todo[key] = request
            else:
                yield key, kept
        rest = iter(todo.items())
        pool = ThreadPoolExecutor(self.concurrency)
        running: dict[Future[Reply], str] = {}
        try:
            while True:
                for key, request in islice(rest, self.concurrency - len(running)):
                    running[pool.submit(self._one, key, request)] = key
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for future in running:
                with suppress(ModelError, InputError):
                    future.exception()  # what is under way ends, and is kept, before the error is told

    def _one(self, key: str, request: Request) -> Reply:
        try:
            reply = self.backend.complete(request)
        except ModelError as error:
            if error.fatal:
                raise
            return Reply(error=str(error), timed_out=error.timed_out)
        return reply if self.cache is None else replace(self.cache.put(key, reply), cached=False)

    def _count(self, reply: Reply) -> None:
        usage = self.usage
        if reply.cached:
            usage.cached += 1
            return
        usage.asked += 1
        usage.failed += reply.error is not None
        usage.prompt_tokens += reply.prompt_tokens
        usage.completion_tokens += reply.completion_tokens
        if self.prices is not None and usage.cost is not None:
            spent = reply.prompt_tokens * self.prices[0] + reply.completion_tokens * self.prices[1]
            usage.cost += spent / 1e6
