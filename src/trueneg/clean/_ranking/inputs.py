"""What a ranking is asked with, checked: labels that may be wrong, rows to fit on, groups, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.core.errors import InputError


def suspect_columns(wanted: Any, classes: np.ndarray) -> np.ndarray:
    """Return which columns may be wrong as given labels, (K,) bool."""
    if isinstance(wanted, str) and wanted == "all":
        return np.ones(len(classes), dtype=bool)
    names = np.atleast_1d(np.asarray(wanted))
    flags = np.isin(classes, names)
    unknown = [name for name in names.tolist() if name not in classes.tolist()]
    if unknown or not flags.any():
        raise InputError(f"suspect_classes names {unknown!r}, which are no labels; labels are {classes[:20]}")
    return flags


def rows_to_fit(fit_rows: Any, n: int) -> np.ndarray | None:
    """Check the rows to fit on."""
    if fit_rows is None:
        return None
    rows = np.asarray(fit_rows)
    if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
        raise InputError(f"fit_rows must be row numbers from 0 to {n - 1}, at least one")
    return np.sort(rows)


def group_codes(groups: Any, n: int) -> np.ndarray | None:
    """Return the groups as codes, so that they compare fast."""
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"groups has shape {values.shape} but y has {n} rows; give one group a row")
    return np.unique(values, return_inverse=True)[1].astype(np.int32)


def neighbor_ids(
    X: Any,
    neighbors: Any,
    members: np.ndarray | None,
    n: int,
    n_neighbors: int,
) -> np.ndarray | None:
    """Check the neighbours given, or find them in X; None without either."""
    if neighbors is None:
        if X is None:
            return None
        from trueneg.core.neighbors import top_k

        pool = np.asarray(X)
        if pool.dtype.kind == "O":
            pool = pool.astype(np.float64)
        if len(pool) != n:
            raise InputError(f"X has {len(pool)} rows but y has {n}; they must describe the same rows")
        k = min(int(n_neighbors), n - 1)
        return top_k(pool, pool, k, exclude=np.arange(n), query_groups=members, pool_groups=members)[1]
    ids = np.asarray(neighbors)
    if ids.ndim != 2 or len(ids) != n or ids.shape[1] == 0 or ids.dtype.kind not in "iu":
        raise InputError(
            f"neighbors has shape {ids.shape} and type {ids.dtype}; give ({n}, k) row numbers, -1 where missing"
        )
    return ids
