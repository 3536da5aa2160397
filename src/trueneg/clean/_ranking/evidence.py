"""The evidence on every row, as log probabilities and neighbour lifts, and how it is put in order."""

from __future__ import annotations

import numpy as np

from trueneg.clean._inputs import blocks
from trueneg.core.errors import InputError

_FLOOR = 1e-6


class Evidence:
    """Log probability and log neighbour lift of any piece of the rows, made when asked for."""

    def __init__(
        self, proba: np.ndarray, codes: np.ndarray, neighbors: np.ndarray | None, groups: np.ndarray | None
    ) -> None:
        self.proba, self.codes, self.neighbors, self.groups = proba, codes, neighbors, groups
        self.n, self.n_classes = proba.shape
        self.counts = np.bincount(codes[codes >= 0], minlength=self.n_classes)
        self.log_share = np.log(np.maximum(self.counts, 1) / self.counts.sum())
        self.slack = 2e-2 if proba.dtype.itemsize == 2 else 1e-3
        if neighbors is not None:
            narrow = np.uint8 if self.n_classes < 2**8 else np.uint16 if self.n_classes < 2**16 else np.int32
            self._votes = np.append(np.where(codes < 0, self.n_classes, codes), self.n_classes).astype(narrow)
            k = np.arange(neighbors.shape[1] + 1, dtype=np.float64)
            self._log_seen = np.log(k + 0.5).astype(np.float32)
            self._log_expected = np.log(k[:, None] * np.exp(self.log_share) + 0.5).astype(np.float32)

    def of(self, rows: slice | np.ndarray, *, check: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (m, K) float32 log probabilities and lifts of some rows."""
        block = np.array(self.proba[rows], dtype=np.float32)
        if check:
            self.check(block, rows)
        np.maximum(block, _FLOOR, out=block)
        np.log(block, out=block)
        return block, None if self.neighbors is None else self._lift(self.neighbors[rows], rows)

    def check(self, block: np.ndarray, rows: slice | np.ndarray) -> None:
        """Refuse rows that are not probabilities, and neighbour ids that are no rows."""
        first = rows.start if isinstance(rows, slice) else 0
        # A product and a minimum over all run faster than sums and minima of short rows; NaN fails both.
        fine = np.abs(block @ np.ones(block.shape[1], dtype=np.float32) - 1.0) <= self.slack
        if not (fine.all() and block.min() >= 0):
            fine &= block.min(axis=1) >= 0
            row = int(np.argmin(fine))
            raise InputError(
                f"pred_proba of row {first + row} is {np.array2string(block[row], threshold=6, precision=3)}: it must "
                "be free of NaN, not negative and add up to one; predict that row again or drop it"
            )
        if self.neighbors is not None:
            ids = self.neighbors[rows]
            if ids.size and (ids.min() < -1 or ids.max() >= self.n):
                raise InputError(f"neighbors holds ids outside -1..{self.n - 1}; -1 means missing")

    def _lift(self, ids: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
        """Return log of neighbour counts over expected counts, (m, K) float32."""
        own = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        votes = self._votes[ids]  # -1, a neighbour that is missing, reads the spare last vote
        wide = ids.dtype if ids.dtype.itemsize >= 4 else np.dtype(np.int32)
        itself = ids == own[:, None].astype(wide)
        if itself.any():
            votes[itself] = self.n_classes
        if self.groups is not None:
            votes[self.groups[ids] == self.groups[own][:, None]] = self.n_classes
        # A spare column takes what must not vote.
        width = self.n_classes + 1
        cells = votes + (np.arange(len(own), dtype=np.intp) * width)[:, None]
        counts = np.bincount(cells.ravel(), minlength=len(own) * width).reshape(-1, width)
        lift = self._log_seen[counts[:, :-1]]
        size = ids.shape[1] - counts[:, -1]
        lift -= self._log_expected[size] if (size != size[:1]).any() else self._log_expected[size[:1]]
        return lift


def softmax(z: np.ndarray) -> np.ndarray:
    """Turn rows of logits into probabilities, in place."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= (z @ np.ones(z.shape[1], dtype=z.dtype))[:, None]  # faster than sums of short rows
    return z


def combine(weights: np.ndarray, log_p: np.ndarray, lift: np.ndarray | None) -> np.ndarray:
    """Return ``a A + b B`` as float32, overwriting ``log_p``."""
    log_p *= np.float32(weights[0])
    if lift is not None and weights[1] != 0:
        lift *= np.float32(weights[1])
        log_p += lift
    return log_p


def evenly(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` evenly spaced positions of 0..n-1."""
    return np.arange(n) if n <= most else (np.arange(most) * (n / most)).astype(np.int64)


def highest_and_spaced(ordered: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``most`` rows to fit on, and what each stands for, of rows by falling score.

    Half are the highest, which alone decide who is suspected; half are spaced evenly over those below.
    """
    if len(ordered) <= most:
        return ordered, np.ones(len(ordered))
    half = most // 2
    below = len(ordered) - half
    rest = half + evenly(below, half) + below // (2 * half)
    return np.concatenate([ordered[:half], ordered[rest]]), np.repeat([1.0, below / half], half)


def by_falling(score: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows (int32, ascending) by falling score, ties by row.

    A score that float32 holds exactly and its row make one whole number, and whole numbers sort fastest.
    """
    packed = np.empty(len(rows), dtype=np.int64)
    for part in blocks(len(rows), 1):
        bits = (0.0 - score[rows[part]]).astype(np.float32).view(np.int32)
        packed[part] = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        packed[part] <<= 32
        packed[part] |= rows[part]
    packed.sort()
    packed &= 0xFFFFFFFF
    return packed.astype(np.int32)
