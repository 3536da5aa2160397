"""What makes two rows equal: values as numbers, rows as hashes."""

from __future__ import annotations

from typing import Any

import numpy as np


def codes_of(values: list[Any]) -> np.ndarray:
    """Number values by their first occurrence, (n,) int64; missing ones share the number after the last."""
    import pyarrow as pa

    encoded = pa.array(values).dictionary_encode()
    return np.asarray(encoded.indices.fill_null(len(encoded.dictionary)), dtype=np.int64)


def hash_rows(matrix: np.ndarray) -> np.ndarray:
    """Hash the rows of a matrix (n, d), taken as float32; (n,) uint64."""
    # Wrapping integer arithmetic on the bits: equal rows hash equally wherever they stand.
    bits = np.ascontiguousarray(matrix, np.float32).view(np.uint32)
    out = np.zeros(len(bits), np.uint64)
    for j in range(bits.shape[1]):
        out = (out ^ bits[:, j]) * np.uint64(0x100000001B3)
    return out
