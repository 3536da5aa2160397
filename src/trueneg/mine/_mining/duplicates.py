"""Texts that are the same, or nearly: a copy of a positive is no negative, and two copies teach once.

Near copies share most of their words. Candidates come from minwise hashing in bands, and every pair that shares a band
with its neighbour there is checked by the Jaccard similarity of its two sets of words.

References
----------
Broder (1997), "On the resemblance and containment of documents".
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.mine._mining.filters import Block, Filter

Rows = NDArray[np.int64]
_BANDS, _ROWS = 12, 3  # a pair of Jaccard 0.9 shares a band with probability 1 - (1 - 0.9^3)^12 = 1 - 2e-7
_MERSENNE = (1 << 31) - 1


class Duplicates(Filter):
    """Drop candidates whose text is that of a known positive, or of a better candidate of the same query.

    Parameters
    ----------
    texts : sequence of str
        The documents. Case, white space and what is no letter or digit do not count.
    near : float, default=0.9
        Share of words in common (Jaccard) from which two texts count as the same; 1 for exact copies only.
    """

    def __init__(self, texts: Sequence[str], *, near: float = 0.9) -> None:
        if not 0.5 <= near <= 1:
            msg = f"near={near!r}: give a share of common words between 0.5 and 1"
            raise InputError(msg)
        self.near = float(near)
        self.group = groups_of(texts, near=self.near)

    @property
    def name(self) -> str:
        """What counts as the same."""
        return (
            "duplicate text" if self.near == 1 else f"duplicate or near duplicate text ({100 * self.near:g} % of words)"
        )

    def __call__(self, block: Block) -> NDArray[np.bool_]:
        """Compare groups within each query."""
        group = np.where(block.alive, self.group[block.document], -1)
        place, document = block.positives.pairs(block.query)
        width = int(self.group.max(initial=0)) + 2
        banned = np.unique(place * width + self.group[document])
        mine = np.arange(len(group))[:, None] * width + np.maximum(group, 0)
        at = np.minimum(np.searchsorted(banned, mine), max(len(banned) - 1, 0))
        keep = banned[at] != mine
        order = np.argsort(group, axis=1, kind="stable")
        ordered = np.take_along_axis(group, order, axis=1)
        again = np.zeros(group.shape, dtype=bool)
        again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        np.put_along_axis(again, order, again.copy(), axis=1)
        return np.asarray(keep & ~again)


def groups_of(texts: Sequence[str], *, near: float = 0.9) -> Rows:
    """Give every text the number of its group of (near) copies, shape (n,)."""
    plain = [" ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split()) for text in texts]
    known: dict[str, int] = {}
    exact = np.fromiter((known.setdefault(one, len(known)) for one in plain), dtype=np.int64, count=len(plain))
    if near == 1 or len(known) < 2:
        return exact
    joined = _near(list(known), near)
    return joined[exact]


def _near(texts: list[str], near: float) -> Rows:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    words = [np.unique(np.fromiter((zlib.crc32(w.encode()) for w in t.split()), dtype=np.int64)) for t in texts]
    size = np.array([len(one) for one in words], dtype=np.int64)
    flat = np.concatenate(words) if size.sum() else np.empty(0, dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(size)])
    full = np.flatnonzero(size)
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(_BANDS):
        band = np.zeros(len(full), dtype=np.uint64)
        for _ in range(_ROWS):
            a, b = int(rng.integers(1, _MERSENNE)), int(rng.integers(0, _MERSENNE))
            least = np.minimum.reduceat((flat % _MERSENNE * a + b) % _MERSENNE, start[full]) if len(full) else band
            band = band * np.uint64(0x9E3779B97F4A7C15) + least.astype(np.uint64)
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero(band[order][1:] == band[order][:-1])
        pairs.append(np.sort(np.stack([full[order[same]], full[order[same + 1]]]), axis=0))
    found = np.unique(np.concatenate(pairs, axis=1), axis=1)
    close = np.fromiter(
        (_jaccard(words[i], words[j]) >= near for i, j in found.T.tolist()), dtype=bool, count=found.shape[1]
    )
    i, j = found[:, close]
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(texts), len(texts)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _jaccard(a: Rows, b: Rows) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
