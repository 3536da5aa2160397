"""TEEN: prototypes that take new classes of a few shots, drawn towards the base classes they resemble.

Wang, Zhou, Zhang, Zhan and Ye (2023), "Few-Shot Class-Incremental Learning via Training-Free Prototype
Calibration", arXiv 2312.05229. A class is the mean of its embeddings and a row goes to the prototype of the largest
cosine. Means of five rows are poor: rows of new classes are taken for base classes that look alike. TEEN mixes into a
new prototype the base prototypes, weighted by a softmax of their cosines with it; nothing is trained.

- :class:`PrototypeClassifier`: plain or calibrated, with ``partial_fit`` of new labels, and what each one leans on.
- :func:`incremental_report`, :class:`IncrementalReport`: accuracy on base and new classes, harmonic mean, new rows
  taken for base classes.
- :func:`session_report`, :class:`SessionReport`: the same session by session, and the performance drop.
- :func:`compare_episodes`, :class:`EpisodeComparison`: two heads, paired, on N-way K-shot episodes.
- :func:`choose_alpha`: how much to calibrate, by the base classes alone.
"""

from __future__ import annotations

from trueneg.heads._teen.episodes import (
    EpisodeComparison,
    IncrementalReport,
    SessionReport,
    choose_alpha,
    compare_episodes,
    incremental_report,
    session_report,
)
from trueneg.heads._teen.prototypes import PrototypeClassifier

__all__ = [
    "EpisodeComparison",
    "IncrementalReport",
    "PrototypeClassifier",
    "SessionReport",
    "choose_alpha",
    "compare_episodes",
    "incremental_report",
    "session_report",
]
