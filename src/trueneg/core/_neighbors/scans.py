"""The scan of a tile of scores: by NumPy, or compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._neighbors.crew import Crew
from trueneg.core._neighbors.pairs import GRID, exact, put
from trueneg.core._neighbors.plan import RUN, Plan
from trueneg.core._neighbors.sides import Rules, Side

Cells = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]
_RARE = 48  # cells passed over in the time of one that is scored again
_SPARE = 16  # cells that a query holds beyond a multiple of k


class Merge:
    """The scan without numba: hold what can matter, and score it in float64 at the end, or where ties make it much."""

    def __init__(
        self,
        left: Side,
        right: Side,
        plan: Plan,
        rules: Rules,
        keys: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> None:
        self.left, self.right, self.plan, self.rules = left, right, plan, rules
        self.keys, self.rows = keys, rows
        self.floor = np.full(left.n, -np.inf, dtype=np.float32)
        # Of each query block: query within it, pool row and score of the cells held.
        self.held: dict[int, list[Cells]] = {}

    def tile(self, block: NDArray[np.float32], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        block = block[:, :m]
        self._hold(block, a, b)
        if both:
            self._hold(block.T, b, a)

    def lay(self, begin: int, end: int) -> None:
        """Nothing to convert: pairs are scored from the input."""

    @property
    def flooded(self) -> bool:
        """Float32 scores leave hardly more than is sought."""
        return False

    def refine(self) -> None:
        """They are float32 from the start."""

    def finish(self, start: int) -> None:
        """Score what a query block still holds."""
        cells = self._relieved(start, min(self.plan.blocks.tile, self.left.n - start))
        self._settle(start, cells)

    def _hold(self, block: NDArray[np.float32], a: int, b: int) -> None:
        """Hold the cells that reach the floor of their query, unless the rules ban them."""
        n, m = block.shape
        rules, k, floor = self.rules, self.keys.shape[1], self.floor[a : a + n]
        if rules.exclude.size or rules.query_groups.size:
            block = np.where(rules.allowed(np.arange(a, a + n)[:, None], np.arange(b, b + m)), block, -np.inf)
        low, unset = floor, np.isneginf(floor)
        if m > k and unset.any():
            # k cells of this tile score at least their k-th best, less the error on either side.
            bound = np.partition(block[unset], m - k, axis=1)[:, m - k]
            low = floor.copy()
            low[unset] = self._below(bound, np.flatnonzero(unset) + a)
        query, row = np.nonzero((block >= low[:, None]) & (block > -np.inf))
        score = block[query, row]
        floor[:] = low
        room = (3 * k // 2 + _SPARE) * n
        piece = max(room, n * m // 8)  # many ties
        for start in range(0, query.size, piece):
            part = slice(start, start + piece)
            held = self.held.setdefault(a, [])
            held.append((query[part].astype(np.int32), row[part] + b, score[part]))
            if sum(len(one) for one, _, _ in held) > room:
                cells = self._relieved(a, n)
                if len(cells[0]) > room:
                    self._settle(a, cells)
                    floor[:] = np.maximum(floor, self.plan.floor(self.keys[a : a + n].min(axis=1), a))
                else:
                    self.held[a] = [cells]

    def _relieved(self, a: int, n: int) -> Cells:
        """Raise the floors of a query block by the k-th best of what it holds, and return what still reaches them."""
        held = self.held.pop(a, [])
        if not held:
            none = np.empty(0, dtype=np.int64)
            return none.astype(np.int32), none, none.astype(np.float32)
        query, row, score = (np.concatenate(column) for column in zip(*held, strict=True))
        k = self.keys.shape[1]
        order = np.lexsort((-score, query))
        query, row, score = query[order], row[order], score[order]
        starts = np.searchsorted(query, np.arange(n + 1))
        full = np.flatnonzero(np.diff(starts) >= k)
        floor = self.floor[a : a + n]
        floor[full] = np.maximum(floor[full], self._below(score[starts[full] + k - 1], full + a))
        keep = score >= floor[query]
        return query[keep], row[keep], score[keep]

    def _below(self, score: NDArray[np.float32], query: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the least score that can belong to something better than what has this one."""
        bound = (score - 2 * self.plan.margin[query]).astype(np.float32)
        return np.nextafter(bound, np.float32(-np.inf))

    def _settle(self, a: int, cells: Cells) -> None:
        """Score cells in float64, and merge them into the k best of their queries."""
        piece = max(1, self.plan.blocks.tile**2 // 8)  # a merge needs some 80 bytes a pair
        for start in range(0, len(cells[0]), piece):
            query, row = (one[start : start + piece].astype(np.int64) for one in cells[:2])
            query += a
            put(self.keys, self.rows, query, row, exact(self.left, self.right, query, row, self.plan))


class Scan:
    """The compiled scan: its working arrays, and what the kernels are handed."""

    def __init__(
        self,
        left: Side,
        right: Side,
        plan: Plan,
        rules: Rules,
        keys: NDArray[np.float64],
        rows: NDArray[np.int64],
        crew: Crew,
    ) -> None:
        self.left, self.right, self.rules, self.plan = left, right, rules, plan
        kernels: tuple[Any, Any] = crew.kernels or (None, None)
        self.scan, self.settle = kernels
        n, k, tile = left.n, keys.shape[1], plan.blocks.tile
        # Rounded scores leave more that is too close to tell apart.
        room = (3 if crew.product.grain else 2) * k + _SPARE
        held, count = np.empty((n, room), dtype=np.int64), np.zeros(n, dtype=np.int64)
        floor = np.full(n + tile + RUN, -np.inf, dtype=np.float32)
        self.spent = np.zeros(n, dtype=np.int64)
        self.passed = np.zeros(-(-n // tile), dtype=np.int64)
        self.state = (keys, rows, floor, held, count, self.spent)
        # Other types and layouts are scored tile by tile, while their converted rows are at hand.
        self.whole = left.ready and right.ready
        self.pool: tuple[Any, int] = (right.x, 0)
        grain = crew.product.grain
        self.margin, self.how = (plan.rough if grain else plan.margin), (plan.code, plan.factor, GRID, grain)

    def lay(self, begin: int, end: int) -> None:
        """Convert the pool rows of a span, unless they are scored where they lie."""
        if not self.whole:
            self.pool = self.right.rows(begin, end), begin

    def tile(self, block: NDArray[Any], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        n, tile = len(block), self.plan.blocks.tile
        one, two = self._sides(a, a + n)
        self.scan(
            block.reshape(n, -1, RUN), a, b, both, self.state, one, two, self.rules.exclude, self.margin, self.how
        )
        self.passed[a // tile] += block.size
        if not self.whole:
            self.settle(a, a + n, self.state, one, two, self.margin, self.how)
            if both:
                self.settle(b, b + m, self.state, two, one, self.margin, self.how)

    @property
    def flooded(self) -> bool:
        """Whether the rounded scores tell too little apart: scoring again what they leave costs more than they save."""
        k = self.state[0].shape[1]
        return self.how[3] > 0 and self.spent.sum() > self.passed.sum() // _RARE + 8 * k * len(self.spent)

    def refine(self) -> None:
        """Go on with float32 scores; what is held must be scored before the next tile."""
        self.margin, self.how = self.plan.margin, (*self.how[:3], 0.0)

    def finish(self, start: int) -> None:
        """Score what a query block still holds."""
        if self.whole:
            stop = min(start + self.plan.blocks.tile, self.left.n)
            one, two = self._sides(0, self.left.n)
            self.settle(start, stop, self.state, one, two, self.margin, self.how)

    def _sides(self, a: int, to_a: int) -> tuple[Any, Any]:
        """Values, norms, groups and first row of both sides."""
        asked = (self.left.x, 0) if self.whole else (self.left.rows(a, to_a), a)
        own, other = self.rules.query_groups, self.rules.pool_groups
        one = (asked[0], self.left.norms, own, asked[1])
        return one, (self.pool[0], self.right.norms, other, self.pool[1])
