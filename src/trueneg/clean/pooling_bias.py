"""Pooling bias: labels exist only for what a pool showed to the judges (CET, the coupled estimation technique).

Cai, Guo, Fan, Ai, Zhang and Cheng (2022), "Hard Negatives or False Negatives: Correcting Pooling Bias in Training
Neural Ranking Models", arXiv 2209.05072. A relevance model and a selection model are learned together, each weighing
the other's labels. The weights follow the authors' code ("pairwise", on the negatives), the dual learning algorithm it
descends from ("listwise", on the positives), or the marginal likelihood of the labels ("em").

- :class:`PoolingBiasCorrector`: linear models, or any classifiers, with the guards that keep it from harm.
- :func:`estimate_false_negative_rate`: what the model says, and what a review knows.
- :class:`ListSampler`: lists of positives and sampled negatives, for whatever is trained on lists.
- :class:`CoupledLoss`, :func:`coupled_loss`: the losses for networks, cross-encoders included (torch).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.clean._pooling_bias.corrector import PoolingBiasCorrector
from trueneg.clean._pooling_bias.rate import estimate_false_negative_rate
from trueneg.clean._pooling_bias.sampler import ListBatch, ListSampler
from trueneg.core.lazy import loader

if TYPE_CHECKING:
    from trueneg.clean._pooling_bias.coupled import CoupledLoss, coupled_loss

__all__ = [
    "CoupledLoss",
    "ListBatch",
    "ListSampler",
    "PoolingBiasCorrector",
    "coupled_loss",
    "estimate_false_negative_rate",
]

# What needs torch is loaded when it is first asked for.
__getattr__, _ = loader(
    __name__, dict.fromkeys(("CoupledLoss", "coupled_loss"), "coupled"), within="trueneg.clean._pooling_bias"
)
