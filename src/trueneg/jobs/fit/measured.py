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


def answers_right(kind: Kind, X: Any, truth: NDArray[Any], known: Answer, unknown: Answer | None = None) -> Figures:
    """Return how often classes are right, and how well rows of no class are told from the others.

    Parameters
    ----------
    kind : Kind
        Of several classes.
    X : rows
        Of known classes, as the kind reads them.
    truth : ndarray of shape (n,)
        Names of their classes.
    known, unknown : Answer
        What is said of these rows, and of rows of no class.
    """
    name = "accuracy, rejected rows counted as errors" if kind.rejects else "accuracy"
    often = int(np.unique(truth.astype(str), return_counts=True)[1].max())
    figures = {name: _share(known.labels == truth), "the most frequent class alone": wilson(often, len(truth))}
    figures.update(kind.measured(X, known.labels, truth))
    if not kind.rejects:
        return figures
    figures["rows of known classes rejected"] = _share(known.labels == known.unknown)
    if unknown is not None:
        from trueneg.core.detection import auroc

        figures["rows of no class rejected"] = _share(unknown.labels == unknown.unknown)
        own = np.repeat([1, 0], [len(known.score), len(unknown.score)])
        # At any threshold: what it rejects depends on how many known rows it may lose.
        figures["AUROC of known rows against rows of no class"] = auroc(own, np.append(known.score, unknown.score))
    return figures


def _share(hit: Any) -> Estimate:
    return wilson(int(np.sum(hit)), len(hit))
