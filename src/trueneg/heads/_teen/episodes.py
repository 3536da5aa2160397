"""What a model of base and new classes gets right, session by session, and on episodes drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap, wilson
from trueneg.heads._teen.prototypes import PrototypeClassifier

__all__ = [
    "EpisodeComparison",
    "IncrementalReport",
    "SessionReport",
    "choose_alpha",
    "compare_episodes",
    "incremental_report",
    "session_report",
]


@dataclass(frozen=True)
class IncrementalReport:
    """What a model with base and new classes gets right.

    Attributes
    ----------
    accuracy : Estimate
        On all rows.
    base, new : Estimate
        Accuracy on rows of base classes and of new ones, all classes being possible answers.
    harmonic_mean : Estimate
        Of the two: low where either is.
    new_to_base : Estimate
        Share of the rows of new classes that are taken for a base class.
    base_to_new : Estimate
        The other way round.
    """

    accuracy: Estimate
    base: Estimate
    new: Estimate
    harmonic_mean: Estimate
    new_to_base: Estimate
    base_to_new: Estimate


def incremental_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    base_classes: ArrayLike,
    *,
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
) -> IncrementalReport:
    """Report accuracy on base and new classes, their harmonic mean and the confusion between the two.

    Call it after one session; :func:`session_report` sums up a run of them.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels of test rows; both base and new classes must be among the true ones.
    base_classes : array-like of shape (B,)
        Such as ``base_classes_``; every other label is new.
    level : float, default=0.95
        Coverage.
    random_state : int, Generator or None, default=None
        Seed of the bootstrap of the harmonic mean; the other intervals are Wilson's.

    Returns
    -------
    IncrementalReport
        Each figure with its interval.

    Raises
    ------
    InputError
        Where lengths differ, or rows of base or of new classes are missing.
    """
    true, said = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != said.shape:
        msg = f"y_true has shape {true.shape} and y_pred {said.shape}: give one label a row in both."
        raise InputError(msg)
    names = np.asarray(base_classes)
    if len({a.dtype.kind in "US" for a in (true, said, names) if a.dtype.kind != "O"}) > 1:
        msg = f"labels are texts here and numbers there ({true.dtype}, {said.dtype}, {names.dtype}): use one type."
        raise InputError(msg)
    base, right = np.isin(true, base_classes), true == said
    into_base = np.isin(said, base_classes)
    if base.all() or not base.any():
        lacking = "new" if base.all() else "base"
        msg = f"no row of a {lacking} class is among the {len(true):,} rows: test on both, or report plain accuracy."
        raise InputError(msg)

    def share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        return wilson(int((hit & among).sum()), int(among.sum()), level=level)

    mean = bootstrap(_harmonic, right, base, level=level, random_state=random_state)
    every = np.ones(len(true), bool)
    return IncrementalReport(
        share(right, every),
        share(right, base),
        share(right, ~base),
        mean,
        share(into_base, ~base),
        share(~into_base, base),
    )


@dataclass(frozen=True)
class SessionReport:
    """What a model gets right as new classes come, session by session.

    Attributes
    ----------
    accuracy : tuple of Estimate
        On all rows of each session's test.
    sessions : tuple of IncrementalReport or None
        Of each session; None where it has no new class, as the first.
    performance_drop : Estimate
        Accuracy in the first session minus that in the last, with Newcombe's interval of two shares as if their rows
        were others: where the rows of the first are among the last, it is too wide rather than too narrow.
    """

    accuracy: tuple[Estimate, ...]
    sessions: tuple[IncrementalReport | None, ...]
    performance_drop: Estimate


def session_report(
    sessions: Sequence[tuple[ArrayLike, ArrayLike]],
    base_classes: ArrayLike,
    *,
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
) -> SessionReport:
    """Report a run of sessions: accuracy, base and new classes apart, and the performance drop.

    Parameters
    ----------
    sessions : sequence of (array-like (n,), array-like (n,))
        True and predicted labels after each session, the base session first; two or more.
    base_classes : array-like of shape (B,)
        Such as ``base_classes_``.
    level : float, default=0.95
        Coverage.
    random_state : int, Generator or None, default=None
        Seed of the bootstraps.

    Returns
    -------
    SessionReport
        Each figure with its interval.

    Raises
    ------
    InputError
        On fewer than two sessions, and as :func:`incremental_report`.
    """
    if len(sessions) < 2:
        msg = f"{len(sessions)} sessions: give the base session and one or more after it."
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    found: list[IncrementalReport | None] = []
    accuracy = []
    for y_true, y_pred in sessions:
        true, said = np.asarray(y_true), np.asarray(y_pred)
        plain = true.shape == said.shape and bool(len(true)) and bool(np.isin(true, base_classes).all())
        report = None if plain else incremental_report(true, said, base_classes, level=level, random_state=rng)
        found.append(report)
        share = wilson(int((true == said).sum()), len(true), level=level) if report is None else report.accuracy
        accuracy.append(share)
    first, last = accuracy[0], accuracy[-1]
    drop = first.value - last.value
    low = drop - float(np.hypot(first.value - first.low, last.high - last.value))
    high = drop + float(np.hypot(first.high - first.value, last.value - last.low))
    return SessionReport(tuple(accuracy), tuple(found), Estimate(drop, low, high, level, "Newcombe", last.n))


def _harmonic(right: NDArray[Any], base: NDArray[Any]) -> float:
    base = base.astype(bool)
    if base.all() or not base.any():
        return float("nan")
    a, b = float(right[base].mean()), float(right[~base].mean())
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


@dataclass(frozen=True)
class EpisodeComparison:
    """A head minus another one on the same episodes, the mean over episodes of each figure.

    Attributes
    ----------
    base, new, harmonic_mean, new_to_base : Estimate
        Differences of the figures of :class:`IncrementalReport`, with a bootstrap interval over episodes.
    """

    base: Estimate
    new: Estimate
    harmonic_mean: Estimate
    new_to_base: Estimate


def compare_episodes(
    head: PrototypeClassifier,
    other: PrototypeClassifier,
    base: tuple[ArrayLike, ArrayLike],
    base_test: tuple[ArrayLike, ArrayLike],
    new: tuple[ArrayLike, ArrayLike],
    *,
    ways: int = 5,
    shots: int = 5,
    n_episodes: int = 100,
    random_state: int | np.random.Generator | None = None,
) -> EpisodeComparison:
    """Compare two heads, paired, on N-way K-shot episodes added to the same base classes.

    Each episode draws new classes and their shots; both heads learn them on top of the base classes, and are tested on
    the other rows of these classes and on ``base_test``, all classes being possible answers.

    Parameters
    ----------
    head, other : PrototypeClassifier
        Unfitted; such as with and without calibration.
    base, base_test, new : tuple of (array-like (n, d), array-like (n,))
        Embeddings and labels: to learn base classes from, to test them on, and of new classes.
    ways, shots : int, default=5
        New classes an episode, and rows to learn each from; a class has more rows than shots.
    n_episodes : int, default=100
        Episodes, at least 2.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    EpisodeComparison
        ``head`` minus ``other``; an interval without 0 tells them apart on these base classes.

    Raises
    ------
    InputError
        Where there are too few new classes, or a class has no row beyond its shots.
    """
    from sklearn.base import clone

    rng = np.random.default_rng(random_state)
    X, y = np.asarray(new[0]), np.asarray(new[1])
    X_base, y_base = np.asarray(base_test[0]), np.asarray(base_test[1])
    labels, counts = np.unique(y, return_counts=True)
    fewest = int(counts.min()) if len(counts) else 0
    if len(labels) < ways or fewest <= shots or min(ways, shots) < 1 or n_episodes < 2:
        msg = (
            f"{ways} ways of {shots} shots in {n_episodes} episodes need as many new classes, each with more rows than "
            f"shots, and 2 episodes: there are {len(labels)} classes, of {fewest} rows or more."
        )
        raise InputError(msg)
    both = labels[np.isin(labels, np.asarray(base[1]))]
    if len(both):
        msg = f"{both.tolist()[0]!r} is a base class and among the new ones: leave its rows out of one of the two."
        raise InputError(msg)
    if not len(y_base):
        raise InputError("base_test is empty: give rows of base classes that were not learned from.")
    fitted = [clone(model).fit(*base) for model in (head, other)]
    found = np.empty((n_episodes, 2, 4))
    for i in range(n_episodes):
        rows = [rng.permutation(np.flatnonzero(y == c)) for c in rng.permutation(labels)[:ways]]
        seen = np.concatenate([r[:shots] for r in rows])
        left = np.concatenate([r[shots:] for r in rows])
        test = np.concatenate([X_base, X[left]]), np.concatenate([y_base, y[left]])
        for j, model in enumerate(fitted):
            said = _grown(model, X[seen], y[seen]).predict(test[0])
            found[i, j] = _figures(test[1] == said, np.isin(test[1], model.base_classes_), said, model.base_classes_)
    gaps = found[:, 0] - found[:, 1]
    return EpisodeComparison(*(bootstrap(lambda g: float(np.mean(g)), gap, random_state=rng) for gap in gaps.T))


def choose_alpha(
    X: ArrayLike,
    y: ArrayLike,
    *,
    shots: int = 5,
    alphas: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    tau: float = 16.0,
    n_draws: int = 10,
    random_state: int | np.random.Generator | None = None,
) -> float:
    """Choose ``alpha`` on the base classes alone: a third of them plays the new ones.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Embeddings of base classes.
    y : array-like of shape (n,)
        Labels; at least 3 classes, each with more rows than shots.
    shots : int, default=5
        Rows that a new class will come with.
    alphas : sequence of float, default=(0.0, 0.1, ..., 0.6)
        To choose from.
    tau : float, default=16.0
        Of the classifier.
    n_draws : int, default=10
        Draws of the classes that play the new ones, and of the half of the rows of the others that is tested on.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    float
        With the largest mean harmonic mean of base and new accuracy; the smallest of equals.
    """
    rows, labels = np.asarray(X), np.asarray(y)
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) < 3 or counts.min() <= shots or not len(alphas):
        msg = f"choose_alpha needs 3 classes with more than {shots} rows each: there are {len(kinds)}."
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    total = np.zeros(len(alphas))
    for _ in range(n_draws):
        fresh = np.isin(labels, rng.permutation(kinds)[: len(kinds) // 3])
        order = rng.permutation(len(rows))
        rank = np.empty(len(rows), np.int64)  # of a row within its class, in random order
        for kind in kinds:
            own = order[labels[order] == kind]
            rank[own] = np.arange(len(own))
        size = counts[np.searchsorted(kinds, labels)]
        learned = np.where(fresh, rank < shots, rank < (size + 1) // 2)
        old, few = learned & ~fresh, learned & fresh
        for i, alpha in enumerate(alphas):
            model = PrototypeClassifier(alpha=alpha, tau=tau).fit(rows[old], labels[old])
            said = model.partial_fit(rows[few], labels[few]).predict(rows[~learned])
            total[i] += _harmonic(said == labels[~learned], ~fresh[~learned])
    return float(alphas[int(total.argmax())])


def _grown(model: PrototypeClassifier, X: NDArray[Any], y: NDArray[Any]) -> PrototypeClassifier:
    """Return a model with the new rows; the one given stays as it is."""
    from copy import copy

    # partial_fit replaces every fitted array and writes into none.
    return copy(model).partial_fit(X, y)


def _figures(right: NDArray[Any], base: NDArray[Any], said: NDArray[Any], names: NDArray[Any]) -> tuple[float, ...]:
    wrong_side = float(np.isin(said[~base], names).mean())
    return float(right[base].mean()), float(right[~base].mean()), _harmonic(right, base), wrong_side
