"""The attacks do what they are named for, and the protocol tests nothing that was fitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trueneg.core.activations import activations
from trueneg.core.errors import InputError
from trueneg.core.nets import ResNet
from trueneg.core.training import Recipe, outputs, seeded, train
from trueneg.reject import MahalanobisDetector
from trueneg.reject.mahalanobis import (
    LidDetector,
    adversarial_protocol,
    bim,
    carlini_wagner,
    deepfool,
    fgsm,
    local_dimension,
    noise_like,
    odin_scores,
    pgd,
)


class Linear(nn.Module):
    """Two classes with a straight border: every attack has a closed form."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 2)
        with torch.no_grad():
            w = torch.linspace(-1, 1, 12)
            self.head.weight.copy_(torch.stack([w, -w]))
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(x.flatten(1))


@pytest.fixture
def toy():
    """Return a linear net, pictures and its answers."""
    X = np.random.default_rng(0).uniform(0.35, 0.65, (40, 3, 2, 2)).astype(np.float32)
    net = Linear()
    return net, X, outputs(net, X).argmax(1)


def border(net, X):
    """Euclidean distance of each row to the border."""
    w = (net.head.weight[0] - net.head.weight[1]).detach().numpy()
    return np.abs(X.reshape(len(X), -1) @ w) / np.linalg.norm(w)


def test_fgsm_is_the_sign_of_the_gradient(toy):
    """One step moves every pixel by eps, up the loss: for a linear net by the sign of its weights."""
    net, X, y = toy
    moved = fgsm(net, X, y, eps=0.1)
    w = np.sign((net.head.weight[1] - net.head.weight[0]).detach().numpy()).reshape(1, 3, 2, 2)
    np.testing.assert_allclose(moved - X, 0.1 * np.where(y[:, None, None, None] == 0, w, -w), atol=1e-6)


@pytest.mark.parametrize("attack", [fgsm, bim, pgd])
def test_attacks_of_a_size_stay_in_their_ball_and_raise_the_loss(toy, attack):
    """No pixel moves by more than eps or leaves [0, 1], and the true class loses; the network is left as it was."""
    net, X, y = toy
    weights = [p.detach().clone() for p in net.parameters()]
    moved = attack(net, X, y, eps=0.15)
    assert np.abs(moved - X).max() <= 0.15 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    at = np.arange(len(y))
    assert (outputs(net, moved)[at, y] < outputs(net, X)[at, y]).all()
    assert all(torch.equal(a, b) and b.requires_grad for a, b in zip(weights, net.parameters(), strict=True))


@pytest.mark.parametrize(("attack", "slack"), [(deepfool, 1.04), (carlini_wagner, 1.6)])
def test_smallest_attacks_flip_the_answer_near_the_border(toy, attack, slack):
    """DeepFool and Carlini-Wagner change every answer, by little more than the distance to the border."""
    net, X, y = toy
    moved = attack(net, X, y)
    assert (outputs(net, moved).argmax(1) != y).all()
    size = np.linalg.norm((moved - X).reshape(len(X), -1), axis=1)
    assert (size >= border(net, X) * 0.999).all()
    far = border(net, X) > 0.02  # nearer ones are passed by a first step of any size
    assert (size <= slack * border(net, X) + 1e-3)[far].all()


def test_noise_has_the_size_of_the_attack(toy):
    """Noise of the same root mean square, row by row, and the clean pictures as floats."""
    net, X, _ = toy
    moved = deepfool(net, X)
    clean, noisy = noise_like((X * 255).round().astype(np.uint8), moved, random_state=0)
    assert clean.dtype == np.float32
    size = np.sqrt(np.mean((moved - clean) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(np.sqrt(np.mean((noisy - clean) ** 2, axis=(1, 2, 3))), size, rtol=1e-4)


def test_local_dimension_counts_dimensions():
    """Rows spread over a flat of m dimensions have about m, and the formula is the one of the paper."""
    rng = np.random.default_rng(0)
    for m in (2, 8):
        rows = rng.uniform(size=(2000, m)) @ np.linalg.qr(rng.normal(size=(20, 20)))[0][:m]
        assert abs(np.median(local_dimension(rows[:300], rows, k=50)) / m - 1) < 0.25
    X, known = rng.normal(size=(5, 3)), rng.normal(size=(30, 3))
    d = np.sort(np.linalg.norm(X[:, None] - known, axis=2), axis=1)[:, :7]
    np.testing.assert_allclose(local_dimension(X, known, k=7), -7 / np.log(d / d[:, -1:]).sum(1), rtol=1e-8)


def test_odin_without_step_and_temperature_is_the_softmax(toy):
    """At temperature 1 and step 0 it is the log of the largest probability; a step raises it."""
    net, X, _ = toy
    plain = odin_scores(net, X, temperature=1.0, eps=0.0)
    np.testing.assert_allclose(
        plain, torch.log_softmax(torch.tensor(outputs(net, X)), 1).max(1).values.numpy(), rtol=1e-5
    )
    assert (odin_scores(net, X, temperature=1.0, eps=0.01) > plain).all()


def coloured(n, seed):
    """Draw pictures of three colours in noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = rng.normal(0.45, 0.12, (n, 3, 8, 8))
    for c in range(3):
        X[y == c, c] += 0.12
    return np.clip(X, 0, 1).astype(np.float32), y


def test_protocol_tells_attacks_from_noise():
    """Attacked pictures are told from clean and noisy ones, those of an attack that was never fitted too."""
    X, y = coloured(600, 0)
    with seeded(0):
        net = ResNet(3, depth=8, width=4)
    train(net, X[:240], y[:240], recipe=Recipe(epochs=4, batch_size=32, lr=0.05, warmup=0.5), random_state=0)
    model = MahalanobisDetector(net).fit(X[:240], y[:240])
    sizes = {"fgsm": {"eps": 0.12}, "bim": {"eps": 0.12}, "pgd": {"eps": 0.12}}
    options = {"attacks": ("fgsm", "bim", "pgd"), "settings": sizes, "validation": 0.3, "random_state": 0}
    found = adversarial_protocol(model, X[240:], y[240:], fit_on="fgsm", **options)
    assert set(found) == {"fgsm", "bim", "pgd"}
    assert found["fgsm"].report.auroc.value > 0.8
    assert min(found[name].report.auroc.value for name in ("bim", "pgd")) > 0.6
    lid = LidDetector(net, k=10, random_state=0).fit(X[:240])
    assert len(list(activations(net, X[:5], lid.layers_))) == 1
    beside = adversarial_protocol(lid, X[240:], y[240:], **options)
    assert 0 <= beside["fgsm"].report.auroc.value <= 1
    with pytest.raises(InputError, match="can be used"):
        adversarial_protocol(model, X[240:], y[240:], settings={"fgsm": {"eps": 0.0}}, attacks=("fgsm",))
