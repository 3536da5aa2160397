"""Columns of images: read in steps with the name of a bad file, as pixels, or through an encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import known_column, one_line

__all__ = ["Maps", "Pixels", "through"]

_STEP = 128  # images held at once, two batches of the encoder
_HELD = 2**30  # bytes of maps that are held in memory; more lie in a file without a name, and are read as they are used
Progress = Callable[[str, int, int], None]


class Pixels:
    """Red, green and blue of one column of images, for what learns from pictures themselves.

    Parameters
    ----------
    image : str
        The column of image files.
    side : int, default=32
        Images are resized to this.
    """

    kind = "pixels"

    def __init__(self, image: str, *, side: int = 32) -> None:
        self.image, self.side = image, side
        self.columns = [image]

    def check(self, names: list[str], where: str) -> None:
        """Refuse a table that lacks the column."""
        known_column(self.image, names, where)

    def apply(self, arrow: Any, home: Path, progress: Any = None) -> NDArray[np.uint8]:
        """Return the pixels of rows, (n, side, side, 3); paths of images are relative to ``home``."""
        from trueneg.encoders.images import pixels

        return through(arrow, self.image, home, lambda held: pixels(held, self.side), progress)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"kind": self.kind, "image": self.image, "side": self.side}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Pixels:
        """Return the reader that :meth:`to_dict` wrote."""
        return cls(stored["image"], side=stored["side"])


class Maps(Pixels):
    """What the last block of EfficientNet-Lite0 takes of one column of images: all before it stays as it is."""

    kind = "maps"
    _network: Any = None

    def apply(self, arrow: Any, home: Path, progress: Progress | None = None) -> NDArray[Any]:
        """Return the maps of rows, (n, cells, 192) of float16."""
        from trueneg.encoders import EfficientNetLite0

        if self._network is None:
            self._network = EfficientNetLite0(side=self.side)
        shape = (len(arrow), *self._network.map_shape)
        held = math.prod(shape) * 2 <= _HELD
        file: Any = None if held else TemporaryFile()  # noqa: SIM115 - it goes with the array
        out: Any = np.empty(shape, np.float16) if held else np.memmap(file, np.float16, shape=shape)
        done = 0

        def turn(images: list[Any]) -> NDArray[Any]:
            nonlocal done
            self._network.maps(images, out[done : done + len(images)])
            done += len(images)
            return out[:0]

        through(arrow, self.image, home, turn, progress)
        return np.asarray(out)


def through(
    arrow: Any,
    column: str,
    home: Path,
    turn: Callable[[list[Any]], NDArray[Any]],
    progress: Progress | None = None,
) -> NDArray[Any]:
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
        if progress is not None:
            progress("images", min(start + _STEP, len(files)), len(files))
    return np.concatenate(parts) if parts else turn([])
