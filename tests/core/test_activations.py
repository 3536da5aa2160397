"""Any network: wrappers, layers that give tuples or mappings, sounds and volumes; what cannot be read is told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from trueneg.core.activations import activations, layer_names, recorded, stages
from trueneg.core.errors import InputError
from trueneg.core.nets import ResNet
from trueneg.core.training import outputs, seeded
from trueneg.reject import MahalanobisDetector
from trueneg.reject.mahalanobis import ATTACKS, odin_scores

X = np.random.default_rng(0).random((8, 3, 12, 12), dtype=np.float32)
QUICK = [
    partial(ATTACKS[name], **how)
    for name, how in {
        "fgsm": {},
        "pgd": {"steps": 2},
        "deepfool": {"steps": 2},
        "cw": {"steps": 3, "searches": 1},
    }.items()
]
NAMES = ["body.stem", "body.stage1", "body.stage2", "body.stage3"]


def resnet():
    """Return a small network."""
    with seeded(0):
        return ResNet(4, depth=8, width=4)


def read(net, rows=X, layers=None, **options):
    """Return all values by layer."""
    found = [values for _, values in activations(net, rows, layers, **options)]
    return {name: np.concatenate([values[name] for values in found]) for name in found[0]}


class Says(nn.Module):
    """A layer, and a network, that give their tensor in something."""

    def __init__(self, how):
        super().__init__()
        self.how, self.conv = how, nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return {"tuple": (y, None), "list": [y], "dict": {"hidden": 0 * y, "logits": y}, "nested": ({"z": y},)}[
            self.how
        ]


class Body(nn.Module):
    """Uses such a layer, and gives logits in the same way, or nothing."""

    def __init__(self, how, out):
        super().__init__()
        with seeded(0):
            self.part, self.head = Says(how), nn.Linear(4, 2)
        self.out = out

    def forward(self, x):
        y = self.part(x)
        while not isinstance(y, torch.Tensor):
            y = y[0] if isinstance(y, tuple | list) else list(y.values())[-1]
        z = self.head(y.mean((2, 3)))
        return {"tensor": z, "tuple": (z, y), "dict": {"logits": z}, "none": None}[self.out]


@pytest.mark.parametrize("how", ["tuple", "list", "dict", "nested"])
@pytest.mark.parametrize("out", ["tensor", "tuple", "dict", "none"])
def test_layers_and_networks_may_give_more_than_a_tensor(how, out):
    """The first tensor counts, logits of a mapping; a network that returns nothing has layers all the same."""
    net = Body(how, out)
    found = read(net, layers=["part"])
    with torch.no_grad():
        want = net.part.conv(torch.as_tensor(X)).mean((2, 3))
        logits = net.head(want)
    np.testing.assert_allclose(found["part"], want.numpy(), atol=1e-6)
    assert ("" in found) == (out != "none")
    if out != "none":
        np.testing.assert_allclose(found[""], logits.numpy(), atol=1e-6)


@pytest.mark.parametrize("out", ["tuple", "dict"])
def test_attacks_and_odin_find_the_logits(out):
    """A network that gives its logits in something is attacked as the bare one is."""
    bare, net, y = Body("list", "tensor"), Body("list", out), np.arange(8) % 2
    for attack in QUICK:
        np.testing.assert_array_equal(attack(net, X, y), attack(bare, X, y))
    np.testing.assert_array_equal(outputs(net, X), outputs(bare, X))
    np.testing.assert_array_equal(odin_scores(net, X), odin_scores(bare, X))


WRAPPERS = {
    "compiled": lambda net: torch.compile(net, backend="eager"),
    "parallel": nn.DataParallel,
    "compiled and parallel": lambda net: torch.compile(nn.DataParallel(net), backend="eager"),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_network_has_the_layers_of_the_one_inside(name):
    """The main parts were the body as a whole, and the logits; names are found with and without the wrapper."""
    net = resnet()
    wrapped = WRAPPERS[name](net)
    assert stages(wrapped) == stages(net) == NAMES
    assert layer_names(wrapped, ["body.stage1"]) == ["body.stage1"]
    own, found = read(net), read(wrapped)
    for layer, values in own.items():
        np.testing.assert_array_equal(found[layer], values)
    with_prefix = next(n for n, m in wrapped.named_modules() if m is net.body.stage2)
    np.testing.assert_array_equal(read(wrapped, layers=[with_prefix])[with_prefix], own["body.stage2"])
    y = np.arange(8) % 2
    for eps in (0.0, 0.01):
        a, b = (MahalanobisDetector(n, eps=eps, shrinkage=0.1).fit(X, y).layer_scores(X) for n in (net, wrapped))
        np.testing.assert_array_equal(a, b)


def test_main_parts_are_not_the_head():
    """Of a classifier of several layers the hidden ones count, beside the features, and never the logits."""
    features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    classifier = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4))
    net = nn.Sequential()
    for name, part in (("features", features), ("classifier", classifier)):
        net.add_module(name, part)
    assert stages(net) == ["features", "classifier.0", "classifier.2"]
    net.classifier = nn.Sequential(nn.Dropout(), nn.Linear(8, 4))
    assert stages(net) == ["features.0", "features.2"]
    assert stages(nn.Sequential(nn.Sequential(resnet()))) == [f"0.0.{name}" for name in NAMES]


def test_every_part_keeps_its_mode():
    """A network that is read, attacked or stepped through in the midst of training goes on training."""
    net = resnet().train()
    net.body.stage1.eval()
    modes = [m.training for m in net.modules()]
    calls = [
        lambda: read(net),
        lambda: next(iter(activations(net, X, batch_size=2))),
        lambda: MahalanobisDetector(net, eps=0.01, shrinkage=0.1).fit(X, np.arange(8) % 2).score_samples(X),
        lambda: odin_scores(net, X),
        lambda: outputs(net, X),
        *(lambda attack=attack: attack(net, X) for attack in QUICK),
        lambda: pytest.raises(InputError, read, net, X[:, :2]),
        lambda: pytest.raises(InputError, odin_scores, net, X[:, :2]),
    ]
    for call in calls:
        call()
        assert [m.training for m in net.modules()] == modes
        assert not any(m._forward_hooks for m in net.modules())


def test_sounds_and_volumes_are_averaged_over_place():
    """Three dimensions after a convolution are channels and time; after a linear layer, tokens and features."""
    rng = np.random.default_rng(0)
    with seeded(0):
        sound = nn.Sequential(nn.Conv1d(3, 6, 3), nn.Sequential(nn.Conv1d(6, 5, 3), nn.BatchNorm1d(5), nn.ReLU()))
        volume = nn.Sequential(nn.Conv3d(3, 6, 3), nn.Conv3d(6, 5, 3))
        tokens = nn.Sequential(nn.Linear(3, 6), nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 5)))
    cases = (sound, (8, 3, 20), (2,)), (volume, (8, 3, 7, 7, 7), (2, 3, 4)), (tokens, (8, 20, 3), (1,))
    for net, shape, over in cases:
        rows = rng.random(shape, dtype=np.float32)
        found = read(net, rows, ["0", "1"])
        with torch.no_grad():
            first = net[0](torch.as_tensor(rows))
            last = net.eval()[1](first)
        np.testing.assert_allclose(found["0"], first.mean(over).numpy(), atol=1e-6)
        np.testing.assert_allclose(found["1"], last.mean(over).numpy(), atol=1e-5)


def test_one_number_a_row_is_a_row():
    """A layer that squeezes its last dimension away is read as one column."""
    net = nn.Sequential(nn.Linear(3, 1), nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)))
    assert read(net, X[:, :, 0, 0], ["1"])["1"].shape == (8, 1)


class Folds(nn.Module):
    """Puts two rows into one."""

    def __init__(self):
        super().__init__()
        self.conv, self.pair = (
            nn.Conv2d(3, 4, 3),
            nn.Sequential(nn.Linear(4, 2), nn.Unflatten(0, (-1, 2)), nn.Flatten()),
        )

    def forward(self, x):
        return self.pair(self.conv(x).mean((2, 3)))


BAD = {
    "meta": (lambda: read(resnet().to("meta")), "no weights yet"),
    "script": (lambda: read(torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))), X), "TorchScript"),
    "no batch": (lambda: read(resnet(), batch_size=0), "batch_size=0"),
    "negative batch": (lambda: list(activations(resnet(), X, batch_size=-1)), "batch_size=-1"),
    "rows lost": (lambda: read(Folds(), layers=["pair"]), "gives 4 rows for 8"),
    "no tensor": (lambda: odin_scores(Body("list", "none"), X), "gives nothing"),
    "overflow": (lambda: read(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3)).apply(_huge)), "NaN or infinity"),
    "scaled": (lambda: ATTACKS["fgsm"](resnet(), 4 * X - 2), r"pictures in \[0, 1\]"),
    "eps": (lambda: ATTACKS["pgd"](resnet(), X, eps=float("nan")), "0 or more"),
    "step": (lambda: ATTACKS["pgd"](resnet(), X, step=-1.0), "0 or more"),
    "steps": (lambda: ATTACKS["bim"](resnet(), X, steps=0), "1 or more"),
    "one class": (lambda: ATTACKS["deepfool"](resnet(), X, n_classes=1), "2 or more"),
    "searches": (lambda: ATTACKS["cw"](resnet(), X, searches=0), "1 or more"),
    "temperature": (lambda: odin_scores(resnet(), X, temperature=float("nan")), "above 0"),
    "no net": (lambda: odin_scores("resnet", X), r"torch\.nn\.Module"),
}


def _huge(part):
    if isinstance(part, nn.Conv2d):
        nn.init.constant_(part.weight, 1e38)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_told_in_one_line(name):
    """No traceback from torch, no empty answer, and no clamping of inputs that are no pictures."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_hooks_are_gone_where_one_layer_of_two_is_missing():
    """A name that fails half-way leaves nothing behind."""
    net = resnet()
    with pytest.raises(KeyError), recorded(net, ["body.stem", "nope"]):
        pass
    assert not any(m._forward_hooks for m in net.modules())
