"""The contrastive encoder: its loss, its views, its seed, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs trueneg[vision]")

from trueneg.core.errors import InputError  # noqa: E402
from trueneg.core.shapes import Encoder  # noqa: E402
from trueneg.encoders import contrastive, train_contrastive  # noqa: E402


def _textures(n, side=16, seed=0):
    """Draw stripes, across or upright, of random colours and phases: what a view keeps is the direction."""
    rng = np.random.default_rng(seed)
    across = rng.integers(0, 2, n)
    at = np.arange(side)
    wave = np.sin(at[None] * rng.uniform(0.8, 1.6, (n, 1)) + rng.uniform(0, 6, (n, 1)))
    pattern = np.where(across[:, None, None] == 1, wave[:, :, None] + 0 * at, wave[:, None, :] + 0 * at[:, None])
    colour = rng.uniform(40, 120, (n, 1, 1, 3))
    noise = rng.normal(0, 8, (n, side, side, 3))
    return np.clip(128 + colour * pattern[..., None] + noise, 0, 255).astype(np.uint8), across


def test_the_loss_is_the_papers_by_hand():
    """Protects the loss: for each view, minus the log share of its partner among all views but itself."""
    z = np.random.default_rng(0).normal(size=(8, 5))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    want = 0.0
    for i in range(8):
        partner = (i + 4) % 8
        others = [np.exp(unit[i] @ unit[j] / 0.5) for j in range(8) if j != i]
        want -= np.log(np.exp(unit[i] @ unit[partner] / 0.5) / sum(others)) / 8
    assert float(contrastive.nt_xent(torch.from_numpy(z), 0.5)) == pytest.approx(want)


def test_a_view_is_of_its_own_image():
    """Protects the augmentation: a view stays a picture, differs from the next one, and mixes no two images."""
    x = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x[3:] = 0.0
    first, second = (contrastive._view(x, torch.Generator().manual_seed(s)) for s in (0, 1))
    assert first.shape == x.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert (first[3:] == 0).all()
    assert (first[:3] != second[:3]).any()
    assert (first[:3].std(dim=(1, 2, 3)) > 0).all()


def test_it_learns_without_labels_and_the_seed_decides():
    """Protects the training: views are told apart, features hold what they share, and one seed gives one network."""
    torch.set_num_threads(1)
    images, across = _textures(256)
    before, told = torch.random.get_rng_state(), []
    options = {"side": 16, "epochs": 6, "batch_size": 64, "random_state": 0}
    encoder = train_contrastive(images, progress=lambda *at: told.append(at), **options)
    assert torch.equal(before, torch.random.get_rng_state())
    assert told[-1] == (24, 24)
    assert encoder.losses[-1] < encoder.losses[0] < np.log(127) + 0.2
    assert encoder.losses[-1] < np.log(127) - 0.5
    held, truth = _textures(200, seed=1)
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(encoder.encode(images), across)
    assert model.score(encoder.encode(held), truth) > 0.9
    short = {"side": 16, "epochs": 1, "batch_size": 64}
    first, again, other = (train_contrastive(images, random_state=s, **short) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.encode(held), again.encode(held))
    assert first.losses == again.losses != other.losses


def test_it_is_an_encoder():
    """Protects the shape: float32, 256 numbers an image, none for none, alone or in company."""
    images, _ = _textures(40)
    encoder = train_contrastive(images, side=16, epochs=1, batch_size=20, random_state=0)
    assert isinstance(encoder, Encoder)
    out = encoder.encode(list(images))
    assert (out.dtype, out.shape) == (np.float32, (40, encoder.dimension))
    np.testing.assert_allclose(out[:1], encoder.encode(images[:1]), atol=1e-5)
    assert encoder.encode([]).shape == (0, 256)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"batch_size": 41}, "fewer than one batch"), ({"side": 4}, "side"), ({"epochs": 0}, "epochs")],
)
def test_refusals(change, words):
    """Protects the user's time: an impossible wish is one line before the training starts."""
    with pytest.raises(InputError, match=words):
        train_contrastive(_textures(40)[0], **{"side": 16, **change})
