"""The Tsetlin machine: rules of words and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, ahead, applied

__all__ = ["Tsetlin"]

SEARCHED = ("n_clauses", "threshold", "specificity")


class Tsetlin(Kind):
    """Votes of rules."""

    reads = "binary"

    def __init__(self, setting: Setting) -> None:
        from trueneg.heads import TsetlinMachineClassifier

        super().__init__(setting)
        params = dict(setting.params)
        self._search = bool(params.pop("search", False))
        set_too = [name for name in SEARCHED if name in params]
        if self._search and set_too:
            msg = f"--set {set_too[0]}: --search chooses {', '.join(SEARCHED)}; leave out one of the two"
            raise InputError(msg)
        model = TsetlinMachineClassifier(n_jobs=setting.jobs, random_state=setting.seed)
        self.model = applied(model, params)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from sparse rows, with settings chosen on a fifth of them where ``--search`` asks for it."""
        if not self._search:
            self.model.fit(X, y, progress=progress)
            return
        from trueneg.heads import TsetlinMachineSearch

        found = TsetlinMachineSearch(self.model, random_state=self.setting.seed).fit(X, y, progress=progress)
        self.model = found.best_estimator_
        best = ", ".join(f"{name} {value:g}" for name, value in found.best_params_.items())
        self.told.append(f"chosen of {len(found.results_)} tries, judged on a fifth of the rows learned from: {best}")

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
