"""A network trained with cosines on half of the classes of Tiny-ImageNet, and what it gives for all of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._trained import network

__all__ = ["Rows", "Sets", "cosine_head", "embedded", "numbered", "photographs"]

BASE, EPOCHS, SCALE = 100, 10, 16.0
SPLIT = 10  # draws the base classes: one split, as one network serves all seeds


class Rows(NamedTuple):
    """Pictures (n, 32, 32, 3) or their embeddings (n, d), and class numbers (n,), base classes first."""

    X: NDArray[Any]
    y: NDArray[np.int64]


class Sets(NamedTuple):
    """Base classes to learn from, 250 rows each, and to test on, 50 each, and 50 rows of each other class."""

    base: Rows
    base_test: Rows
    new: Rows


@lru_cache(maxsize=1)
def embedded() -> Sets:
    """Return embeddings by a network that has seen the base classes alone: some ten minutes, once for all seeds.

    It is trained with logits that are scaled cosines, as the paper does.
    """
    sets = photographs(SPLIT)
    net = network(*sets.base, epochs=EPOCHS, head=cosine_head)
    from trueneg.core.training import outputs

    return Sets(*(Rows(outputs(net.features, rows.X), rows.y) for rows in sets))


def photographs(seed: int) -> Sets:
    """Return the pictures; the seed draws which 100 of the 200 classes are base ones."""
    import pyarrow.parquet as pq

    from trueneg.claims._photographs import decoded
    from trueneg.data.registry import file

    table = pq.read_table(file("tiny_imagenet32_jpeg.parquet"))
    y = numbered(np.array(table["wnid"].to_pylist()), seed)
    train, base = np.array(table["split"].to_pylist()) == "train", y < BASE
    parts = (np.flatnonzero(rows) for rows in (base & train, base & ~train, ~base & ~train))
    return Sets(*(Rows(decoded(table["image"].take(rows).to_pylist()), y[rows]) for rows in parts))


def numbered(names: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Return class numbers from 0, in an order that the seed draws."""
    kinds, at = np.unique(names, return_inverse=True)
    return np.argsort(np.random.default_rng(seed).permutation(len(kinds)))[at]


def cosine_head(linear: Any) -> Any:
    """Return a head that gives ``SCALE`` times the cosines of features with the weights of a linear one."""
    from torch import Tensor, nn
    from torch.nn import functional as F

    class Cosine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = linear.weight

        def forward(self, x: Tensor) -> Tensor:
            return SCALE * F.linear(F.normalize(x), F.normalize(self.weight))

    return Cosine()
