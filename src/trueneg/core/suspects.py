"""Suspects: cells whose verdict is doubted, in rank order, and what to do about them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra

__all__ = ["ACTIONS", "Decision", "Suspects"]

ACTIONS = ("eliminate", "reannotate", "downweight", "flag")
Explain = Callable[[NDArray[np.int64]], Sequence[Any]]
_ANSWERS = {"accept": 1, "reject": 0, "unsure": -1, 1: 1, 0: 0, -1: -1, None: -2}
_NOT_SEEN = -2


@dataclass(frozen=True, eq=False)
class Decision:
    """What an action does to the rows; nothing is dropped, every row has its entry.

    Attributes
    ----------
    keep : (n_rows,) bool
        False only for eliminated rows.
    weight : (n_rows,) float64
        1, or 1 - probability for downweighted rows, 0 for eliminated ones.
    new_label : (n_rows,) int64
        The proposed class code of a reannotated row, -1 where the label stays.
    action : str
    flagged : (n_rows,) bool
        Rows with a selected suspect, whatever the action.
    selected : (n_suspects,) bool
        The suspects the action applies to, in rank order: for data with several cells a row, where a row-wise
        decision is too coarse.
    new_verdict : (n_suspects,) int8
        The verdict of each suspect's cell afterwards.
    unresolved : (n_rows,) bool
        Rows selected to be reannotated for which no other class is proposed: they keep their label.
    """

    keep: NDArray[np.bool_]
    weight: NDArray[np.float64]
    new_label: NDArray[np.int64]
    action: str
    flagged: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    new_verdict: NDArray[np.int8]
    unresolved: NDArray[np.bool_]

    def counts(self) -> dict[str, int]:
        """Count what happened to the rows; ``rows`` = ``kept`` + ``eliminated`` always holds."""
        return {
            "rows": len(self.keep),
            "kept": int(self.keep.sum()),
            "eliminated": int((~self.keep).sum()),
            "reannotated": int((self.new_label >= 0).sum()),
            "downweighted": int((self.keep & (self.weight < 1)).sum()),
            "flagged": int(self.flagged.sum()),
            "unresolved": int(self.unresolved.sum()),
        }

    def labels(self, codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return label codes (n_rows,) with the new ones put in; rows are not removed."""
        codes = np.asarray(codes, dtype=np.int64)
        if codes.shape != self.new_label.shape:
            msg = f"codes has shape {codes.shape} where {self.new_label.shape} is needed: one label code a row"
            raise InputError(msg)
        return np.where(self.new_label >= 0, self.new_label, codes)


@dataclass(frozen=True, eq=False)
class Suspects:
    """Doubted cells, the most doubtful first; the given order is the rank order and is never changed.

    Parameters
    ----------
    row, candidate : (n,) int64
        The cell: the row, and for a class table the class code it carries. A cell may be suspected once.
    verdict, proposed_verdict : (n,) int8
        As it is, and as it should be: 1, 0 or -1; default 1 and 0 (the given label is doubted).
    proposed_candidate : (n,) int64
        The class code proposed instead; default -1, none.
    probability : (n,) float
        That the verdict is wrong; default NaN, unknown.
    cost : (n,) float
        What the error is expected to cost; default NaN, not given.
    row_ids, candidate_ids : default None
        Ids that the codes point into.
    n_rows : int, default None
        Rows of the data that was searched; default ``len(row_ids)``.
    evidence_of, reason_of : callable, default None
        Given ranks (m,) return m pieces of evidence (dicts) or sentences; called only when somebody asks.
    """

    row: NDArray[np.int64]
    candidate: NDArray[np.int64]
    verdict: Any = 1
    proposed_verdict: Any = 0
    proposed_candidate: Any = -1
    probability: Any = np.nan
    cost: Any = np.nan
    row_ids: Any = field(default=None, kw_only=True)
    candidate_ids: Any = field(default=None, kw_only=True)
    n_rows: int | None = field(default=None, kw_only=True)
    evidence_of: Explain | None = field(default=None, kw_only=True, repr=False)
    reason_of: Explain | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        n = np.asarray(self.row).size
        for name, dtype in _DTYPES.items():
            put(self, name, _array(getattr(self, name), n, name, dtype))
        for name in ("row_ids", "candidate_ids"):
            if getattr(self, name) is not None:
                put(self, name, np.asarray(getattr(self, name)))
        if self.n_rows is None and self.row_ids is not None:
            put(self, "n_rows", len(self.row_ids))
        self._check()

    def _check(self) -> None:
        """Refuse suspects that contradict themselves."""
        if not len(self.row):
            return
        if self.row.min() < 0 or (self.n_rows is not None and self.row.max() >= self.n_rows):
            msg = f"row codes run from {self.row.min()} to {self.row.max()}, outside the {self.n_rows} rows of the data"
            raise InputError(msg)
        for name in ("verdict", "proposed_verdict"):
            if not np.isin(getattr(self, name), (-1, 0, 1)).all():
                msg = f"{name} must be 1 (positive), 0 (negative) or -1 (unjudged)"
                raise InputError(msg)
        if ((self.probability < 0) | (self.probability > 1)).any():
            msg = "probability must lie between 0 and 1, or be NaN where it is not known"
            raise InputError(msg)
        if self.candidate_ids is not None and max(self.candidate.max(), self.proposed_candidate.max()) >= len(
            self.candidate_ids
        ):
            msg = f"a candidate code is outside the {len(self.candidate_ids)} candidate ids"
            raise InputError(msg)
        order = np.lexsort((self.candidate, self.row))
        twice = (np.diff(self.row[order]) == 0) & (np.diff(self.candidate[order]) == 0)
        if twice.any():
            at = order[int(twice.argmax())]
            msg = f"row {self.row[at]}, candidate {self.candidate[at]} is suspected twice: keep its first rank"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, ranks: NDArray[Any] | slice) -> Suspects:
        """Return some suspects, in the order asked for; evidence and reasons follow."""
        kept = np.arange(len(self))[ranks]
        moved = {name: getattr(self, name)[kept] for name in _DTYPES}
        for name in ("evidence_of", "reason_of"):
            make = getattr(self, name)
            moved[name] = None if make is None else (lambda at, make=make: make(kept[at]))
        return replace(self, **moved)

    def evidence(self, ranks: Any = None) -> list[Any]:
        """Make the evidence for the suspects at these ranks (default all); None each where there is no maker."""
        return self._made(self.evidence_of, ranks)

    def reason(self, ranks: Any = None) -> list[Any]:
        """Make the sentence that says why, for the suspects at these ranks (default all)."""
        return self._made(self.reason_of, ranks)

    def _made(self, make: Explain | None, ranks: Any) -> list[Any]:
        at = np.arange(len(self)) if ranks is None else np.arange(len(self))[np.atleast_1d(ranks)]
        made = [None] * len(at) if make is None else list(make(at))
        if len(made) != len(at):
            msg = f"the maker of evidence or reasons returned {len(made)} for {len(at)} suspects: return one each"
            raise InputError(msg)
        return made

    def to_frame(
        self, kind: Literal["arrow", "pandas", "polars"] = "arrow", *, reason: bool = False, evidence: bool = False
    ) -> Any:
        """Return one row a suspect, in rank order, with ids beside the codes where they are known.

        Parameters
        ----------
        kind : {"arrow", "pandas", "polars"}, default "arrow"
        reason, evidence : bool, default False
            Add a column of text; evidence is written as JSON.
        """
        if kind not in ("arrow", "pandas", "polars"):
            msg = f"kind must be 'arrow', 'pandas' or 'polars', not {kind!r}"
            raise InputError(msg)
        import pyarrow as pa  # noqa: PLC0415 - the arrays alone need no frame library

        table = pa.table({name: self._arrow(values) for name, values in self._columns(reason, evidence).items()})
        if kind == "arrow":
            return table
        try:
            if kind == "polars":
                import polars as pl  # noqa: PLC0415

                return pl.from_arrow(table)
            import pandas  # noqa: F401, ICN001, PLC0415
        except ImportError:
            missing_extra(kind, "fast")
        return table.to_pandas()

    @staticmethod
    def _arrow(values: Any) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        return pa.array(values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind in "UO" else values)

    def _columns(self, reason: bool, evidence: bool) -> dict[str, Any]:
        out: dict[str, Any] = {"rank": np.arange(len(self))}
        ids = {"row": self.row_ids, "candidate": self.candidate_ids, "proposed_candidate": self.candidate_ids}
        for name in _DTYPES:
            codes = out[name] = getattr(self, name)
            known = ids.get(name)
            if known is not None:
                values = known.tolist()
                out[f"{name}_id"] = [values[code] if code >= 0 else None for code in codes.tolist()]
        if reason:
            out["reason"] = self.reason()
        if evidence:
            import json  # noqa: PLC0415

            out["evidence"] = [None if item is None else json.dumps(item, default=str) for item in self.evidence()]
        return out

    def decide(
        self,
        action: str = "flag",
        *,
        top: int | None = None,
        min_probability: float | None = None,
        decisions: Any = None,
        n_rows: int | None = None,
    ) -> Decision:
        """Say what an action does to every row.

        Parameters
        ----------
        action : {"flag", "eliminate", "reannotate", "downweight"}, default "flag"
            Mark; remove the row; give the proposed class; weigh by 1 - probability.
        top : int, default None
            Only the first so many ranks.
        min_probability : float, default None
            Only those at least so probable; an unknown probability is not enough. With ``top``, both must hold.
        decisions : (n,) answers, or a mapping of row or (row, candidate) to an answer, default None
            A person's answers: ``"accept"`` or 1 (the suspicion is right) always selects, ``"reject"`` or 0 and
            ``"unsure"`` or -1 never do. Suspects without an answer (None) go by ``top`` and ``min_probability``, and
            are left alone where neither is given.
        n_rows : int, default None
            Rows of the data; default: those known at construction.

        Returns
        -------
        Decision
            Where several suspects of one row are selected, the best ranked proposal is its new label and the most
            probable error its weight.
        """
        if action not in ACTIONS:
            msg = f"action {action!r} is not known: use one of {', '.join(ACTIONS)}"
            raise InputError(msg)
        size = self._size(n_rows)
        chosen = self._chosen(top, min_probability, decisions)
        rows = self.row[chosen]
        keep, flagged, unresolved = np.ones(size, dtype=bool), np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
        weight, new_label = np.ones(size), np.full(size, -1, dtype=np.int64)
        new_verdict = self.verdict.copy()
        flagged[rows] = True
        if action == "eliminate":
            keep[rows], weight[rows] = False, 0.0
        elif action == "downweight":
            if np.isnan(self.probability[chosen]).any():
                msg = "downweight needs the probability of every selected suspect: give min_probability, or choose flag"
                raise InputError(msg)
            np.minimum.at(weight, rows, 1.0 - self.probability[chosen])
        elif action == "reannotate":
            proposals = chosen & (self.proposed_candidate >= 0)
            # written from the last rank to the first, so that the best ranked proposal stays
            new_label[self.row[proposals][::-1]] = self.proposed_candidate[proposals][::-1]
            unresolved = flagged & (new_label < 0)
            new_verdict = np.where(chosen, self.proposed_verdict, self.verdict).astype(np.int8)
        return Decision(keep, weight, new_label, action, flagged, chosen, new_verdict, unresolved)

    def _size(self, n_rows: int | None) -> int:
        """Return how many rows the decision is about, refusing to guess."""
        size = self.n_rows if n_rows is None else n_rows
        if size is None:
            msg = "the number of rows is not known: pass n_rows, so that every row gets an entry"
            raise InputError(msg)
        if len(self) and size <= self.row.max():
            msg = f"n_rows={size} is too small: row {self.row.max()} is a suspect"
            raise InputError(msg)
        return int(size)

    def _chosen(self, top: int | None, min_probability: float | None, decisions: Any) -> NDArray[np.bool_]:
        """Select the suspects to act on (n,), by rank, probability and answers."""
        if top is not None and (isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 0):
            msg = f"top must be a whole number of suspects, 0 or more, not {top!r}"
            raise InputError(msg)
        if min_probability is not None and not 0 <= min_probability <= 1:
            msg = f"min_probability must lie between 0 and 1, not {min_probability!r}"
            raise InputError(msg)
        chosen = np.ones(len(self), dtype=bool)
        if top is not None:
            chosen &= np.arange(len(self)) < top
        if min_probability is not None:
            chosen &= self.probability >= min_probability  # NaN compares false: not known is not enough
        if decisions is None:
            return chosen
        answers = self._answers(decisions)
        if top is None and min_probability is None:
            return answers == 1
        return (answers == 1) | (chosen & (answers == _NOT_SEEN))

    def _answers(self, decisions: Any) -> NDArray[np.int64]:
        """Read a person's answers as 1, 0, -1, or -2 where there is none."""
        if isinstance(decisions, Mapping):
            return self._keyed_answers(decisions)
        items = decisions.tolist() if hasattr(decisions, "tolist") else list(decisions)
        if len(items) != len(self):
            msg = (
                f"decisions has {len(items)} answers for {len(self)} suspects: give one each, None where there is none"
            )
            raise InputError(msg)
        return _coded(items)

    def _keyed_answers(self, decisions: Mapping[Any, Any]) -> NDArray[np.int64]:
        out = np.full(len(self), _NOT_SEEN, dtype=np.int64)
        ranks: dict[Any, list[int]] = {}
        for rank, (row, candidate) in enumerate(zip(self.row.tolist(), self.candidate.tolist(), strict=True)):
            ranks.setdefault(row, []).append(rank)
            ranks[row, candidate] = [rank]
        # rows first, cells after: the answer to one cell is more exact than that to its row
        for key in sorted(decisions, key=lambda key: isinstance(key, tuple)):
            if key not in ranks:
                msg = f"decisions has an answer for {key!r}, which is not a suspect: check the keys"
                raise InputError(msg)
            out[ranks[key]] = _coded([decisions[key]])[0]
        return out


_DTYPES: dict[str, Any] = {
    "row": np.int64,
    "candidate": np.int64,
    "verdict": np.int8,
    "proposed_verdict": np.int8,
    "proposed_candidate": np.int64,
    "probability": None,
    "cost": None,
}


def _array(values: Any, n: int, name: str, dtype: Any) -> NDArray[Any]:
    """Return a column (n,) of codes or floats; a scalar is repeated; float32 stays float32."""
    array = np.asarray(np.nan if values is None and dtype is None else values)
    if array.ndim == 0 and name != "row":
        array = np.full(n, array)
    if array.shape != (n,):
        msg = f"{name} has shape {array.shape} where ({n},) is needed: one entry a suspect"
        raise InputError(msg)
    if dtype is None:
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    if array.size and array.dtype.kind not in "biu":
        msg = f"{name} must be integer codes, not {array.dtype}"
        raise InputError(msg)
    return array.astype(dtype)


def _coded(items: list[Any]) -> NDArray[np.int64]:
    """Turn answers into codes, refusing a word that is none of them."""
    null = np.fromiter(map(operator.ne, items, items), dtype=bool, count=len(items))
    read = [None if skip else item for item, skip in zip(items, null, strict=True)] if null.any() else items
    unknown = [item for item in dict.fromkeys(read) if item not in _ANSWERS]
    if unknown:
        msg = f"{unknown[0]!r} is not an answer: use accept, reject or unsure, and None where there is none"
        raise InputError(msg)
    return np.fromiter(map(_ANSWERS.get, read, repeat(_NOT_SEEN)), dtype=np.int64, count=len(read))
