"""Sentiment, subjectivity and emotion of posts, labelled automatically, and what the labels are worth.

The measles data set of 2024 (2406.07693) and its kin label titles and descriptions of videos by lexicon and model, and
report no accuracy. Here the labels carry their provenance, and a few hundred human ones correct every share.
"""

from __future__ import annotations

from trueneg.judge._sentiment.audit import ClassAudit, LabelAudit, audit_labels
from trueneg.judge._sentiment.card import DatasetCard
from trueneg.judge._sentiment.data import (
    Baseline,
    count_by_source,
    read_goemotions,
    read_published,
    split_with_baseline,
    trained_head,
)
from trueneg.judge._sentiment.emotion import EMOTIONS, EmotionHead, EmotionModel, EmotionWriter
from trueneg.judge._sentiment.labellers import Labels, TextBlobSubjectivity, VaderLabeller
from trueneg.judge._sentiment.pipeline import PRESETS, LabelPipeline
from trueneg.judge._sentiment.text import clean_published, sentences, source_of, text_key

__all__ = [
    "EMOTIONS",
    "PRESETS",
    "Baseline",
    "ClassAudit",
    "DatasetCard",
    "EmotionHead",
    "EmotionModel",
    "EmotionWriter",
    "LabelAudit",
    "LabelPipeline",
    "Labels",
    "TextBlobSubjectivity",
    "VaderLabeller",
    "audit_labels",
    "clean_published",
    "count_by_source",
    "read_goemotions",
    "read_published",
    "sentences",
    "source_of",
    "split_with_baseline",
    "text_key",
    "trained_head",
]
