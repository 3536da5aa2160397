"""Label a file or folder batch by batch with a fitted head or rejecter, and sum up what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import wilson
from trueneg.data.readers import format_of, known_column, one_line
from trueneg.data.times import Clock
from trueneg.jobs.fit.dense import DenseFeatures
from trueneg.jobs.fit.kinds.base import Kind, told_of
from trueneg.jobs.fit.model import Model
from trueneg.jobs.fit.shown import nothing_measured, threshold_of
from trueneg.jobs.fit.source import EMBEDDING, FILE, Source, open_source

__all__ = ["Watch", "predict", "recalibrate"]

Progress = Callable[[str, int, int], None]


def recalibrate(name: str, path: Path, folder: Path) -> Model:
    """Set the threshold of an intrusion model anew on a table of clean flows, and return the model.

    Parameters
    ----------
    name : str
        "intrusion".
    path : Path
        Flows that hold no attack; where the label's column is there, rows that are not normal are left out.
    folder : Path
        The model's.
    """
    model = Model.load(folder)
    if name != "intrusion" or model.head != "intrusion":
        raise InputError("--recalibrate is for intrusion models: a threshold on clean flows of the network watched")
    source = open_source(path)
    model.features.check(source.names, one_line(path))
    rejecter = model.fitted.model  # type: ignore[attr-defined]
    extra = [model.label] if model.label in source.names else []
    scores, gaps, rows = [], Counter[str](), 0
    for table in source.batches(list(dict.fromkeys([*model.features.columns, *extra]))):
        gaps.update(model.gaps(table))
        rows += table.num_rows
        own = rejecter.score_samples(table.select(model.features.columns))
        calm = (
            np.array([str(v) for v in table.column(model.label).to_pylist()]) == rejecter.normal_
            if extra
            else slice(None)
        )
        scores.append(own[calm])
    if not sum(map(len, scores)):
        why = f"no row has the label {rejecter.normal_!r} in {model.label!r}" if rows else "it has no rows"
        msg = f"{one_line(path)}: {why}; a threshold is set on normal flows"
        raise InputError(msg)
    rejecter.recalibrate_scores(np.concatenate(scores))
    told = model.fitted.calibrate(None, np.empty(0, np.int64), model.classes)
    model.about["told"] = [told, f"threshold set on {one_line(path)}", *told_of(gaps, rows)]
    model.about |= {"figures": {}, "threshold": threshold_of(model.fitted), **nothing_measured()}
    return model


class Watch:
    """Sums up a stream of answers: how many of each label, and alarms against a budget.

    Parameters
    ----------
    clock : Clock or None
        Of the column of times, where :func:`predict` is given one: alarms are then told by the hour.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock
        self.counts: dict[str, int] = {}
        self.unknown: str | None = None
        self.meter: Any = None
        self.silent = False
        self.gaps: dict[str, int] = {}
        self.told: list[str] = []

    def see(self, answer: Any, kind: Kind) -> None:
        """Add a batch."""
        values, counts = np.unique(answer.labels.astype(str), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.counts[value] = self.counts.get(value, 0) + count
        self.unknown = answer.unknown
        for column, count in answer.gaps.items():
            self.gaps[column] = self.gaps.get(column, 0) + count
        if hasattr(kind, "unseen"):
            model = kind.model  # type: ignore[attr-defined]
            self.meter = model.meter() if self.meter is None else self.meter
            self.silent = not np.isfinite(model.threshold_)
            self.meter.update(answer.score < model.threshold_, kind.unseen, answer.times)

    def lines(self, hours: float | None) -> list[str]:
        """Return what to tell."""
        rows = sum(self.counts.values())
        told = [*self.told, *told_of(self.gaps, rows)]
        if self.meter is not None and self.meter.flows:
            return [*self._alarms(hours), *told]
        if self.unknown is None or not rows:
            return told
        return [f"none of the classes ({self.unknown}): {wilson(self.counts.get(self.unknown, 0), rows)}", *told]

    def _alarms(self, hours: float | None) -> list[str]:
        meter = self.meter
        if self.silent:
            return [
                "this model has no threshold, so that no alarm is raised: set it on clean flows, "
                "trueneg fit intrusion CLEAN --recalibrate MODEL --out NEW"
            ]
        told = [f"{meter.alarms:,} alarms, {meter.share} of {meter.flows:,} rows; budget {meter.rate:g} of normal rows"]
        if hours is not None:
            found, allowed = meter.per_hour(hours)
            told.append(f"{found} alarms an hour; the budget is {allowed:.4g} an hour if all are normal")
        if self.clock is not None:
            told += self._hourly(self.clock)
        if meter.over_budget:
            told.append("above the budget beyond chance: attacks, or traffic the threshold does not know")
        if meter.drifted:
            share = meter.unseen / meter.flows
            told.append(
                f"{share:.2%} of rows hold a category never learned ({meter.unseen_before:.2%} before): other traffic; "
                "set the threshold anew with trueneg fit intrusion CLEAN --recalibrate MODEL --out NEW"
            )
        return told

    def _hourly(self, clock: Clock) -> list[str]:
        found = self.meter.hourly()
        often = "1 hour" if found.hours == 1 else f"{found.hours:,} hours"
        told = [
            f"{found.average} alarms an hour over the {often} with rows; the budget is {found.allowed:.4g} an "
            "hour if all are normal"
        ]
        if found.busiest_alarms:
            start = np.datetime64(found.busiest, "s").item()
            zone = " UTC" if clock.utc_ else ""
            read = f" (dates read {clock.order_.replace('-', ' ')})" if clock.deduced_ else ""
            allowed = f"{self.meter.rate * found.busiest_flows:.4g}"
            told += [
                f"busiest hour: {start:%Y-%m-%d %H:%M}{zone}{read}, {found.busiest_alarms:,} alarms of "
                f"{found.busiest_flows:,} rows; the budget is {allowed} if all are normal",
                f"{found.above:,} of {often} above the budget if all are normal, {found.beyond_chance:,} beyond chance",
            ]
        if found.untimed:
            told.append(
                f"{found.untimed:,} rows without a time that can be read: their {found.untimed_alarms:,} alarms count "
                "in the average, and in no hour"
            )
        return told


def predict(
    path: str | Path,
    folder: str | Path,
    out: str | Path,
    *,
    id: str | None = None,  # noqa: A002
    clock: Clock | None = None,
    on_batch: Callable[[Any, Kind], None] | None = None,
    told: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> int:
    """Label a table, an array or a folder of images batch by batch; memory does not grow with it.

    Parameters
    ----------
    path : str or Path
        The table, ``.npy`` file or folder.
    folder : str or Path
        A model's.
    out : str or Path
        The file to write: ``row`` (from 0), the ``id`` column where named (``file`` of a folder), ``predicted``, and
        ``margin`` (of a head) or ``score`` (of a rejecter, higher = more familiar).
    id : str or None
        A column to carry over.
    clock : Clock or None
        Of a column of times, which is looked at once before rows are labelled; the answers then hold its times.
    on_batch : callable or None
        Called with the answer to each batch and the head.
    told : callable or None
        Called at the end with what was decided in reading, in words.
    progress : callable or None
        Called with a text, the rows done, and 0: the number of rows is not known beforehand.

    Returns
    -------
    int
        Rows written.
    """
    import pyarrow as pa

    from trueneg.data.streams import Manner, open_sink
    from trueneg.data.writers import atomic

    path, folder, out = Path(path), Path(folder), Path(out)
    kind, compression = format_of(out)
    if out.resolve() == path.resolve():
        msg = f"{one_line(out)} is the input, which is never written to: name another --out"
        raise InputError(msg)
    model = Model.load(folder)
    source = open_source(path)
    extra = _carried(model, source, id)
    wanted = list(dict.fromkeys([*model.features.columns, *extra, *_timed(source, clock)]))
    fields = [pa.field("row", pa.int64()), *(pa.field(c, source.type_of(c)) for c in extra)]
    fields += [pa.field("predicted", pa.string()), pa.field(model.fitted.column, pa.float64())]
    schema = pa.schema(fields)
    done = 0
    with atomic(out) as file, open_sink(file, out, schema, Manner(kind, compression)) as sink:
        for table in source.batches(wanted):
            answer = _said(model, table, source, done)
            if clock is not None:
                answer = replace(answer, times=clock.seconds(table.column(clock.column)))
            columns = [
                pa.array(np.arange(done, done + len(answer.labels))),
                *(table.column(c).combine_chunks() for c in extra),
                pa.array(answer.labels.tolist(), pa.string()),
                pa.array(answer.score, pa.float64()),
            ]
            sink.write(pa.RecordBatch.from_arrays(columns, schema=schema))
            done += len(answer.labels)
            if on_batch is not None:
                on_batch(answer, model.fitted)
            if progress is not None:
                progress("rows", done, 0)
    if told is not None:
        for line in source.notes:
            told(line)
    return done


def _said(model: Model, table: Any, source: Source, done: int) -> Any:
    """Return the answer to a batch; an error names the file, and the row from which a batch's rows are counted."""
    try:
        return model.answer(table, source.home)
    except InputError as error:
        after = f", after row {done:,}" if done else ""
        msg = f"{one_line(source.path)}{after}: {str(error).removeprefix('the frame: ')}"
        raise InputError(msg) from error


def _carried(model: Model, source: Source, key: str | None) -> list[str]:
    """Check the columns and return those carried over."""
    where = one_line(source.path)
    given = source.names
    if given == [EMBEDDING] and model.features.columns != given:
        columns = model.features.columns
        if not (isinstance(model.features, DenseFeatures) and columns == model.features.embedding):
            msg = f"{where}: the model reads the columns {', '.join(map(str, columns[:5]))}; give a table that has them"
            raise InputError(msg)
        model.features.embedding = [EMBEDDING]  # the same numbers, from an array
    model.features.check(given, where)
    if key is not None:
        return [known_column(key, given, where)]
    return [FILE] if given[:1] == [FILE] and source.path.is_dir() else []


def _timed(source: Source, clock: Clock | None) -> list[str]:
    """Let the clock look at its column, before any row is labelled, and return the column."""
    if clock is None:
        return []
    where = one_line(source.path)
    known_column(clock.column, source.names, where)
    clock.learn(source.batches([clock.column]), where)
    return [clock.column]
