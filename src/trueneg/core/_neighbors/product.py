"""How a tile of scores is made: by NumPy, by torch, or by torch in half the bits where the processor has units for it.

Which one is a matter of time alone. A product is taken where, on one tile of random rows, it was the fastest of those
whose scores lie within their own error bound; torch may have been told to give up digits, and then it fails here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TORCH_FLOPS = 4e11  # from here on the second or two that torch takes to load are won back
_LOADED_FLOPS = 2e10  # where it is loaded: the time of trying out is won back; a tile of few queries is tried sooner
_READY_FLOPS = 2e9  # and with it that of making rows to try on
_TRIES, _SAMPLE = 3, 128  # times that a product is tried, and rows of either side whose scores are looked at
_UNIT = 2.0**-24


class Product:
    """Float32 rows, multiplied by NumPy.

    Attributes
    ----------
    dtype, pad
        Of a tile of scores, and what fills its last run up: something that reaches no floor.
    grain : float
        Share of a score by which it may be rounded after the sum.
    """

    dtype: Any = np.float32
    pad: Any = np.nan
    grain = 0.0

    def into(self, query: NDArray[Any], pool: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the scores of two blocks of rows."""
        np.matmul(query, pool.T, out=out)


class TorchProduct(Product):
    """Float32 rows, multiplied by torch."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch

    def into(self, query: NDArray[Any], pool: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the scores of two blocks of rows."""
        self.torch.mm(self._seen(query), self._seen(pool).T, out=self._seen(out))

    def _seen(self, array: NDArray[Any]) -> Any:
        return self.torch.from_numpy(array)


class HalfProduct(TorchProduct):
    """Rows as bfloat16 (held as int16), summed in float32, the scores rounded to bfloat16."""

    dtype = np.int16
    pad = -1  # a NaN with its sign set, which sorts below everything
    grain = 2.0**-8

    def _seen(self, array: NDArray[Any]) -> Any:
        return self.torch.from_numpy(array).view(self.torch.bfloat16)


def load(d: int, cells: int, share: float = 1.0) -> Any | None:
    """Return torch where it is installed and the work is worth it; the tile to try is the given share of a full one."""
    flops = 2.0 * d * cells
    if flops < (_LOADED_FLOPS * share + _READY_FLOPS if "torch" in sys.modules else _TORCH_FLOPS):
        return None
    try:
        import torch
    except (ImportError, OSError):  # a library that it needs may be missing
        return None
    return torch


def fastest(torch: Any, d: int, tile: tuple[int, int], *, half: bool) -> tuple[Product, Product]:
    """Try the products on one tile, and return the fastest, and the fastest in float32.

    Parameters
    ----------
    torch : module
    d : int
        Columns.
    tile : (int, int)
        Rows of either side.
    half : bool
        Whether bfloat16 may be tried.
    """
    both = np.random.default_rng(0).random((sum(tile), d), dtype=np.float32) - np.float32(0.5)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    rows = both[: tile[0]], both[tile[0] :]
    plain, by_torch, narrow = Product(), TorchProduct(torch), HalfProduct(torch)
    fine = by_torch if _time(by_torch, rows) < _time(plain, rows) else plain
    return (narrow if half and _time(narrow, rows) < _time(fine, rows) else fine), fine


def _time(product: Product, rows: tuple[NDArray[np.float32], NDArray[np.float32]]) -> float:
    """Return the seconds of one tile; infinite where a score is off by more than the bound, or nothing comes back."""
    half = product.dtype is np.int16
    one, two = (_rounded(side) if half else side for side in rows)
    out = np.empty((len(one), len(two)), dtype=product.dtype)
    try:
        spent = min(_clock(lambda: product.into(one, two, out)) for _ in range(_TRIES))
    except RuntimeError:  # this torch has no such product on this processor
        return np.inf
    first, second = (_plain(side[:_SAMPLE]) for side in (one, two))
    exact = first.astype(np.float64) @ second.T.astype(np.float64)
    got = _plain(np.ascontiguousarray(out[:_SAMPLE, :_SAMPLE]))
    off = np.abs(got - exact) - product.grain * np.abs(exact)
    return spent if off.max() <= (rows[0].shape[1] + 24) * _UNIT * 1.1 else np.inf


def _plain(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows as float32, whatever the product took."""
    return _widened(rows) if rows.dtype == np.int16 else rows


def _clock(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _rounded(rows: NDArray[np.float32]) -> NDArray[np.int16]:
    bits = rows.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).view(np.int16)


def _widened(half: NDArray[np.int16]) -> NDArray[np.float32]:
    return (half.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
