"""Verdicts of imperfect verifiers: what they say, how far that is right, and rates corrected for it.

A verifier accepts, rejects or says nothing (it abstains, runs out of time, fails, or cannot be parsed: none of these is
ever a yes). :class:`Calibration` holds what it says of candidates whose truth is known; :func:`corrected_rate` turns
its verdicts on all candidates into the share that is truly correct, with an interval that holds the noise of the
calibration and counts items, not verdicts. :func:`pass_at_k` and :func:`pass_hat_k` are the unbiased shares of solved
problems, :func:`answer_classes` says which answers a vote must count as one.
"""

from __future__ import annotations

from trueneg.core._verdicts.calibration import Calibration
from trueneg.core._verdicts.equivalence import answer_classes, normal_form, same_answer
from trueneg.core._verdicts.outcomes import OUTCOMES, check_verdicts, make_verdicts, outcome_counts
from trueneg.core._verdicts.passing import PassRates, pass_at_k, pass_hat_k
from trueneg.core._verdicts.rates import METHODS, CorrectedRate, corrected_rate
from trueneg.core.shapes import Verdicts, Verifier

__all__ = [
    "METHODS",
    "OUTCOMES",
    "Calibration",
    "CorrectedRate",
    "PassRates",
    "Verdicts",
    "Verifier",
    "answer_classes",
    "check_verdicts",
    "corrected_rate",
    "make_verdicts",
    "normal_form",
    "outcome_counts",
    "pass_at_k",
    "pass_hat_k",
    "same_answer",
]
