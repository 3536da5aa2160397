"""Sentiment by VADER, subjectivity by TextBlob: scores of texts, and the classes that thresholds cut from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.judge._sentiment.text import sentences
from trueneg.judge._sentiment.vader import Vader

__all__ = ["Labeller", "Labels", "TextBlobSubjectivity", "VaderLabeller"]

SENTIMENTS = ("negative", "neutral", "positive")
SUBJECTIVITIES = ("least opinionated", "neutral", "highly opinionated")


class Labels(NamedTuple):
    """What a labeller says of n texts: a class and a score each; None and NaN where it says nothing."""

    label: list[str | None]
    score: NDArray[np.float64]


class Labeller(Protocol):
    """Gives each text one class.

    Attributes
    ----------
    name : str
        The column that it fills, behind the text's: ``sentiment``.
    classes : tuple of str
        All that it may say.
    about : str
        Provenance in a line: what it is, its version and its settings.
    """

    name: str
    classes: tuple[str, ...]
    about: str

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts, none of which is empty."""
        ...


class VaderLabeller:
    """Negative, neutral or positive by VADER's compound score.

    Parameters
    ----------
    threshold : float, default=0.05
        Positive from it on, negative from minus it down; the library's documented value.
    long : int or None, default=500
        Characters from which on a text is scored by sentence, and the mean taken: the compound score of a whole text
        grows with its length. None: never, as was published.

    Notes
    -----
    The scores are those of vaderSentiment. Off the tweets that it was made for, it misses half of the negative texts:
    measure that on labels of your own (:func:`trueneg.judge.sentiment.audit_labels`).
    """

    name = "sentiment"
    classes: tuple[str, ...] = SENTIMENTS

    def __init__(self, *, threshold: float = 0.05, long: int | None = 500) -> None:
        if not 0 < threshold < 1:
            msg = f"threshold={threshold!r}: give a compound score between 0 and 1, such as 0.05."
            raise InputError(msg)
        self.threshold, self.long = threshold, _length(long)
        self._vader = Vader()
        self.about = f"vaderSentiment {version('vaderSentiment')}, threshold {threshold:g}, {_told(long)}"

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts; the score is the compound one, in [-1, 1]."""
        score = _by_sentence(self._vader.score, texts, self.long)
        codes = np.where(score >= self.threshold, 2, np.where(score <= -self.threshold, 0, 1))
        return Labels([SENTIMENTS[c] for c in codes], score)


class TextBlobSubjectivity:
    """Least, neutrally or highly opinionated by TextBlob's subjectivity.

    Parameters
    ----------
    bands : tuple of two floats, default=(0.4, 0.6)
        Least below the first, highly from the second on. The published cut points are not known: set yours.
    long : int or None, default=500
        As of :class:`VaderLabeller`; here the score of a whole text does not grow, it only blurs.
    """

    name = "subjectivity"
    classes: tuple[str, ...] = SUBJECTIVITIES

    def __init__(self, *, bands: tuple[float, float] = (0.4, 0.6), long: int | None = 500) -> None:
        if not (len(bands) == 2 and 0 < bands[0] <= bands[1] < 1):
            msg = f"bands={bands!r}: give two cut points, 0 < low <= high < 1, such as (0.4, 0.6)."
            raise InputError(msg)
        try:
            from textblob.en import sentiment
        except ImportError:
            missing_extra("textblob", "label")
        self.bands, self.long, self._sentiment = bands, _length(long), sentiment
        self.about = f"textblob {version('textblob')}, bands {bands[0]:g} and {bands[1]:g}, {_told(long)}"

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts; the score is the subjectivity, in [0, 1]."""
        score = _by_sentence(self._scores, texts, self.long)
        codes = np.digitize(score, self.bands)
        return Labels([SUBJECTIVITIES[c] for c in codes], score)

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self._sentiment(text)[1] for text in texts], dtype=np.float64)


def _length(long: int | None) -> float:
    if long is None:
        return math.inf
    if long < 1:
        msg = f"long={long!r}: give a number of characters from 1 on, or None for whole texts."
        raise InputError(msg)
    return long


def _told(long: int | None) -> str:
    return "whole texts" if long is None else f"by sentence from {long} characters"


def _by_sentence(score: Callable[[Sequence[str]], Any], texts: Sequence[str], long: float) -> NDArray[np.float64]:
    """Score whole texts, and long ones as the mean of their sentences."""
    parts: list[str] = []
    counts = np.ones(len(texts), dtype=np.int64)
    for i, text in enumerate(texts):
        found = sentences(text) if len(text) >= long else [text]
        counts[i] = len(found)
        parts += found
    values = np.asarray(score(parts), dtype=np.float64)
    if len(parts) == len(texts):
        return values
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.add.reduceat(values, starts) / counts
