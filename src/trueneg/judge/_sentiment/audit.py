"""Automatic labels against a few human ones: how good each class is, and the shares corrected for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson
from trueneg.core.verdicts import Calibration, corrected_rate

__all__ = ["ClassAudit", "LabelAudit", "audit_labels"]


@dataclass(frozen=True)
class ClassAudit:
    """One class: its share as labelled and corrected, and how often the label is right.

    ``corrected`` is None where the labels tell nothing of the class (``note`` says why); ``precision`` and ``recall``
    are None where no human label bears on them.
    """

    name: str
    naive: Estimate
    corrected: Estimate | None
    precision: Estimate | None
    recall: Estimate | None
    note: str = ""


@dataclass(frozen=True)
class LabelAudit:
    """All classes, the agreement, and the confusion table.

    Attributes
    ----------
    classes : tuple of ClassAudit
    accuracy : Estimate
        Share of the human labels that the automatic one agrees with.
    kappa : float
        Cohen's, of both.
    confusion : (K, K + 1) int64
        Human class by automatic class; the last column is "nothing said".
    n, n_human : int
        Rows, and those with a human label.
    """

    classes: tuple[ClassAudit, ...]
    accuracy: Estimate
    kappa: float
    confusion: NDArray[np.int64]
    n: int
    n_human: int

    def __getitem__(self, name: str) -> ClassAudit:
        """Return a class by its name."""
        for found in self.classes:
            if found.name == name:
                return found
        msg = f"there is no class {name!r}; there are {', '.join(c.name for c in self.classes)}."
        raise InputError(msg)

    def __str__(self) -> str:
        """Return a line a class."""
        lines = [f"{self.n_human:,} of {self.n:,} rows have a human label; it agrees on {self.accuracy}"]
        for found in self.classes:
            told = f"{found.corrected} corrected" if found.corrected is not None else found.note
            lines.append(f"{found.name}: {found.naive} as labelled, {told}; recall {found.recall}")
        return "\n".join(lines)


def audit_labels(
    label: Sequence[Any],
    human: Sequence[Any],
    *,
    classes: Sequence[str] | None = None,
    group: Sequence[Any] | None = None,
    human_by: str | None = None,
    labelled_by: str | None = None,
    level: float = 0.95,
) -> LabelAudit:
    """Correct the shares of automatic labels by human ones on a random sample of the same rows.

    Parameters
    ----------
    label : sequence of shape (n,)
        Automatic labels; None where nothing was said.
    human : sequence of shape (n,)
        Human labels; None where there is none. Those that there are must be a random sample of the rows: a choice of
        odd ones corrects towards the odd.
    classes : sequence of str, optional
        By default all that occur.
    group : sequence of shape (n,), optional
        Rows that belong together (one author, one channel): intervals count groups.
    human_by, labelled_by : str, optional
        Who made which; the same model for both is refused.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    LabelAudit

    Raises
    ------
    InputError
        Lengths that differ, a human label of no known class, fewer than ten human labels.

    Notes
    -----
    The corrected share of a class is ``sum_v P(v) P(class | v)`` over what the labeller says (this class, another,
    nothing): it uses the whole table of errors, not an accuracy (:func:`trueneg.core.verdicts.corrected_rate`).
    """
    labels = [None if _missing(v) else str(v) for v in label]
    humans = [None if _missing(v) else str(v) for v in human]
    if len(labels) != len(humans):
        msg = f"{len(labels)} labels and {len(humans)} human labels: give one each a row, None where there is none."
        raise InputError(msg)
    found = sorted({v for v in (*labels, *humans) if v is not None})
    known = list(found if classes is None else classes)
    odd = [v for v in humans if v is not None and v not in known]
    if odd:
        msg = f"the human label {odd[0]!r} is no class; the classes are {', '.join(known)}."
        raise InputError(msg)
    code = {name: k for k, name in enumerate(known)}
    said = np.array([-1 if v is None else code.get(v, -1) for v in labels])
    gold = np.array([-1 if v is None else code[v] for v in humans])
    held = gold >= 0
    if held.sum() < 10:
        msg = f"{int(held.sum())} human labels: label ten rows at least, drawn at random; 400 give intervals of .08."
        raise InputError(msg)
    confusion = np.zeros((len(known), len(known) + 1), dtype=np.int64)
    np.add.at(confusion, (gold[held], np.where(said[held] < 0, len(known), said[held])), 1)
    names = {"gold_by": human_by, "judge": labelled_by}
    audits = tuple(_class(k, name, said, gold, confusion, group, names, level) for k, name in enumerate(known))
    right, n = int(np.trace(confusion)), int(held.sum())
    return LabelAudit(audits, wilson(right, n, level=level), _kappa(confusion), confusion, len(labels), n)


def _class(
    k: int, name: str, said: Any, gold: Any, confusion: Any, group: Any, names: dict[str, Any], level: float
) -> ClassAudit:
    """Audit one class against the rest."""
    held = gold >= 0
    verdict = np.where(said < 0, -1, (said == k).astype(int))
    truth = (gold == k).astype(int)
    items = None if group is None else np.asarray(group, dtype=object).astype(str)
    column, row = int(confusion[:, k].sum()), int(confusion[k].sum())
    precision = wilson(int(confusion[k, k]), column, level=level) if column else None
    recall = wilson(int(confusion[k, k]), row, level=level) if row else None
    if not (verdict >= 0).any():
        return ClassAudit(name, wilson(0, len(said), level=level), None, precision, recall, "nothing was labelled")
    some = None if items is None else items[held]
    calibration = Calibration.of(truth[held], verdict[held], item=some, **names)
    try:
        rate = corrected_rate(verdict, calibration, item=items, level=level)
    except InputError:
        share = wilson(row, int(held.sum()), level=level)
        note = f"{share} by the human labels alone (the automatic ones tell nothing of this class)"
        naive = wilson(int((verdict == 1).sum()), int((verdict >= 0).sum()), level=level)
        return ClassAudit(name, naive, share, precision, recall, note)
    return ClassAudit(name, rate.naive, rate.corrected, precision, recall)


def _kappa(confusion: NDArray[np.int64]) -> float:
    square = confusion[:, :-1]
    n = confusion.sum()
    agree = np.trace(square) / n
    chance = float((confusion.sum(axis=1) * square.sum(axis=0)).sum()) / n**2
    return float((agree - chance) / (1 - chance)) if chance < 1 else 0.0


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value)
