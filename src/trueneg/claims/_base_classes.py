"""A network trained with cosines on half of the classes of Tiny-ImageNet, and what it gives for all of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["Rows", "Sets", "cosine_head", "embedded", "network", "numbered", "photographs"]

BASE, EPOCHS, WIDTH, SCALE = 100, 10, 32, 16.0
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
    """Return embeddings by a network that has seen the base classes alone: some ten minutes, once for all seeds."""
    sets = photographs(SPLIT)
    net = network(sets.base)
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


def network(rows: Rows, *, epochs: int = EPOCHS, width: int = WIDTH) -> Any:
    """Train a residual network of eight layers whose logits are scaled cosines, as the paper does."""
    try:
        from trueneg.core.nets import ResNet
        from trueneg.core.training import Recipe, crop_flip, seeded, train
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None

    with seeded(0):
        net = ResNet(int(rows.y.max()) + 1, depth=8, width=width)
    net.head = cosine_head(net.head)
    recipe = Recipe(epochs=epochs, lr=0.2, precision="bfloat16")
    train(net, rows.X, rows.y, recipe=recipe, augment=crop_flip(4), random_state=0)
    return net


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
