"""Which rows to leave to a person: the model as it is, and a rejecter that says how sure each answer is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueneg.jobs.compare.fold import Fold, Model


def mahalanobis(fold: Fold) -> Model:
    """Answer as *nothing* does; the surer, the nearer the dense row lies to a class mean by Mahalanobis' distance."""
    from trueneg.reject import MahalanobisDetector

    detector = MahalanobisDetector().fit(fold.dense, fold.y)
    return replace(fold.model(), certainty=lambda view: detector.score_samples(view.dense))
