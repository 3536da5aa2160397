"""Which negatives are hard *and* true? Mining, filters against false negatives, and what each of them costs."""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "AdoreLoss": "star_adore",
    "AdoreTrainer": "star_adore",
    "AtMost": "mining",
    "BelowPositive": "mining",
    "Bm25": "mining",
    "Dense": "mining",
    "Duplicates": "mining",
    "FalseNegativeProbability": "mining",
    "Filter": "mining",
    "FusedLists": "adaptive_margin",
    "Fusion": "mining",
    "InBatchPairwiseLoss": "star_adore",
    "InstructionPrompt": "adaptive_margin",
    "JudgeScore": "mining",
    "Listed": "mining",
    "NegativeSampler": "star_adore",
    "Negatives": "mining",
    "Positives": "mining",
    "RefreshNegatives": "star_adore",
    "SecondOpinion": "mining",
    "SentenceAdoreLoss": "star_adore",
    "SentenceStarLoss": "star_adore",
    "StarSampler": "star_adore",
    "TeacherFusion": "adaptive_margin",
    "TrainingLists": "adaptive_margin",
    "WorkedExamples": "adaptive_margin",
    "ann_index": "mining",
    "ann_recall": "mining",
    "hard_negatives": "mining",
    "training_lists": "adaptive_margin",
}
__all__ = sorted(_PUBLIC)

# Load a system when it is first asked for, so that importing the room is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
