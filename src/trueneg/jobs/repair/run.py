"""Plan a repair from an audit, and carry it out on a frame or on a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.suspects import ACTIONS, Decision
from trueneg.data.readers import one_line, read_table
from trueneg.data.repairs import Repairs, repair_file, repair_frame
from trueneg.data.writers import atomic
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.repair.choose import Chosen, choose
from trueneg.jobs.repair.judged import judged_of
from trueneg.jobs.repair.judgments import JudgmentsRepair, repair_judgments
from trueneg.jobs.repair.record import check_target, dumps, record_of, record_path, target_format
from trueneg.jobs.repair.source import Source, changed, look
from trueneg.jobs.repair.values import Written, wanted_values, written

if TYPE_CHECKING:
    from trueneg.jobs.audit.outcome import Audit

KINDS = ("table", "multilabel")
_LISTED = ["row", "key", "finding", "given", "proposed", "probability", "reason"]


@dataclass(eq=False)
class Repair:
    """A repair that is ready to be carried out.

    Attributes
    ----------
    action : str
        What is done.
    repairs : Repairs
        Row by row.
    source : Source
        The table.
    options : dict
        How the suspects were chosen.
    counts : dict of str to int
        Rows, kept, eliminated, reannotated, downweighted, flagged, unresolved, chosen (all of these), and cells: where
        a row may carry several labels, the cells chosen in the rows.
    by_finding : dict of str to dict
        By finding: cells chosen, and cells that could have been.
    classes : dict of str to dict, or None
        Rows of each class before and after; None where a row may carry several labels.
    removed, unresolved : dict
        The rows that are left out, and those that keep a doubted label, as a table: ``columns`` and ``rows``.
    notes : list of str
        What else there is to know.
    """

    action: str
    repairs: Repairs
    source: Source
    options: dict[str, Any]
    counts: dict[str, int]
    by_finding: dict[str, dict[str, int]]
    classes: dict[str, dict[str, int]] | None
    removed: dict[str, Any]
    unresolved: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def record(self) -> dict[str, Any]:
        """What is done, as ``FILE.repair.json`` says it."""
        return record_of(self, None)

    def frame(self) -> Any:
        """Return the repaired frame, of the kind that came in; an Arrow table where a file was audited."""
        if self.source.frame is not None:
            return repair_frame(self.repairs, self.source.frame)
        path = self.source.path
        return repair_frame(self.repairs, read_table(path).arrow if path else None)


def plan(
    audit: Audit | AuditFolder | str | Path,
    *,
    action: str,
    frame: Any = None,
    top: int | None = None,
    min_probability: float | None = None,
    decisions: Any = None,
    findings: Sequence[str] | None = None,
    kind: str | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Repair:
    """Say what a repair does, row by row, without doing it.

    Parameters are those of :func:`repair`; ``kind`` is the format of the file to be written, where one is.
    """
    if action not in ACTIONS:
        msg = f"action {one_line(action, 30)!r} is not known: use one of {', '.join(ACTIONS)}"
        raise InputError(msg)
    folder, listed = _opened(audit, frame)
    if folder.report["input"]["kind"] not in KINDS:
        what = folder.report["input"]["kind"]
        if what == "retrieval":
            raise InputError(
                "judgments of a collection are repaired from file to file: use repair_to, or trueneg repair"
            )
        msg = f"an audit of the kind {what!r} cannot be repaired yet: it has no label column to write to"
        raise InputError(f"{msg}; {' and '.join(KINDS)} can be")
    judged = judged_of(folder, decisions)
    chosen = choose(
        folder, listed, top=top, min_probability=min_probability, judged=judged, findings=_listed_codes(findings)
    )
    source = Source(folder, frame, kind)
    cellwise = source.layout.multilabel
    decision = chosen.suspects.decide("flag" if cellwise and action == "eliminate" else action)
    if cellwise and action == "eliminate" and kind == "npz":
        raise InputError("an NPZ cannot hold a cell that is unjudged; write Parquet (--to NAME.parquet)")
    classes = None if cellwise else _classes(folder, chosen, decision)
    tell = None if progress is None else lambda rows: progress("reading", rows)
    seen = look(source, wanted_values(source, action, chosen.suspects, decision), tell)
    new = written(source, action, chosen.suspects, decision, seen)
    options: dict[str, Any] = {
        "top": top,
        "min_probability": min_probability,
        "findings": findings and sorted(findings),
    }
    options["decisions"] = decisions if isinstance(decisions, str | Path) else None if decisions is None else "given"
    made = _repair(action, source, chosen, decision, new, options, classes, null="" if kind == "npz" else None)
    if chosen.spared:
        made.notes.append(
            f"{chosen.spared:,} suspects are left alone: judged right or unsure in {judged and judged.words}"
        )
    made.notes += _lost(classes)
    return made


def _listed_codes(findings: Sequence[str] | str | None) -> list[str] | None:
    if findings is None:
        return None
    return sorted({code.upper() for code in ([findings] if isinstance(findings, str) else findings)})


def _opened(audit: Any, frame: Any) -> tuple[AuditFolder, Any]:
    """Return the audit as its folder holds it, and its list of suspects."""
    if isinstance(audit, str | Path):
        audit = AuditFolder.open(audit, neighbors=False)
    if isinstance(audit, AuditFolder):
        path = Path(audit.folder) / "suspects.parquet"
        if not path.exists():
            msg = f"{one_line(audit.folder)} has no suspects.parquet; run 'trueneg audit' again"
            raise InputError(msg)
        return audit, read_table(path).arrow
    report = dict(audit.report)
    path = Path(report["input"]["path"])
    report["input"] = {**report["input"], "source": None if frame is not None else os.path.abspath(path)}
    if frame is None and not path.is_file():
        raise InputError("this is the audit of a frame: pass the frame as well, repair(audit, frame=...)")
    return AuditFolder(None, report, audit.rankings, None), audit.suspects_arrow  # type: ignore[arg-type]


def _classes(folder: AuditFolder, chosen: Chosen, decision: Decision) -> dict[str, dict[str, int]]:
    """Count the rows of each class before and after, and refuse to leave only one."""
    before = np.asarray([entry["count"] for entry in folder.report["input"]["classes"]])
    after = before.copy()
    row, first = np.unique(chosen.suspects.row, return_index=True)
    given = chosen.suspects.candidate[first]
    gone = ~decision.keep[row]
    moved = decision.new_label[row] >= 0
    np.subtract.at(after, given[gone | moved], 1)
    np.add.at(after, decision.new_label[row[moved]], 1)
    left = np.flatnonzero(after > 0)
    if len(left) < 2 and (gone | moved).any():
        what = f"only {folder.classes[left[0]]!r} would be left" if len(left) else "no labelled row would be left"
        msg = f"after this {decision.action} {what}, from which nothing can be learnt"
        raise InputError(f"{msg}; choose fewer suspects with --top or --min-probability, or use --action flag")
    pairs = zip(folder.classes, before.tolist(), after.tolist(), strict=True)
    return {name: {"before": int(a), "after": int(b)} for name, a, b in pairs}


def _lost(classes: dict[str, dict[str, int]] | None) -> list[str]:
    """Say which classes have no row any more."""
    gone = [name for name, n in (classes or {}).items() if n["before"] and not n["after"]]
    return [f"no row is left of: {', '.join(one_line(name, 40) for name in gone[:10])}"] if gone else []


def _repair(
    action: str,
    source: Source,
    chosen: Chosen,
    decision: Decision,
    new: Written,
    options: dict[str, Any],
    classes: Any,
    *,
    null: str | None,
) -> Repair:
    """Put together what is said about every row that was chosen."""
    suspects, folder = chosen.suspects, source.folder
    removed = np.flatnonzero(~decision.keep)
    by_row: dict[int, list[int]] = {}
    for rank, row in enumerate(suspects.row.tolist()):
        by_row.setdefault(row, []).append(rank)
    rows = np.asarray([row for row in sorted(by_row) if decision.keep[row]], np.int64)
    given = [_given(folder, suspects, rank) for rank in range(len(suspects))]
    ranks = [by_row[row] for row in rows.tolist()]
    texts: dict[str, list[str | None]] = {
        "trueneg_action": ["unresolved" if row in new.unresolved else action for row in rows.tolist()],
        "trueneg_reason": ["; ".join(dict.fromkeys(chosen.reason[i] for i in own)) for own in ranks],
        "trueneg_finding": ["; ".join(dict.fromkeys(chosen.code[i] for i in own)) for own in ranks],
    }
    if action == "reannotate" or (action == "eliminate" and source.layout.multilabel):
        texts["trueneg_given"] = ["; ".join(given[i] for i in own) for own in ranks]
    weights = decision.weight[rows] if action == "downweight" else None
    repairs = Repairs(len(decision.keep), removed, rows, texts, weights, new.changes, null)
    unresolved = np.asarray(sorted(new.unresolved), np.int64)
    counts = decision.counts()
    counts["chosen"] = counts.pop("flagged")
    counts["flagged"] = counts["chosen"] if action == "flag" else 0
    counts["reannotated"] = len(rows) - len(unresolved) if action == "reannotate" else 0
    counts |= {"unresolved": len(unresolved), "cells": len(suspects)}
    names = dict.fromkeys(chosen.code)
    found = {
        code: {"chosen": chosen.code.count(code), "could be": chosen.eligible.get(code, 0)} for code in sorted(names)
    }
    tables = [_table(source, chosen, by_row, given, listed) for listed in (removed, unresolved)]
    return Repair(action, repairs, source, options, counts, found, classes, tables[0], tables[1])


def _given(folder: AuditFolder, suspects: Any, rank: int) -> str:
    """Name what the table says about a cell."""
    candidate, proposed = int(suspects.candidate[rank]), int(suspects.proposed_candidate[rank])
    if folder.report["input"]["kind"] != "multilabel":
        return folder.classes[candidate]
    return f"{folder.classes[proposed]} {'absent' if suspects.verdict[rank] == 0 else 'present'}"


def _table(
    source: Source, chosen: Chosen, by_row: dict[int, list[int]], given: list[str], rows: np.ndarray
) -> dict[str, Any]:
    """List rows with their keys and all that was known about them."""
    keys = source.keys(rows).tolist() if len(rows) else []
    classes, suspects = source.folder.classes, chosen.suspects
    out = []
    for row, key in zip(rows.tolist(), keys, strict=True):
        rank = by_row[row][0]
        proposed = int(suspects.proposed_candidate[rank])
        p = round(float(suspects.probability[rank]), 4)
        named = classes[proposed] if proposed >= 0 else None
        out.append([row, key, chosen.code[rank], given[rank], named, p, chosen.reason[rank]])
    return {"columns": _LISTED, "rows": out}


def repair(
    audit: Audit | AuditFolder | str | Path,
    *,
    action: str,
    frame: Any = None,
    top: int | None = None,
    min_probability: float | None = None,
    decisions: Any = None,
    findings: Sequence[str] | None = None,
) -> Any:
    """Return the audited table with an action applied to its suspects; the table that came in is not changed.

    Parameters
    ----------
    audit : Audit, or path of an audit's folder
        What :func:`trueneg.audit` returned, or the folder that it was saved to.
    action : {"eliminate", "reannotate", "downweight", "flag"}
        Remove the row; give it the proposed class; weigh it by 1 - probability; only mark it. Where a row carries
        several labels, one cell is meant: eliminate makes it unjudged, reannotate adds or removes the label, downweight
        weighs the row by its most doubtful cell.
    frame : frame, optional
        The table, where a frame was audited: pandas, polars (lazy ones stay lazy), Arrow or what narwhals reads.
    top : int, optional
        The first so many lines of the suspects, then the other rows by probability.
    min_probability : float, optional
        Suspects at least so probable. With ``top``, both must hold.
    decisions : path or mapping, optional
        A person's answers: a file of a review, or ``{row: "accept" | "reject" | "unsure"}`` (also by ``(row, label)``).
        "accept" always chooses, the other two never do. At least one of the three ways to choose is needed.
    findings : sequence of str, optional
        Only suspects of these codes.

    Returns
    -------
    frame
        Of the kind that came in, index and types kept; an Arrow table where a file was audited. Extra columns:
        ``trueneg_action``, ``trueneg_reason``, ``trueneg_finding`` (null where nothing was done), ``trueneg_given``
        (the label before), ``trueneg_weight`` (where rows are weighed) and ``trueneg_source`` (the row's number in the
        input). Those of an earlier repair are replaced.

    Raises
    ------
    InputError
        A table that is not the audited one, nothing to choose, answers to other rows, a label that the column cannot
        hold, or only one class left.

    See Also
    --------
    trueneg.jobs.repair.plan : The same before it is done: counts, and the rows that would be removed, by key.
    trueneg.jobs.repair.repair_to : The same from file to file, in bounded memory.
    """
    made = plan(
        audit,
        action=action,
        frame=frame,
        top=top,
        min_probability=min_probability,
        decisions=decisions,
        findings=findings,
    )
    return made.frame()


def repair_to(
    audit: AuditFolder | str | Path,
    to: str | Path,
    *,
    progress: Callable[[str, int], None] | None = None,
    **choice: Any,
) -> Repair | JudgmentsRepair:
    """Write the audited file again with an action applied, batch by batch; the input is never changed.

    Parameters
    ----------
    audit : path of an audit's folder
        The audit of a file.
    to : path
        Where to write: the format goes by the name, and is that of the input where the name has no ending. A file
        that is there is replaced only if a repair wrote it. ``TO.repair.json`` beside it says what was done.
    progress : callable, optional
        Called with a word and the number of rows done.
    **choice
        ``action``, ``top``, ``min_probability``, ``decisions`` and ``findings`` of :func:`repair`.

    Returns
    -------
    Repair or JudgmentsRepair
        What was done; the second of a retrieval collection, whose judgments are written.
    """
    target = Path(to)
    folder = audit if isinstance(audit, AuditFolder) else AuditFolder.open(audit, neighbors=False)
    if folder.kind == "retrieval":
        return repair_judgments(folder, target, **choice)
    check_target(target, folder.path)
    source = folder.path
    if source is None:
        msg = f"{one_line(folder.folder)} is the audit of a frame: use trueneg.repair in Python, or audit a file"
        raise InputError(msg)
    kind, compression = target_format(target, source)
    before = _state(source) if source.exists() else None
    made = plan(folder, kind=kind, progress=progress, **choice)
    stream = made.source.stream
    if stream is None:  # pragma: no cover - a file has a stream
        raise changed(folder)
    tell = None if progress is None else lambda rows: progress("writing", rows)
    with atomic(target) as file:
        n = repair_file(made.repairs, stream, file, target, kind, compression, tell)
        if n != made.repairs.n_rows or _state(source) != before:
            raise changed(folder)
        # The record takes its place first: by it the next run knows that the file may be replaced.
        with atomic(record_path(target)) as record:
            record.write_text(dumps(record_of(made, target)), encoding="utf-8", errors="replace")
    return made


def _state(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns, about.st_ino
