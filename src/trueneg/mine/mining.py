"""Hard negatives, mined from any source, with filters that compose and count.

Candidates come from embeddings (:class:`Dense`, exact), from :class:`Bm25`, from somebody's run (:class:`Listed`) or
from several of these (:class:`Fusion`). Known positives are never returned, filters against false negatives join by
``&``, and a sample of what they leave is drawn. Everything is rows and scores in blocks; ids go in and come out.
"""

from __future__ import annotations

from trueneg.mine._mining.ann import ann_index
from trueneg.mine._mining.duplicates import Duplicates, groups_of
from trueneg.mine._mining.filters import (
    AtMost,
    BelowPositive,
    Block,
    FalseNegativeProbability,
    Filter,
    JudgeScore,
    SecondOpinion,
)
from trueneg.mine._mining.mine import Negatives, hard_negatives
from trueneg.mine._mining.positives import Positives
from trueneg.mine._mining.sources import Bm25, Dense, Fusion, Listed, Source, ann_recall

__all__ = [
    "AtMost",
    "BelowPositive",
    "Block",
    "Bm25",
    "Dense",
    "Duplicates",
    "FalseNegativeProbability",
    "Filter",
    "Fusion",
    "JudgeScore",
    "Listed",
    "Negatives",
    "Positives",
    "SecondOpinion",
    "Source",
    "ann_index",
    "ann_recall",
    "groups_of",
    "hard_negatives",
]
