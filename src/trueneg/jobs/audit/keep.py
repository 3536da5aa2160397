"""A representation as plain arrays and back, so that it can be kept between two runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.jobs.audit.represent import Representation

_DENSE = ("table", "embedding", "duplicate_of", "unread")
_SPARSE = ("data", "indices", "indptr", "shape")


def packed(data: Representation) -> dict[str, np.ndarray]:
    """Return the arrays of a representation; what is missing is left out."""
    from scipy import sparse

    arrays: dict[str, Any] = {name: getattr(data, name) for name in _DENSE if getattr(data, name) is not None}
    if sparse.issparse(data.linear):
        matrix = sparse.csr_matrix(data.linear)
        arrays |= {f"linear.{name}": np.asarray(getattr(matrix, name)) for name in _SPARSE}
    elif data.linear is not data.embedding:
        arrays["linear"] = data.linear
    arrays |= {"words": np.asarray(data.words), "digest": np.asarray(data.digest)}
    return arrays | {"notes": np.asarray(data.notes, dtype=str)}


def unpacked(arrays: dict[str, np.ndarray]) -> Representation:
    """Return the representation that :func:`packed` was given."""
    from scipy import sparse

    linear: Any = arrays.get("linear", arrays["embedding"])
    if "linear.data" in arrays:
        parts = [arrays[f"linear.{name}"] for name in _SPARSE]
        linear = sparse.csr_matrix(tuple(parts[:3]), shape=tuple(int(n) for n in parts[3]))
    return Representation(
        arrays.get("table"),
        linear,
        arrays["embedding"],
        arrays["duplicate_of"],
        str(arrays["words"]),
        [str(note) for note in arrays["notes"]],
        str(arrays["digest"]),
        arrays.get("unread"),
    )
