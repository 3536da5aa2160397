"""STAR and ADORE: hard negatives that stay, mixed with random ones, and hard negatives of this very step.

Random negatives keep down the number of wrongly ordered pairs over the whole collection, of which a few hopeless
queries own most; hard negatives keep down those at the top, which metrics see. Lists mined once go stale as the encoder
moves. STAR steadies them with the random negatives of a batch (:class:`InBatchPairwiseLoss`, :class:`StarSampler`);
ADORE leaves documents as they are and searches anew at each step (:class:`AdoreTrainer`), each pair weighed by what
swapping it would change in the metric.

References
----------
Zhan, Mao, Liu, Guo, Zhang and Ma (2021), "Optimizing dense retrieval model training with hard negatives", SIGIR,
arXiv 2104.08051. Released code: DRhard. It searches with faiss on a GPU, one list at a time; here a batch is searched
exactly on either, and lists, ranks and pairs are arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.core.lazy import loader
from trueneg.mine._star_adore.adore import AdoreTrainer
from trueneg.mine._star_adore.adore_loss import AdoreLoss
from trueneg.mine._star_adore.errors import PairErrors, pair_errors
from trueneg.mine._star_adore.losses import (
    InBatchPairwiseLoss,
    delta_discounts,
    delta_pairwise_loss,
    inbatch_pairwise_loss,
)
from trueneg.mine._star_adore.negatives import NegativeSampler, Staleness, StarBatch, StarSampler
from trueneg.mine._star_adore.search import Search
from trueneg.mine._star_adore.sentence import SentenceAdoreLoss, SentenceStarLoss
from trueneg.mine._star_adore.steps import Epoch

if TYPE_CHECKING:
    from trueneg.mine._star_adore.callback import RefreshNegatives

__all__ = [
    "AdoreLoss",
    "AdoreTrainer",
    "Epoch",
    "InBatchPairwiseLoss",
    "NegativeSampler",
    "PairErrors",
    "RefreshNegatives",
    "Search",
    "SentenceAdoreLoss",
    "SentenceStarLoss",
    "Staleness",
    "StarBatch",
    "StarSampler",
    "delta_discounts",
    "delta_pairwise_loss",
    "inbatch_pairwise_loss",
    "pair_errors",
]

# The callback when it is asked for: transformers take seconds to import.
__getattr__, _ = loader(__name__, {"RefreshNegatives": "callback"}, within="trueneg.mine._star_adore")
