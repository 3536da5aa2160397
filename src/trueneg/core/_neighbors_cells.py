"""Cells of a tile of scores, as the compiled scan reads them; imported only where numba is installed.

A cell is a float32, or the upper half of one (bfloat16, as int16): what differs between the two stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import overload

from trueneg.core.compiled import compiled


@compiled()
def _pack(score: float, row: int) -> Any:
    """Put a float32 score and a pool row into one whole number that grows with the score."""
    bits = np.float32(score).view(np.int32)
    return (np.int64(bits ^ ((bits >> 31) & 0x7FFFFFFF)) << 32) | np.int64(row)


@compiled()
def _packed_score(cell: int) -> Any:
    """Take the score back out."""
    bits = np.int32(cell >> 32)
    return np.int32(bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)


def _value(cell: Any) -> Any:
    """Return the score of a cell."""


def _rising(cell: Any) -> Any:
    """Return a number of the cell's own size that grows with the score."""


def _bound(low: float, cell: Any) -> Any:
    """Return the floor as `_rising` would, rounded down: what reaches the floor reaches it."""


@overload(_value, strict=False)
def _value_of(cell: Any) -> Callable[..., Any]:
    if isinstance(cell, numba.types.Integer):
        return lambda cell: np.int32(np.int32(cell) << 16).view(np.float32)
    return lambda cell: cell


@overload(_rising, strict=False)
def _rising_of(cell: Any) -> Callable[..., Any]:
    if isinstance(cell, numba.types.Integer):
        return lambda cell: np.int16(cell ^ ((cell >> 15) & 0x7FFF))
    return lambda cell: cell


@overload(_bound, strict=False)
def _bound_of(low: Any, cell: Any) -> Callable[..., Any]:
    if isinstance(cell, numba.types.Integer):
        return lambda low, cell: np.int16(_pack(low, 0) >> 48)
    return lambda low, cell: low


def _lows(floor: Any, first: int, runs: int, block: Any) -> Any:
    """Return the floors of a tile's columns, as `_rising` would: the floors themselves, or room for them."""


def _lower(lows: Any, floor: Any, first: int) -> None:
    """Take over the floors of the columns as they are now, where they are not the same numbers."""


@overload(_lows, strict=False)
def _lows_of(floor: Any, first: Any, runs: Any, block: Any) -> Callable[..., Any]:
    if isinstance(block.dtype, numba.types.Integer):
        return lambda floor, first, runs, block: np.empty((runs, 64), dtype=np.int16)
    return lambda floor, first, runs, block: floor[first : first + runs * 64].reshape(runs, 64)


@overload(_lower, strict=False)
def _lower_to(lows: Any, floor: Any, first: Any) -> Callable[..., Any]:
    if not isinstance(lows.dtype, numba.types.Integer):
        return lambda lows, floor, first: None

    def lower(lows: Any, floor: Any, first: Any) -> None:
        for run in range(lows.shape[0]):
            for j in range(64):
                lows[run, j] = _bound(floor[first + run * 64 + j], lows[run, j])

    return lower
