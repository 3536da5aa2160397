"""``trueneg evaluate``: a ranker's run held to judgments, and to another run, with intervals."""

from __future__ import annotations

from trueneg.jobs.evaluate.run import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
