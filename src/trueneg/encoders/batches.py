"""Texts in batches of like length, so that a batch pads little; rows come back in the order given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["batch_for", "by_length"]

Floats = NDArray[np.float32]


def batch_for(device: str) -> int:
    """Return how many texts are a good batch: on a processor, tensors of more fall out of its cache."""
    return 16 if device == "cpu" else 64


def by_length(texts: Sequence[str], batch_size: int, run: Callable[[list[str]], Floats]) -> Floats:
    """Encode batches of texts of like length, the longest first, and return the rows in the order given.

    Parameters
    ----------
    texts : sequence of n str
        For none, `run` is asked about one text, to learn how wide a row is.
    batch_size : int
    run : callable
        Takes a list of b texts and gives (b, d).
    """
    if not len(texts):
        return np.empty((0, run(["a"]).shape[1]), dtype=np.float32)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    out: Floats | None = None
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        value = run([texts[i] for i in rows.tolist()])
        if out is None:
            out = np.empty((len(texts), value.shape[1]), dtype=np.float32)
        out[rows] = value
    return cast(Floats, out)
