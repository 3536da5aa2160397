"""Clean a dirty negative class through neighbours: the intrinsic and extrinsic strategies.

In a relation data set most label errors are positives filed as ``no_relation``: annotators
see a long list of negatives and miss some. Two ways to find them:

* **intrinsic**: trust the positives. A positive that an out-of-fold model calls negative is a
  *query*; the negatives nearest to it look like what confuses the model, so they are suspects.
* **extrinsic**: trust a small re-checked subset. A negative whose nearest trusted items are
  mostly positive is a suspect.

Suspects are dropped, relabelled, down-weighted or only reported; then the model is trained
anew on what is left. Always compare against :func:`random_removal` of as many negatives:
taking negatives out at random moves the operating point too.

Source: "Noise in Relation Classification Dataset TACRED: Characterization and Reduction".
Parameters that the paper's abstract does not give (votes, folds, the guard) are this project's own.
"""

from __future__ import annotations

from trueneg.clean._neighbors.cleaner import NeighborNegativeCleaner
from trueneg.clean._neighbors.folds import out_of_fold_probabilities
from trueneg.clean._neighbors.noise import characterise, random_removal

__all__ = ["NeighborNegativeCleaner", "characterise", "out_of_fold_probabilities", "random_removal"]
