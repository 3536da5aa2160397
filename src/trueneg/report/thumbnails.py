"""Small pictures for the report: decoded behind a fence, redrawn without metadata, carried inside the page.

Everything here distrusts the file. Only six raster formats are opened (Pillow would hand others to outside programs),
the size is read before a pixel is, and what reaches the page is drawn anew, so no camera's position leaves with it.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import missing_extra

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_SIDE", "MAX_THUMBNAILS", "UnreadableImage", "decode", "picture", "pixels", "thumbnails"]

MAX_SIDE = 64
MAX_THUMBNAILS = 500
MAX_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
QUALITY = 80


class UnreadableImage(ValueError):  # noqa: N818 - it reports a state of the data, and is always caught
    """One image that cannot be shown or learnt from; the message is the reason, in a few words."""


def decode(data: bytes, *, near: int) -> Image:
    """Decode an image.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG, GIF, WebP, BMP or TIFF file; of several frames the first counts.
    near : int
        The longest side that will be needed: a JPEG is then decoded at a fraction of its size.

    Returns
    -------
    PIL.Image.Image
        In mode RGB, upright, transparency on white.

    Raises
    ------
    UnreadableImage
        Not an image, cut short, or of more than 50 million pixels.
    MissingExtraError
        Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        missing_extra("pillow", "image")
    if not data:
        raise UnreadableImage("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise UnreadableImage(f"more than {MAX_PIXELS // 1_000_000} million pixels")
            picture.draft("RGB", (near, near))
            picture = ImageOps.exif_transpose(picture)
            return _rgb(picture)
    except UnreadableImage:
        raise
    except Image.UnidentifiedImageError:
        raise UnreadableImage("not an image in a format that is read (PNG, JPEG, GIF, WebP, BMP, TIFF)") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception:  # noqa: BLE001 - Pillow's decoders raise anything on a broken file
        raise UnreadableImage("the image is broken or cut short") from None


def _rgb(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        # convert() clips 16 and 32 bits at 255, which turns an X-ray white.
        raw = np.asarray(picture, np.float64)
        low, high = float(raw.min()), float(raw.max())
        return Image.fromarray(((raw - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        ground = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(ground, over).convert("RGB")
    return picture.convert("RGB")


def pixels(data: bytes, side: int) -> np.ndarray:
    """Return an image as (side, side, 3) uint8, squeezed to a square.

    Raises
    ------
    UnreadableImage, MissingExtraError
        As :func:`decode`.
    """
    picture = decode(data, near=2 * side)
    return np.asarray(picture.resize((side, side), resample=_box()), np.uint8)


def _box() -> Any:
    from PIL import Image

    # A box average keeps every pixel's weight, and is several times faster than Lanczos.
    return Image.Resampling.BOX


def thumbnails(
    rows: Sequence[int], read: Callable[[int], bytes], name: Callable[[int], str], *, side: int = MAX_SIDE
) -> list[dict[str, Any]]:
    """Draw one thumbnail a row, as the report's ``suspects.images`` holds them.

    Parameters
    ----------
    rows : sequence of int, shape (m,)
        The first 500 are drawn.
    read : callable
        Returns the bytes of a row's image, or raises UnreadableImage.
    name : callable
        Returns what a row's image is called; it becomes the alternative text.
    side : int, default 64
        Longest side, at most 64 px: 500 of them stay near one megabyte.

    Returns
    -------
    list of dict
        ``src`` (a ``data:`` URI, None where the image cannot be read) and ``alt`` (its name, or the reason).

    Raises
    ------
    MissingExtraError
        Pillow is not installed.
    """
    side = min(int(side), MAX_SIDE)
    return [picture(int(row), read, name, side=side) for row in list(rows)[:MAX_THUMBNAILS]]


def picture(row: int, read: Callable[[int], bytes], name: Callable[[int], str], *, side: int) -> dict[str, Any]:
    """Draw one row's picture, as large as ``side`` allows; parameters and result as in :func:`thumbnails`."""
    try:
        drawn = decode(read(row), near=2 * side)
    except UnreadableImage as reason:
        return {"src": None, "alt": f"no picture of row {row}: {reason}"}
    drawn.thumbnail((side, side))
    return {"src": _uri(drawn), "alt": f"row {row}: {name(row)}"}


def _uri(picture: Image) -> str:
    """Return the smaller of PNG (flat drawings) and JPEG (photographs)."""
    # exif_transpose and resize may carry the camera's metadata along in .info; none of it is written.
    picture.info.clear()
    made = []
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": QUALITY, "optimize": True})):
        out = io.BytesIO()
        picture.save(out, format=kind, **options)  # type: ignore[arg-type]
        made.append((out.getvalue(), kind))
    body, kind = min(made, key=lambda one: len(one[0]))
    return f"data:image/{kind};base64,{base64.b64encode(body).decode()}"
