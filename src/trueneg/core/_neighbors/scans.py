"""The scan of a tile of scores: by NumPy, or compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._neighbors.pairs import GRID, exact, put
from trueneg.core._neighbors.plan import RUN, Plan
from trueneg.core._neighbors.sides import Rules, Side

_SPARE = 8  # a query holds k cells, and half as many again and 8 that are too close to tell apart


class Merge:
    """The scan without numba: keep what can matter, score it in float64, sort by score and index."""

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

    def tile(self, block: NDArray[np.float32], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        block = block[:, :m]
        self._merge(block, a, b)
        if both:
            self._merge(block.T, b, a)

    def finish(self, start: int) -> None:
        """Nothing is left of the query block: every tile was merged at once."""

    def _merge(self, block: NDArray[np.float32], a: int, b: int) -> None:
        n, m = block.shape
        plan, rules = self.plan, self.rules
        keys, rows, floor = self.keys[a : a + n], self.rows[a : a + n], self.floor[a : a + n]
        k = keys.shape[1]
        low = floor
        unset = np.isneginf(floor)
        if rules.exclude.size or rules.query_groups.size:
            block = np.where(rules.allowed(np.arange(a, a + n)[:, None], np.arange(b, b + m)), block, -np.inf)
        if m > k and unset.any():
            # k cells of this tile score at least their k-th best, less the error on either side.
            bound = np.partition(block[unset], m - k, axis=1)[:, m - k] - 2 * plan.margin[a : a + n][unset]
            low = floor.copy()
            low[unset] = np.nextafter(bound.astype(np.float32), np.float32(-np.inf))
        query, row = np.nonzero((block >= low[:, None]) & (block > -np.inf))
        piece = max(1, n * m // 8)  # many ties: the merge needs some 80 bytes a pair
        for start in range(0, query.size, piece):
            q, p = query[start : start + piece], row[start : start + piece] + b
            put(keys, rows, q, p, exact(self.left, self.right, q + a, p, plan))
        floor[:] = plan.floor(keys.min(axis=1), a)


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
        kernels: tuple[Any, Any],
    ) -> None:
        self.left, self.right, self.rules, self.margin = left, right, rules, plan.margin
        (self.scan, self.settle), self.size = kernels, plan.tile
        n, k = left.n, keys.shape[1]
        held, count = np.empty((n, k + k // 2 + _SPARE), dtype=np.int64), np.zeros(n, dtype=np.int64)
        floor = np.full(n + plan.tile + RUN, -np.inf, dtype=np.float32)
        self.state = (keys, rows, floor, held, count)
        self.how = (plan.code, plan.factor, GRID)
        # Other types and layouts are scored tile by tile, while their converted rows are at hand.
        self.whole = left.ready and right.ready

    def tile(self, block: NDArray[np.float32], m: int, a: int, b: int, *, both: bool) -> None:
        """Take in the scores of queries a... and pool rows b...b+m; with `both`, the other way round too."""
        n = len(block)
        block = block.reshape(n, -1, RUN)
        one, two = self._sides(a, a + n, b, b + m)
        self.scan(block, a, b, both, self.state, one, two, self.rules.exclude, self.margin, self.how)
        if not self.whole:
            self.settle(a, a + n, self.state, one, two, self.margin, self.how)
            if both:
                self.settle(b, b + m, self.state, two, one, self.margin, self.how)

    def finish(self, start: int) -> None:
        """Score what a query block still holds."""
        if self.whole:
            stop = min(start + self.size, self.left.n)
            one, two = self._sides(0, self.left.n, 0, self.right.n)
            self.settle(start, stop, self.state, one, two, self.margin, self.how)

    def _sides(self, a: int, to_a: int, b: int, to_b: int) -> tuple[Any, Any]:
        """Values, norms, groups and first row of both sides."""
        (x, at), (y, by) = [
            (side.x if self.whole else side.rows(start, stop), 0 if self.whole else start)
            for side, start, stop in ((self.left, a, to_a), (self.right, b, to_b))
        ]
        groups = self.rules
        return (x, self.left.norms, groups.query_groups, at), (y, self.right.norms, groups.pool_groups, by)
