"""What is compared on: the labelled rows of a table, their groups, costs and trusted rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.costs import CostMatrix, RowCosts
from trueneg.core.errors import InputError
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import roles as sniff_roles
from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit.folder import _NOT_COLUMNS, AuditFolder
from trueneg.jobs.audit.outcome import Audit
from trueneg.jobs.audit.stages import data_hash
from trueneg.jobs.compare.features import Features

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles


@dataclass(frozen=True, eq=False)
class Task:
    """The labelled rows, in the order of the table.

    Attributes
    ----------
    codes : (n,) int64
        The given classes.
    classes : list of str
        Names of the codes.
    positive, negative : int or None
        Code of the positive class of two, and of the class that may hide missed positives.
    groups : (n,) int64
        Rows that stay on one side: of one group, or of equal content where no group is named.
    trusted : (n,) bool
        Rows whose label was verified.
    costs : CostMatrix, RowCosts or None
        With ``matrix[given, decided]``, the negative class first.
    features : Features
        The columns to learn from.
    rates : pair of float or None
        Known rates of misses and false alarms among the labels.
    answers : (n,) int64
        The class that a reviewer gave the row, -1 where none was asked.
    answer_weight : (n,) float
        How many rows an answered row stands for; 1 elsewhere.
    table_rows : (n,) int64
        Their row numbers in the table.
    saw : list of str
        How the input was read.
    """

    codes: NDArray[np.int64]
    classes: list[str]
    positive: int | None
    negative: int | None
    groups: NDArray[np.int64]
    grouped_by: str
    trusted: NDArray[np.bool_]
    costs: CostMatrix | RowCosts | None
    features: Features
    rates: tuple[float, float] | None
    answers: NDArray[np.int64]
    answer_weight: NDArray[np.float64]
    table_rows: NDArray[np.int64]
    data: str
    path: str
    model: str | None = None
    folder: Path | None = None
    saw: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def binary(self) -> bool:
        """Whether there are two classes and one of them is the positive one."""
        return len(self.classes) == 2 and self.positive is not None

    def costs_of(self, positions: NDArray[np.int64]) -> CostMatrix | RowCosts | None:
        """Return the costs of some rows."""
        if not isinstance(self.costs, RowCosts):
            return self.costs
        fn, fp = self.costs.arrays(len(self))
        return RowCosts(fn[positions], fp[positions])

    def take(self, positions: NDArray[np.int64]) -> Task:
        """Return the task of some rows alone."""
        return replace(
            self,
            codes=self.codes[positions],
            groups=np.unique(self.groups[positions], return_inverse=True)[1],
            trusted=self.trusted[positions],
            costs=self.costs_of(positions),
            features=self.features.take(positions),
            answers=self.answers[positions],
            answer_weight=self.answer_weight[positions],
            table_rows=self.table_rows[positions],
        )


@dataclass(frozen=True)
class Source:
    """A table, which column plays which part in it, and the audit it comes from, if any."""

    table: Table
    roles: Roles
    options: dict[str, Any]
    path: str
    folder: AuditFolder | None = None
    model: str | None = None


def open_source(data: Any, frame: Any, columns: dict[str, Any]) -> Source:
    """Read an audit's folder, an audit, a file or a frame.

    Raises
    ------
    InputError
        No audit there, a table that has changed, or columns named beside an audit that knows them.
    """
    if isinstance(data, Audit):
        return _of_audit(data, frame, columns)
    if isinstance(data, str | Path) and (Path(data).is_dir() or not Path(data).suffix or frame is not None):
        folder = AuditFolder.open(data)
        _refuse_columns(columns)
        table = folder.table(frame)
        path = "(frame)" if folder.path is None else str(folder.path)
        return Source(table, folder.roles(table), folder.options, path, folder, _model_of(folder.report))
    if isinstance(data, str | Path):
        table, path = read_table(data), str(data)
    else:
        table, path = read_frame(data), "(frame)"
    named = {k: v for k, v in columns.items() if k not in _NOT_COLUMNS}
    return Source(table, sniff_roles(table, **named), columns, path)


def _of_audit(result: Audit, frame: Any, columns: dict[str, Any]) -> Source:
    _refuse_columns(columns)
    path = result.report["input"]["path"]
    if frame is None and path == "(frame)":
        raise InputError("this is the audit of a frame: pass the frame as well, compare(audit, frame=...)")
    table = read_table(path) if frame is None else read_frame(frame)
    if data_hash(table.arrow) != result.report["input"]["data"]:
        raise InputError("the table is not the one that was audited (its content has changed); audit it again")
    options = dict(result.report["options"])
    named = {k: v for k, v in options.items() if k not in _NOT_COLUMNS}
    return Source(table, sniff_roles(table, **named), options, path, None, _model_of(result.report))


def _refuse_columns(columns: dict[str, Any]) -> None:
    if columns:
        raise InputError(
            f"the audit knows which column is which; leave out {', '.join(sorted(columns))}, or pass a table"
        )


def _model_of(report: dict[str, Any]) -> str | None:
    """Return the kind of model that the audit chose, None where it chose none."""
    said = [line for line in report["input"]["saw"] if line.startswith("probabilities: ")]
    name = said[-1].removeprefix("probabilities: ") if said else ""
    return {"logistic regression": "linear", "histogram gradient boosting": "boosting"}.get(name)


def make_task(
    source: Source,
    *,
    seed: int,
    cost_fn: float | None,
    cost_fp: float | None,
    progress: Callable[[str], None],
) -> Task:
    """Build the task: drop rows without a label, read the features, settle groups, costs and trusted rows."""
    table, roles = source.table, source.roles
    if roles.kind == "attempts":
        raise InputError("compare learns from rows with a label, and attempts have none; TN603 puts rules side by side")
    if roles.kind == "retrieval":
        raise InputError(
            "compare learns from rows with a label, and a collection has none; trueneg mine compares rules"
        )
    if roles.kind != "table":
        raise InputError(
            "compare takes one label a row: several labels have several costs and thresholds; "
            "name one of the label columns as the label and compare for it alone"
        )
    codes, classes = roles.codes(table)
    rows = np.flatnonzero(codes >= 0)
    present = np.unique(codes[rows])
    if len(present) < 2:
        raise InputError(
            f"all labelled rows are {classes[present[0]] if len(present) else 'missing'}: two classes are needed"
        )
    saw = list(roles.notes)
    if len(rows) < len(codes):
        saw.append(f"{len(codes) - len(rows):,} rows without a label are left out")
    if len(present) < len(classes):
        raise InputError("a class named in the options has no row; check --positive and --negative")
    progress("representation")
    named = source.options.get("image") is not None
    features = Features.read(table, roles, rows, seed=seed, image_named=named, progress=progress)
    groups, grouped_by = features.content, "rows of equal content stay together"
    if roles.group:
        values = table.arrow[roles.group].combine_chunks().dictionary_encode().indices
        # A row without a group is a group of its own.
        known = np.asarray(values.fill_null(-1))[rows]
        groups = np.unique(np.where(known < 0, -1 - np.arange(len(rows)), known), return_inverse=True)[1]
        grouped_by = f"rows of one {roles.group} stay together"
    trusted = np.zeros(len(rows), bool)
    if roles.trusted:
        trusted = np.asarray(trusted_mask(table, roles.trusted))[rows]
    positive, negative = _sides(roles, classes)
    return Task(
        codes=codes[rows].astype(np.int64),
        classes=[str(c) for c in classes],
        positive=positive,
        negative=negative,
        groups=groups,
        grouped_by=grouped_by,
        trusted=trusted,
        costs=_costs(source, rows, positive, cost_fn, cost_fp),
        features=features,
        rates=_rates(source.options),
        answers=np.full(len(rows), -1, np.int64),
        answer_weight=np.ones(len(rows)),
        table_rows=rows,
        data=data_hash(table.arrow),
        path=source.path,
        model=source.model,
        folder=None if source.folder is None else source.folder.folder,
        saw=saw,
    )


def _sides(roles: Roles, classes: list[str]) -> tuple[int | None, int | None]:
    """Return the codes of the positive and of the negative class, as the audit reads them."""
    names = [str(c) for c in classes]
    positive = names.index(str(roles.positive)) if roles.positive is not None else None
    negative = names.index(str(roles.negative)) if roles.negative is not None else None
    if len(names) == 2:
        if positive is None and negative is not None:
            positive = 1 - negative
        elif positive is not None and negative is None:
            negative = 1 - positive
    return (positive, negative) if len(names) == 2 else (None, negative)


def _rates(options: dict[str, Any]) -> tuple[float, float] | None:
    miss, alarm = options.get("miss_rate"), options.get("false_alarm_rate")
    return None if miss is None and alarm is None else (float(miss or 0), float(alarm or 0))


def _costs(
    source: Source, rows: NDArray[np.int64], positive: int | None, cost_fn: float | None, cost_fp: float | None
) -> CostMatrix | RowCosts | None:
    fn = source.roles.cost_fn if cost_fn is None else cost_fn
    fp = source.roles.cost_fp if cost_fp is None else cost_fp
    if fn is None and fp is None:
        return None
    if fn is None or fp is None:
        raise InputError("one cost is missing: give both --cost-fn and --cost-fp; their ratio is what matters")
    if positive is None:
        raise InputError(
            "--cost-fn and --cost-fp belong to two classes of which one is positive; name it with --positive"
        )
    if not isinstance(fn, str) and not isinstance(fp, str):
        return CostMatrix(fn=float(fn), fp=float(fp))

    def column(cost: str | float) -> NDArray[np.float64]:
        if isinstance(cost, str):
            return source.table.arrow[cost].cast("float64").to_numpy()[rows]
        return np.full(len(rows), float(cost))

    return RowCosts(column(fn), column(fp))
