"""What of a machine can be read, as methods of its estimator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin import export, inputs, rules
from trueneg.heads._tsetlin.vote import clause_outputs, votes

if TYPE_CHECKING:
    from trueneg.heads._tsetlin.machine import Machine

__all__ = ["Reading"]


class Reading:
    """Rules of a fitted machine."""

    machine_: Machine
    classes_: Any
    cuts_: Any
    multilabel_: bool
    n_features_in_: int

    @property
    def rules_(self) -> list[rules.Rule]:
        """Every clause with literals as a rule, by class and then by weight; not measured."""
        check_is_fitted(self, "machine_")
        return rules.rules_of(self.machine_, self.classes_.tolist(), self.literal_names())

    @property
    def readability_(self) -> rules.Readability:
        """How long the rules are, and how many features they ask for to be present."""
        check_is_fitted(self, "machine_")
        return rules.readability(self.machine_)

    def literal_names(self, names: ArrayLike | None = None) -> list[str]:
        """Return what each binary feature says; ``names`` of the columns, by default those of the frame fitted."""
        own = getattr(self, "feature_names_in_", None) if names is None else np.asarray(names, dtype=object)
        if own is None:
            own = [f"x{j}" for j in range(self.n_features_in_)]
        if len(own) != self.n_features_in_:
            msg = f"names has {len(own)} entries for {self.n_features_in_} features: give one a feature."
            raise InputError(msg)
        return inputs.feature_names(list(own), self.cuts_)

    def measure_rules(
        self, X: ArrayLike, y: ArrayLike, *, names: ArrayLike | None = None, level: float = 0.95
    ) -> list[rules.Rule]:
        """Return the rules with precision and coverage on rows that were not learned from.

        Parameters
        ----------
        X, y : array-like
            Held-out rows and labels.
        names : array-like or None
            Names of the columns.
        level : float, default=0.95
            Of the intervals (Wilson).

        Returns
        -------
        list of Rule
            In the order of ``rules_``.
        """
        check_is_fitted(self, "machine_")
        rows = self._rows(X)  # type: ignore[attr-defined]
        truth = np.asarray(y)
        if len(truth) != rows.n:
            msg = f"X has {rows.n} rows and y {len(truth)}: give one label a row."
            raise InputError(msg)
        labels = self.classes_.tolist()
        of_class = {c: truth[:, i] > 0 if self.multilabel_ else truth == c for i, c in enumerate(labels)}
        found = rules.rules_of(self.machine_, labels, self.literal_names(names))
        return rules.measured(found, clause_outputs(self.machine_, rows), of_class, level)

    def explain(self, X: ArrayLike, *, names: ArrayLike | None = None, top: int | None = 5) -> list[rules.Explanation]:
        """Return for each row the rules that hold and vote on its predicted label, the ``top`` heaviest.

        With several labels a row, those of the label with the most votes.
        """
        check_is_fitted(self, "machine_")
        rows = self._rows(X)  # type: ignore[attr-defined]
        tally = votes(self.machine_, rows)
        labels = self.classes_.tolist()
        chosen = [labels[k] for k in tally.argmax(axis=1)]
        own = rules.rules_of(self.machine_, labels, self.literal_names(names))
        found = rules.explain_rows(own, clause_outputs(self.machine_, rows), tally, labels, chosen)
        return [rules.Explanation(e.label, e.votes, e.rules[:top]) for e in found]

    def export(
        self,
        kind: str = "text",
        *,
        names: ArrayLike | None = None,
        path: str | Path | None = None,
        measured: list[rules.Rule] | None = None,
    ) -> str:
        """Return the rules as ``"text"``, ``"json"`` or ``"c"``, and write them to ``path`` where given.

        Parameters
        ----------
        kind : {"text", "json", "c"}, default="text"
            ``"c"`` is a function that decides on binary features without any library.
        names : array-like or None
            Names of the columns.
        path : path or None
            File to write.
        measured : list of Rule or None
            From :meth:`measure_rules`, to show precision and coverage; not for ``"c"``.
        """
        check_is_fitted(self, "machine_")
        if kind not in ("text", "json", "c"):
            msg = f"kind={kind!r}: choose 'text', 'json' or 'c'."
            raise InputError(msg)
        known, labels = self.literal_names(names), self.classes_.tolist()
        if kind == "c":
            text = export.as_c(self.machine_, labels, known)
        else:
            shown = rules.rules_of(self.machine_, labels, known) if measured is None else measured
            text = export.as_text(shown) if kind == "text" else export.as_json(shown)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text
