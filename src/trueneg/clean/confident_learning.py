"""Confident learning: the given labels that a model, out of fold, confidently contradicts.

The definition is that of Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 70, equations 1 to 3 and the prune rules of section 3.2.
A row counts for the classes whose probability reaches the mean self-confidence of that class;
where it reaches several, for the largest **among those**. No K-by-n copy of the input is made.
"""

from __future__ import annotations

from trueneg.clean._confident_learning.estimator import ConfidentLearning
from trueneg.clean._confident_learning.joint import confident_joint

__all__ = ["ConfidentLearning", "confident_joint"]
