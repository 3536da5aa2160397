"""Where no representation is given: features for trees and linear models, rows to find neighbours with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.jobs.audit.contents import codes_of, hash_rows
from trueneg.jobs.audit.words import texts_of, tfidf

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.images import ImageFeatures

MAX_ONE_HOT = 50


@dataclass
class Representation:
    """Features for trees, features for linear models (may be sparse), and a dense embedding.

    ``table`` is (n, d) float32 with NaN for missing values, ``linear`` (n, p), ``embedding`` (n, e) float32.
    ``duplicate_of`` (n,) gives rows of equal content the same number, ``notes`` tells what could not be read, and
    ``digest`` changes with the content that stands outside the table (image files), for the key of kept stages;
    ``unread`` (n,) is true where an image could not be read, None where none is missing.
    """

    table: np.ndarray | None
    linear: Any
    embedding: np.ndarray
    duplicate_of: np.ndarray
    words: str
    notes: list[str] = field(default_factory=list)
    digest: str = ""
    unread: np.ndarray | None = None


def represent(
    source: Table,
    roles: Roles,
    *,
    random_state: int,
    image_named: bool = False,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Representation:
    """Build what the checks look at from the columns that the roles name.

    Parameters
    ----------
    source : Table
        The table as read; image paths are relative to its file's folder.
    roles : Roles
        Its roles. The labels decide only how text is cut into tokens.
    random_state : int
        Seed of the SVDs and of the draws.
    image_named : bool, default False
        Whether the user named the image columns. Named, absolute paths are read and nothing is passed over; merely
        sniffed, a column that cannot be read is left out with a note where other columns remain.
    quick : bool, default False
        Take text by words without comparing kinds of tokens, which fits two models on at most 10,000 rows.
    progress : callable, optional
        Called with one line while images are read.

    Returns
    -------
    Representation

    Raises
    ------
    InputError
        No column to learn from, text without words, no readable image.
    MissingExtraError
        Images, and no Pillow.
    """
    arrow = source.arrow
    made = _Parts()
    given = roles.embedding_matrix(source)
    if given is not None:
        given = np.asarray(given, np.float32)
        made.add(given, given, hash_rows(given), f"given embedding ({given.shape[1]} columns)")
    if roles.numeric or roles.categorical:
        raw, dense = _columns(arrow, roles.numeric, roles.categorical)
        words = f"{len(roles.numeric)} numeric and {len(roles.categorical)} categorical columns"
        made.add(raw, dense, hash_rows(raw), words)
    if roles.image:
        _add_images(made, source, roles, random_state, image_named, progress)
    linear: Any = made.embedding
    if roles.text:
        linear = _add_text(made, source, roles, random_state, choose=not quick)
    if made.embedding is None:
        msg = (
            "no column is left to learn from besides the label; "
            "name some with --features, --text or --embedding, or give --proba"
        )
        raise InputError(msg)
    mixed = np.zeros(arrow.num_rows, np.uint64)
    for one in made.hashes:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + one
    duplicate_of = np.unique(mixed, return_inverse=True)[1]
    digest = hashlib.blake2b(mixed.tobytes(), digest_size=12).hexdigest()
    words = "; ".join(made.words)
    return Representation(made.table, linear, made.embedding, duplicate_of, words, made.notes, digest, made.unread)


@dataclass
class _Parts:
    """What the kinds of columns give, side by side: for trees, for linear models and neighbours, and to tell."""

    tables: list[np.ndarray] = field(default_factory=list)
    blocks: list[np.ndarray] = field(default_factory=list)
    hashes: list[np.ndarray] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: np.ndarray | None = None

    def add(self, table: np.ndarray, dense: np.ndarray, hashes: np.ndarray, words: str) -> None:
        """Put one kind beside the others: ``table`` (n, d), ``dense`` (n, e), ``hashes`` (n,)."""
        self.tables.append(table)
        self.blocks.append(dense)
        self.hashes.append(hashes)
        self.words.append(words)

    @property
    def table(self) -> np.ndarray | None:
        """All for trees, side by side."""
        return _beside(self.tables)

    @property
    def embedding(self) -> np.ndarray | None:
        """All dense columns, side by side in rows of one piece."""
        joined = _beside(self.blocks)
        return None if joined is None else np.ascontiguousarray(joined)


def _beside(parts: list[np.ndarray]) -> np.ndarray | None:
    return None if not parts else parts[0] if len(parts) == 1 else np.hstack(parts)


def _add_images(
    made: _Parts,
    source: Table,
    roles: Roles,
    seed: int,
    named: bool,
    progress: Callable[[str], None] | None,
) -> None:
    """Add what the images show; a column merely sniffed that cannot be read is left out where others remain."""
    others = bool(made.blocks or roles.text or roles.proba)
    for name in roles.image:
        try:
            seen = _images(source, name, seed, named, progress)
        except (InputError, MissingExtraError) as error:
            if named or not others:
                raise
            made.notes.append(f"images were left out: {error}")
            continue
        made.add(seen.embedding, seen.embedding, seen.content, f"gradients and colours of the images in {name}")
        made.notes += seen.notes
        if seen.broken:
            made.unread = np.zeros(source.arrow.num_rows, bool) if made.unread is None else made.unread
            made.unread[list(seen.broken)] = True


def _add_text(made: _Parts, source: Table, roles: Roles, seed: int, *, choose: bool) -> Any:
    """Add the leading components of the words; return words and other columns, sparse, for linear models."""
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD

    texts = texts_of(source.arrow, roles.text)
    matrix, tokens = tfidf(texts, source, roles, seed, choose=choose)
    dense = made.embedding
    linear = matrix if dense is None else sparse.hstack([matrix, sparse.csr_matrix(dense)], format="csr")
    size = max(1, min(100, matrix.shape[1] - 1, matrix.shape[0] - 1))
    reduced = TruncatedSVD(size, random_state=seed).fit_transform(matrix).astype(np.float32)
    words = "TF-IDF of " + ", ".join(roles.text) + tokens
    made.add(reduced, reduced, codes_of(texts).astype(np.uint64), words)
    return linear


def _images(source: Table, name: str, seed: int, named: bool, progress: Callable[[str], None] | None) -> ImageFeatures:
    from trueneg.jobs.audit.images import ImageColumn, image_features

    folder = Path() if source.path is None else source.path.parent
    return image_features(ImageColumn(source.arrow, name, folder, named), random_state=seed, progress=progress)


def _columns(arrow: pa.Table, numeric: list[str], categorical: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the raw matrix (NaN kept, categories as codes) and its standardised, one-hot form."""
    raw, dense = [], []
    for name in numeric:
        column = arrow[name].cast("float32", safe=False).to_numpy().astype(np.float32)
        column[~np.isfinite(column)] = np.nan
        raw.append(column)
        known = np.isfinite(column)
        centre = np.median(column[known]) if known.any() else 0.0
        scale = column[known].std() if known.any() else 0.0
        filled = np.where(known, column, centre)
        dense.append(((filled - centre) / (scale if scale > 0 else 1.0)).astype(np.float32))
    for name in categorical:
        codes = codes_of([None if v is None else str(v) for v in arrow[name].to_pylist()])
        raw.append(codes.astype(np.float32))
        counts = np.bincount(codes)
        common = np.argsort(-counts, kind="stable")[:MAX_ONE_HOT]
        dense.extend((codes == value).astype(np.float32) for value in common)
    return np.column_stack(raw), np.column_stack(dense)
