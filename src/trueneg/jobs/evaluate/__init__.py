"""``trueneg evaluate``: a ranker's run held to judgments, or encoders to tasks, each figure with its interval."""

from __future__ import annotations

from trueneg.jobs.evaluate.encoders import Compared, TaskResult, evaluate_encoders
from trueneg.jobs.evaluate.kinds import KINDS
from trueneg.jobs.evaluate.run import Evaluation, evaluate
from trueneg.jobs.evaluate.tasks import Sizes, read_tasks

__all__ = [
    "KINDS",
    "Compared",
    "Evaluation",
    "Sizes",
    "TaskResult",
    "evaluate",
    "evaluate_encoders",
    "read_tasks",
]
