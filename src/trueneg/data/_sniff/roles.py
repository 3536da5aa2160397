"""The record of which column plays which part, and the arrays that it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from trueneg.data._sniff.matrices import as_matrix, probabilities, refuse_not_finite
from trueneg.data._sniff.multilabel import multilabel_codes
from trueneg.data._sniff.values import encode, label_strings, table_name
from trueneg.data.readers import Table


@dataclass
class Roles:
    """Which column plays which part.

    Attributes
    ----------
    label : str or None
        The label column as it was named (``"y_*"`` for prefixed columns).
    kind : str
        ``"table"`` (one label a row), ``"multilabel"`` or ``"attempts"`` (the label is the verdict).
    labels : list of str
        The label columns: one, or those a pattern stands for.
    label_sep : str or None
        What separates the labels in one column of several.
    classes : list of str
        Code k stands for ``classes[k]``. Two classes: the negative first.
    positive, negative, unlabeled : str or None
        The class asked about, the class of "none of these", and the value that means unjudged.
    text, image, numeric, categorical, embedding, proba : list of str
        Columns.
    id, group, trusted, split : str or None
        Columns.
    cost_fn, cost_fp : str, float or None
        A column of costs a row, or one number.
    notes : list of str
        What was sniffed and how the labels were read, one sentence each; a :class:`Note` where it is for one command.
    """

    label: str | None = None
    kind: str = "table"
    labels: list[str] = field(default_factory=list)
    label_sep: str | None = None
    classes: list[str] = field(default_factory=list)
    positive: str | None = None
    negative: str | None = None
    unlabeled: str | None = None
    text: list[str] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    embedding: list[str] = field(default_factory=list)
    proba: list[str] = field(default_factory=list)
    id: str | None = None
    group: str | None = None
    trusted: str | None = None
    split: str | None = None
    cost_fn: str | float | None = None
    cost_fp: str | float | None = None
    notes: list[str] = field(default_factory=list)

    def notes_for(self, command: str) -> list[str]:
        """Return the notes, without those that are for another command."""
        return [str(note) for note in self.notes if getattr(note, "command", None) in (None, command)]

    def codes(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Return the labels as codes.

        Returns
        -------
        codes : ndarray of int64
            (n,) class codes, -1 unjudged; for ``"multilabel"`` (n, n_classes) of 1, 0 and -1 unjudged.
        classes : list of str
            The names of the codes, or of the columns.
        """
        if self.kind == "attempts":
            from trueneg.data._sniff.attempts import attempt_codes

            return attempt_codes(table, self), list(self.classes)
        if self.kind == "multilabel":
            return multilabel_codes(table, self), list(self.classes)
        return encode(label_strings(table.arrow.column(self.labels[0]), self.unlabeled), self.classes), list(
            self.classes
        )

    def proba_matrix(self, table: Table) -> np.ndarray | None:
        """Return the given probabilities (n, n_classes) in the order of ``classes``, or None; checked row by row."""
        return probabilities(table, self) if self.proba else None

    def embedding_matrix(self, table: Table) -> np.ndarray | None:
        """Return the given embedding (n, d), or None; NaN and infinities are refused with their row."""
        if not self.embedding:
            return None
        matrix = as_matrix(table, self.embedding, "embedding")
        refuse_not_finite(matrix, table_name(table), self.embedding)
        return matrix
