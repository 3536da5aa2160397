"""Checkpoints of the small trainer: whole or none, of this training only, and nothing is lost or repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trueneg.core.checkpoints import latest, save
from trueneg.core.errors import InputError
from trueneg.core.training import Recipe, seeded, train

X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def _net(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.3), nn.Linear(6, 2))


def _recipe(folder, **options):
    return Recipe(**{"epochs": 4, "batch_size": 16, "lr": 0.1, "checkpoint": folder, "checkpoint_every": 1, **options})


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("at", [2, 7, 8])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, optimizer, at):
    """Whenever it dies, the next call must end with the weights, losses and draws of one that never did."""
    recipe = _recipe(tmp_path, optimizer=optimizer)
    noise = lambda batch, draw: batch + 0.1 * torch.randn(batch.shape, generator=draw)  # noqa: E731
    whole = _net()
    wanted = train(whole, X, Y, recipe=_recipe(None, optimizer=optimizer), augment=noise, random_state=3)
    seen = []

    def dies(out, target, rows):
        seen.append(rows)
        if len(seen) == at:
            raise KeyboardInterrupt
        return nn.functional.cross_entropy(out, target)

    with pytest.raises(KeyboardInterrupt):
        train(_net(), X, Y, recipe=recipe, loss=dies, augment=noise, random_state=3)
    net = _net(1)
    got = train(net, X, Y, recipe=recipe, augment=noise, random_state=3)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name
    assert got == wanted
    assert len(list(tmp_path.iterdir())) == 1


def test_row_numbers_reach_a_network_that_looks_its_input_up():
    """With a range for X the network gets the rows themselves, each once an epoch, and trains as with the array."""

    class Held(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net, self.rows = net, []

        def forward(self, rows):
            assert rows.dtype == torch.int64
            self.rows += rows.tolist()
            return self.net(torch.from_numpy(X)[rows])

    one, other = _net(), Held(_net())
    recipe = _recipe(None, epochs=2)
    train(one, X, Y, recipe=recipe, random_state=0)
    train(other, range(len(X)), Y, recipe=recipe, random_state=0)
    assert torch.equal(one[0].weight, other.net[0].weight)
    assert sorted(other.rows) == sorted([*range(50)] * 2)


def test_what_was_half_written_or_is_another_training_does_not_count(tmp_path):
    """A folder left by a kill while writing is passed over; another recipe, seed or network, or damage, is refused."""
    save(tmp_path, 3, {"a": torch.arange(4)}, {"x": 1})
    (tmp_path / ".step-000000009").mkdir()
    tensors, about = latest(tmp_path)
    assert torch.equal(tensors["a"], torch.arange(4))
    assert about == {"x": 1}
    assert latest(tmp_path / "nowhere") is None
    folder = tmp_path / "run"
    train(_net(), X, Y, recipe=_recipe(folder), random_state=0)
    for change in ({"recipe": _recipe(folder, lr=0.2)}, {"random_state": 1}, {"net": nn.Linear(4, 2)}):
        how = {"recipe": _recipe(folder), "random_state": 0, **change}
        with pytest.raises(InputError, match="of another training"):
            train(how.pop("net", _net()), X, Y, **how)
    next(folder.glob("step-*/tensors.safetensors")).write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read"):
        train(_net(), X, Y, recipe=_recipe(folder), random_state=0)
