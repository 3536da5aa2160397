"""Open-set recognition: a good closed-set classifier, and its largest logit.

Vaze, Han, Vedaldi and Zisserman (2022), "Open-Set Recognition: a Good Closed-Set Classifier is All You Need?",
arXiv 2110.06207. How well a classifier tells unknown classes from its own goes with its accuracy on its own; trained
well, its largest logit does as much as methods made for the purpose. What counts is the score (not the softmax), the
recipe, and which classes one calls unknown.

- :class:`OpenSetClassifier`: any scikit-learn classifier or torch network, with "none of these" among its answers.
- :class:`MaxLogitDetector`, :class:`MSPDetector`, :class:`EnergyDetector`: rejecters on ready logits.
- :func:`open_set_recipe`, :func:`train_closed_set`, :func:`rand_augment`: the training; :class:`ARPLLoss` beside it.
- :func:`closed_open_correlation`: accuracy against AUROC, over checkpoints, losses and networks.
- :func:`semantic_shift_split`, :func:`tree_distance`, :func:`read_ssb_split`: unknown classes by how near they are to
  the known ones.

The parts that need torch are loaded when they are asked for.
"""

from __future__ import annotations

from trueneg.core.lazy import loader
from trueneg.reject._max_logit.classifier import OpenSetClassifier
from trueneg.reject._max_logit.scores import (
    EnergyDetector,
    MaxLogitDetector,
    MSPDetector,
    energy,
    max_logit,
    max_softmax,
)
from trueneg.reject._max_logit.splits import SemanticSplit, read_ssb_split, semantic_shift_split, tree_distance

_TRAINED = (
    "ARPLLoss",
    "Checkpoint",
    "closed_open_correlation",
    "open_set_recipe",
    "rand_augment",
    "train_closed_set",
)
__all__ = [  # noqa: F822 - some are loaded on demand
    "ARPLLoss",
    "Checkpoint",
    "EnergyDetector",
    "MSPDetector",
    "MaxLogitDetector",
    "OpenSetClassifier",
    "SemanticSplit",
    "closed_open_correlation",
    "energy",
    "max_logit",
    "max_softmax",
    "open_set_recipe",
    "rand_augment",
    "read_ssb_split",
    "semantic_shift_split",
    "train_closed_set",
    "tree_distance",
]

# What needs torch is loaded when it is first asked for.
__getattr__, _ = loader(__name__, dict.fromkeys(_TRAINED, "recipe"), within="trueneg.reject._max_logit")
