"""The door to language models: who writes texts, who judges them, and the box that runs what they wrote.

``LanguageModel`` asks a back-end (``OpenAICompatible``, ``LocalModel``, ``FunctionModel``), keeps what was answered in
a ``Cache``, and counts; ``ModelVerifier`` judges with one; :mod:`trueneg.llm.sandbox` runs generated programs.
"""

from __future__ import annotations

from trueneg.llm._client.cache import Cache
from trueneg.llm._client.http import OpenAICompatible
from trueneg.llm._client.judge import ModelVerifier
from trueneg.llm._client.local import FunctionModel, LocalModel, embedded_model
from trueneg.llm._client.reply import Backend, ModelError, Reply, Request
from trueneg.llm._client.runner import LanguageModel, Usage

__all__ = [
    "Backend",
    "Cache",
    "FunctionModel",
    "LanguageModel",
    "LocalModel",
    "ModelError",
    "ModelVerifier",
    "OpenAICompatible",
    "Reply",
    "Request",
    "Usage",
    "embedded_model",
]
