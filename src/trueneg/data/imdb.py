"""The IMDb review folder (``aclImdb``): one review a file, its part, label and rating in the path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

__all__ = ["Reviews", "read_imdb"]

_NAME = re.compile(r"^(\d+)_(\d+)\.txt$")
_BREAK = re.compile(r"<br\s*/?>")


class Reviews(NamedTuple):
    """Reviews of one part.

    ``text`` (n,); ``label`` (n,) is 1 for a positive review and 0 for a negative one; ``rating`` (n,) of 1 to 10;
    ``id`` (n,) as in the file's name, unique within a label.
    """

    text: list[str]
    label: NDArray[np.int64]
    rating: NDArray[np.int64]
    id: NDArray[np.int64]


def read_imdb(folder: str | Path, part: str) -> Reviews:
    """Read the labelled reviews of one part, negative ones first, each label by id.

    Parameters
    ----------
    folder : str or Path
        ``aclImdb``, as its archive unpacks.
    part : {"train", "test"}
        Which part.

    Returns
    -------
    Reviews
        With HTML line breaks turned into spaces.

    Raises
    ------
    InputError
        A part that there is not, a folder of another layout, or a file that is no UTF-8 text.
    """
    if part not in ("train", "test"):
        msg = f"part={part!r}: choose 'train' or 'test'."
        raise InputError(msg)
    texts, columns = [], []
    for label, name in enumerate(("neg", "pos")):
        place = Path(folder) / part / name
        found = [(m, path) for path in sorted(place.glob("*.txt")) if (m := _NAME.match(path.name))]
        if not found:
            msg = f"{one_line(place)} holds no reviews named ID_RATING.txt: name the folder aclImdb as it was unpacked."
            raise InputError(msg)
        for m, path in sorted(found, key=lambda pair: int(pair[0][1])):
            try:
                texts.append(_BREAK.sub(" ", path.read_text(encoding="utf-8")))
            except UnicodeDecodeError as error:
                msg = f"{one_line(path)} is no UTF-8 text (byte {error.start}): unpack the archive again."
                raise InputError(msg) from error
            columns.append((label, int(m[2]), int(m[1])))
    table = np.array(columns, dtype=np.int64)
    return Reviews(texts, table[:, 0], table[:, 1], table[:, 2])
