"""Conformance checks of the Encoder shape: one row a text, in the order given, the same every time.

Every check raises ``AssertionError`` with a sentence that says what is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trueneg.testing._checking import require

__all__ = ["check_encoder", "encoder_checks"]

_TEXTS = (
    "a query",
    "a document of many more words than the query has, so that a batch of both is padded",
    "",
    "a query",
    "Ünïcode, 中文 and 123",
)
_TOLERANCE = 1e-4  # of a row's length: batches of other widths add up in another order


def check_rows(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """There is one row of finite float32 a text, and the list stays as it was."""
    given = list(texts)
    found = encoder.encode(given)
    require(given == list(texts), "the list of texts was changed")
    require(isinstance(found, np.ndarray), f"encode gave {type(found).__name__}, not an array")
    require(found.ndim == 2 and len(found) == len(given), f"{len(given)} texts gave shape {found.shape}")
    require(found.shape[1] > 0, "the rows are empty")
    require(found.dtype == np.float32, f"the rows are {found.dtype}, not float32")
    require(np.isfinite(found).all(), "a value is no finite number")


def check_same(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """The same texts give the same rows, to the bit, and equal texts equal rows."""
    first = np.array(encoder.encode(list(texts)))
    require(np.array_equal(first, encoder.encode(list(texts))), "the same texts gave other rows the second time")
    for i, text in enumerate(texts):
        j = list(texts).index(text)
        require(_close(first[i], first[j]), f"text {i} equals text {j} and has another row")


def check_order(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """A row belongs to its text: another order, or a batch of one, changes none."""
    whole = np.array(encoder.encode(list(texts)))
    turned = np.array(encoder.encode(list(texts)[::-1]))[::-1]
    require(_close(whole, turned), "rows depend on the order of the texts")
    for i, text in enumerate(texts):
        alone = np.array(encoder.encode([text]))
        require(alone.shape == (1, whole.shape[1]), f"one text gave shape {alone.shape}")
        require(_close(alone[0], whole[i]), f"the row of text {i} depends on what else is in the list")


def check_none(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """No text gives no row, of the same width."""
    width = encoder.encode(list(texts)).shape[1]
    found = np.asarray(encoder.encode([]))
    require(found.shape == (0, width), f"no text gave shape {found.shape}, not (0, {width})")
    require(found.dtype == np.float32, f"no text gave {found.dtype}, not float32")


def check_tells_apart(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """Texts that differ do not all have one row."""
    found = np.array(encoder.encode(list(texts)))
    require(not all(_close(row, found[0]) for row in found), "all texts have the same row")


def check_fingerprint(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """The name that a cache goes by is a text, and encoding does not change it."""
    first = encoder.fingerprint
    require(isinstance(first, str) and first, f"the fingerprint is {first!r}, not a text")
    encoder.encode(list(texts))
    require(encoder.fingerprint == first, "the fingerprint is another one after encoding")


def _close(a: Any, b: Any) -> bool:
    gap = np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64), axis=-1)
    return bool(np.all(gap <= _TOLERANCE * np.maximum(np.linalg.norm(np.asarray(a, np.float64), axis=-1), 1e-6)))


_CHECKS: Sequence[Callable[..., None]] = (
    check_rows,
    check_same,
    check_order,
    check_none,
    check_tells_apart,
    check_fingerprint,
)


def encoder_checks() -> Iterator[Callable[..., None]]:
    """Yield the checks of an Encoder one by one; each takes the encoder and, where asked for, texts."""
    yield from _CHECKS


def check_encoder(encoder: Any, texts: Sequence[str] = _TEXTS) -> None:
    """Run every check of the Encoder shape.

    Parameters
    ----------
    encoder : TextEncoder
        ``encode(texts) -> float32 (n, d)`` and ``fingerprint``.
    texts : sequence of str, optional
        What it is asked about, one of them twice; ids where vectors are found by id. By default five short texts, one
        of them empty.

    Raises
    ------
    AssertionError
        At the first check that fails.
    """
    for check in _CHECKS:
        check(encoder, texts)
