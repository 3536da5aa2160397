"""Columns of images: read in steps with the name of a bad file, as pixels, or through an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import known_column, one_line

__all__ = ["Pixels", "through"]

_STEP = 1024  # images held at once


class Pixels:
    """Red, green and blue of one column of images, for what learns from pictures themselves.

    Parameters
    ----------
    image : str
        The column of image files.
    side : int, default=32
        Images are resized to this.
    """

    def __init__(self, image: str, *, side: int = 32) -> None:
        self.image, self.side = image, side
        self.columns = [image]

    def check(self, names: list[str], where: str) -> None:
        """Refuse a table that lacks the column."""
        known_column(self.image, names, where)

    def apply(self, arrow: Any, home: Path, progress: Any = None) -> NDArray[np.uint8]:
        """Return the pixels of rows, (n, side, side, 3); paths of images are relative to ``home``."""
        from trueneg.encoders.images import pixels

        return through(arrow, self.image, home, lambda held: pixels(held, self.side))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"kind": "pixels", "image": self.image, "side": self.side}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Pixels:
        """Return the reader that :meth:`to_dict` wrote."""
        return cls(stored["image"], side=stored["side"])


def through(arrow: Any, column: str, home: Path, turn: Callable[[list[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Return what ``turn`` makes of a column's images, a step of them at a time; InputError names a bad file."""
    from trueneg.jobs.audit.images import ImageColumn
    from trueneg.report.thumbnails import UnreadableImage

    files, parts = ImageColumn(arrow, column, home), []
    for start in range(0, len(files), _STEP):
        held = []
        for row in range(start, min(start + _STEP, len(files))):
            try:
                held.append(files.read(row))
            except UnreadableImage as reason:
                msg = f"{one_line(files.called(row))}: {reason}; leave it out, or repair the file"
                raise InputError(msg) from None
        try:
            parts.append(turn(held))
        except InputError as error:
            at = next((w for w in str(error).split() if w.isdigit()), "0")
            name = files.called(start + int(at))
            msg = f"{one_line(name)}: {str(error).partition('(')[2].rstrip('.') or error}"
            raise InputError(msg.replace("): drop", "; drop")) from None
    return np.concatenate(parts) if parts else turn([])
