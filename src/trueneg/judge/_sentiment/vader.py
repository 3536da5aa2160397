"""VADER: valences of words, and rules for negation, boosters, capitals, contrast and punctuation.

The lexicon and the word lists are those of the installed package; each token is looked up once, so that a corpus costs
its different tokens, not its words. The scores are those of the package, to the last digit.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import missing_extra

__all__ = ["Vader"]

_KEPT = 200_000  # different tokens


class _Token(NamedTuple):
    """What is known of a token: without its punctuation, in small letters, all capitals, valence, boost, negates."""

    word: str
    capitals: bool
    valence: float | None
    boost: float | None
    negates: bool
    hot: bool  # it has a valence of its own


@lru_cache(maxsize=1)
def load() -> Any:
    """Return the package's module and one analyser, whose lexicon is read once."""
    try:
        from vaderSentiment import vaderSentiment
    except ImportError:
        missing_extra("vaderSentiment", "label")
    return vaderSentiment, vaderSentiment.SentimentIntensityAnalyzer()


class Vader:
    """Compound scores of texts.

    Notes
    -----
    Hutto and Gilbert (2014). The compound score is ``x / sqrt(x^2 + 15)`` of the sum ``x`` of all valences: it grows
    with the length of a text, so that long texts are better scored by sentence.
    """

    def __init__(self) -> None:
        module, analyser = load()
        self._lexicon: dict[str, float] = analyser.lexicon
        self._emojis: dict[str, str] = analyser.emojis
        self._boosters: dict[str, float] = module.BOOSTER_DICT
        self._idioms: dict[str, float] = module.SPECIAL_CASES
        self._negations = frozenset(module.NEGATE)
        self._capital, self._turn = module.C_INCR, module.N_SCALAR
        self._tokens: dict[str, _Token] = {}

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return compound scores in [-1, 1], (n,)."""
        return np.array([self._compound(text) for text in texts], dtype=np.float64)

    def _compound(self, text: str) -> float:
        if not text.isascii():
            text = self._spelt(text)
        known = self._tokens
        tokens = [known.get(part) or self._token(part) for part in text.split()]
        places = [i for i, token in enumerate(tokens) if token[5]]
        if not places:
            return 0.0
        valences = [0.0] * len(tokens)
        capitals = sum([token[1] for token in tokens])
        mixed = 0 < capitals < len(tokens)
        for i in places:
            token = tokens[i]
            if not (token.word == "kind" and i < len(tokens) - 1 and tokens[i + 1].word == "of"):
                valences[i] = self._valence(tokens, i, mixed)
        if "but" in text.lower():
            _contrast(tokens, valences)
        total = float(sum(valences))
        if total == 0:
            return 0.0
        emphasis = min(text.count("!"), 4) * 0.292
        asked = text.count("?")
        emphasis += (asked * 0.18 if asked <= 3 else 0.96) if asked > 1 else 0
        total += emphasis if total > 0 else -emphasis
        return round(max(-1.0, min(1.0, total / math.sqrt(total * total + 15))), 4)

    def _spelt(self, text: str) -> str:
        """Put descriptions in the place of emoji."""
        emojis = self._emojis
        if not any(c in emojis for c in text):
            return text
        parts, spaced = [], True
        for c in text:
            if c in emojis:
                parts.append(emojis[c] if spaced else " " + emojis[c])
                spaced = False
            else:
                parts.append(c)
                spaced = c == " "
        return "".join(parts)

    def _token(self, raw: str) -> _Token:
        bare = raw.strip(string.punctuation)
        bare = raw if len(bare) <= 2 else bare  # what is so short was an emoticon
        word = bare.lower()
        negates = word in self._negations or "n't" in word
        valence, boost = self._lexicon.get(word), self._boosters.get(word)
        found = _Token(word, bare.isupper(), valence, boost, negates, valence is not None and boost is None)
        if len(self._tokens) >= _KEPT:
            self._tokens.clear()
        self._tokens[raw] = found
        return found

    def _valence(self, tokens: list[_Token], i: int, mixed: bool) -> float:
        """Return the valence of a word of the lexicon in its place."""
        token = tokens[i]
        value = float(token.valence or 0.0)
        before = [tokens[i - k] if i >= k else None for k in (1, 2, 3)]
        first, second, third = before
        if token.word == "no" and i != len(tokens) - 1 and tokens[i + 1].valence is not None:
            value = 0.0
        if (
            (first and first.word == "no")
            or (second and second.word == "no")
            or (third and third.word == "no" and first and first.word in ("or", "nor"))
        ):
            value = float(token.valence or 0.0) * self._turn
        if token.capitals and mixed:
            value += self._capital if value > 0 else -self._capital
        for distance, other in enumerate(before):
            if other is None or other.valence is not None:
                continue
            boost = self._boost(other, value, mixed)
            value += boost if distance == 0 else boost * (0.95 if distance == 1 else 0.9)
            value = self._negated(value, before, distance)
            if distance == 2:
                value = self._idiom(value, tokens, i)
        if first and first.valence is None and first.word == "least" and not (second and second.word in ("at", "very")):
            value *= self._turn
        return value

    def _boost(self, other: _Token, value: float, mixed: bool) -> float:
        if other.boost is None:
            return 0.0
        boost = -other.boost if value < 0 else other.boost
        if other.capitals and mixed:
            boost += self._capital if value > 0 else -self._capital
        return boost

    def _negated(self, value: float, before: list[Any], distance: int) -> float:
        """Turn a value that the word at this distance negates; "never so" strengthens, "without doubt" does nothing."""
        other = before[distance]
        nearer = {token.word for token in before[:distance]}
        if distance == 1 and other.word == "never" and nearer & {"so", "this"}:
            return value * 1.25
        if distance == 2 and (
            (other.word == "never" and before[1].word in ("so", "this")) or before[0].word in ("so", "this")
        ):
            return value * 1.25
        if distance and other.word == "without" and "doubt" in nearer:
            return value
        return value * self._turn if other.negates else value

    def _idiom(self, value: float, tokens: list[_Token], i: int) -> float:
        """Put in the value of a phrase; two-word boosters count besides."""
        three, two, one, here = (tokens[i - k].word for k in (3, 2, 1, 0))
        triple, early, late = f"{three} {two} {one}", f"{three} {two}", f"{two} {one}"
        for phrase in (f"{one} {here}", f"{two} {one} {here}", late, triple, early):
            if phrase in self._idioms:
                value = self._idioms[phrase]
                break
        after = [token.word for token in tokens[i + 1 : i + 3]]
        for length in range(1, len(after) + 1):
            value = self._idioms.get(" ".join([here, *after[:length]]), value)
        for phrase in (triple, early, late):
            value += self._boosters.get(phrase, 0.0)
        return value


def _contrast(tokens: list[_Token], valences: list[float]) -> None:
    """Halve what comes before the first "but", raise by half what follows.

    Each value is weighed at the first place where it stands, as the package does: equal values share one place.
    """
    turn = next((i for i, token in enumerate(tokens) if token.word == "but"), None)
    if turn is None:
        return
    for k in range(len(valences)):
        place = valences.index(valences[k])
        if place != turn:
            valences[place] *= 0.5 if place < turn else 1.5
