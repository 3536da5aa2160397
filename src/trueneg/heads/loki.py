"""Loki: predictions among many related labels from a model of a few of them.

Roberts, Li, Adila, Cromp, Huang, Zhao and Sala (2023), "Geometry-Aware Adaptation for
Pretrained Models", arXiv 2307.12226. Labels have distances: of a taxonomy, of their names' vectors, of their class
means. In place of the most probable label, take the one at the smallest expected squared distance, the Frechet mean.
It needs no training, may name a label that was never observed, and errs by less where it errs.

- :class:`MetricLabelSpace`: labels with distances, from a tree, a graph, vectors or a matrix.
- :func:`frechet_predict`, :class:`GeometryAwareClassifier`: the rule, on probabilities and around a classifier.
- :func:`expected_squared_distance`, :func:`squared_distance_error`: what a label would cost, and what predictions did.
- :func:`locus`, :func:`is_locus_cover`, :func:`locus_cover`, :func:`next_class`: what can be predicted at all from
  some classes, and which class to label next.
- :class:`FrechetLayer`: the rule as the last layer of a torch network, trained through in the paper's four ways.
- :func:`random_tree`, :func:`error_study`: the error against diameter, rows and dimension on random trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.core.lazy import loader
from trueneg.heads._loki.classifier import GeometryAwareClassifier
from trueneg.heads._loki.locus import is_locus_cover, locus, locus_cover, next_class
from trueneg.heads._loki.predict import expected_squared_distance, frechet_predict, squared_distance_error
from trueneg.heads._loki.space import MetricLabelSpace
from trueneg.heads._loki.study import ErrorAt, error_study, random_tree

if TYPE_CHECKING:
    from trueneg.heads._loki.layer import FrechetLayer

__all__ = [
    "ErrorAt",
    "FrechetLayer",
    "GeometryAwareClassifier",
    "MetricLabelSpace",
    "error_study",
    "expected_squared_distance",
    "frechet_predict",
    "is_locus_cover",
    "locus",
    "locus_cover",
    "next_class",
    "random_tree",
    "squared_distance_error",
]

# What needs torch is loaded when it is first asked for.
__getattr__, _ = loader(__name__, {"FrechetLayer": "layer"}, within="trueneg.heads._loki")
