"""What several versions of a model predict for the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trueneg.core._cells.columns import UNJUDGED, boxed, codes_of, column_of, mark_unlabeled, restore, same_length
from trueneg.core._cells.stored import StoredCells
from trueneg.core.errors import InputError


class VersionCells(StoredCells):
    """Cells that can be read from the predictions of versions and written as such."""

    @classmethod
    def from_versions(
        cls, predictions: Mapping[Any, Any], y: Any = None, *, unlabeled: Any = None, row_ids: Any = None
    ) -> Self:
        """Read what several model versions predict for the same inputs, and judge whether each is right.

        Parameters
        ----------
        predictions : mapping of version to (n,) labels
            Null is "no answer", unjudged.
        y : (n,) labels, default None
            The truth; where it is null, or altogether missing, no version is judged.
        """
        if not predictions:
            msg = "predictions is empty: give at least one version"
            raise InputError(msg)
        columns = [column_of(values, f"predictions of {name!s}") for name, values in predictions.items()]
        n = len(columns[0][0])
        truth, blank = column_of([None] * n if y is None else y, "y")
        same_length(n, y=truth, row_ids=row_ids, **{str(k): v[0] for k, v in zip(predictions, columns, strict=True)})
        parts = [*columns, (truth, mark_unlabeled(truth, blank, unlabeled))]
        values = _stacked([_blanked(part, null) for part, null in parts])
        codes, classes = codes_of(values, "predictions and y", nullable=True)
        codes = codes.reshape(len(parts), n)
        predicted, label = codes[:-1].T.reshape(-1), codes[-1]
        row, candidate = np.divmod(np.arange(predicted.size), len(columns))
        verdict = np.where((predicted < 0) | (label[row] < 0), UNJUDGED, predicted == label[row])
        dtypes = [part.dtype for part, _ in parts]
        how = {"classes": classes, "dtypes": dtypes, "unlabeled": unlabeled, "y": y is not None}
        more: dict[str, Any] = {
            "absent": UNJUDGED,
            "kind": "versions",
            "row_ids": np.arange(n) if row_ids is None else row_ids,
        }
        side = {"predicted": predicted, "row_label": label, "encoding": how}
        return cls(row, candidate, verdict, candidate_ids=boxed(list(predictions)), side=side, **more)

    def to_versions(self) -> tuple[dict[Any, NDArray[Any]], NDArray[Any] | None]:
        """Return the predictions by version and the labels (None where none were given)."""
        self._need("versions", "to_versions")
        classes, dtypes = self._encoding("classes"), self._encoding("dtypes")
        table = np.full(self.shape, -1, dtype=np.int64)
        table[self.row, self.candidate] = self.side["predicted"]
        out = {
            name: _as_dtype(restore(table[:, at], classes), dtypes[at])
            for at, name in enumerate(self.candidate_ids.tolist())
        }
        if not self._encoding("y"):
            return out, None
        return out, _as_dtype(restore(self.side["row_label"], classes, self._encoding("unlabeled")), dtypes[-1])


def _blanked(values: NDArray[Any], null: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return the values as objects, None where null."""
    out = boxed(values.tolist())
    out[null] = None
    return out


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put columns below each other without changing their values."""
    return np.concatenate(list(parts)) if parts else np.zeros(0, dtype=object)


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give restored labels the dtype they came in, where that can hold them."""
    if dtype.kind not in "fMm" and None in set(values.tolist()):  # a cast would turn None into False or "None"
        return values
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values
