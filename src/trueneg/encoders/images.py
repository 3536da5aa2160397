"""Images of any kind as one array of pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra

__all__ = ["pixels"]


def pixels(items: Sequence[Any] | NDArray[np.uint8], side: int, *, start: int = 0) -> NDArray[np.uint8]:
    """Return red, green and blue of every image, resized to a square.

    Parameters
    ----------
    items : sequence of n images, or array of uint8 of shape (n, h, w, 3) or (n, h, w)
        Each a path, the bytes of an image file, a Pillow image, or an array of uint8 of shape (h, w, 3) or (h, w).
    side : int
        Height and width of the result, in pixels. Proportions are not kept: crop before where that matters.
    start : int, default=0
        Number of the first item, for the messages.

    Returns
    -------
    ndarray of uint8 of shape (n, side, side, 3)
        Bilinear, antialiased. Transparency is laid on black; grey is repeated.

    Raises
    ------
    InputError
        With the number of the first item that is no readable image.
    MissingExtraError
        Without Pillow.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        missing_extra("pillow", "vision")
    out = np.empty((len(items), side, side, 3), np.uint8)
    for i, item in enumerate(items):
        try:
            picture = _opened(item, Image).convert("RGB")
        except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError) as error:
            msg = f"item {start + i} is no readable image ({_reason(error)}): drop it, or repair the file."
            raise InputError(msg) from None
        if picture.size != (side, side):
            picture = picture.resize((side, side), Image.Resampling.BILINEAR)
        out[i] = picture
    return out


def _opened(item: Any, Image: Any) -> Any:  # noqa: N803
    if isinstance(item, Image.Image):
        return item
    if isinstance(item, bytes | bytearray | memoryview):
        return Image.open(io.BytesIO(bytes(item)))
    if isinstance(item, str | Path):
        return Image.open(item)
    given = np.asarray(item)
    if given.dtype != np.uint8 or given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] not in (1, 3)):
        msg = f"an array of {given.dtype} and shape {given.shape}; give uint8 of shape (h, w, 3)"
        raise ValueError(msg)
    return Image.fromarray(given[:, :, 0] if given.ndim == 3 and given.shape[2] == 1 else given)


def _reason(error: BaseException) -> str:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return words if "BytesIO" not in words else "not the bytes of an image file"
