"""Texts before they are labelled: the published cleaning, sentences, keys, and where a post is from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from trueneg.core.errors import missing_extra

__all__ = ["clean_published", "sentences", "source_of", "text_key"]

_LINK = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_TAG = re.compile(r"[#@]\w+")
_NOT_LETTERS = re.compile(r"[^A-Za-z]+")
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\s*[\r\n]+\s*")
# Hosts under which a name is only the beginning of the site's own.
_SHORT = {"youtu.be": "youtube.com", "fb.watch": "facebook.com", "t.co": "x.com", "twitter.com": "x.com"}
_PREFIX = ("www.", "m.", "mobile.", "amp.")


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], Any]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    try:
        from nltk.stem import PorterStemmer
    except ImportError:
        missing_extra("nltk", "label")
    return frozenset(ENGLISH_STOP_WORDS), lru_cache(maxsize=100_000)(PorterStemmer().stem)


def clean_published(text: str) -> str:
    """Clean a text as the measles data set was: links, hashtags, mentions, what is no letter, stop words; stems.

    Parameters
    ----------
    text : str
        A post's title or description.

    Returns
    -------
    str
        It takes away what a lexicon needs: "not" is a stop word, capitals and exclamation marks are gone, and a stem is
        in no lexicon. :mod:`trueneg.claims.sentiment` measures what that costs.
    """
    stops, stem = _words()
    bare = _NOT_LETTERS.sub(" ", _TAG.sub(" ", _LINK.sub(" ", text))).lower()
    return " ".join(stem(word) for word in bare.split() if word not in stops)


def sentences(text: str) -> list[str]:
    """Split a text where a sentence ends, and at line breaks; a text of nothing has none."""
    return [part for part in _END.split(text.strip()) if part and not part.isspace()]


def source_of(url: str | None) -> str | None:
    """Return the site of a URL: its host in small letters, without "www." and the like; None where there is none."""
    if not url or not url.strip():
        return None
    text = url.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    if not host or "." not in host:
        return None
    for prefix in _PREFIX:
        if host.startswith(prefix) and host.count(".") > 1:
            host = host[len(prefix) :]
    return _SHORT.get(host, host)


def text_key(texts: Sequence[str | None]) -> list[str | None]:
    """Return 16 hexadecimal digits of each text's SHA-256, None where there is no text: labels bind to their text."""
    return [hashlib.sha256(t.encode("utf-8", "replace")).hexdigest()[:16] if t else None for t in texts]
