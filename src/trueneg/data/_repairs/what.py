"""What is to be done to the rows of a table, said without the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

ACTION, REASON, FINDING = "trueneg_action", "trueneg_reason", "trueneg_finding"
GIVEN, WEIGHT, SOURCE = "trueneg_given", "trueneg_weight", "trueneg_source"
EXTRA = (ACTION, REASON, FINDING, GIVEN, WEIGHT, SOURCE)
"""The columns that a repair may add. Those of an earlier repair are replaced, never kept beside the new ones."""


@dataclass(frozen=True, eq=False)
class NewValues:
    """New values of one column.

    Parameters
    ----------
    rows : (m,) int64
        Rows, ascending.
    codes : (m,) int64
        Row ``rows[i]`` gets ``values[codes[i]]``.
    values : sequence
        In the form of the place they go to: Python values for a typed column, the text as spelt for a delimited file
        that is copied field by field, JSON for a line that is copied; None is null.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    values: Sequence[Any]

    def within(self, start: int, n: int) -> tuple[NDArray[np.int64], list[Any]]:
        """Return the places within rows ``start`` to ``start + n``, and their new values."""
        low, high = np.searchsorted(self.rows, (start, start + n))
        return self.rows[low:high] - start, [self.values[code] for code in self.codes[low:high].tolist()]


@dataclass(frozen=True, eq=False)
class Repairs:
    """What happens to every row of a table; a row that is named nowhere stays as it is.

    Parameters
    ----------
    n_rows : int
        Rows of the table.
    removed : (r,) int64
        Rows that are left out, ascending.
    rows : (m,) int64
        Other rows that something is said about, ascending.
    texts : dict of str to sequence of (m,) str or None
        By extra column: what is said about each of ``rows``. Elsewhere the column is null.
    weights : (m,) float64 or None
        Weights of ``rows``, 1 elsewhere; None for no such column.
    changes : dict of str to NewValues
        By column.
    null : str or None, default None
        What stands in the extra columns where nothing is said: "" for a file without nulls.
    """

    n_rows: int
    removed: NDArray[np.int64]
    rows: NDArray[np.int64]
    texts: Mapping[str, Sequence[str | None]]
    weights: NDArray[np.float64] | None = None
    changes: dict[str, NewValues] = field(default_factory=dict)
    null: str | None = None

    @property
    def extra(self) -> list[str]:
        """Names of the extra columns, in order."""
        have = {*self.texts, SOURCE, *([] if self.weights is None else [WEIGHT])}
        return [name for name in EXTRA if name in have]

    def fields(self) -> list[pa.Field]:
        """Return names and types of the extra columns."""
        import pyarrow as pa

        kinds = {WEIGHT: pa.float64(), SOURCE: pa.int64()}
        return [pa.field(name, kinds.get(name, pa.string())) for name in self.extra]

    def keep(self, start: int, n: int) -> NDArray[np.bool_] | None:
        """Return which of the rows ``start`` to ``start + n`` stay (n,); None where all do."""
        low, high = np.searchsorted(self.removed, (start, start + n))
        if low == high:
            return None
        mask = np.ones(n, dtype=bool)
        mask[self.removed[low:high] - start] = False
        return mask

    def columns(self, start: int, n: int) -> list[pa.Array]:
        """Return the extra columns of the rows ``start`` to ``start + n``, removed ones included."""
        import pyarrow as pa

        low, high = np.searchsorted(self.rows, (start, start + n))
        place = np.full(n, high - low, np.int64)
        place[self.rows[low:high] - start] = np.arange(high - low)
        out = []
        for name in self.extra:
            if name == SOURCE:
                out.append(pa.array(np.arange(start, start + n)))
            elif name == WEIGHT:
                weight = np.ones(n)
                weight[self.rows[low:high] - start] = self.weights[low:high]  # type: ignore[index]
                out.append(pa.array(weight))
            else:
                said = pa.array([*self.texts[name][low:high], self.null], pa.string())
                out.append(said.take(pa.array(place)))
        return out
