"""Two encoders that know nothing, to hold others to: hashed words, and chance.

Neither is fitted, so that a vector depends on its text alone. Where a model is no better than ``words`` the task is one
of shared words; where it is no better than ``random`` something is broken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["RandomEncoder", "WordsEncoder"]

_ROWS = 4096  # texts hashed at a time


class WordsEncoder:
    """A bag of words, hashed into a fixed width with random signs; repeated words count by their logarithm.

    Parameters
    ----------
    width : int, default=512

    Notes
    -----
    English function words are left out; nothing else is weighed, since weights by rarity need a corpus. Rows have
    length 1, or 0 where a text has no word.

    References
    ----------
    Weinberger, Dasgupta, Langford, Smola and Attenberg (2009), "Feature hashing for large scale multitask learning",
    arXiv 0902.2206.
    """

    def __init__(self, width: int = 512) -> None:
        if width < 1:
            msg = f"width={width}: give 1 or more"
            raise InputError(msg)
        self.width = width

    @property
    def fingerprint(self) -> str:
        """The width."""
        return json.dumps(["words", self.width])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, width)."""
        from sklearn.feature_extraction.text import HashingVectorizer

        model = HashingVectorizer(n_features=self.width, norm=None, stop_words="english", dtype=np.float32)
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), _ROWS):
            counts = model.transform(texts[start : start + _ROWS])
            counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
            out[start : start + _ROWS] = counts.toarray()
        size = np.linalg.norm(out, axis=1, keepdims=True)
        return np.divide(out, size, out=np.zeros_like(out), where=size > 0)


class RandomEncoder:
    """A vector by lot for every text, the same for equal texts: what chance gives.

    Parameters
    ----------
    width : int, default=64
    random_state : int, default=0
    """

    def __init__(self, width: int = 64, *, random_state: int = 0) -> None:
        if width < 1:
            msg = f"width={width}: give 1 or more"
            raise InputError(msg)
        self.width, self.random_state = width, random_state

    @property
    def fingerprint(self) -> str:
        """Width and seed."""
        return json.dumps(["random", self.width, self.random_state])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, width) of normal numbers."""
        out = np.empty((len(texts), self.width), dtype=np.float32)
        for i, text in enumerate(texts):
            mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            rng = np.random.default_rng([self.random_state, int.from_bytes(mark, "little")])
            out[i] = rng.standard_normal(self.width, dtype=np.float32)
        return out
