"""The stored cells themselves: what they hold, what contradicts itself, and how they are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trueneg.core._cells.columns import UNJUDGED, column_of, floats_of, integers_of, restore, same_length, unique_ids
from trueneg.core.errors import InputError

KINDS = ("table", "multilabel", "retrieval", "attempts", "versions", "boxes", "bags")


@dataclass(frozen=True, eq=False)
class StoredCells:
    """The fields and what may stand in them; :class:`trueneg.core.cells.Cells` explains them."""

    row: NDArray[np.int64]
    candidate: NDArray[np.int64]
    verdict: NDArray[np.int8]
    score: NDArray[np.floating[Any]] | None = None
    weight: NDArray[np.floating[Any]] | None = None
    group: NDArray[Any] | None = None
    absent: int = field(kw_only=True)
    kind: str = field(kw_only=True)
    row_ids: NDArray[Any] = field(kw_only=True)
    candidate_ids: NDArray[Any] = field(kw_only=True)
    side: dict[str, Any] = field(kw_only=True, default_factory=dict)

    def __post_init__(self) -> None:
        if self.absent not in (0, UNJUDGED) or isinstance(self.absent, bool):
            msg = f"absent must be 0 (a missing cell is negative) or -1 (it is unjudged), not {self.absent!r}"
            raise InputError(msg)
        if self.kind not in KINDS:
            msg = f"kind {self.kind!r} is not known: use one of {', '.join(KINDS)}"
            raise InputError(msg)
        put = object.__setattr__
        for name, dtype in (("row", np.int64), ("candidate", np.int64), ("verdict", np.int8)):
            put(self, name, integers_of(getattr(self, name), name).astype(dtype, copy=False))
        for name in ("score", "weight"):
            if getattr(self, name) is not None:
                put(self, name, floats_of(getattr(self, name), name))
        for name in ("row_ids", "candidate_ids"):
            put(self, name, unique_ids(getattr(self, name), name))
        if self.group is not None:
            put(self, "group", column_of(self.group, "group")[0])
        self._check()

    def _check(self) -> None:
        """Refuse cells that contradict themselves."""
        n = len(self.row)
        columns = {"candidate": self.candidate, "verdict": self.verdict, "score": self.score, "weight": self.weight}
        same_length(n, **columns, group=self.group)
        for name, table in self.side.items():
            if name != "encoding":
                prefix = name.partition("_")[0]
                same_length(
                    {"row": self.shape[0], "candidate": self.shape[1]}.get(prefix, n), **{f"side {name}": table}
                )
        if n == 0:
            return
        for name, codes, low, high in (
            ("row", self.row, 0, self.shape[0]),
            ("candidate", self.candidate, -1, self.shape[1]),
        ):
            if codes.min() < low or codes.max() >= high:
                msg = f"{name} codes run from {codes.min()} to {codes.max()}, but there are {high} {name} ids"
                raise InputError(msg)
        if not np.isin(self.verdict, (-1, 0, 1)).all():
            msg = "verdict must be 1 (positive), 0 (negative) or -1 (unjudged)"
            raise InputError(msg)
        if (self.verdict[self.candidate < 0] != UNJUDGED).any():
            msg = "candidate -1 stands for a whole unjudged row: its verdict must be -1"
            raise InputError(msg)
        self._check_duplicates()

    def _check_duplicates(self) -> None:
        """Refuse a cell that is given twice, since its two verdicts could differ."""
        distinct, first, count = np.unique(
            self.row * (self.shape[1] + 1) + self.candidate + 1, return_index=True, return_counts=True
        )
        if len(distinct) < len(self.row):
            at = first[count.argmax()]
            who = self.candidate_ids[self.candidate[at]] if self.candidate[at] >= 0 else "(whole row)"
            msg = (
                f"{int((count > 1).sum())} cells are given more than once, such as row {self.row_ids[self.row[at]]!s}, "
                f"candidate {who!s}: keep one of each"
            )
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        counts = ", ".join(f"{value} {name}" for name, value in self.counts().items())
        rows, candidates = self.shape
        return f"Cells({self.kind}: {rows} rows x {candidates} candidates; stored {counts}; absent={self.absent})"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of candidates."""
        return len(self.row_ids), len(self.candidate_ids)

    def counts(self) -> dict[str, int]:
        """Count the stored cells by verdict."""
        unjudged, negative, positive = np.bincount(self.verdict.astype(np.int64) + 1, minlength=3).tolist()
        return {"positive": positive, "negative": negative, "unjudged": unjudged}

    def codes(self) -> NDArray[np.int64]:
        """Return the label code of each row (n_rows,), -1 where unlabelled; only for kind ``table``."""
        self._need("table", "codes")
        out = np.full(self.shape[0], UNJUDGED, dtype=np.int64)
        positive = self.verdict == 1
        rows = self.row[positive]
        if len(np.unique(rows)) < len(rows):
            msg = "a row of a table has more than one positive class: use kind 'multilabel'"
            raise InputError(msg)
        out[rows] = self.candidate[positive]
        return out

    def dense(self) -> NDArray[np.int8]:
        """Return the verdicts as a matrix (n_rows, n_candidates), absent cells filled in."""
        out = np.full(self.shape, self.absent, dtype=np.int8)
        whole = self.candidate < 0
        out[self.row[whole]] = UNJUDGED
        out[self.row[~whole], self.candidate[~whole]] = self.verdict[~whole]
        return out

    def with_verdict(self, verdict: NDArray[Any]) -> Self:
        """Return the same cells with other verdicts (n,)."""
        return replace(self, verdict=np.asarray(verdict))

    def _need(self, kind: str, what: str) -> None:
        if self.kind != kind:
            msg = f"{what} is for cells of kind {kind!r}, and these are {self.kind!r}"
            raise InputError(msg)

    def _encoding(self, name: str, default: Any = None) -> Any:
        return self.side.get("encoding", {}).get(name, default)

    def _verdict_values(self) -> NDArray[Any]:
        """Write the verdicts as they were read."""
        how = self._encoding("verdict", {"values": np.array([0, 1]), "unlabeled": None})
        return restore(self.verdict, how["values"], how["unlabeled"])
