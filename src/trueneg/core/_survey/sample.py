"""The sample: strata by rank, the rows drawn from them, and the probability of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

TOP, NEXT, REST = 0, 1, 2
KINDS = ("top", "next", "rest")
_LEAST = 20  # rows of a stratum: with fewer the top says nothing, and a rest this small is no rest
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows to judge and how they were drawn.

    Attributes
    ----------
    rows : (n,) int64
        Rows of ``probability``, round by round, each round in random order: whoever stops early still leaves a random
        sample.
    stratum : (n,) int64
        Index into ``sizes`` and ``names``.
    inclusion : (n,) float64
        Probability with which each row was drawn, known by design.
    round : (n,) int64
        0 for the first round.
    sizes : (n_strata,) int64
        Rows of the population in each stratum.
    names : tuple of str
        ``top``, ``next``, ``rest``, with the class before it where strata are made by class.
    kind : (n_strata,) int64
        0 top, 1 next, 2 rest.
    levels : int
        Strata by rank that were asked for.
    member : (n_rows,) int32
        The stratum of every row of the population.
    """

    rows: NDArray[np.int64]
    stratum: NDArray[np.int64]
    inclusion: Floats
    round: NDArray[np.int64]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    kind: NDArray[np.int64]
    levels: int
    member: NDArray[np.int32]

    @property
    def n_rows(self) -> int:
        """Rows of the population."""
        return len(self.member)

    @property
    def drawn(self) -> NDArray[np.int64]:
        """Rows drawn from each stratum, shape (n_strata,)."""
        return np.bincount(self.stratum, minlength=len(self.sizes)).astype(np.int64)

    @property
    def design(self) -> str:
        """Fingerprint of the strata: the same for the same probabilities (in rank and sum) and classes."""
        return hashlib.blake2b(np.ascontiguousarray(self.member).tobytes(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; :meth:`from_dict` rebuilds the strata from the probabilities."""
        return {
            "rows": self.rows.tolist(),
            "stratum": self.stratum.tolist(),
            "round": self.round.tolist(),
            "levels": self.levels,
            "sizes": self.sizes.tolist(),
            "names": list(self.names),
            "design": self.design,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], probability: ArrayLike, *, by: ArrayLike | None = None) -> Sample:
        """Rebuild a sample from :meth:`to_dict` and the probabilities that it was drawn with.

        Raises
        ------
        InputError
            Where the probabilities (or classes) are others than those of the sample.
        """
        p = checked_probabilities(probability)
        empty = layout(p, class_codes(by, len(p)), int(saved["levels"]))
        if empty.design != saved["design"]:
            raise InputError(OTHER_SAMPLE)
        rows = np.asarray(saved["rows"], dtype=np.int64)
        return with_rows(empty, rows, np.asarray(saved["round"], dtype=np.int64))


OTHER_SAMPLE = (
    "the sample was drawn with other probabilities or classes: give those it was drawn with "
    "(not the recalibrated ones), or start a new review."
)


def checked_probabilities(probability: ArrayLike) -> Floats:
    try:
        p = np.asarray(probability, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("probability must hold numbers between 0 and 1.") from None
    if p.ndim != 1 or p.size == 0:
        msg = f"probability has shape {p.shape}: give one entry for each row that can be wrong, at least one."
        raise InputError(msg)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = f"probability[{i}] is {p[i]}: it must lie between 0 and 1; leave rows without one out."
        raise InputError(msg)
    return p


def class_codes(by: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if by is None:
        return np.zeros(n, dtype=np.int64), ("",)
    a = np.asarray(by)
    if a.shape != (n,):
        msg = f"by has shape {a.shape}; give one class a row, shape ({n},)."
        raise InputError(msg)
    names, code = np.unique(a.astype(str) if a.dtype == object else a, return_inverse=True)
    return code.astype(np.int64), tuple(str(name) for name in names)


def levels_for(n: int, codes: tuple[NDArray[np.int64], tuple[str, ...]]) -> int:
    """Strata by rank that ``n`` rows can fill in every class."""
    n_classes = len(codes[1])
    if n < n_classes:
        msg = f"n={n} rows for {n_classes} classes: draw at least one a class, or leave the classes out."
        raise InputError(msg)
    return min(3, n // n_classes)


def layout(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], levels: int) -> Sample:
    """Put every row in its stratum; no row is drawn yet."""
    code, classes = codes
    order = np.lexsort((-p, code))  # stable: ties by row number
    member = np.empty(len(p), dtype=np.int32)
    sizes: list[int] = []
    names: list[str] = []
    kinds: list[int] = []
    start = 0
    for name, n in zip(classes, np.bincount(code, minlength=len(classes)).tolist(), strict=True):
        rows = order[start : start + n]
        start += n
        place = 0
        for kind, size in _cuts(p[rows], levels):
            member[rows[place : place + size]] = len(sizes)
            place += size
            sizes.append(size)
            kinds.append(kind)
            names.append(f"{name}: {KINDS[kind]}" if name else KINDS[kind])
    none = np.empty(0, dtype=np.int64)
    return Sample(
        none, none, np.empty(0), none, np.array(sizes, dtype=np.int64), tuple(names), np.array(kinds), levels, member
    )


def _cuts(ranked: Floats, levels: int) -> list[tuple[int, int]]:
    """Return (kind, size) of the strata of one class, whose probabilities come in rank order."""
    n = len(ranked)
    if levels == 1 or n < 2 or ranked[0] == ranked[-1]:
        return [(REST, n)]
    top = max(1, min(max(round(float(ranked.sum())), _LEAST), n // 4))
    if levels == 2 or n - 4 * top < _LEAST:
        return [(TOP, top), (REST, n - top)]
    return [(TOP, top), (NEXT, 3 * top), (REST, n - 4 * top)]


def allocate(sizes: NDArray[np.int64], n: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spread ``n`` further rows so that all strata end up even, as far as their sizes allow."""
    n = min(n, int((sizes - drawn).sum()))
    low, high = 0, int(sizes.max())
    while low < high:
        mid = (low + high + 1) // 2
        if np.clip(np.minimum(sizes, mid) - drawn, 0, None).sum() <= n:
            low = mid
        else:
            high = mid - 1
    share: NDArray[np.int64] = np.clip(np.minimum(sizes, low) - drawn, 0, None)
    left = n - int(share.sum())
    share[np.flatnonzero((drawn + share < sizes) & (drawn + share <= low))[:left]] += 1  # from the top down
    return share


def with_rows(base: Sample, rows: NDArray[np.int64], rounds: NDArray[np.int64]) -> Sample:
    stratum = base.member[rows].astype(np.int64)
    inclusion = (np.bincount(stratum, minlength=len(base.sizes)) / base.sizes)[stratum]
    return replace(base, rows=rows, stratum=stratum, inclusion=inclusion, round=rounds)
