"""The metric as one product of rows, what rounding can do to it, and the blocks that the memory allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueneg.core._neighbors.crew import Crew
from trueneg.core._neighbors.sides import Side

METRICS = {"cosine": 0, "euclidean": 1, "inner": 2}
RUN = 64  # cells that the compiled scan passes over in one go where none reaches the floor
_TILE = 832  # rows of a score tile: some 2 MiB of float32, small enough to be scanned from cache
_UNIT = 2.0**-24  # unit roundoff of float32
_SMALL = 1e-30  # the inverse of a length below this may leave float32


@dataclass(frozen=True)
class Blocks:
    """Block sizes that the memory allows."""

    tile: int  # rows of a query block, and of a pool block within a span
    span: int  # pool rows held ready for the product at a time, a multiple of `tile`
    threads: int  # tiles that the budget allows at a time
    chunk: int  # rows turned into float64 at a time

    @classmethod
    def of(cls, left: Side, right: Side, budget: int) -> Blocks:
        """Choose them: a score tile, its rows, and the span must fit in the budget."""
        tile, span = _blocks(right.d, right.n, max(left.x.itemsize, right.x.itemsize, 4), budget)
        threads = max(1, budget // 4 // (24 * tile * whole_runs(tile)))
        return cls(tile, span, threads, max(1, min(4096, budget // (64 * (right.d + 4)))))


@dataclass
class Plan:
    """The metric as one product of rows, and its error bound."""

    code: int
    blocks: Blocks
    scale: float
    centre: NDArray[np.float64]
    factor: float  # turns an exact score into the product's units
    margin: NDArray[np.float64]  # (n_queries,) how far below the k-th best a cell can still matter
    rough: NDArray[np.float64]  # the same where rows are rounded to bfloat16; of length 0 without them

    @classmethod
    def of(cls, left: Side, right: Side, *, metric: str, blocks: Blocks, crew: Crew) -> Plan:
        """Measure both sides."""
        code, d, chunk = METRICS[metric], right.d, blocks.chunk
        for side in (right,) if left is right else (right, left):
            side.measure(chunk, crew, unit=code == 0)
        scale = max(left.norms.max(initial=0.0), right.norms.max(initial=0.0)) or 1.0
        # A power of two changes no digit of a row, and what rounding takes from it scales along.
        scale = 2.0 ** np.ceil(np.log2(scale)) if code == 2 else scale
        centre = right.mean(chunk) if code == 1 else np.empty(0)
        for side in (left, right):
            if code == 0:
                side.radius = (side.norms > 0).astype(np.float64)
            else:
                length = side.norms if code == 2 else side.reach(centre, chunk, own=side is right)
                side.radius = length / scale
        reach = right.radius.max(initial=0.0)
        # Both summands hold for any order of summation, fused or not; 1e-30 covers underflow.
        spread = (left.radius + reach) ** 2 if code == 1 else left.radius * reach
        margin = (d + 24) * _UNIT * spread + 1e-30
        rough = np.empty(0)
        if crew.product.grain:
            lost, most = left.lost, right.lost.max(initial=0.0)
            if code == 2:
                lost, most = lost / scale, most / scale
            # |q p - q' p'| <= |q| |p - p'| + |q - q'| |p'|; rounded rows are a little longer.
            rough = 1.01 * margin + left.radius * most + lost * (reach + most)
        return cls(code, blocks, scale, centre, {0: 1.0, 1: -0.5 / scale**2, 2: 1.0 / scale**2}[code], margin, rough)

    def embed(self, side: Side, start: int, stop: int, *, as_query: bool) -> NDArray[np.float32]:
        """Rows whose plain product is the score, or a rising function of it: cosine, inner, -distance^2 / 2."""
        rows, d = side.rows(start, stop), side.d
        out = np.empty((len(rows), self.width(d)), dtype=np.float32)
        if self.code != 1:
            by = self.lengths(side, start, stop)
            if rows.dtype == np.float32 and by.min(initial=1.0) > _SMALL:
                # One rounding more than a quotient has, within the bound, and several times as fast.
                np.multiply(rows, (1.0 / by).astype(np.float32)[:, None], out=out)
            else:
                np.divide(rows, by[:, None], out=out, casting="same_kind", dtype=np.float64)
        else:
            # The centre is a float32: a difference of such is rounded once.
            wide = np.float32 if rows.dtype == np.float32 else np.float64
            np.subtract(rows, self.centre.astype(wide), out=out[:, :d], casting="same_kind", dtype=wide)
            out[:, :d] /= np.float32(self.scale)
            out[:, d if as_query else d + 1] = 1.0
            out[:, d + 1 if as_query else d] = -0.5 * side.radius[start:stop] ** 2
        return out

    def width(self, d: int) -> int:
        """Columns of an embedded row."""
        return d + 2 if self.code == 1 else d

    def lengths(self, side: Side, start: int, stop: int) -> NDArray[np.float64]:
        """Return what each row is divided by."""
        if self.code == 2:
            return np.full(min(stop, side.n) - start, self.scale)
        norms = side.norms[start:stop]
        return np.where(norms > 0, norms, 1.0)

    def floor(self, worst: NDArray[np.float64], start: int) -> NDArray[np.float32]:
        """Smallest float32 score that can still beat the k-th best exact score of each query."""
        value = worst * worst if self.code == 1 else worst
        with np.errstate(over="ignore"):
            low = value * self.factor - self.margin[start : start + len(worst)]
        low[np.isneginf(worst)] = -np.inf
        return low.astype(np.float32)


def _blocks(d: int, n_pool: int, itemsize: int, budget: int) -> tuple[int, int]:
    """Choose tile and span: a score tile, its float32 rows, and the span must fit in the budget."""
    row = 4 * (d + 2) + (itemsize if itemsize > 4 else 4) * d  # the float32 row, and a copy of the original
    tile = _TILE
    # 24 bytes a cell: scores, mask and the candidates' coordinates of the NumPy path.
    while tile > 1 and 24 * tile * tile + 2 * tile * row > budget // 2:
        tile //= 2
    span = max(1, (budget // 2) // (row * tile)) * tile
    return tile, min(span, -(-max(n_pool, 1) // tile) * tile)


def whole_runs(n: int) -> int:
    """Return the width of a score tile for n pool rows: whole runs."""
    return -(-n // RUN) * RUN
