"""What the page shows of a row: its texts, picture and values, and the labelled rows nearest to it.

Nothing of the model reaches it: no probability, no rank, no stratum, no column of probabilities. Nearest rows are
looked up for every row drawn, since an audit of a large table knows them mostly for its suspects, and their absence
would tell those apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.data.readers import one_line
from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit.images import ImageColumn
from trueneg.jobs.audit.represent import represent
from trueneg.jobs.review.draw import cell_words
from trueneg.jobs.review.sheet import COLUMNS
from trueneg.report.thumbnails import picture

if TYPE_CHECKING:
    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.folder import AuditFolder
    from trueneg.jobs.review.record import Record

NEAR = 5
LONG, SHORT = 20_000, 1_000
SIDE, SIDE_NEAR, MANY = 480, 96, 120
MOST_VALUES = 200
PLACED_ON = 100_000


@dataclass
class Shown:
    """One table, read for the page."""

    folder: AuditFolder
    table: Table
    roles: Roles
    record: Record
    progress: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def drawn(self) -> np.ndarray:
        """Rows drawn for any finding, ascending."""
        return np.unique(np.concatenate([d.rows for d in self.record.drawn.values()]))

    @cached_property
    def codes(self) -> np.ndarray:
        """Labels (n,), or (n, K) of a multi-label table."""
        return np.asarray(self.roles.codes(self.table)[0])

    @cached_property
    def trusted(self) -> np.ndarray:
        """Whether each row was verified, shape (n,)."""
        if self.roles.trusted is None:
            return np.zeros(len(self.table), dtype=bool)
        return np.asarray(trusted_mask(self.table, self.roles.trusted))

    @cached_property
    def nearest(self) -> dict[int, list[int]]:
        """The nearest labelled rows of each row drawn, trusted ones first; none at all where they cannot be known."""
        if self.roles.kind == "retrieval":  # the row is a pair, and no pair is like another
            return {row: [] for row in self.drawn.tolist()}
        known = self.folder.neighbors
        found = np.full((len(self.drawn), 10), -1, np.int64)
        if known is not None:
            found[:, : known.shape[1]] = known[self.drawn]
        blank = (found < 0).all(axis=1)
        if blank.any():
            looked_up = self._look_up(self.drawn[blank])
            if looked_up is None:
                return {row: [] for row in self.drawn.tolist()}
            found[blank] = looked_up
        out = {}
        for row, near in zip(self.drawn.tolist(), found, strict=True):
            ids = near[near >= 0]
            out[row] = ids[np.argsort(~self.trusted[ids], kind="stable")][:NEAR].tolist()
        return out

    def _look_up(self, rows: np.ndarray) -> np.ndarray | None:
        """Ask for the nearest labelled rows again, as the audit does; None where there is nothing to compare."""
        from trueneg.core.neighbors import top_k

        options = self.folder.options
        self.progress("nearest labelled rows of the sample")
        try:
            data = represent(
                self.table,
                self.roles,
                random_state=int(options.get("seed", 0)),
                image_named=options.get("image") is not None,
                quick=True,
                progress=self.progress,
            )
        except (InputError, MissingExtraError) as error:
            self.notes.append(f"no nearest rows are shown: {one_line(error)}")
            return None
        judged = self.codes >= 0 if self.codes.ndim == 1 else (self.codes >= 0).any(axis=1)
        pool = np.flatnonzero(judged)
        place = np.full(len(self.table), -1, np.int64)
        place[pool] = np.arange(len(pool))
        together = data.duplicate_of
        if self.roles.group:
            column = self.table.arrow[self.roles.group].dictionary_encode().combine_chunks()
            together = np.asarray(column.indices.fill_null(-1))
        _, found = top_k(
            data.embedding[rows],
            data.embedding[pool],
            10,
            exclude=place[rows],
            query_groups=together[rows],
            pool_groups=together[pool],
        )
        return np.where(found >= 0, pool[np.maximum(found, 0)], -1)

    @cached_property
    def values(self) -> list[tuple[str, Any, np.ndarray | None]]:
        """Name, column and sorted numbers of every column shown as a value."""
        roles, arrow = self.roles, self.table.arrow
        hidden = {*roles.labels, *roles.text, *roles.image, *roles.embedding, *roles.proba, roles.trusted}
        hidden |= {cost for cost in (roles.cost_fn, roles.cost_fp) if isinstance(cost, str)}
        hidden |= {roles.id} if roles.kind == "retrieval" else set()  # both ids stand in columns of their own
        names = [name for name in arrow.column_names if name not in hidden]
        if len(names) > MOST_VALUES:
            self.notes.append(f"the page shows the first {MOST_VALUES} of {len(names):,} columns")
        return [(name, arrow[name], self._sorted(name)) for name in names[:MOST_VALUES]]

    def _sorted(self, name: str) -> np.ndarray | None:
        if name not in self.roles.numeric:
            return None
        step = max(1, len(self.table) // PLACED_ON)
        numbers = np.asarray(self.table.arrow[name].cast("float64").to_numpy(zero_copy_only=False))[::step]
        return np.sort(numbers[np.isfinite(numbers)])

    def row(self, number: int, *, near: bool) -> dict[str, Any]:
        """Return what is shown of a row."""
        cut = SHORT if near else LONG
        arrow = self.table.arrow
        texts = [(name, _text(arrow[name][number].as_py(), cut)) for name in self.roles.text]
        tags = None
        if self.codes.ndim == 2:
            tags = [self.record.classes[k] for k in np.flatnonzero(self.codes[number] == 1).tolist()]
        return {
            "trusted": bool(self.trusted[number]),
            "texts": texts,
            "image": self._image(number, near=near),
            "tags": tags,
            "values": [_value(name, column[number].as_py(), ranks) for name, column, ranks in self.values],
        }

    def _image(self, number: int, *, near: bool) -> dict[str, Any] | None:
        if not self.roles.image:
            return None
        named = self.folder.options.get("image") is not None
        home = Path() if self.folder.path is None else self.folder.path.parent
        column = ImageColumn(self.table.arrow, self.roles.image[0], home, named)
        side = SIDE_NEAR if near else SIDE if len(self.drawn) <= MANY else SIDE // 2
        try:
            return picture(number, column.read, column.called, side=side)
        except MissingExtraError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
            return None


def _text(value: Any, cut: int) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= cut else f"{text[:cut]} … ({len(text) - cut:,} more characters)"


def _value(name: str, value: Any, ranks: np.ndarray | None) -> tuple[str, str, float | None]:
    """Name, text, and for a number the share of the column below it (ties count half)."""
    if isinstance(value, bytes | list | dict):
        return name, f"({len(value):,} values)", None
    if ranks is None or value is None or isinstance(value, bool) or not ranks.size or not np.isfinite(value):
        return name, _text(value, 300), None
    below, up_to = np.searchsorted(ranks, value, "left"), np.searchsorted(ranks, value, "right")
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return name, text, round(float(below + up_to) / (2 * ranks.size), 3)


def page(shown: Shown, title: str, command: tuple[str, str]) -> dict[str, Any]:
    """Return what :func:`trueneg.report.review.render_review` draws."""
    shown.progress("drawing the page")
    record = shown.record
    cells = []
    for code in record.drawn:
        for words in cell_words(record, shown.roles, code):
            near = [(row, _label(shown, row, words["label"])) for row in shown.nearest[words["row"]]]
            ask = _RELEVANT if shown.roles.kind == "retrieval" else _ask(words, multilabel=shown.codes.ndim == 2)
            cells.append({**words, **ask, "near": near})
    around = sorted({row for rows in shown.nearest.values() for row in rows} - set(shown.drawn.tolist()))
    rows = {row: shown.row(row, near=False) for row in shown.drawn.tolist()}
    rows |= {row: shown.row(row, near=True) for row in around}
    return {
        "title": title,
        "next": list(command),
        "id": record.id,
        "data": record.data,
        "columns": list(COLUMNS),
        "cells": cells,
        "rows": {str(row): seen for row, seen in rows.items()},
    }


_RELEVANT: dict[str, Any] = {
    "alone": True,  # a pair has no nearest rows, and the page says nothing of them
    "question": "Is this document relevant to the query?",
    "wrong": "it is relevant",
    "right": "it is not",
}


def _label(shown: Shown, row: int, label: str) -> str:
    if shown.codes.ndim == 1:
        return shown.record.classes[int(shown.codes[row])]
    return ("absent", "present", "not judged")[int(shown.codes[row, shown.record.classes.index(label)])]


def _ask(words: dict[str, Any], *, multilabel: bool) -> dict[str, str]:
    """Return the question, and what accept and reject say."""
    label, given = one_line(words["label"], 80), one_line(words["given"], 80)
    if not multilabel:
        return {
            "question": f"Is the label “{given}” wrong?",
            "wrong": "it is wrong",
            "right": "it is right",
        }
    belongs, does_not = "it belongs", "it does not"
    if given == "absent":
        return {"question": f"Is the label “{label}” missing?", "wrong": belongs, "right": does_not, "topic": label}
    return {"question": f"Is the label “{label}” out of place?", "wrong": does_not, "right": belongs, "topic": label}
