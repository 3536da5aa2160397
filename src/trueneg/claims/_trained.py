"""A network trained on eight classes of CIFAR-10, and what its layers give for pictures of these and of none."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._photographs import pictures
from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["FAR", "KNOWN", "LAYERS", "NEAR", "Trained", "Values", "flipped", "network", "read", "trained"]

LAYERS = ("body.stem", "body.stage1", "body.stage2", "body.stage3")
NEAR, FAR = ("two other classes", "Tiny-ImageNet"), ("Omniglot", "noise")
KNOWN, EPOCHS, WIDTH = 8, 8, 32
LEARN, TEST, ODD = 31_250, 5_000, 2_000
GAUSSIANS, NEW = 8_000, 2_200  # rows of old classes and of new ones that the Gaussians may learn from


class Values(NamedTuple):
    """What the network gives for one set: all layers side by side (n, d), and the logits (n, KNOWN)."""

    layers: NDArray[np.float32]
    logits: NDArray[np.float32]


class Trained(NamedTuple):
    """A network; pictures and values by set, and class numbers of those from CIFAR-10."""

    net: Any
    X: dict[str, NDArray[np.uint8]]
    y: dict[str, NDArray[np.int64]]
    values: dict[str, Values]
    widths: list[int]

    @property
    def accuracy(self) -> float:
        """Share of the known test rows that the network gets right."""
        return float((self.values["known"].logits.argmax(axis=1) == self.y["known"]).mean())


@lru_cache(maxsize=2)
def trained(wrong: float) -> Trained:
    """Train on eight classes, a share of their labels wrong: some minutes of one core, once for all seeds.

    The sets are "learn" (labels as they were learned), "new" with rows of the two other classes to learn from, "known"
    test rows, and unknown ones: the two other classes, Tiny-ImageNet, Omniglot and noise.
    """
    X, y = _sets()
    y["learn"] = flipped(y["learn"], wrong, np.random.default_rng(0))
    net = network(X["learn"], y["learn"])
    for name, most in (("learn", GAUSSIANS), ("new", NEW)):
        X[name], y[name] = X[name][:most], y[name][:most]
    return read(net, X, y)


def read(net: Any, X: dict[str, NDArray[np.uint8]], y: dict[str, NDArray[np.int64]]) -> Trained:
    """Read layers and logits of every set, once for all that is measured on them."""
    from trueneg.core.activations import activations

    values, widths = {}, []
    for name, rows in X.items():
        found = [value for _, value in activations(net, rows, LAYERS)]
        layers = [np.concatenate([value[layer] for value in found]) for layer in LAYERS]
        widths = [layer.shape[1] for layer in layers]
        values[name] = Values(np.concatenate(layers, axis=1), np.concatenate([value[""] for value in found]))
    return Trained(net, X, y, values, widths)


def flipped(y: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return class numbers of which a share is another class, drawn evenly."""
    wrong = rng.random(len(y)) < share
    return np.where(wrong, (y + rng.integers(1, KNOWN, len(y))) % KNOWN, y)


def network(
    X: NDArray[np.uint8], y: NDArray[np.int64], *, epochs: int = EPOCHS, width: int = WIDTH, head: Any = None
) -> Any:
    """Train a residual network of eight layers, its linear head replaced by ``head(linear)`` where given."""
    try:
        from trueneg.core.nets import ResNet
        from trueneg.core.training import Recipe, crop_flip, seeded, train
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None

    with seeded(0):
        net = ResNet(int(y.max()) + 1, depth=8, width=width)
    if head is not None:
        net.head = head(net.head)
    recipe = Recipe(epochs=epochs, lr=0.2, precision="bfloat16")
    train(net, X, y, recipe=recipe, augment=crop_flip(4), random_state=0)
    return net


def _sets() -> tuple[dict[str, NDArray[np.uint8]], dict[str, NDArray[np.int64]]]:
    """Return pictures and class numbers by set; automobiles and ships are left out, as KNOWN and KNOWN + 1."""
    sets = pictures(LEARN, TEST, ODD)
    names = np.random.default_rng(0).permutation(np.unique(np.asarray(sets["test"].y)))
    X = {name: sets[name].X for name in (NEAR[1], *FAR)}
    y: dict[str, NDArray[np.int64]] = {}
    for part, inside, outside in (("learn", "learn", "new"), ("test", "known", NEAR[0])):
        number = np.argmax(np.asarray(sets[part].y)[:, None] == names, axis=1)
        for name, rows in ((inside, number < KNOWN), (outside, number >= KNOWN)):
            X[name], y[name] = sets[part].X[rows], number[rows]
    return X, y
