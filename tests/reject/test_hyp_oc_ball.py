"""The Poincare ball, the hyperbolic logistic layer, pseudo-negatives and the loss of pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from trueneg.core.errors import InputError  # noqa: E402
from trueneg.reject.hyp_oc import (  # noqa: E402
    PoincareMLR,
    PseudoNegatives,
    ToBall,
    distance,
    exponential,
    exponential_at_origin,
    hyperbolic_pairwise_confusion,
    mobius_add,
    project,
)

SEEDS = st.integers(0, 2**32 - 1)
CURVED = st.floats(0.01, 4.0)


def drawn(seed, n, d, c, reach=0.95):
    """Points of the ball, some near its boundary, float64."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x *= reach * rng.uniform(0.01, 1, size=(n, 1)) / np.linalg.norm(x, axis=1, keepdims=True) / math.sqrt(c)
    return torch.tensor(x)


@given(SEEDS, CURVED)
@settings(max_examples=40, deadline=None)
def test_distance_is_the_papers_and_symmetric_to_the_last_bit(seed, c):
    """Protects the metric: 2 / sqrt c artanh(sqrt c |(-x) + y|), the same both ways, 0 on the diagonal."""
    x, y = drawn(seed, 6, 5, c), drawn(seed + 1, 6, 5, c)
    root = math.sqrt(c)
    plain = 2 / root * torch.atanh(root * mobius_add(-x, y, c).norm(dim=-1))
    torch.testing.assert_close(distance(x, y, c), plain, rtol=1e-9, atol=1e-9)
    assert torch.equal(distance(x, y, c), distance(y, x, c))
    assert torch.equal(distance(x, x, c), torch.zeros(6, dtype=torch.float64))


@given(SEEDS, CURVED)
@settings(max_examples=40, deadline=None)
def test_addition_undoes_itself_and_keeps_distances(seed, c):
    """Protects Moebius addition: (-x) + (x + y) is y, and adding one point to two leaves their distance as it was."""
    x, y, z = (drawn(seed + i, 4, 3, c, reach=0.8) for i in range(3))
    torch.testing.assert_close(mobius_add(-x, mobius_add(x, y, c), c), y, rtol=1e-7, atol=1e-9)
    moved = distance(mobius_add(z, x, c), mobius_add(z, y, c), c)
    torch.testing.assert_close(moved, distance(x, y, c), rtol=1e-6, atol=1e-7)


@given(SEEDS, CURVED)
@settings(max_examples=40, deadline=None)
def test_a_geodesic_is_as_long_as_its_velocity(seed, c):
    """Protects the exponential map: it lands at the distance that the metric at the base point gives the velocity."""
    rng = np.random.default_rng(seed)
    base, v = drawn(seed, 5, 4, c, reach=0.7), torch.tensor(rng.normal(size=(5, 4)) / math.sqrt(c))
    v = v * 0.3
    length = 2 / (1 - c * base.square().sum(-1)) * v.norm(dim=-1)
    short = length * math.sqrt(c) < 12  # beyond it, float64 rounds points onto the boundary
    torch.testing.assert_close(distance(base, exponential(v, base, c), c)[short], length[short], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(exponential_at_origin(v, c), exponential(v, torch.zeros(5, 4).double(), c))


def by_hand(layer, x):
    """The paper's logits with a tensor of n x K x d, from the definition."""
    c = layer.curvature
    p = exponential_at_origin(layer.point, c)
    a = layer.normal * (1 - c * p.square().sum(-1, keepdim=True))
    z = mobius_add(-p[None].expand(len(x), -1, -1), x[:, None].expand(-1, len(p), -1), c)
    norm, factor = a.norm(dim=-1), 2 / (1 - c * p.square().sum(-1))
    inside = 2 * math.sqrt(c) * (z * a).sum(-1) / ((1 - c * z.square().sum(-1)) * norm)
    return factor * norm / math.sqrt(c) * torch.asinh(inside)


@given(SEEDS, CURVED, st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_closed_form_is_the_definition(seed, c, n_classes):
    """Protects the logistic layer: products of n x K give what the sum over n x K x d defines."""
    torch.manual_seed(seed % 2**31)
    layer = PoincareMLR(5, n_classes, curvature=c)
    x = drawn(seed, 7, 5, c, reach=0.98)
    torch.testing.assert_close(layer(x), by_hand(layer, x), rtol=1e-6, atol=1e-8)


def test_towards_no_curvature_the_head_is_euclidean():
    """Protects the limit: logits tend to 4 <x - p, a>, distances to 2 |x - y|, and c = 0 gives both."""
    torch.manual_seed(0)
    flat = PoincareMLR(6, 3, curvature=0.0)
    curved = PoincareMLR(6, 3, curvature=1e-8)
    curved.load_state_dict(flat.state_dict())
    x, y = torch.randn(9, 6, dtype=torch.float64), torch.randn(9, 6, dtype=torch.float64)
    want = 4 * ((x[:, None] - flat.point[None]) * flat.normal[None]).sum(-1)
    torch.testing.assert_close(flat(x), want)
    torch.testing.assert_close(curved(x), want, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(distance(x, y, 1e-9), 2 * (x - y).norm(dim=-1), rtol=1e-6, atol=1e-6)
    assert torch.equal(distance(x, y, 0.0), 2 * (x - y).norm(dim=-1))
    torch.testing.assert_close(mobius_add(x, y, 0.0), x + y)
    torch.testing.assert_close(exponential(y, x, 0.0), x + y)


def test_gradients_are_those_of_the_formulas():
    """Protects training: autograd of each formula agrees with finite differences in float64."""
    torch.manual_seed(1)
    c = 0.7
    x, y = (drawn(i, 3, 4, c, reach=0.8).requires_grad_() for i in (0, 1))
    v = (0.3 * torch.randn(3, 4, dtype=torch.float64)).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda a, b: distance(a, b, c), (x, y))
    assert check(lambda a, b: mobius_add(a, b, c), (x, y))
    assert check(lambda a, b: exponential(a, b, c), (v, x))
    assert check(lambda a: exponential_at_origin(a, c), (v,))
    layer = PoincareMLR(4, 3, curvature=c)
    assert check(layer, (x,))
    assert check(
        lambda p, a: torch.func.functional_call(layer, {"point": p, "normal": a}, (x,)),
        tuple(q.detach().clone().requires_grad_() for q in (layer.point, layer.normal)),
    )
    assert check(lambda a: hyperbolic_pairwise_confusion(a, curvature=c), (drawn(2, 6, 4, c).requires_grad_(),))


def test_gradients_that_pass_the_ball_are_riemannian():
    """Protects the rescaling: the gradient of a feature is the Euclidean one times ((1 - c |x|^2) / 2)^2."""
    c = 0.1
    to_ball = ToBall(4, curvature=c, clip_norm=None)
    v = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    points = to_ball(v)
    (points * weight).sum().backward()
    scale = ((1 - c * points.detach().square().sum(-1, keepdim=True)) / 2).square()
    plain = v.detach().clone().requires_grad_()
    exponential_at_origin(plain, c).backward(weight * scale)
    torch.testing.assert_close(v.grad, plain.grad)
    assert to_ball.base.grad.abs().sum() > 0, "the base point learns"


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1.0, 1e4, 1e18])
def test_no_feature_makes_the_head_nan(kind, size):
    """Protects training near the boundary and at the origin: logits, distances and gradients stay finite."""
    torch.manual_seed(0)
    for clip in (2.0, None):
        to_ball, layer = ToBall(8, curvature=1.0, clip_norm=clip), PoincareMLR(8, 2, curvature=1.0)
        x = (size * torch.randn(6, 8)).to(kind).requires_grad_()
        points = to_ball(x)
        loss = layer(points).square().mean() + hyperbolic_pairwise_confusion(points, curvature=1.0)
        loss.backward()
        assert math.isfinite(loss.item())
        for grad in (x.grad, to_ball.base.grad, layer.point.grad, layer.normal.grad):
            assert torch.isfinite(grad).all()


def test_points_near_the_boundary_are_exact_enough_in_float64_and_drawn_back():
    """Protects the float64 head: distances at the projected rim agree with the closed form for opposite points."""
    c = 1.0
    rim = project(torch.tensor([[5.0, 0.0], [-7.0, 0.0]], dtype=torch.float64), c)
    assert rim.norm(dim=-1).max() <= 1 - 1e-3 + 1e-15
    want = 4 * math.atanh(1 - 1e-3)  # twice the distance of the rim to the origin
    assert distance(rim[:1], rim[1:], c).item() == pytest.approx(want, rel=1e-12)


@pytest.mark.slow
def test_compiled_and_under_autocast_the_answers_are_the_same():
    """Protects deployments: the head is traced whole, and autocast does not lower its type."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(ToBall(8), PoincareMLR(8, 2))
    x = torch.randn(5, 8)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(x)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, net(x))


def test_pairs_are_halves_and_their_mean_is_taken():
    """Protects Hyp-PC: first half against second, a point without partner left out; the reference's form beside it."""
    c = 0.3
    x = drawn(0, 5, 3, c)
    want = (distance(x[0], x[2], c) + distance(x[1], x[3], c)) / 2
    torch.testing.assert_close(hyperbolic_pairwise_confusion(x, curvature=c), want)
    gaps = mobius_add(-x[:2], x[2:4], c).norm(dim=-1)
    theirs = (2 / math.sqrt(c) * torch.atan(math.sqrt(c) * gaps)).sum() / 5
    torch.testing.assert_close(hyperbolic_pairwise_confusion(x, curvature=c, compat="reference"), theirs)


def test_the_mean_runs_over_epochs_and_the_reference_forgets():
    """Protects the pseudo-negatives: an exponential mean from the first batch on; the reference's two-tap filter."""
    batches = [torch.full((4, 2), float(v)) for v in (1, 2, 5)]
    own, theirs = PseudoNegatives(2, alpha=0.8, scale=1e-12), PseudoNegatives(2, scale=1e-12, compat="reference")
    mean = 1.0
    for value, batch in zip((1, 2, 5), batches, strict=True):
        mean = 0.8 * mean + 0.2 * value
        assert own(batch).mean().item() == pytest.approx(mean, abs=1e-4)
        own.restart()
    found = [theirs(batch).mean().item() for batch in batches]
    np.testing.assert_allclose(found, [0.2, 0.8 * 1 + 0.2 * 2, 0.8 * 2 + 0.2 * 5], atol=1e-4)
    theirs.restart()
    assert theirs(batches[2]).mean().item() == pytest.approx(1.0, abs=1e-4)


def test_draws_have_the_variance_asked_for_and_pass_no_gradient():
    """Protects the noise: variance ``scale`` in every direction, none shared, and nothing flows into the features."""
    features = torch.zeros(20_000, 3, requires_grad=True)
    draws = PseudoNegatives(3, scale=4.0)(features, torch.Generator().manual_seed(0))
    assert not draws.requires_grad
    np.testing.assert_allclose(np.cov(draws.numpy().T), 4 * np.eye(3), atol=0.15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ToBall(3, curvature=-1.0), "curvature=-1"),
        (lambda: PoincareMLR(3, 2, curvature=float("nan")), "curvature=nan"),
        (lambda: PseudoNegatives(3, alpha=1.0), "below 1"),
        (lambda: PseudoNegatives(3, scale=0.0), "above 0"),
        (lambda: PseudoNegatives(3, compat="paper"), "compat='paper'"),
        (lambda: hyperbolic_pairwise_confusion(torch.zeros(1, 3)), "make no pair"),
    ],
)
def test_bad_settings_get_one_line(call, words):
    """Protects the user: each mistake is refused by one line that names it."""
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
