"""A key for every row that survives reordering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.data._sniff.row_hash import CHUNK, row_hashes
from trueneg.data._sniff.values import OURS, table_name
from trueneg.data.readers import Table, known_column

if TYPE_CHECKING:
    import pyarrow as pa


def row_keys(table: Table, id: str | None = None, *, exclude: Sequence[str] = ()) -> np.ndarray:  # noqa: A002
    """Return a key for every row that survives reordering: its id, else a hash of its content.

    Parameters
    ----------
    table : Table
        The table.
    id : str, optional
        The id column. Default: a hash of all values (80 bits); the k-th row of the same content gets ``#k``.
    exclude : sequence of str
        Columns left out of the hash, such as a label that will be corrected.

    Returns
    -------
    ndarray of object
        (n,) of str, all different where the ids are.
    """
    import pyarrow as pa

    if id is not None:
        column = table.arrow.column(known_column(id, table.arrow.column_names, table_name(table)))
        return np.asarray(column.cast(pa.large_string()).to_pylist(), dtype=object)
    parts = [_content(batch, exclude) for batch in table.arrow.to_batches(max_chunksize=CHUNK)]
    if not parts:
        return np.empty(0, dtype=object)
    first, second = (np.concatenate(side) for side in zip(*parts, strict=True))
    keys = _written(first, second)
    for i, k in zip(*_repeated(first, second), strict=True):
        keys[i] = f"{keys[i]}#{k}"
    return keys


def keys_of_rows(
    batches: Callable[[], Iterable[pa.RecordBatch]],
    rows: np.ndarray,
    id: str | None = None,  # noqa: A002
    *,
    exclude: Sequence[str] = (),
) -> np.ndarray:
    """Return the keys of some rows as :func:`row_keys` gives them, from a table that comes in batches.

    Parameters
    ----------
    batches : callable
        Gives the batches anew: twice where the keys are hashes, since a row's number among rows of the same content
        is known only once that content is.
    rows : (m,) int64
        Rows, ascending.
    id, exclude
        As in :func:`row_keys`.

    Returns
    -------
    ndarray of object
        (m,) of str. Memory: the asked rows.
    """
    import pyarrow as pa

    parts: list[Any] = []
    start = 0
    for batch in batches():
        low, high = np.searchsorted(rows, (start, start + batch.num_rows))
        if high > low:
            asked = batch.take(pa.array(rows[low:high] - start))
            parts.append(asked.column(id).cast(pa.large_string()) if id is not None else _content(asked, exclude))
        start += batch.num_rows
    if not parts:
        return np.empty(0, dtype=object)
    if id is not None:
        return np.asarray(pa.concat_arrays(parts).to_pylist(), dtype=object)
    first, second = (np.concatenate(side) for side in zip(*parts, strict=True))
    keys = _written(first, second)
    wanted = np.unique(first)
    seen: Counter[tuple[int, int]] = Counter()
    start = 0
    for batch in batches():
        one, two = _content(batch, exclude)
        places = np.minimum(np.searchsorted(wanted, one), len(wanted) - 1)
        for place in np.flatnonzero(wanted[places] == one).tolist():  # only rows whose content is asked for
            content = int(one[place]), int(two[place])
            seen[content] += 1
            at = np.searchsorted(rows, start + place)
            if at < len(rows) and rows[at] == start + place and seen[content] > 1:
                keys[at] = f"{keys[at]}#{seen[content]}"
        start += batch.num_rows
    return keys


def _content(batch: pa.RecordBatch, exclude: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of every row of a batch, the excluded columns left out: 64 bits and 16 more."""
    first, second = row_hashes(batch.select(_content_columns(batch.schema.names, exclude)))
    return first, (second >> np.uint64(48)).astype(np.uint16)


def _content_columns(names: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the columns that make a row what it is: what a repair says about it is none of them."""
    return [name for name in names if name not in set(exclude) and not name.startswith(OURS)]


def _written(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the 80 bits as 20 hexadecimal digits."""
    raw = np.empty((len(first), 10), np.uint8)
    raw[:, :8] = first.astype(">u8").view(np.uint8).reshape(-1, 8)
    raw[:, 8:] = second.astype(">u2").view(np.uint8).reshape(-1, 2)
    digits = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "S2")
    return digits[raw].view("S20").ravel().astype("U20").astype(object)


def _repeated(first: np.ndarray, second: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the rows whose content occurred before, and which occurrence each is, in the order of the rows."""
    order = np.argsort(first, kind="stable")
    same = first[order][1:] == first[order][:-1]
    if not same.any():
        return [], []
    order = np.lexsort((second, first))
    one, two = first[order], second[order]
    starts = np.flatnonzero(np.r_[True, (one[1:] != one[:-1]) | (two[1:] != two[:-1])])
    occurrence = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)])) + 1
    again = np.flatnonzero(occurrence > 1)
    return order[again].tolist(), occurrence[again].tolist()
