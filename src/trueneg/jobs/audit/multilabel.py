"""Audit of a table whose rows carry any number of labels: every cell (row, class) is judged by itself.

A cell is a row with two possible labels, present or absent. Its evidence is the odds of an out-of-fold
probability, the lift of those odds among its nearest rows, and the size of the class. Three weights, shared by
all classes and fitted to the given labels, join them; a class twice as common has twice the missing labels, so
the size term stays in the rank. By default only absent labels are suspected: annotators forget labels far more
often than they invent them. An unjudged cell trains nothing, votes for nothing and is never a suspect.

The probability that an absent label is missing reads the fitted probability as one of the *given* label, takes
the share of each class's true labels that were missed from a confident joint count (Northcutt et al., 2021,
"Confident Learning", section 3), and divides it out. It is model-based and comes without an interval.
"""

from __future__ import annotations

from trueneg.jobs.audit._multilabel.audit import audit_multilabel
from trueneg.jobs.audit._multilabel.folds import out_of_fold_cells
from trueneg.jobs.audit._multilabel.probability import cell_probability
from trueneg.jobs.audit._multilabel.score import score_cells
from trueneg.jobs.audit._multilabel.tables import TITLES

__all__ = ["TITLES", "audit_multilabel", "cell_probability", "out_of_fold_cells", "score_cells"]
