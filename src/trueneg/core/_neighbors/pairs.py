"""Pairs of query and pool row scored in float64, merged and put in order; candidates of a foreign index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._neighbors.plan import Plan
from trueneg.core._neighbors.sides import Rules, Side, cached
from trueneg.core.errors import InputError

Index = Callable[[NDArray[Any], int], tuple[ArrayLike, ArrayLike]]
GRID = 2.0**40  # float64 scores equal to 40 bits are ties: the last bits are noise of the summation order


def put(
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    query: NDArray[np.int64],
    row: NDArray[np.int64],
    scored: NDArray[np.float64],
) -> None:
    """Merge scored pairs into the k best of their queries, in place."""
    n, k = keys.shape
    touched, local = np.unique(query, return_inverse=True)
    who = np.concatenate([np.repeat(np.arange(touched.size), k), local])
    key = np.concatenate([keys[touched].ravel(), scored])
    idx = np.concatenate([rows[touched].ravel(), row])
    order = np.lexsort((idx, -key, who))
    start = np.searchsorted(who[order], np.arange(touched.size))
    best = order[start[:, None] + np.arange(k)]
    keys[touched], rows[touched] = key[best], idx[best]


def exact(left: Side, right: Side, query: NDArray[np.int64], row: NDArray[np.int64], plan: Plan) -> NDArray[np.float64]:
    """Score pairs in float64, each by its own sum, so that neighbours in the block cannot change it."""
    out = np.empty(query.size)
    step = min(plan.blocks.chunk, cached(right.d))
    for start in range(0, query.size, step):
        q, p = query[start : start + step], row[start : start + step]
        one, two = left.x[q].astype(np.float64, order="C"), right.x[p].astype(np.float64, order="C")
        if plan.code == 1:
            one -= two
            value = -np.sqrt((one * one).sum(axis=1))
        else:
            one *= two
            value = one.sum(axis=1)
            if plan.code == 0:
                size = left.norms[q] * right.norms[p]
                value = np.where(size > 0, value / np.where(size > 0, size, 1.0), 0.0)
        out[start : start + step] = _snap(value, plan.code)
    return out


def _snap(value: NDArray[np.float64], code: int) -> NDArray[np.float64]:
    """Round to 40 bits (of 1 for a cosine, of the value itself otherwise), so that equal scores are equal."""
    if code == 0:
        return np.rint(value * GRID) / GRID + 0.0
    mantissa, exponent = np.frexp(value)
    return np.ldexp(np.rint(mantissa * GRID), exponent - 40) + 0.0


def in_order(
    keys: NDArray[np.float64], rows: NDArray[np.int64], chunk: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sort each query's neighbours by falling score, then by index."""
    scores = np.empty(keys.shape, dtype=np.float32)
    for start in range(0, len(keys), chunk):
        part = slice(start, start + chunk)
        order = np.lexsort((rows[part], -keys[part]), axis=-1)
        scores[part] = np.take_along_axis(keys[part], order, axis=1)
        rows[part] = np.take_along_axis(rows[part], order, axis=1)
    return scores, rows


def search_index(
    left: Side,
    right: Side,
    plan: Plan,
    rules: Rules,
    keys: NDArray[np.float64],
    rows: NDArray[np.int64],
    index: Index,
) -> None:
    """Take candidates from a foreign index, asking for more where the rules left too few."""
    k = keys.shape[1]
    for start in range(0, left.n, plan.blocks.tile):
        todo = np.arange(start, min(start + plan.blocks.tile, left.n))
        want = min(right.n, k + int(rules.exclude.size > 0))
        while todo.size:
            found = np.asarray(index(left.x[todo], want)[1])
            if found.ndim != 2 or len(found) != todo.size or found.dtype.kind not in "iu":
                msg = f"index must return (scores, ids), ids being whole numbers of shape ({todo.size}, {want})"
                raise InputError(msg)
            if found.size and (found.max() >= right.n or found.min() < -1):
                msg = f"index returned ids outside the pool of {right.n} rows: was it built on another pool?"
                raise InputError(msg)
            pairs = np.unique(np.stack([np.repeat(todo, found.shape[1]), found.ravel()], axis=1), axis=0)
            query, row = pairs[pairs[:, 1] >= 0].astype(np.int64).T
            keep = rules.allowed(query, row)
            query, row = query[keep], row[keep]
            keys[todo], rows[todo] = -np.inf, -1
            put(keys, rows, query, row, exact(left, right, query, row, plan))
            short = (rows[todo] < 0).any(axis=1) & (want < right.n)
            todo, want = todo[short], min(right.n, 2 * want)
