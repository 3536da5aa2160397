"""Reading a machine: its clauses as rules, what each is worth on other rows, and the rules behind one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson
from trueneg.heads._tsetlin.machine import Machine

__all__ = ["Explanation", "Readability", "Rule", "explain_rows", "measured", "readability", "rules_of"]


@dataclass(frozen=True)
class Rule:
    """A clause: if all its literals hold, it votes.

    Parameters
    ----------
    label : object
        The class it votes on.
    weight : int
        Its votes: above zero for the class, below zero against it.
    literals : tuple of (str, bool)
        Feature, and whether it must be absent; those that must be present come first.
    clause : int
        Its column in ``transform``.
    precision : Estimate or None
        Of the rows where it holds, the share it is right on: rows of the class for a rule for it, others for one
        against it. None until measured, and where it never holds.
    coverage : Estimate or None
        The share of rows where it holds.
    """

    label: Any
    weight: int
    literals: tuple[tuple[str, bool], ...]
    clause: int
    precision: Estimate | None = None
    coverage: Estimate | None = None

    def text(self, limit: int | None = None) -> str:
        """Return ``rash and reaction and not penicillin``; beyond ``limit`` literals the rest is counted."""
        words = [f"not {name}" if absent else name for name, absent in self.literals]
        if limit is not None and len(words) > limit:
            words = [*words[:limit], f"{len(words) - limit} more"]
        return " and ".join(words)

    def __str__(self) -> str:
        side = "for" if self.weight > 0 else "against"
        return f"{abs(self.weight)} {side} {self.label}: {self.text(12)}"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "label": self.label.item() if isinstance(self.label, np.generic) else self.label,
            "weight": self.weight,
            "clause": self.clause,
            "present": [name for name, absent in self.literals if not absent],
            "absent": [name for name, absent in self.literals if absent],
            "precision": None if self.precision is None else self.precision.to_dict(),
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
        }


@dataclass(frozen=True)
class Explanation:
    """Why one row got its label.

    Parameters
    ----------
    label : object
        As predicted.
    votes : dict
        Of every class.
    rules : list of Rule
        Those that hold and vote on this label, the heaviest first.
    """

    label: Any
    votes: dict[Any, int]
    rules: list[Rule]

    def __str__(self) -> str:
        head = f"{self.label}: " + ", ".join(f"{count} for {label}" for label, count in self.votes.items())
        return "\n".join([head, *(f"  {rule}" for rule in self.rules)])


@dataclass(frozen=True)
class Readability:
    """How far the rules can be read: the price of accurate settings is long rules of absent features.

    Parameters
    ----------
    rules : int
        Clauses with literals.
    literals : float
        Mean literals a rule.
    present : float
        Mean literals a rule that ask for a feature to be there.
    short : float
        Share of rules of at most five literals.
    """

    rules: int
    literals: float
    present: float
    short: float

    def __str__(self) -> str:
        return (
            f"{self.rules} rules, {self.literals:.1f} literals each, {self.present:.2f} of them features that must be "
            f"present; {self.short:.0%} of the rules have at most 5 literals"
        )


def readability(machine: Machine) -> Readability:
    """Count literals."""
    included = machine.included().reshape(-1, machine.shape.literals)
    sizes = included.sum(axis=1)
    alive = sizes > 0
    if not alive.any():
        return Readability(0, 0.0, 0.0, 0.0)
    present = included[alive, : machine.shape.features].sum(axis=1)
    return Readability(
        int(alive.sum()), float(sizes[alive].mean()), float(present.mean()), float((sizes[alive] <= 5).mean())
    )


def rules_of(machine: Machine, classes: Sequence[Any], names: Sequence[str]) -> list[Rule]:
    """Return every clause that has literals, by class, then by weight; a shared one under the class it moves most."""
    F, signed = machine.shape.features, machine.signed()
    clauses, literals_of = machine.literals()
    ends = np.cumsum(np.bincount(clauses, minlength=machine.include.shape[0] * machine.include.shape[1]))
    found = []
    for clause, places in enumerate(np.split(literals_of, ends[:-1])):
        if len(places) == 0:
            continue
        if machine.pool:
            c = int(np.abs(signed[:, clause]).argmax())
            weight = int(signed[c, clause])
        else:
            c = clause // signed.shape[1]
            weight = int(signed[c, clause % signed.shape[1]])
        literals = tuple((names[int(k) % F], bool(k >= F)) for k in places)
        found.append((c, Rule(classes[c], weight, literals, clause)))
    found.sort(key=lambda pair: (pair[0], -abs(pair[1].weight), pair[1].clause))
    return [rule for _, rule in found]


def measured(
    rules: list[Rule], outputs: NDArray[np.bool_], of_class: dict[Any, NDArray[np.bool_]], level: float
) -> list[Rule]:
    """Return the rules with precision and coverage, from clause outputs and the rows of each class."""
    if len(outputs) == 0:
        raise InputError("there are no rows to measure rules on: give at least one.")
    result = []
    for rule in rules:
        holds = outputs[:, rule.clause]
        right = of_class[rule.label] if rule.weight > 0 else ~of_class[rule.label]
        n = int(holds.sum())
        precision = wilson(int((holds & right).sum()), n, level=level) if n else None
        result.append(replace(rule, precision=precision, coverage=wilson(n, len(holds), level=level)))
    return result


def explain_rows(
    rules: list[Rule], outputs: NDArray[np.bool_], votes: NDArray[np.int64], classes: Sequence[Any], labels: Any
) -> list[Explanation]:
    """Return for each row the rules of its label that hold."""
    by_label: dict[Any, list[Rule]] = {}
    for rule in rules:
        by_label.setdefault(rule.label, []).append(rule)
    found = []
    for row, label in enumerate(labels):
        true = [rule for rule in by_label.get(label, []) if outputs[row, rule.clause]]
        true.sort(key=lambda rule: (-abs(rule.weight), rule.clause))
        tally = {own: int(count) for own, count in zip(classes, votes[row], strict=True)}
        found.append(Explanation(label, tally, true))
    return found
