"""The figures of a fitted model, measured on rows that it never saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.intervals import Estimate, wilson
from trueneg.jobs.fit.kinds.base import Answer, Kind

__all__ = ["alarms", "answers_right"]

Figures = dict[str, Estimate]


def alarms(
    kind: Kind, X: Any, answer: Answer, truth: NDArray[Any], groups: NDArray[Any] | None
) -> tuple[Figures, list[str]]:
    """Return what a model of one familiar class rejects of it and of all others, and what to tell beside it.

    Parameters
    ----------
    kind : Kind
        With its ``familiar`` class.
    X, answer
        The rows as the kind reads them, and what it says of them.
    truth : ndarray of shape (n,)
        Names of classes, None for rows of no class.
    groups : ndarray of shape (n,) or None
        Videos of the rows.
    """
    alarm, own = answer.labels != kind.familiar, truth == kind.familiar
    figures: Figures = {}
    if own.any():
        figures[f"rows of {kind.familiar} rejected"] = _share(alarm[own])
    if not own.all():
        figures["all other rows rejected"] = _share(alarm[~own])
    beside, told = kind.beside(X, answer.score, own, groups)
    figures.update(beside)
    if groups is not None and hasattr(kind, "video_threshold"):
        from trueneg.jobs.fit.videos import video_figures

        figures.update(video_figures(kind, answer.score, groups, truth))  # type: ignore[arg-type]
    return figures, told


def answers_right(
    kind: Kind, X: Any, truth: NDArray[Any], known: Answer, strange: tuple[Any, Answer] | None = None
) -> tuple[Figures, list[str]]:
    """Return how often classes are right, how well rows of no class are told from the others, and what to tell of it.

    Parameters
    ----------
    kind : Kind
        Of several classes.
    X : rows
        Of known classes, as the kind reads them.
    truth : ndarray of shape (n,)
        Names of their classes.
    known : Answer
        What is said of these rows.
    strange : tuple of rows and Answer, optional
        Rows of no class, and what is said of them.
    """
    name = "accuracy, rejected rows counted as errors" if kind.rejects else "accuracy"
    often = int(np.unique(truth.astype(str), return_counts=True)[1].max())
    figures = {name: _share(known.labels == truth), "the most frequent class alone": wilson(often, len(truth))}
    figures.update(kind.measured(X, known.labels, truth))
    if not kind.rejects:
        return figures, []
    figures["rows of known classes rejected"] = _share(known.labels == known.unknown)
    if strange is None:
        return figures, []
    from trueneg.core.detection import auroc

    other, unknown = strange
    figures["rows of no class rejected"] = _share(unknown.labels == unknown.unknown)
    own = np.repeat([True, False], [len(known.score), len(unknown.score)])
    scores = np.append(known.score, unknown.score)
    # At any threshold: what it rejects depends on how many known rows it may lose.
    figures["AUROC of known rows against rows of no class"] = auroc(own, scores)
    beside, told = kind.beside(np.concatenate([X, other]), scores, own, None)
    return {**figures, **beside}, told


def _share(hit: Any) -> Estimate:
    return wilson(int(np.sum(hit)), len(hit))
