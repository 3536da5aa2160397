"""Any network: types of weights, tokens, devices that are not here, rows that do not fit; each in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trueneg.core.activations import activations
from trueneg.core.devices import batch_of, device_of
from trueneg.core.errors import InputError
from trueneg.core.training import outputs, pictures, seeded, train
from trueneg.reject import HyperbolicOneClass, MahalanobisDetector, OpenSetClassifier
from trueneg.reject.mahalanobis import fgsm, odin_scores

X = np.random.default_rng(0).normal(size=(40, 6))
Y = np.arange(40) % 3
X[np.arange(40), Y] += 4


def small(kind=torch.float32):
    """Return a network of three classes."""
    with seeded(0):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(kind)


def read(net, rows):
    """Return what the first layer gives."""
    return np.concatenate([values["0"] for _, values in activations(net, rows, ["0"], batch_size=16)])


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_layers_are_read_whatever_the_type_of_the_weights(kind):
    """A network in half or double precision is a network: rows are given to it in its own type."""
    assert np.allclose(read(small(kind), X), read(small(), X), atol=0.1)
    assert np.allclose(outputs(small(kind), X), outputs(small(), X), atol=0.1)
    model = MahalanobisDetector(small(kind), layers=["0"], eps=0.01).fit(X, Y)
    assert np.isfinite(model.score_samples(X)).all()


def test_tokens_stay_whole_numbers():
    """A network that begins with an embedding takes numbers of tokens; of others, whole numbers become floats."""
    with seeded(0):
        net = nn.Sequential(nn.EmbeddingBag(50, 6), nn.Linear(6, 3))
    tokens = np.random.default_rng(0).integers(0, 50, (40, 7))
    with torch.no_grad():
        want = net[0](torch.as_tensor(tokens)).numpy()
    assert np.allclose(read(net, tokens), want)
    assert batch_of(small(), torch.zeros(2, 6, dtype=torch.int64), "cpu").dtype == torch.float32


AWAY = {
    "read": lambda d: list(activations(small(), X, ["0"], device=d)),
    "outputs": lambda d: outputs(small(), X, device=d),
    "train": lambda d: train(small(), X, Y, device=d),
    "mahalanobis": lambda d: MahalanobisDetector(small(), device=d).fit(X, Y),
    "step": lambda d: MahalanobisDetector(small(), eps=0.1).fit(X, Y).set_params(device=d).score_samples(X),
    "odin": lambda d: odin_scores(small(), X, device=d),
    "attack": lambda d: fgsm(nn.Flatten(), np.zeros((2, 1, 3, 2)), device=d),
    "open set": lambda d: OpenSetClassifier(small(), device=d).fit(X, Y),
    "hyp_oc": lambda d: HyperbolicOneClass(device=d).fit(X),
}


@pytest.mark.parametrize("name", AWAY)
def test_a_device_that_is_not_here_is_named(name):
    """'cuda' without one ended in an assertion of torch, after the data had been read."""
    with pytest.raises(InputError, match="device='fpga'") as caught:
        AWAY[name]("fpga")
    assert "\n" not in str(caught.value)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device='cuda'"):
            device_of("cuda")


@pytest.mark.parametrize(
    "call",
    [
        lambda: outputs(small(), X[:, :3]),
        lambda: OpenSetClassifier(small()).fit(X[:, :3], Y),
        lambda: MahalanobisDetector(small()).fit(X, Y).score_samples(X[:, :3]),
        lambda: MahalanobisDetector(small(), eps=0.1).fit(X, Y).score_samples(X[:, :3]),
        lambda: odin_scores(small(), X[:, :3]),
        lambda: HyperbolicOneClass(encoder=small(), epochs=1).fit(X[:, :3]),
    ],
)
def test_rows_that_do_not_fit_the_layers_are_told_with_their_shape(call):
    """Not as an error of a product of matrices."""
    with pytest.raises(InputError, match=r"rows of shape \(3,\)") as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [np.array([["a"]]), np.array([[{}]]), 7.0])
def test_what_is_no_number_is_no_picture(rows):
    """Texts and objects are refused before torch sees them."""
    with pytest.raises(InputError, match="give numbers"):
        pictures(rows)
    with pytest.raises(InputError, match=r"torch\.nn\.Module"):
        MahalanobisDetector("resnet").fit(X, Y)


def test_a_stored_detector_steps_as_it_did():
    """The scale of the inputs is part of the step, and comes back."""
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(30, 3, 4, 4)).astype(np.float32)
    with seeded(0):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    model = MahalanobisDetector(net, layers=["0"], eps=0.05, input_std=np.array([0.1, 0.2, 0.4])).fit(images, Y[:30])
    again = MahalanobisDetector.from_state(model.to_state(), net=net)
    assert np.array_equal(model.score_samples(images), again.score_samples(images))
    assert again.input_std == [0.1, 0.2, 0.4]


def test_the_scale_of_rows_that_are_no_pictures_is_one_a_feature():
    """It was laid out for pictures: rows became one batch of a batch, and all of them got the same score."""
    net, rows = small(), X.astype(np.float32)
    plain = MahalanobisDetector(net, layers=["0"], eps=0.05).fit(rows, Y).score_samples(rows)
    one = MahalanobisDetector(net, layers=["0"], eps=0.1, input_std=[2.0]).fit(rows, Y).score_samples(rows)
    each = MahalanobisDetector(net, layers=["0"], eps=0.1, input_std=[2.0] * 6).fit(rows, Y).score_samples(rows)
    assert np.allclose(one, plain)
    assert np.allclose(each, plain)
    assert np.ptp(plain) > 0.1


@pytest.mark.parametrize(
    "options", [{"input_std": [1.0, 2.0]}, {"input_std": [0.0]}, {"eps": float("nan")}, {"eps": "a"}]
)
def test_a_step_that_cannot_be_made_is_refused(options):
    """Not as a broadcast error, and not as scores of NaN."""
    with pytest.raises(InputError, match="input_std=|eps="):
        MahalanobisDetector(small(), **{"eps": 0.1, **options}).fit(X, Y).score_samples(X)


def test_pictures_reach_an_encoder_as_they_reach_others():
    """Hyp-OC's encoder sees pixels in [0, 1] and channels first, as the trainer that made it did."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 3, 6, 6)).astype(np.uint8)
    with seeded(0):
        encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
    model = HyperbolicOneClass(encoder=encoder, epochs=1, hidden=(8, 4), random_state=0).fit(pixels)
    want = model.score_samples((pixels / 255).astype(np.float32))
    assert np.allclose(model.score_samples(pixels), want, atol=1e-5)
    assert np.allclose(model.score_samples(np.moveaxis(pixels, 1, 3)), want, atol=1e-5)
    assert np.allclose(model.score_samples(torch.as_tensor(pixels)), want, atol=1e-5)


@pytest.mark.parametrize("options", [{"hidden": 4}, {"hidden": (0,)}, {"epochs": 1.5}, {"batch_size": "many"}])
def test_settings_of_hyp_oc_that_are_no_numbers_are_refused(options):
    """Before any layer is made."""
    with pytest.raises(InputError):
        HyperbolicOneClass(**options).fit(X)
