"""Naive Bayes against logistic regression on features: the heads, the curve, the bound.

Zheng, Wu, Bao, Cao, Li and Zhu (2023), "Revisiting Discriminative vs. Generative Classifiers: Theory and
Implications", arXiv 2302.02334, after Ng and Jordan (2001): naive Bayes needs O(log d) rows to come near its best
error, logistic regression O(d), and the second's best error is lower. Which of the two is better depends on how many
rows there are.

- :class:`GaussianNaiveBayes`, :class:`DiscreteNaiveBayes`: the generative side, streaming and mergeable.
- :func:`sample_complexity_curve`, :func:`linear_evaluation`: both sides on the same draws, and where they cross.
- :func:`measure_regime`, :func:`regime_advice`: which of the two your rows call for, measured or by rule of thumb.
- :func:`logistic_consistency_bound`: what an excess of log-loss can cost in errors.
"""

from __future__ import annotations

from trueneg.heads._naive_bayes.bound import logistic_consistency_bound
from trueneg.heads._naive_bayes.crossing import crossings
from trueneg.heads._naive_bayes.curve import (
    SampleComplexityCurve,
    linear_evaluation,
    sample_complexity_curve,
)
from trueneg.heads._naive_bayes.discrete import DiscreteNaiveBayes
from trueneg.heads._naive_bayes.gaussian import GaussianNaiveBayes
from trueneg.heads._naive_bayes.regime import Advice, measure_regime, regime_advice

__all__ = [
    "Advice",
    "DiscreteNaiveBayes",
    "GaussianNaiveBayes",
    "SampleComplexityCurve",
    "crossings",
    "linear_evaluation",
    "logistic_consistency_bound",
    "measure_regime",
    "regime_advice",
    "sample_complexity_curve",
]
