"""The way over the tiles: which products are taken, by which threads, and scanned by what."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core._neighbors.crew import Crew
from trueneg.core._neighbors.plan import Plan, whole_runs
from trueneg.core._neighbors.product import Product
from trueneg.core._neighbors.scans import Merge, Scan
from trueneg.core._neighbors.sides import Rules, Side

_PLAIN = 1e-9  # products with shorter rows may leave float32 at its lower end
_STRIP = 16  # tiles that one thread takes in a row
Job = tuple[int, list[int]]  # a query block, and the pool blocks that it meets


def search(
    left: Side,
    right: Side,
    plan: Plan,
    rules: Rules,
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    crew: Crew,
    *,
    same: bool,
) -> None:
    """Walk over the tiles: the pool is streamed once, and a symmetric product is taken once."""
    scan: Merge | Scan
    if crew.kernels is None:
        scan = Merge(left, right, plan, rules, keys, rows)
    else:
        scan = Scan(left, right, plan, rules, keys, rows, crew)
    _Walk(left, right, plan, scan, crew, same=same).run()


class _Walk:
    """The way over the tiles, in jobs that may run side by side: a strip of tiles of one query block each."""

    def __init__(self, left: Side, right: Side, plan: Plan, scan: Merge | Scan, crew: Crew, *, same: bool) -> None:
        self.left, self.right, self.plan, self.scan, self.same = left, right, plan, scan, same
        self.crew, self.product, self.tile = crew, crew.product, plan.blocks.tile
        self.begin, self.pool = 0, np.empty((0, 0), dtype=np.float32)
        self.once = left.n <= self.tile and not same  # each pool row is multiplied once: it is made ready just before
        self.own = threading.local()  # each thread's block of scores
        self.locks = [threading.Lock() for _ in range(-(-max(left.n, 1) // self.tile))]  # one a query block

    def run(self) -> None:
        """Stream the pool once, span by span."""
        for begin in range(0, self.right.n, self.plan.blocks.span):
            end = min(begin + self.plan.blocks.span, self.right.n)
            self.scan.lay(begin, end)
            self._lay(begin, end)
            if self.same:
                # The tiles of the diagonal come first: afterwards every query has a floor.
                self._go([(a, [a]) for a in range(begin, end, self.tile)], end)
            self._go(self._strips(end), end)
        self._settle()

    def _lay(self, begin: int, end: int) -> None:
        """Make the pool rows of a span ready for the product, where several query blocks meet them."""
        self.begin = begin
        if self.once:
            return
        self.pool = np.empty((end - begin, self.plan.width(self.right.d)), dtype=self.product.dtype)

        def part(start: int) -> None:
            stop = min(start + self.tile, end)
            self.pool[start - begin : stop - begin] = self._ready(self.right, start, stop, as_query=False)

        deque(self.crew.each(part, range(begin, end, self.tile)), maxlen=0)

    def _ready(self, side: Side, start: int, stop: int, *, as_query: bool) -> NDArray[Any]:
        if not self.product.grain:
            return self.plan.embed(side, start, stop, as_query=as_query)
        rows = side.rows(start, stop)
        out = np.empty(rows.shape, dtype=self.product.dtype)
        self.crew.rows.narrow(rows, 1.0 / self.plan.lengths(side, start, stop), out)
        return out

    def _go(self, jobs: list[Job], end: int) -> None:
        """Do the jobs; where the rounded scores told too little apart, the rest of them by float32 scores."""
        rest = [job for job in self.crew.each(self._strip, jobs) if job is not None]
        if rest:
            self.product = self.crew.fine
            self.scan.refine()
            self._settle()
            self._lay(self.begin, end)
            self._go(rest, end)

    def _settle(self) -> None:
        deque(self.crew.each(self.scan.finish, range(0, self.left.n, self.tile)), maxlen=0)

    def _strips(self, end: int) -> list[Job]:
        """List the jobs of a span."""
        tile, jobs = self.tile, []
        for a in range(0, end if self.same else self.left.n, tile):
            blocks = list(range(max(self.begin, a + tile) if self.same else self.begin, end, tile))
            jobs += [(a, blocks[i : i + _STRIP]) for i in range(0, len(blocks), _STRIP)]
        return jobs

    def _strip(self, job: Job) -> Job | None:
        """Take the products of one query block with some pool blocks, and scan them; return what was not done."""
        if self.scan.flooded:
            return job
        a, blocks = job
        tile, begin, product = self.tile, self.begin, self.product
        if self.same and a >= begin and self.plan.code != 1:
            query = self.pool[a - begin : a - begin + tile]
        else:
            query = self._ready(self.left, a, min(a + tile, self.left.n), as_query=True)
        buffer = self._buffer(product)
        for b in blocks:
            by = self._scales(b, len(query))
            if by is not None:
                part = self.right.rows(b, b + tile)
            elif self.once:
                part = self._ready(self.right, b, b + tile, as_query=False)
            else:
                part = self.pool[b - begin : b - begin + tile]
            wide = whole_runs(len(part))
            block = buffer[: len(query) * wide].reshape(len(query), wide)
            block[:, len(part) :] = product.pad
            product.into(query, part, block[:, : len(part)])
            if by is not None:
                block[:, : len(part)] *= by
            both = self.same and a != b
            with self.locks[a // tile], self.locks[b // tile] if both else contextlib.nullcontext():
                self.scan.tile(block, len(part), a, b, both=both)
        return None

    def _scales(self, b: int, n: int) -> NDArray[np.float32] | None:
        """Return what the scores of pool rows are multiplied by where the rows are taken as they are.

        That is less work where few queries meet each row once. Torch takes no array that must not be written to.
        """
        right, product = self.right, self.product
        if not self.once or 2 * n > right.d or self.plan.code == 1 or product.grain or not right.ready:
            return None
        if right.x.dtype != np.float32 or not (right.x.flags.writeable or type(product) is Product):
            return None
        lengths = self.plan.lengths(right, b, b + self.tile)
        return (1.0 / lengths).astype(np.float32) if lengths.min() > _PLAIN else None

    def _buffer(self, product: Product) -> NDArray[Any]:
        """Return this thread's room for a tile of scores."""
        if getattr(self.own, "product", None) is not product:
            self.own.product = product
            self.own.buffer = np.empty(self.tile * whole_runs(self.tile), dtype=product.dtype)
        room: NDArray[Any] = self.own.buffer
        return room
