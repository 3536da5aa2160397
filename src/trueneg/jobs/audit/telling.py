"""Short rules that tell suspects from believed rows: learned on some of them by a Tsetlin machine, judged on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, wilson

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["RULES", "Told", "TellingRule", "telling_rules"]

RULES = 5
LITERALS = 4  # asked of the machine; a clause may stand a few above it
CAUGHT = 5  # suspects that a rule must hold for among the rows learned from
LEARN_SUSPECTS, LEARN_BELIEVED, JUDGE = 1500, 3000, 5000  # rows at most
HELD_OUT = 0.4
TERMS = 1000
PAYS = 4.0  # a rule is worth learning where it catches this many times more of the suspects than of the others
LEVEL = 0.95
TWICE = 2.0  # a rule holds out where suspects are surely this much more frequent than at large
_MACHINE = {"n_clauses": 40, "threshold": 40, "specificity": 8.0, "max_included_literals": LITERALS, "max_iter": 8}


@dataclass(frozen=True)
class TellingRule:
    """One rule and what it is worth on rows that it was not learned from.

    Parameters
    ----------
    text : str
        ``rash and not penicillin``.
    precision : Estimate or None
        Share of suspects among the held-out rows where it holds; its interval allows for as many rules as are shown.
        None where it never holds.
    suspects, believed : Estimate
        Share of the held-out suspects, and of the held-out believed rows, for which it holds.
    holds_out : bool
        Whether the whole interval of ``precision`` is above twice the share of suspects.
    """

    text: str
    precision: Estimate | None
    suspects: Estimate
    believed: Estimate
    holds_out: bool


@dataclass(frozen=True)
class Told:
    """The rules of one kind of suspects.

    Parameters
    ----------
    rules : list of TellingRule
        Most telling first, as the rows learned from had it.
    share : float
        Of suspects among the rows held out.
    learned, judged : int
        Rows.
    covered : Estimate
        Share of the held-out suspects for which a rule holds that holds out.
    chance : int
        Rules that hold out where the suspects are as many rows drawn by lot, learned and judged in the same way.
    """

    rules: list[TellingRule]
    share: float
    learned: int
    judged: int
    covered: Estimate
    chance: int


def telling_rules(
    arrow: pa.Table,
    columns: tuple[list[str], list[str]],
    suspects: NDArray[np.int64],
    believed: NDArray[np.int64],
    together: NDArray[np.int64],
    *,
    seed: int,
) -> Told:
    """Learn and judge rules.

    Parameters
    ----------
    arrow : pyarrow.Table
        The table.
    columns : tuple of two lists of str
        Text columns; numeric and categorical columns. At least one in all.
    suspects, believed : ndarray of int
        Rows of the table.
    together : ndarray of shape (n,)
        Rows of one value are learned from or judged together.
    seed : int
        Of the split and of the machine.

    Raises
    ------
    MissingExtraError
        numba is not installed.
    InputError
        No column has a term or a value to learn from, or too few groups hold suspects.
    """
    from trueneg.jobs.fit.features import Features

    rng = np.random.default_rng([seed, 206])
    rows = np.concatenate([suspects, believed])
    mark = np.repeat([1, 0], [len(suspects), len(believed)])
    groups = np.unique(together[rows], return_inverse=True)[1]
    out = (rng.random(int(groups.max()) + 1) < HELD_OUT)[groups]
    judge = np.sort(rng.permutation(np.flatnonzero(out))[:JUDGE])
    learn = np.sort(
        np.concatenate(
            [
                rng.permutation(np.flatnonzero(~out & (mark == kind)))[:most]
                for kind, most in ((1, LEARN_SUSPECTS), (0, LEARN_BELIEVED))
            ]
        )
    )
    if any(len(np.unique(mark[part])) < 2 for part in (learn, judge)):
        raise InputError("the suspects stand in too few groups of rows to learn from some and judge on others")
    reader = Features(*columns, terms=TERMS)
    X = reader.learn(arrow.take(rows[learn]), mark[learn]).tocsc() > 0
    Z = reader.apply(arrow.take(rows[judge])).tocsc() > 0
    names = reader.names()
    negation = not columns[0]  # an absent word is no news: with text, rules ask for words that are there
    found = _learned(X, mark[learn], seed, negation)
    judged = _judged(found, Z, mark[judge], names)
    lot = rng.permutation(mark)
    by_lot = _learned(X, lot[learn], seed, negation)
    chance = sum(rule.holds_out for rule in _judged(by_lot, Z, lot[judge], names))
    kept = [literals for literals, rule in zip(found, judged, strict=True) if rule.holds_out]
    covered = np.zeros(len(judge), dtype=bool)
    for literals in kept:
        covered |= _holds(Z, literals)
    known = mark[judge] == 1
    whole = wilson(int((covered & known).sum()), int(known.sum()), level=LEVEL)
    return Told(judged, float(known.mean()), len(learn), len(judge), whole, chance)


Literals = tuple[tuple[int, bool], ...]  # feature, and whether it must be absent


def _learned(X: Any, mark: NDArray[np.int64], seed: int, negation: bool) -> list[Literals]:
    """Return the rules for suspects that together catch most of them for the fewest believed rows, in that order."""
    from trueneg.heads import TsetlinMachineClassifier

    machine = TsetlinMachineClassifier(
        **_MACHINE, feature_negation=negation, class_weight="balanced", random_state=seed
    ).fit(X.tocsr().astype(np.float32), mark)
    # What a rule is worth: the share of the suspects that it catches, less PAYS times that of the believed rows.
    weight = np.where(mark == 1, 1.0 / mark.sum(), -PAYS / (mark == 0).sum())
    holds = {own: _holds(X, own) for own in _candidates(machine, X, weight)}
    holds = {own: true for own, true in holds.items() if (true & (mark == 1)).sum() >= CAUGHT}
    left = np.ones(len(mark), dtype=bool)
    chosen: list[Literals] = []
    while holds and len(chosen) < RULES:
        # A believed row costs whenever it is caught, a suspect pays only once.
        gain = {own: weight[true & (left | (mark == 0))].sum() for own, true in holds.items()}
        best = max(gain, key=lambda own: (gain[own], -len(own), own))
        if gain[best] <= 0:
            break
        left &= ~holds.pop(best)
        chosen.append(best)
    return chosen


def _candidates(machine: Any, X: Any, weight: NDArray[np.float64]) -> list[Literals]:
    """Return the clauses that vote for suspects, each cut down to the literals that it is worth more with."""
    state = machine.machine_
    n_clauses, features = state.weight.shape[1], state.shape.features
    clauses, literals = state.literals()
    found: dict[Literals, None] = {}
    for clause in range(n_clauses, 2 * n_clauses, 2):  # of class 1, those for it
        own = tuple((int(k) % features, bool(k >= features)) for k in literals[clauses == clause])
        if 0 < len(own) <= 2 * LITERALS:
            short = _shortened(X, own, weight)
            found[tuple(sorted(short, key=lambda pair: (pair[1], pair[0])))] = None
    return list(found)


def _shortened(X: Any, own: Literals, weight: NDArray[np.float64]) -> Literals:
    """Leave literals out, the most useless first, as long as the rule is worth no less without them."""
    worth = weight[_holds(X, own)].sum()
    while len(own) > 1:
        without = [tuple(other for other in own if other != literal) for literal in own]
        worths = [weight[_holds(X, rest)].sum() for rest in without]
        best = int(np.argmax(worths))
        if worths[best] < worth:
            break
        own, worth = without[best], worths[best]
    return own


def _holds(X: Any, literals: Literals) -> NDArray[np.bool_]:
    """Return for which rows of a sparse matrix, by columns, all literals are satisfied."""
    true = np.ones(X.shape[0], dtype=bool)
    for feature, absent in literals:
        here = np.zeros(X.shape[0], dtype=bool)
        here[X.indices[X.indptr[feature] : X.indptr[feature + 1]]] = True
        true &= ~here if absent else here
    return true


def _judged(found: list[Literals], Z: Any, mark: NDArray[np.int64], names: list[str]) -> list[TellingRule]:
    """Return the rules with their figures on held-out rows."""
    known = mark == 1
    share = known.mean() if len(known) else 0.0
    result = []
    for literals in found:
        true = _holds(Z, literals)
        hits, n = int((true & known).sum()), int(true.sum())
        precision = wilson(hits, n, level=1 - (1 - LEVEL) / RULES) if n else None
        text = " and ".join(f"not {names[j]}" if absent else names[j] for j, absent in literals)
        result.append(
            TellingRule(
                text,
                precision,
                wilson(hits, int(known.sum()), level=LEVEL),
                wilson(n - hits, int((~known).sum()), level=LEVEL),
                precision is not None and precision.low > TWICE * share,
            )
        )
    return result
