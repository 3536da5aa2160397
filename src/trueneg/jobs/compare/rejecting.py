"""Rejecters as remedies: which rows to leave to a person, and which ones to raise an alarm on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.compare.fold import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.jobs.compare.fold import Fold
    from trueneg.jobs.compare.task import Task

RATE, CONFIDENCE, HELD_OUT = 0.01, 0.95, 0.3  # the defaults of IntrusionRejecter


def mahalanobis(fold: Fold) -> Model:
    """Answer as *nothing* does; the surer, the nearer the dense row lies to a class mean by Mahalanobis' distance."""
    from trueneg.reject import MahalanobisDetector

    detector = MahalanobisDetector().fit(fold.dense, fold.y)
    return replace(fold.model(), certainty=lambda view: detector.score_samples(view.dense))


def intrusion(fold: Fold) -> Model:
    """Raise alarms within a budget: 1 % of the negative rows at most, with 95 % confidence; the rest is negative.

    The detectors' score becomes a probability by Platt's sigmoid, learned on rows that a first fit, on two thirds of
    the training part, did not see. It keeps the order of the score, so that the threshold is the budget's.
    """
    if fold.positive is None:
        raise InputError("alarms need two classes of which one is positive; name it with --positive")
    positive = fold.positive
    part, rest = fold.inner()[0]
    slope, offset = _sigmoid(-_alarming(fold, part, None).score_samples(fold.dense[rest]), fold.y[rest] == positive)
    model = _alarming(fold, np.arange(len(fold.y)), CONFIDENCE)
    if model.budget_ is None:
        raise InputError("the training part has too few negative rows to keep the budget; give more --folds")
    edge = _columns(np.array([float(model.threshold_)]), slope, offset, positive)[0, positive]
    of = f"{model.budget_.achieved_.n:,} of them"
    return Model(
        lambda view: _columns(model.score_samples(view.dense), slope, offset, positive),
        len(fold.y),
        lambda p: np.where(p[:, positive] > edge, positive, 1 - positive),
        f"alarms on at most {100 * RATE:g} % of the negative rows, set on {of}",
    )


def too_few_to_alarm(task: Task) -> str:
    """Say why an alarm budget cannot be kept on the training part of a fold; empty where it can."""
    if task.positive is None:
        return "it needs two classes of which one is positive; name it with --positive"
    from trueneg.reject.intrusion import flows_needed

    # Half of the rows held out set the threshold; a training part has four fifths of the rows, in five folds.
    least = math.ceil(2 * flows_needed(RATE, CONFIDENCE) / HELD_OUT / 0.8)
    have = int((task.codes != task.positive).sum())
    if have >= least:
        return ""
    return f"a budget of {100 * RATE:g} % needs about {least:,} negative rows to be kept, and there are {have:,}"


def _alarming(fold: Fold, rows: NDArray[np.int64], confidence: float | None) -> Any:
    from trueneg.reject import IntrusionRejecter

    model = IntrusionRejecter(
        rate=RATE, confidence=confidence, held_out=HELD_OUT, encoder=None, normal=0, random_state=fold.seed
    )
    return model.fit(fold.dense[rows], (fold.y[rows] == fold.positive).astype(int))


def _sigmoid(alarming: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of Platt's sigmoid; the slope is above 0, so that what is more alarming stays so."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression().fit(alarming[:, None], truth)
    return max(float(found.coef_[0, 0]), 1e-3), float(found.intercept_[0])


def _columns(score: NDArray[np.float64], slope: float, offset: float, positive: int) -> NDArray[np.float64]:
    """Return the probabilities (m, 2) of familiarity scores (m,)."""
    from scipy.special import expit

    out = np.empty((len(score), 2))
    out[:, positive] = expit(offset - slope * score)
    out[:, 1 - positive] = 1 - out[:, positive]
    return out
