"""Images of any kind become the same pixels, and what is none is named by its number."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from trueneg.core.errors import InputError
from trueneg.encoders.images import pixels


def _picture(h=20, w=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


def test_every_kind_of_image_gives_the_same_pixels(tmp_path):
    """Protects the door: path, text of a path, bytes, Pillow image and array of one picture are one picture."""
    given = _picture()
    file = io.BytesIO()
    Image.fromarray(given).save(file, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(file.getvalue())
    kinds = [given, Image.fromarray(given), file.getvalue(), bytearray(file.getvalue()), path, str(path)]
    out = pixels(kinds, 20)
    assert out.dtype == np.uint8
    for one in out:
        np.testing.assert_array_equal(one, given)
    np.testing.assert_array_equal(pixels(np.stack([given, given]), 20)[1], given)


def test_grey_is_repeated_and_a_resize_is_pillows():
    """Protects other modes and sizes: grey (h, w) and (h, w, 1) give three equal channels; resizing is antialiased."""
    grey = _picture()[:, :, 0]
    for kind in (grey, grey[:, :, None], Image.fromarray(grey)):
        np.testing.assert_array_equal(pixels([kind], 20)[0], np.repeat(grey[:, :, None], 3, axis=2))
    big = _picture(50, 70)
    want = np.asarray(Image.fromarray(big).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(pixels([big], 16)[0], want)
    assert abs(float(want.mean()) - float(big.mean())) < 3


@pytest.mark.parametrize(
    "bad", [b"not an image", "no/such/file.png", np.zeros((4, 4, 3)), np.zeros((4, 4, 5), np.uint8), None, 3]
)
def test_what_is_no_image_is_named_by_its_number(bad):
    """Protects long runs: the message says which item it was, counted over all batches."""
    with pytest.raises(InputError, match="item 11 is no readable image"):
        pixels([_picture(), bad], 20, start=10)


def test_no_image_is_no_fault():
    """Protects the empty list: no rows, not a crash."""
    assert pixels([], 8).shape == (0, 8, 8, 3)
