"""Figures of detection, thresholds and Mahalanobis on the inputs that break reference code."""

import warnings

import numpy as np
import pytest

from trueneg.core import detection as d
from trueneg.reject import MahalanobisDetector, find_threshold
from trueneg.testing import DEGENERATE, check_degenerate

FAST = {"n_boot": 20, "random_state": 0}


def _detector(c):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = MahalanobisDetector().fit(c.X, c.y)
        return model.calibrate(c.X, c.y, target_tpr=0.9).predict(c.X)


CALLS = {
    "auroc": lambda c: d.auroc(c.positive, c.score),
    "auroc, groups": lambda c: d.auroc(c.positive, c.score, groups=c.groups, **FAST),
    "auroc_of": lambda c: d.auroc_of(c.positive, c.score),
    "fpr_at_tpr": lambda c: d.fpr_at_tpr(c.positive, c.score, **FAST),
    "aupr": lambda c: d.aupr(c.positive, c.score, **FAST),
    "detection_accuracy": lambda c: d.detection_accuracy(c.positive, c.score, **FAST),
    "oscr": lambda c: d.oscr(c.positive, c.score, c.proba.argmax(axis=1) == c.y, **FAST),
    "oscr_curve": lambda c: d.oscr_curve(c.positive, c.score, c.proba.argmax(axis=1) == c.y).area,
    "compare_detectors": lambda c: d.compare_detectors(c.positive, c.score, -c.score, **FAST),
    "eer": lambda c: d.eer(c.positive, c.score, **FAST),
    "eer_threshold": lambda c: d.eer_threshold(c.positive, c.score),
    "attack_rates": lambda c: d.attack_rates(c.positive, c.score, threshold=0.5, types=c.groups),
    "novelty_report": lambda c: d.novelty_report(c.positive, c.score, **FAST),
    "find_threshold": lambda c: find_threshold(c.score, c.positive, target_tpr=0.9),
    "MahalanobisDetector": _detector,
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_or_one_clear_line(name, case):
    """No public function may end in an error of the depths, or in a warning of NumPy, on degenerate data."""
    if name == "MahalanobisDetector" and case == "empty":
        with pytest.raises(ValueError, match="sample"):
            _detector(type("Case", (), {"X": np.zeros((0, 4)), "y": np.zeros(0, int)}))
        return
    check_degenerate(CALLS[name], case)


def test_every_figure_is_tried():
    """A figure that is added to core.detection must be tried here."""
    tried = {name.split(",")[0] for name in CALLS}
    public = {n for n in d.__all__ if not hasattr(getattr(d, n), "__dataclass_fields__")}
    assert public <= tried
