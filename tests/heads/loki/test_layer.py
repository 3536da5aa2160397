"""The rule as a layer: values, exact gradients, and the three gradients in place of zero, written out."""

from __future__ import annotations

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.heads import MetricLabelSpace, expected_squared_distance, frechet_predict
from trueneg.heads.loki import random_tree

torch = pytest.importorskip("torch")

OBSERVED = [1, 4, 7, 11]
SPACE = MetricLabelSpace.from_tree(random_tree(15, random_state=0))


def _layer(backward, **more):
    from trueneg.heads.loki import FrechetLayer

    return FrechetLayer(SPACE, OBSERVED, backward=backward, **more)


def _proba(n=6, seed=0):
    p = np.random.default_rng(seed).dirichlet(np.ones(len(OBSERVED)), n)
    return torch.tensor(p, requires_grad=True)


def test_the_layer_is_the_rule_and_its_exact_gradient_is_right():
    """Protects training: logits and answers are those of the rule, and gradients are exact."""
    p = _proba()
    soft = _layer("exact")(p)
    expected = expected_squared_distance(p.detach().numpy(), SPACE, observed=OBSERVED)
    np.testing.assert_allclose(-soft.detach().numpy(), expected, rtol=1e-6)
    assert torch.autograd.gradcheck(_layer("exact"), (p,))
    said = SPACE.labels[_layer("polytope")(p).argmax(1).numpy()]
    np.testing.assert_array_equal(said, frechet_predict(p.detach().numpy(), SPACE, observed=OBSERVED))


def _nearest_probabilities(row):
    """Bisection for the shift at which the positive part of a row sums to 1."""
    low, high = row.min() - 2, row.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(row - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(row - low, 0)


@pytest.mark.parametrize("way", ["straight-through", "negative-identity", "polytope"])
def test_gradients_in_place_of_zero_are_those_of_the_paper(way):
    """Protects the three estimators: each gradient is its definition, row by row."""
    p, layer = _proba(), _layer(way, step=0.3)
    out = layer(p)
    g = np.random.default_rng(1).normal(size=out.shape)
    out.backward(torch.tensor(g))
    squares = np.square([[SPACE.distances([a], [b])[0] for b in SPACE.labels] for a in OBSERVED])
    for i, row in enumerate(g):
        if way == "straight-through":
            right = row[np.searchsorted(SPACE.labels, OBSERVED)]
        else:
            answer = out[i].detach().numpy()
            moved = (
                row - row.mean() if way == "negative-identity" else answer - _nearest_probabilities(answer - 0.3 * row)
            )
            right = -squares @ moved
        np.testing.assert_allclose(p.grad[i].numpy(), right, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("way", ["exact", "straight-through", "negative-identity", "polytope"])
def test_a_model_trained_through_the_layer_comes_nearer(way):
    """Protects the use: by each gradient the squared distance of the answers falls, of labels not observed too."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 15, 200)
    X = torch.tensor(np.eye(15)[target] + 0.05 * rng.normal(size=(200, 15)), dtype=torch.float32)
    far = torch.tensor(SPACE.squared_distances(SPACE.labels)[target], dtype=torch.float32)
    torch.manual_seed(0)
    net, layer = torch.nn.Linear(15, len(OBSERVED)), _layer(way)
    optimizer = torch.optim.Adam(net.parameters(), 0.03)

    def error():
        with torch.no_grad():
            return float(far[torch.arange(200), layer(net(X).softmax(1)).argmax(1)].mean())

    first = error()
    for _ in range(150):
        out = layer(net(X).softmax(1))
        wrong = (out - torch.eye(15)[target]).square().sum(1).mean()
        loss = torch.nn.functional.cross_entropy(out, torch.tensor(target)) if way == "exact" else wrong
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Without labels between the observed ones none comes nearer than 1.96; the straight-through gradient sees these
    # alone, and the label of a row is mostly none of them.
    assert far[:, SPACE.places(OBSERVED)].min(1).values.mean() > 1.9
    assert error() < (0.9 * first if way == "straight-through" else 1.2)


def test_bad_input_gets_one_line():
    """Protects the user: each mistake is refused by one line that names it."""
    for call, words in (
        (lambda: _layer("soft"), "choose exact"),
        (lambda: _layer("polytope", step=0), "step=0"),
        (lambda: _layer("exact")(torch.ones(2, 3)), "4 labels"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
