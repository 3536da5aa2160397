"""The two arrays of a search, checked block by block, and the pairs that it may return."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core._neighbors.crew import Crew

_LARGEST = 1e18  # a row norm above this would leave float32 when squared
_CACHED = 49_152  # float64 numbers worked on at a time, so that several passes over them stay in cache


def cached(d: int) -> int:
    """Return how many rows of d numbers stay in cache as float64."""
    return max(1, _CACHED // d)


@dataclass
class Side:
    """One of the two arrays, its rows' norms, and their radius in the space of the product.

    What depends on the array alone is in `kept`, under a name and how it was summed, and measured where it is missing.
    """

    x: NDArray[Any]
    name: str
    kept: dict[tuple[str, bool], NDArray[np.float64]] = field(default_factory=dict)
    norms: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    radius: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    lost: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def n(self) -> int:
        return self.x.shape[0]

    @property
    def d(self) -> int:
        return self.x.shape[1]

    @classmethod
    def of(cls, data: ArrayLike, name: str) -> Side:
        """Check type and shape; the values are read later, block by block."""
        if hasattr(data, "toarray"):
            msg = f"{name} is a sparse matrix: pass a dense array, or reduce its dimension first"
            raise InputError(msg)
        x = data if isinstance(data, np.ndarray) else np.asarray(data)
        if x.ndim != 2 or x.shape[1] == 0:
            msg = f"{name} has shape {x.shape}: a table of (rows, columns) with at least one column is needed"
            raise InputError(msg)
        if x.dtype.kind not in "fiub":
            msg = f"{name} holds {x.dtype} values: numbers are needed"
            raise InputError(msg)
        return cls(x, name)

    @property
    def ready(self) -> bool:
        """Whether the values can be scored where they lie."""
        return self.x.dtype in (np.float32, np.float64) and self.x.dtype.isnative and self.x.flags.c_contiguous

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows as a C-contiguous float32 or float64 block: a view wherever the input allows one."""
        part = np.asarray(self.x[start:stop])
        small = part.dtype in (np.float32, np.float16)
        return np.ascontiguousarray(part, dtype=np.float32 if small else np.float64)

    def measure(self, chunk: int, crew: Crew, *, unit: bool) -> None:
        """Compute all norms in float64, refusing what is not finite or far too large.

        Where the product rounds rows to bfloat16, the length of what that takes from each is measured too; with `unit`
        from the row over its norm.
        """
        norms, lost = ("norms", crew.rows is not None), ("lost", unit)
        if norms not in self.kept or (crew.product.grain and lost not in self.kept):
            self.norms, self.lost = np.empty(self.n), np.empty(self.n if crew.product.grain else 0)
            deque(crew.each(lambda start: self._measure(start, start + chunk, crew, unit), range(0, self.n, chunk)), 0)
            self.kept[norms] = self.norms
            if crew.product.grain:
                self.kept[lost] = self.lost
        self.norms, self.lost = self.kept[norms], self.kept.get(lost, self.lost)

    def mean(self, chunk: int) -> NDArray[np.float64]:
        """Column means to float32: distances do not move with the origin, their rounding errors do."""
        place = ("mean", False)
        if place not in self.kept:
            total, step = np.zeros(self.d), min(chunk, cached(self.d))
            for start in range(0, self.n, step):
                total += self.rows(start, start + step).sum(axis=0, dtype=np.float64)
            self.kept[place] = (total / max(self.n, 1)).astype(np.float32).astype(np.float64)
        return self.kept[place]

    def reach(self, centre: NDArray[np.float64], chunk: int, *, own: bool) -> NDArray[np.float64]:
        """Distance of each row from a centre; with `own`, from its own mean."""
        place = ("reach", own)
        if own and place in self.kept:
            return self.kept[place]
        out, step = np.empty(self.n), min(chunk, cached(self.d))
        for start in range(0, self.n, step):
            block = self.rows(start, start + step) - centre
            block *= block
            out[start : start + step] = np.sqrt(block.sum(axis=1))
        if own:
            self.kept[place] = out
        return out

    def _measure(self, start: int, stop: int, crew: Crew, unit: bool) -> None:
        block, norms = self.rows(start, stop), self.norms[start:stop]
        if crew.rows is None:
            step = cached(self.d)
            for low in range(0, len(block), step):
                wide = block[low : low + step].astype(np.float64)
                with np.errstate(over="ignore", invalid="ignore"):
                    wide *= wide
                    norms[low : low + step] = np.sqrt(wide.sum(axis=1))
        else:
            crew.rows.measure(block, unit, norms, self.lost[start:stop])
        bad = np.flatnonzero(~(norms <= _LARGEST))
        if bad.size:
            self._refuse(start + int(bad[0]), block[bad[0]])

    def _refuse(self, row: int, values: NDArray[Any]) -> None:
        column = np.flatnonzero(~np.isfinite(values))
        if column.size:
            msg = (
                f"{self.name} row {row}, column {column[0]} is {values[column[0]]}: neighbours need finite "
                "numbers, so drop the row or fill the value in"
            )
        else:
            msg = f"{self.name} row {row} has a norm above {_LARGEST:g}: rescale the features"
        raise InputError(msg)


@dataclass
class Rules:
    """Which pool rows a query may not get: integer arrays, of length 0 where there is no such rule."""

    exclude: NDArray[np.int64]
    query_groups: NDArray[np.int64]
    pool_groups: NDArray[np.int64]

    @classmethod
    def of(cls, exclude: Any, query_groups: Any, pool_groups: Any, *, n_queries: int, n_pool: int) -> Rules:
        """Check the rules and turn group labels of any type into codes."""
        none = np.empty(0, dtype=np.int64)
        if exclude is not None:
            exclude = np.asarray(exclude)
            if exclude.shape != (n_queries,) or exclude.dtype.kind not in "iu":
                msg = f"exclude must hold one pool row a query: {n_queries} whole numbers, -1 for none"
                raise InputError(msg)
        if (query_groups is None) != (pool_groups is None):
            msg = "query_groups and pool_groups go together: give both or neither"
            raise InputError(msg)
        first = second = none
        if query_groups is not None:
            first, second = np.asarray(query_groups), np.asarray(pool_groups)
            if first.shape != (n_queries,) or second.shape != (n_pool,):
                msg = (
                    f"groups have shapes {first.shape} and {second.shape}: "
                    f"one group a row is needed, ({n_queries},) and ({n_pool},)"
                )
                raise InputError(msg)
            codes = np.unique(np.concatenate([first, second]), return_inverse=True)[1].astype(np.int64)
            first, second = codes[:n_queries], codes[n_queries:]
        return cls(none if exclude is None else exclude.astype(np.int64), first, second)

    def allowed(self, query: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell for pairs of query and pool row whether the pair may be returned."""
        keep = np.ones(np.broadcast_shapes(query.shape, row.shape), dtype=bool)
        if self.exclude.size:
            keep &= self.exclude[query] != row
        if self.query_groups.size:
            keep &= self.query_groups[query] != self.pool_groups[row]
        return keep
