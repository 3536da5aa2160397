"""What open-set training, attacks, ensembles and baselines cannot use: each told in one line, before the work."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from trueneg.core.errors import InputError
from trueneg.core.nets import ResNet
from trueneg.core.training import Recipe, seeded, train
from trueneg.reject import MahalanobisDetector, MaxLogitDetector, semantic_shift_split
from trueneg.reject.mahalanobis import (
    FeatureEnsembleDetector,
    LidDetector,
    adversarial_protocol,
    bim,
    fgsm,
    local_dimension,
)
from trueneg.reject.max_logit import closed_open_correlation, train_closed_set

I = np.random.default_rng(0).random((24, 3, 8, 8)).astype(np.float32)  # noqa: E741 - images
Y = np.arange(24) % 3
WORDS = np.array(["a", "b", "c"])[Y]


def net(classes=3):
    """Return a network that was drawn and not trained."""
    with seeded(0):
        return ResNet(classes, depth=8, width=2)


def closed(**options):
    """Train for an epoch."""
    known = options.pop("known", (I, Y))
    shared = {"unknown": I[:4], "epochs": 1, "batch_size": 8, **options}
    return train_closed_set(shared.pop("net", net()), I, shared.pop("y", Y), known=known, **shared)


def fitted():
    """Return a detector on a network."""
    return MahalanobisDetector(net(), layers=["head"]).fit(I, Y)


CALLS = {
    "train, words": lambda: train(net(), I, WORDS, recipe=Recipe(epochs=1, warmup=0)),
    "train, halves": lambda: train(net(), I, Y + 0.5, recipe=Recipe(epochs=1, warmup=0)),
    "train, class beyond the logits": lambda: train(net(2), I, Y, recipe=Recipe(epochs=1, warmup=0)),
    "train, negative class": lambda: train(net(), I, Y - 1, recipe=Recipe(epochs=1, warmup=0)),
    "closed, words": lambda: closed(y=WORDS),
    "closed, no unknown rows": lambda: closed(unknown=I[:0]),
    "closed, labels missing": lambda: closed(known=(I, Y[:3])),
    "closed, no pair": lambda: closed(known=I),
    "closed, never watched": lambda: closed(every=0),
    "closed, no features": lambda: closed(net=nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), loss="arpl"),
    "correlation, level": lambda: closed_open_correlation([1, 2, 3, 5], [1, 2, 3, 4], level=3),
    "split, a label twice": lambda: semantic_shift_split(np.ones((4, 4)), ["a", "b"], labels=list("aabc")),
    "split, bins in words": lambda: semantic_shift_split(np.ones((9, 9)), [0, 1], "2"),
    "logits, temperature in words": lambda: MaxLogitDetector(temperature="1").fit(np.ones((4, 3))),
    "fgsm, words": lambda: fgsm(net(), I, WORDS),
    "fgsm, class beyond the logits": lambda: fgsm(net(), I, Y + 7),
    "fgsm, labels missing": lambda: fgsm(net(), I, Y[:3]),
    "bim, no step": lambda: bim(net(), I, steps=0),
    "protocol, no network": lambda: adversarial_protocol(MahalanobisDetector(), I, Y),
    "protocol, labels missing": lambda: adversarial_protocol(fitted(), I, Y[:3]),
    "protocol, words": lambda: adversarial_protocol(fitted(), I, WORDS),
    "protocol, setting": lambda: adversarial_protocol(fitted(), I, Y, settings={"fgsm": {"epz": 1}}),
    "protocol, attack": lambda: adversarial_protocol(fitted(), I, Y, settings={"fgms": {"eps": 1}}),
    "ensemble, no step": lambda: FeatureEnsembleDetector(MahalanobisDetector(net()), eps_grid=()).fit(
        I, Y, known=I, unknown=I
    ),
    "ensemble, no base": lambda: FeatureEnsembleDetector(None).fit(I, Y, known=I, unknown=I),
    "lid, not fitted": lambda: LidDetector(net()).layer_scores(I),
    "lid, width": lambda: local_dimension(np.ones((3, 2)), np.ones((40, 3))),
    "lid, gap": lambda: local_dimension(np.full((3, 2), np.nan), np.ones((40, 2))),
    "squares too large": lambda: MahalanobisDetector().fit(1e200 * I.reshape(24, -1).astype(float), Y),
}


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("name", CALLS)
def test_is_refused_in_one_line(name):
    """Each ended in an error of NumPy or torch, or went on with what it was not asked for."""
    with pytest.raises(InputError) as caught:
        CALLS[name]()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 25
