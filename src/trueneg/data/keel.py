"""The imbalanced tables of the KEEL repository: one zip, a hundred two-class tables, positives rare."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["KeelTable", "keel_names", "read_keel"]


class KeelTable(NamedTuple):
    """One table.

    ``X`` (n, d) float64, in which a nominal column holds the positions of its sorted values and a missing value NaN;
    ``y`` (n,) is 1 for the positive class and 0 otherwise; ``nominal`` (d,) marks the nominal columns.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    nominal: NDArray[np.bool_]


def keel_names(path: str | Path) -> list[str]:
    """Return the names of the tables in the zip, sorted."""
    with zipfile.ZipFile(path) as archive:
        return sorted(Path(name).stem for name in archive.namelist() if name.endswith(".dat"))


def read_keel(path: str | Path, name: str) -> KeelTable:
    """Read one table.

    Parameters
    ----------
    path : str or Path
        ``keel_imbalanced_raw.zip``, as the data registry gives it.
    name : str
        As in :func:`keel_names`.

    Raises
    ------
    InputError
        For a name that the zip does not have, or a table of another layout; the line is named.
    """
    with zipfile.ZipFile(path) as archive:
        try:
            text = archive.read(f"{name}.dat").decode("utf-8")
        except KeyError as error:
            msg = f"{path} has no table {name!r}: see trueneg.data.keel.keel_names"
            raise InputError(msg) from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row and row[0][:1] != "@"]
    width = len(rows[0]) if rows else 0
    for line, row in enumerate(rows, 1):
        if len(row) != width or row[-1] not in ("positive", "negative"):
            msg = f"{name}.dat, row {line}: expected {width} cells, the last positive or negative, got {row[-1:]}"
            raise InputError(msg)
    columns = [_column([row[j] for row in rows]) for j in range(width - 1)]
    X = np.stack([values for values, _ in columns], axis=1) if columns else np.empty((len(rows), 0))  # noqa: N806
    y = np.array([row[-1] == "positive" for row in rows], dtype=np.int64)
    return KeelTable(X, y, np.array([nominal for _, nominal in columns], dtype=bool))


def _column(cells: list[str]) -> tuple[NDArray[np.float64], bool]:
    """Return the numbers of a column, or the positions of its values and that it is nominal."""
    try:
        return np.array([np.nan if c in ("?", "<null>", "") else float(c) for c in cells]), False
    except ValueError:
        return np.unique(cells, return_inverse=True)[1].astype(np.float64), True
