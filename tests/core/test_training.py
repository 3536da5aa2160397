"""The small trainer, its schedule, the small networks, and reading layers by hooks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trueneg.core.activations import activations, layer_names, recorded, stages
from trueneg.core.errors import InputError
from trueneg.core.nets import CNN4, VGG32, ResNet
from trueneg.core.training import Recipe, crop_flip, outputs, seeded, train


def images(n=96, seed=0):
    """Pictures whose class is the brighter half."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.integers(0, 90, (n, 3, 8, 8))
    X[y == 1, :, :4] += 120
    X[y == 0, :, 4:] += 120
    return X.astype(np.uint8), y


def net_of(seed=0, **options):
    """Return the smallest residual network."""
    with seeded(seed):
        return ResNet(2, depth=8, width=4, **options)


def test_learns_and_repeats_itself():
    """The same seeds give the same network, whatever torch's global state is, and that state is left alone."""
    X, y = images()
    recipe = Recipe(epochs=6, batch_size=32, lr=0.05, warmup=1, label_smoothing=0.05, clip_norm=1.0)
    found = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.random.get_rng_state()
        net = net_of()
        history = train(net, X, y, recipe=recipe, augment=crop_flip(1, flip=True), random_state=3)
        assert torch.equal(before, torch.random.get_rng_state())
        found.append(outputs(net, X))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0].argmax(1) == y).mean() > 0.95
    assert history.loss[-1] < history.loss[0]


def test_clipping_bounds_the_named_part_alone():
    """A head may be clipped while an encoder's gradient goes free: clipped jointly, the encoder would stand still."""
    X, y = images(32)
    plain = Recipe(epochs=1, batch_size=32, lr=1.0, momentum=0.0, weight_decay=0.0, warmup=0, floor=1.0)
    moved = {}
    for name, part in (("free", None), ("all", None), ("head", "2")):
        with seeded(0):
            net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Linear(5, 2))
        before = [p.detach().clone() for p in net.parameters()]
        recipe = plain if name == "free" else replace(plain, clip_norm=1e-3)
        train(net, X, y, recipe=recipe, clipped=None if part is None else net[int(part)], random_state=0)
        steps = [(p.detach() - q).double() for p, q in zip(net.parameters(), before, strict=True)]
        moved[name] = [torch.cat([s.flatten() for s in part]).norm().item() for part in (steps[:2], steps[2:])]
    assert math.hypot(*moved["all"]) == pytest.approx(1e-3, rel=1e-3)
    assert moved["head"] == pytest.approx([moved["free"][0], 1e-3], rel=1e-3)
    assert moved["free"][0] > 0.01


def test_schedule_rises_in_a_line_and_restarts():
    """Warm-up, floor and warm restarts are where the recipe says."""
    recipe = Recipe(epochs=14, warmup=2, restarts=2, lr=0.4, floor=0.01)
    assert math.isclose(recipe.rate(1.0), 0.2)
    for start in (2.0, 6.0, 10.0):
        assert math.isclose(recipe.rate(start), 0.4, rel_tol=1e-6)
        assert math.isclose(recipe.rate(start + 2), (0.4 + 0.004) / 2, rel_tol=1e-6)
        assert recipe.rate(start + 3.999) < 0.0041
    assert recipe.rate(14.0) < 0.0041


def test_losses_with_parameters_and_rows_are_trained():
    """A loss that is a module learns too, and sees which rows it is given."""

    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift, self.seen = nn.Parameter(torch.zeros(2)), set()

        def forward(self, out, target, rows):
            self.seen |= set(rows.tolist())
            return nn.functional.cross_entropy(out + self.shift, target, reduction="none")

    X, y = images(40)
    loss = Shifted()
    train(net_of(), X, y, recipe=Recipe(epochs=2, batch_size=16, warmup=0), loss=loss, random_state=0)
    assert loss.seen == set(range(40))
    assert float(loss.shift.detach().abs().sum()) > 0


def test_products_of_half_the_bits_learn_as_much():
    """The outputs reach the loss in float32, weights stay float32 and as they lay, and the end is about the same."""
    X, y = images(200)
    types, found = set(), {}

    def loss(out, target, rows):
        types.add(out.dtype)
        return nn.functional.cross_entropy(out, target)

    for precision in ("float32", "bfloat16"):
        with seeded(0):
            net = net_of()
        recipe = Recipe(epochs=6, batch_size=32, lr=0.05, precision=precision)
        train(net, X, y, recipe=recipe, loss=loss, random_state=0)
        found[precision] = outputs(net, X)
        assert all(p.dtype == torch.float32 and p.is_contiguous() for p in net.parameters())
    assert types == {torch.float32}
    assert not np.array_equal(found["float32"], found["bfloat16"])
    assert (found["float32"].argmax(1) == found["bfloat16"].argmax(1)).mean() > 0.9


def test_reading_in_half_the_bits_agrees():
    """Outputs of products in bfloat16 are those of float32 to its three digits, of a network and of its features."""
    X, _ = images(200)
    with seeded(0):
        net = net_of().eval()
    for of in (net, net.features):
        whole, half = outputs(of, X), outputs(of, X, precision="bfloat16")
        assert half.dtype == np.float32
        assert not np.array_equal(whole, half)
        np.testing.assert_allclose(half, whole, atol=0.02 * np.abs(whole).max())
        np.testing.assert_allclose(outputs(of, X, batch_size=7), whole, atol=1e-6)
    assert all(p.dtype == torch.float32 for p in net.parameters())
    with pytest.raises(InputError, match="give 'float32' or 'bfloat16'"):
        outputs(net, X, precision="float16")


def test_checkpoints_see_every_epoch_and_may_stop():
    """The callback gets the network in evaluation mode, and True ends the training."""
    X, y = images(32)
    seen = []

    def look(epoch, net):
        seen.append((epoch, net.training))
        return epoch == 2

    history = train(net_of(), X, y, recipe=Recipe(epochs=5, batch_size=16), on_epoch=look, random_state=0)
    assert seen == [(1, False), (2, False)]
    assert len(history.loss) == 2


def test_crop_flip_moves_whole_pictures():
    """Without padding or flip nothing changes; a shift is one of the windows of the padded picture."""
    batch = torch.arange(2 * 1 * 4 * 4, dtype=torch.float32).reshape(2, 1, 4, 4)
    draw = torch.Generator().manual_seed(0)
    assert torch.equal(crop_flip(0, flip=False)(batch, draw), batch)
    wide = nn.functional.pad(batch, (1,) * 4, mode="reflect")
    windows = [wide[:, :, i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    for _ in range(5):
        moved = crop_flip(1, flip=False)(batch, draw)
        for k in range(2):
            assert any(torch.equal(moved[k], w[k]) for w in windows)


@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: Recipe(epochs=0),
        lambda X, y: Recipe(epochs=2, warmup=2),
        lambda X, y: Recipe(precision="float16"),
        lambda X, y: train(net_of(), X, y[:-1]),
        lambda X, y: train(net_of(), X.astype(np.float32) * np.nan, y),
        lambda X, y: train(net_of(), X, y, recipe=Recipe(epochs=3, lr=1e30, warmup=0), random_state=0),
        lambda X, y: ResNet(2, depth=9),
        lambda X, y: ResNet(2, std=0.0),
        lambda X, y: layer_names(net_of(), ["body.stage9"]),
        lambda X, y: layer_names(net_of(), []),
    ],
)
def test_refuses_in_one_line(call):
    """What cannot be trained or read is refused before or when it fails, with the remedy."""
    with pytest.raises(InputError) as caught:
        call(*images(32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "channels", "names"),
    [
        (lambda: ResNet(5, depth=14, width=4), 3, ["body.stem", "body.stage1", "body.stage2", "body.stage3"]),
        (lambda: CNN4(5, width=8), 1, ["body.conv1", "body.conv2", "body.conv3", "body.conv4"]),
        (lambda: VGG32(5, width=8), 3, ["body.stage1", "body.stage2", "body.stage3"]),
    ],
)
def test_layers_read_by_hooks_are_what_the_network_computes(make, channels, names):
    """The pooled values of a layer equal running the network up to it, in any batch size, and hooks are removed."""
    with seeded(1):
        net = make().eval()
    assert stages(net) == names
    X = np.random.default_rng(0).random((10, channels, 16, 16)).astype(np.float32)
    found = {name: [] for name in [*names, ""]}
    for _, values in activations(net, X, batch_size=3):
        for name, value in values.items():
            found[name].append(value)
    with torch.inference_mode():
        x = (torch.as_tensor(X) - net.mean) / net.std
        for name in names:
            x = net.body.get_submodule(name.removeprefix("body."))(x)
            np.testing.assert_allclose(np.concatenate(found[name]), x.mean(dim=(2, 3)).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.concatenate(found[""]), outputs(net, X), atol=1e-5)
    assert not any(m._forward_hooks for m in net.modules())


def test_hooks_are_removed_after_an_error_and_gradients_flow():
    """A failing network does not keep hooks; recorded values can be differentiated by the input."""
    net = net_of()
    with pytest.raises(RuntimeError), recorded(net, ["body.stem"]):
        net(torch.zeros(1, 7, 8, 8))
    assert not any(m._forward_hooks for m in net.modules())
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    with recorded(net, ["body.stage2"]) as found:
        net(x)
    found["body.stage2"].sum().backward()
    assert float(x.grad.abs().sum()) > 0


def test_channels_last_and_uint8_are_read_as_pictures():
    """Pixels 0 to 255 with channels last give what [0, 1] with channels first gives."""
    X, _ = images(6)
    net = net_of()
    np.testing.assert_allclose(outputs(net, X.transpose(0, 2, 3, 1)), outputs(net, X / np.float32(255)), atol=1e-6)
