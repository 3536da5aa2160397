"""Who may be a partner: exact nearest rows in three kinds of space, among distinct points, within groups."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trueneg.core.neighbors import top_k

__all__ = ["EuclideanSpace", "NominalSpace", "Space", "ValueDifferenceSpace", "nearest_among", "nearest_partners"]

Ids = NDArray[np.int64]
_TILE = 2048  # rows of the pool whose distances are held at a time
_CELLS = 1 << 18  # float64 distances of one tile, 2 MiB
_SEARCH = "8MiB"  # working set of a dense search
_DENSE = 64 << 20  # a sparse class below this size is searched as a dense one
_GRID = 1e-10  # squares below this share of the norms are the rounding of zero
_TABLE = 2048  # levels up to which all pairs of a column are tabulated


class Space(Protocol):
    """Rows 0..n-1 with a distance."""

    def nearest(self, queries: Ids, pool: Ids, k: int) -> tuple[Ids, NDArray[Any]]:
        """Return the k rows of the sorted `pool` nearest to each query, itself excluded, and distances; -1 for none."""
        ...

    def key(self, rows: Ids) -> NDArray[Any]:
        """Return what makes two rows the same point, (len(rows), m)."""
        ...


def _positions(queries: Ids, pool: Ids) -> Ids:
    """Return where each query stands in the sorted pool, -1 where it does not."""
    at = np.minimum(np.searchsorted(pool, queries), len(pool) - 1)
    return np.where(pool[at] == queries, at, -1)


def _translate(found: Ids, pool: Ids) -> Ids:
    """Turn positions in the pool into row numbers, in place."""
    missing = found < 0
    np.take(pool, np.where(missing, 0, found), out=found)
    found[missing] = -1
    return found


def _smallest(square: NDArray[np.float64], k: int) -> tuple[Ids, NDArray[np.float64]]:
    """Return the k smallest of each row in order, equal ones by position."""
    if k >= square.shape[1]:
        order = np.argsort(square, axis=1, kind="stable")
        return order, np.take_along_axis(square, order, axis=1)
    part = np.argpartition(square, k - 1, axis=1)[:, :k]
    worst = np.take_along_axis(square, part, axis=1).max(axis=1)[:, None]
    tied = np.flatnonzero((square <= worst).sum(axis=1) > k)
    if len(tied):  # a partition takes any of those that tie for the last place
        some, last = square[tied], worst[tied]
        less, equal = some < last, some == last
        left = k - less.sum(axis=1, keepdims=True)
        take = less | (equal & (np.cumsum(equal, axis=1) <= left))
        part[tied] = np.nonzero(take)[1].reshape(len(tied), k)
    part.sort(axis=1)
    value = np.take_along_axis(square, part, axis=1)
    order = np.argsort(value, axis=1, kind="stable")
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(value, order, axis=1)


class _BlockedSpace:
    """A distance that is computed tile by tile, never more than a few MiB."""

    def block(self, queries: Ids, pool: Ids) -> NDArray[np.float64]:
        """Return squared distances (len(queries), len(pool)), inf where two rows cannot be compared."""
        raise NotImplementedError

    def nearest(self, queries: Ids, pool: Ids, k: int) -> tuple[Ids, NDArray[Any]]:
        """Search all pairs; ties go to the smaller row."""
        found = np.full((len(queries), k), -1, dtype=np.int64)
        best = np.full((len(queries), k), np.inf)
        step = max(1, _CELLS // min(_TILE, len(pool)))
        for low in range(0, len(pool), _TILE):
            tile = pool[low : low + _TILE]
            own = _positions(queries, tile)
            for start in range(0, len(queries), step):
                part = slice(start, start + step)
                square = self.block(queries[part], tile)
                inside = np.flatnonzero(own[part] >= 0)
                square[inside, own[part][inside]] = np.inf
                # Earlier tiles hold smaller rows, so that an equal one does not displace them.
                better = start + np.flatnonzero(square.min(axis=1) < best[part, -1])
                if len(better):
                    at, value = _smallest(square[better - start], k)
                    value = np.concatenate([best[better], value], axis=1)
                    rows = np.concatenate([found[better], tile[at]], axis=1)
                    at, best[better] = _smallest(value, k)
                    found[better] = np.take_along_axis(rows, at, axis=1)
        found[~np.isfinite(best)] = -1
        return found, np.sqrt(best)


class EuclideanSpace(_BlockedSpace):
    """Euclidean distance on a dense array or CSR matrix, which is never copied whole.

    Where values are missing, the square over the columns that both rows have is scaled up to all of them, as in
    scikit-learn's ``nan_euclidean_distances``; two rows without a common column are no neighbours.
    """

    def __init__(self, x: Any, *, holes: bool = False) -> None:
        self.x, self.holes = x, holes
        self.sparse = sparse.issparse(x)

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """Where the rows of a dense array lie, roughly: a far origin would swallow their differences."""
        some = np.asarray(self.x[:: max(1, len(self.x) // 1000)], dtype=np.float64)
        known = ~np.isnan(some)
        return np.where(known, some, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)

    def nearest(self, queries: Ids, pool: Ids, k: int) -> tuple[Ids, NDArray[Any]]:
        """Search with one matrix product a tile; a sparse class that is small when dense is searched as such."""
        small = 8 * self.x.shape[1] * max(len(queries), len(pool)) <= _DENSE
        if self.holes or (self.sparse and not small):
            return super().nearest(queries, pool, k)
        right = self.x if len(pool) == self.x.shape[0] else self.x[pool]
        right = right.toarray() if self.sparse else right
        # The very same object halves the work.
        left = right if queries is pool else self.x[queries]
        left = left.toarray() if sparse.issparse(left) else left
        exclude = _positions(queries, pool)
        score, found = top_k(left, right, k, metric="euclidean", exclude=exclude, memory=_SEARCH)
        return _translate(found, pool), -score

    def _rows(self, rows: Ids) -> tuple[Any, Any]:
        """Return values with zeros for holes, and the holes as ones."""
        part = self.x[rows].astype(np.float64)
        if not self.sparse:
            part -= self.middle
            hole = np.isnan(part)
            part[hole] = 0
            return part, hole.astype(np.float64)
        hole = sparse.csr_matrix((np.isnan(part.data).astype(np.float64), part.indices, part.indptr), part.shape)
        part.data[np.isnan(part.data)] = 0
        return part, hole

    def block(self, queries: Ids, pool: Ids) -> NDArray[np.float64]:
        """Expand the square; what is rounding noise beside the norms becomes an exact zero."""
        (one, hole_one), (two, hole_two) = self._rows(queries), self._rows(pool)
        sq_one, sq_two = (a.multiply(a) if self.sparse else a * a for a in (one, two))
        size = _column(sq_one) + _column(sq_two).T
        if self.holes:
            size = size - _dense(sq_one @ hole_two.T) - _dense(hole_one @ sq_two.T)
        square = size - 2 * _dense(one @ two.T)
        square[square <= _GRID * size] = 0
        if self.holes:
            d = self.x.shape[1]
            common = d - _column(hole_one) - _column(hole_two).T + _dense(hole_one @ hole_two.T)
            square = np.where(common > 0.5, square * (d / np.maximum(common, 1)), np.inf)
        return square

    def key(self, rows: Ids) -> NDArray[Any]:
        """Return the values; of sparse rows three random projections, which differ almost surely where the rows do."""
        if not self.sparse:
            values = np.asarray(self.x[rows], dtype=np.float64)
            return np.where(np.isnan(values), np.nan, values)  # one bit pattern for all NaN
        part, hole = self._rows(rows)
        part.sum_duplicates()
        axes = np.random.default_rng(0).normal(size=(self.x.shape[1], 3))
        return np.hstack([part @ axes, hole @ axes])


def _column(x: Any) -> NDArray[np.float64]:
    """Return the row sums as a column."""
    return np.asarray(x.sum(axis=1), dtype=np.float64).reshape(-1, 1)


def _dense(x: Any) -> NDArray[np.float64]:
    return np.asarray(x.toarray() if sparse.issparse(x) else x)


class NominalSpace(_BlockedSpace):
    """SMOTE-NC: the numeric square, and for each nominal that differs the square of `penalty`; no one-hot.

    Source: Chawla et al. 2002, section 6.1.
    """

    def __init__(self, numeric: EuclideanSpace, codes: NDArray[np.int32], penalty: float) -> None:
        self.numeric, self.codes, self.penalty = numeric, codes, penalty

    def block(self, queries: Ids, pool: Ids) -> NDArray[np.float64]:
        """Sum one product and one comparison a nominal column."""
        square = self.numeric.block(queries, pool)
        differ = np.zeros(square.shape, dtype=np.uint16)
        mine, others = self.codes[queries], self.codes[pool]
        for column in range(self.codes.shape[1]):
            differ += mine[:, column, None] != others[:, column]
        square += differ * self.penalty**2
        return square

    def key(self, rows: Ids) -> NDArray[Any]:
        """Return numbers and codes side by side."""
        return np.hstack([self.numeric.key(rows), self.codes[rows].astype(np.float64)])


class ValueDifferenceSpace(_BlockedSpace):
    """SMOTE-N: two values of a column are as far apart as the class shares among their rows.

    ``delta(v, w) = sum_c |n_vc / n_v - n_wc / n_w|``, squared and added over the columns.
    Source: Cost and Salzberg 1993; Chawla et al. 2002, section 6.2.
    """

    def __init__(self, codes: NDArray[np.int32], y: Ids) -> None:
        self.codes = codes
        n_classes = int(y.max()) + 1
        self.shares, self.places, self.tables = [], [], []
        for column in codes.T:
            cells = column.astype(np.int64) * n_classes + y
            count = np.bincount(cells, minlength=(int(column.max()) + 1) * n_classes).reshape(-1, n_classes)
            share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
            # Of many values most are alike: each that occurs once has all its rows in one class.
            share, place = np.unique(share, axis=0, return_inverse=True)
            self.shares.append(share)
            self.places.append(place.reshape(-1)[column])
            self.tables.append(_differences(share, share) if len(share) <= _TABLE else None)

    def block(self, queries: Ids, pool: Ids) -> NDArray[np.float64]:
        """Look each pair of values up, or take the difference of their shares where there are too many values."""
        square = np.zeros((len(queries), len(pool)))
        for share, place, table in zip(self.shares, self.places, self.tables, strict=True):
            mine, others = place[queries], place[pool]
            square += _differences(share[mine], share[others]) if table is None else table[mine][:, others]
        return square

    def key(self, rows: Ids) -> NDArray[Any]:
        """Return the codes."""
        return self.codes[rows].astype(np.float64)


def _differences(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared sums of absolute differences of shares, (len(one), len(two))."""
    delta = np.zeros((len(one), len(two)))
    for left, right in zip(one.T, two.T, strict=True):
        delta += np.abs(left[:, None] - right)
    return delta**2


def nearest_among(space: Space, queries: Ids, pool: Ids, k: int, groups: NDArray[Any] | None = None) -> Ids:
    """Return for each query the k nearest rows of the sorted pool, itself excluded, of its own group where given.

    Returns
    -------
    int64 array of shape (len(queries), k), -1 where there are fewer.
    """
    out = np.full((len(queries), k), -1, dtype=np.int64)
    if groups is None:
        return space.nearest(queries, pool, k)[0] if len(pool) else out
    for mine, others in _by_group(groups[queries], groups[pool]):
        out[mine] = space.nearest(queries[mine], pool[others], k)[0]
    return out


def _by_group(one: NDArray[Any], two: NDArray[Any]) -> list[tuple[Ids, Ids]]:
    """Return the positions of each group that occurs on both sides."""
    codes = np.unique(np.concatenate([one, two]), return_inverse=True)[1].astype(np.int64)
    parts = []
    for side in (codes[: len(one)], codes[len(one) :]):
        order = np.argsort(side, kind="stable")
        parts.append(np.split(order, np.cumsum(np.bincount(side, minlength=codes.max(initial=0) + 1))[:-1]))
    return [(a, b) for a, b in zip(*parts, strict=True) if len(a) and len(b)]


def nearest_partners(
    space: Space, rows: Ids, k: int, *, groups: NDArray[Any] | None = None, distinct: bool = True
) -> Ids:
    """Return for each of `rows` its k nearest among `rows`, (len(rows), k), -1 where there are fewer.

    Parameters
    ----------
    space : Space
        The distance.
    rows : int64 array (T,), sorted
        The class.
    k : int
        Partners a row.
    groups : array (n,), optional
        A partner is of the row's own group: a child must not mix two patients.
    distinct : bool, default=True
        Count copies of a row as one point. Otherwise rows that come k + 1 times or more have only themselves
        as partners, and all their children are copies.
    """
    out = np.full((len(rows), k), -1, dtype=np.int64)
    if groups is not None:
        for members, _ in _by_group(groups[rows], groups[rows]):
            if len(members) > 1:
                out[members] = nearest_partners(space, rows[members], k, distinct=distinct)
        return out
    if len(rows) < 2:
        return out
    found, distance = space.nearest(rows, rows, k)
    if not distinct or not (distance[:, 0] == 0).any():
        return found
    key = np.ascontiguousarray(space.key(rows) + 0.0)  # -0.0 becomes 0.0
    raw = key.view(np.dtype((np.void, key.itemsize * key.shape[1]))).ravel()
    _, first, inverse = np.unique(raw, return_index=True, return_inverse=True)
    if len(first) == 1:
        return out
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    points = rows[first[order]]
    found, _ = space.nearest(points, points, k)
    return found[rank[inverse]]
