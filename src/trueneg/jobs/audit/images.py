"""Images without a neural network: small pixels and a histogram of gradients, reduced by a randomised SVD.

The histogram is that of Dalal and Triggs (2005, "Histograms of Oriented Gradients for Human Detection"): nine
unsigned directions in cells of 4 x 4 pixels, blocks of 2 x 2 cells scaled to unit length, clipped at 0.2 and scaled
again (their L2-Hys). It is a stand-in: give the embedding of a network with ``--embedding`` where there is one.

A cell of an image column is untrusted text. It names a file below the table's own folder or it is refused: neither
``..`` nor a symbolic link leads out of it, and an absolute path counts only where the user named the column.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.report.thumbnails import UnreadableImage, pixels, thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

SIDE = 32
CELL = 4
BINS = 9
COLOUR = 8
COMPONENTS = 100
FIT_ON = 10_000
BLOCK = 1_000
MAX_BYTES = 64_000_000
TOLD = 5


@dataclass(frozen=True)
class ImageColumn:
    """A column of paths or bytes.

    Parameters
    ----------
    arrow : pyarrow.Table
        The table.
    name : str
        Its column of text (paths) or binary (whole image files).
    folder : Path
        What relative paths are relative to: the folder of the table's file.
    absolute : bool, default False
        Whether absolute paths are read. Say True only where the user named the column: a table from elsewhere
        must not choose by itself which of the user's files end up in a report.
    """

    arrow: pa.Table
    name: str
    folder: Path
    absolute: bool = False

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def read(self, row: int) -> bytes:
        """Return the bytes of one row's image file, or raise UnreadableImage with the reason."""
        value = self.arrow.column(self.name)[row].as_py()
        if value is None or value == "":
            raise UnreadableImage("the cell is empty")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise UnreadableImage("the cell is neither a path nor the bytes of an image")
        return _contents(self._inside(value))

    def called(self, row: int) -> str:
        """Return what one row's image is called: its path, or the column's name for bytes."""
        value = self.arrow.column(self.name)[row].as_py()
        return value if isinstance(value, str) else self.name

    def _inside(self, value: str) -> Path:
        """Return the path to open, or refuse it."""
        if "://" in value:
            raise UnreadableImage("a web address; nothing is fetched")
        if "\0" in value:
            raise UnreadableImage("not a path")
        given = Path(value)
        if given.is_absolute() or given.drive:
            if not self.absolute:
                raise UnreadableImage(f"an absolute path; name the column with --image {self.name} to allow it")
            return given
        try:
            home = self.folder.resolve()
            found = (home / given).resolve()
        except (OSError, RuntimeError):
            raise UnreadableImage("not a path that can be followed") from None
        if not found.is_relative_to(home):
            how = "'..'" if ".." in given.parts else "a symbolic link"
            raise UnreadableImage(f"refused: {how} leads out of the table's folder")
        return found


def _contents(path: Path) -> bytes:
    try:
        # Not a pipe or a device: opening one may block for ever.
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableImage("not a file")
        if about.st_size > MAX_BYTES:
            raise UnreadableImage(f"larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be read ({error.strerror or type(error).__name__})") from None


@dataclass
class ImageFeatures:
    """What was learnt from one column of images.

    Attributes
    ----------
    embedding : (n, e) float32
        Principal components; zeros where the image cannot be read.
    content : (n,) uint64
        A hash of the file; rows without a readable image each have their own.
    broken : dict
        Row -> reason.
    notes : list of str
        What to tell: how many images could not be read, which, and why.
    """

    embedding: np.ndarray
    content: np.ndarray
    broken: dict[int, str]
    notes: list[str] = field(default_factory=list)


def image_features(
    column: ImageColumn, *, random_state: int, progress: Callable[[str], None] | None = None
) -> ImageFeatures:
    """Describe every image of a column by pixels and gradients.

    Parameters
    ----------
    column : ImageColumn
        n images.
    random_state : int
        Seed of the draw of at most 10,000 images that the components are fitted to, and of the SVD.
    progress : callable, optional
        Called with one line every 1,000 images.

    Returns
    -------
    ImageFeatures

    Raises
    ------
    InputError
        No image can be read; the message holds the first reason.
    MissingExtraError
        Pillow is not installed: ``pip install 'trueneg[image]'``.
    """
    say = progress or (lambda _: None)
    n = len(column)
    content = np.zeros(n, np.uint64)
    broken: dict[int, str] = {}
    order = np.random.default_rng(random_state).permutation(n)
    # The drawn ones come first: the components are known before the rest is read, and nothing is read twice.
    first, fitted = [], 0
    parts: list[np.ndarray] = []
    project: Callable[[np.ndarray], np.ndarray] | None = None
    for start in range(0, n, BLOCK):
        say(f"reading images, {start:,} of {n:,}")
        rows = order[start : start + BLOCK]
        described = describe(_pixels(column, rows, content, broken))
        if project is None:
            first.append(described)
            fitted += len(rows)
            if fitted >= min(FIT_ON, n):
                known = ~np.isin(order[:fitted], np.fromiter(broken, np.int64, len(broken)))
                if not known.any() and fitted == n:
                    raise _none_readable(column, broken)
                project = _components(np.vstack(first), known, random_state)
                parts += [project(block) for block in first]
                first = []
        else:
            parts.append(project(described))
    embedding = np.empty((n, parts[0].shape[1]), np.float32)
    embedding[order] = np.vstack(parts)
    if len(broken) == n:
        raise _none_readable(column, broken)
    embedding[list(broken)] = 0.0
    return ImageFeatures(embedding, content, broken, _told(column, broken))


def _pixels(column: ImageColumn, rows: np.ndarray, content: np.ndarray, broken: dict[int, str]) -> np.ndarray:
    """Return (m, 32, 32, 3) uint8, mid-grey where unreadable; note each file's hash, or why there is none."""
    out = np.full((len(rows), SIDE, SIDE, 3), 128, np.uint8)
    for place, row in enumerate(rows.tolist()):  # a decoder takes one file at a time
        try:
            data = column.read(row)
            out[place] = pixels(data, SIDE)
            digest = hashlib.blake2b(data, digest_size=8)
        except UnreadableImage as reason:
            broken[row] = str(reason)
            digest = hashlib.blake2b(f"row {row} has no image".encode(), digest_size=8)
        content[row] = int.from_bytes(digest.digest(), "little")
    return out


def describe(images: np.ndarray) -> np.ndarray:
    """Return the raw features (m, f) float32 of (m, 32, 32, 3) uint8 images: gradients, then coarse colour."""
    scaled = images.astype(np.float32) / np.float32(255)
    m = len(scaled)
    # The square root tames highlights (Dalal and Triggs, section 6.1).
    grey = np.sqrt(scaled @ np.array([0.299, 0.587, 0.114], np.float32))
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    dx = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    dy = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    size = np.hypot(dx, dy)
    turn = np.mod(np.arctan2(dy, dx) / np.float32(np.pi), 1.0) * BINS
    low = np.floor(turn)
    share = turn - low
    low = low.astype(np.int64) % BINS
    cells = SIDE // CELL
    of_cell = (np.arange(SIDE) // CELL)[:, None] * cells + np.arange(SIDE) // CELL
    place = (np.arange(m)[:, None, None] * cells * cells + of_cell) * BINS
    length = m * cells * cells * BINS
    # Each gradient is shared by the two nearest directions, so that a small turn changes little.
    histogram = np.bincount((place + low).ravel(), (size * (1 - share)).ravel(), length)
    histogram += np.bincount((place + (low + 1) % BINS).ravel(), (size * share).ravel(), length)
    grid = histogram.reshape(m, cells, cells, BINS)
    blocks = np.concatenate([grid[:, :-1, :-1], grid[:, :-1, 1:], grid[:, 1:, :-1], grid[:, 1:, 1:]], axis=3)
    blocks /= np.sqrt((blocks**2).sum(axis=3, keepdims=True) + 1e-4)
    blocks = np.minimum(blocks, 0.2)
    blocks /= np.sqrt((blocks**2).sum(axis=3, keepdims=True) + 1e-4)
    step = SIDE // COLOUR
    colour = scaled.reshape(m, COLOUR, step, COLOUR, step, 3).mean(axis=(2, 4))
    return np.hstack([blocks.reshape(m, -1), 2 * colour.reshape(m, -1)]).astype(np.float32)


def _components(features: np.ndarray, known: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Fit principal components by a randomised SVD; return the projection onto them."""
    from sklearn.utils.extmath import randomized_svd

    if not known.any():
        known = np.ones(len(features), bool)
    centre = features[known].mean(axis=0)
    size = max(1, min(COMPONENTS, int(known.sum()) - 1, features.shape[1]))
    axes = randomized_svd(features[known] - centre, size, random_state=seed)[2].T.astype(np.float32)
    return lambda block: (block - centre) @ axes


def _none_readable(column: ImageColumn, broken: dict[int, str]) -> InputError:
    row = min(broken)
    return InputError(
        f"none of the {len(broken):,} images in column {column.name!r} can be read; row {row}: {broken[row]}; "
        f"paths are taken from the folder of the table"
    )


def _told(column: ImageColumn, broken: dict[int, str]) -> list[str]:
    if not broken:
        return []
    named = "; ".join(f"row {row}: {broken[row]}" for row in sorted(broken)[:TOLD])
    more = f"; and {len(broken) - TOLD:,} more" if len(broken) > TOLD else ""
    return [f"{len(broken):,} of {len(column):,} images in {column.name!r} could not be read: {named}{more}"]


def suspect_images(column: ImageColumn, rows: Any) -> list[dict[str, Any]]:
    """Draw the thumbnails of the listed suspects: ``report["suspects"]["images"]``, one entry a listed row."""
    return thumbnails([int(r) for r in rows], column.read, column.called)
