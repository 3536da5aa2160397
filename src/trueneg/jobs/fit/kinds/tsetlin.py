"""The Tsetlin machine: rules of words and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, ahead, applied

__all__ = ["Tsetlin"]


class Tsetlin(Kind):
    """Votes of rules."""

    reads = "binary"

    def __init__(self, setting: Setting) -> None:
        from trueneg.heads import TsetlinMachineClassifier

        super().__init__(setting)
        model = TsetlinMachineClassifier(n_jobs=setting.jobs, random_state=setting.seed)
        self.model = applied(model, setting.params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from sparse rows."""
        self.model.fit(X, y, progress=progress)

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return labels, and votes of the best class above the next one's."""
        best, margin = ahead(self.model.votes(X).astype(np.float64))
        return Answer(np.asarray(classes, dtype=object)[self.model.classes_[best]], margin)

    def rules(self, X: Any, y: NDArray[np.int64], names: list[str]) -> list[Any]:
        """Return the rules, measured on rows where there are some."""
        if len(y):
            return self.model.measure_rules(X, y, names=names)
        from trueneg.heads._tsetlin.rules import rules_of

        return rules_of(self.model.machine_, self.model.classes_.tolist(), names)

    def save(self, folder: Path) -> None:
        """Write the machine's own file."""
        self.model.save(folder / "head.npz")

    @classmethod
    def load(cls, folder: Path) -> Tsetlin:
        """Read the machine's own file."""
        from trueneg.heads import TsetlinMachineClassifier

        found = cls(Setting())
        found.model = TsetlinMachineClassifier.load(folder / "head.npz")
        if not hasattr(found.model, "classes_"):
            msg = f"{folder / 'head.npz'} is damaged: fit the model again."
            raise InputError(msg)
        return found
