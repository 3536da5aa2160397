"""A review of a few rows: which ones to judge, and what the answers say about all the others.

A ranked list has no denominator: it does not say how many errors lie below the last row that was read. A stratified
random sample with known inclusion probabilities does. :func:`plan` draws it, :func:`expected_width` and
:func:`n_for_width` say beforehand what it will be worth, :func:`estimate` turns the answers into the number of wrong
labels with two intervals, one from the sample alone and one that trusts the shape of the ranking, and joins the two
under a guard; :func:`worlds` does the same for figures that mix several numbers. :func:`agreement` compares two
reviewers.

*Wrong* is what the reviewer accepts (the suspicion is right, the given label is not). ``probability`` is that of being
wrong, for every row that can be: where only negatives are suspected, give the negatives only.
"""

from __future__ import annotations

from trueneg.core._survey.answers import Agreement, agreement
from trueneg.core._survey.draw import Width, expected_width, n_for_width, plan
from trueneg.core._survey.result import SurveyResult, estimate
from trueneg.core._survey.sample import Sample
from trueneg.core._survey.worlds import worlds

__all__ = [
    "Agreement",
    "Sample",
    "SurveyResult",
    "Width",
    "agreement",
    "estimate",
    "expected_width",
    "n_for_width",
    "plan",
    "worlds",
]
