"""A box for generated code: bubblewrap with limits; expected values stay outside, answers cross as JSON."""

from __future__ import annotations

from trueneg.llm._sandbox.box import Answer, Sandbox, unusable
from trueneg.llm._sandbox.compare import same

__all__ = ["Answer", "Sandbox", "same", "unusable"]
