"""Repair the judgments of a collection: pairs added, changed or taken out, in a file of the same form."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.suspects import ACTIONS
from trueneg.data.readers import one_line, read_table
from trueneg.data.retrieval import rewrite_qrels
from trueneg.data.writers import atomic
from trueneg.jobs.audit.retrieval import REMOVE, digest
from trueneg.jobs.repair.choose import HOW
from trueneg.jobs.repair.judged import Judged, judged_of
from trueneg.jobs.repair.record import SCHEMA, check_target, record_path

if TYPE_CHECKING:
    from trueneg.jobs.audit.folder import AuditFolder

_COLUMNS = ["query", "document", "finding", "given", "new", "reason"]


@dataclass(frozen=True, eq=False)
class JudgmentsRepair:
    """What was done to the judgments of a split.

    Attributes
    ----------
    target : Path
        The new file.
    action : str
    counts : dict of str to int
        ``kept``, ``changed``, ``removed`` and ``added`` pairs; ``unresolved`` are those that the action cannot change.
    by_finding : dict of str to int
    split : str
    """

    target: Path
    action: str
    counts: dict[str, int]
    by_finding: dict[str, int]
    split: str

    def lines(self) -> list[str]:
        """Say what was done, and what to run next."""
        did = ", ".join(f"{n:,} {what}" for what, n in self.counts.items() if n)
        found = ", ".join(f"{code} {n:,}" for code, n in self.by_finding.items())
        return [
            f"{self.target}: judgments of {self.split}: {did} ({found})",
            f"What was done, pair by pair: {record_path(self.target)}",
            f"Next: put it in the place of the judgments of {self.split} in a copy of the collection, and audit that",
        ]


def repair_judgments(
    folder: AuditFolder,
    to: Path,
    *,
    action: str,
    top: int | None = None,
    min_probability: float | None = None,
    decisions: Any = None,
    findings: Sequence[str] | None = None,
) -> JudgmentsRepair:
    """Write the judgments of the audited split again; the input is never changed.

    Parameters
    ----------
    folder : AuditFolder
        The audit of a collection.
    to : Path
        The new file, of the form of the old one. One that is there is replaced only if a repair wrote it.
    action : {"reannotate", "eliminate", "flag"}
        Write the proposed grade; take the judgment out, so that the pair is unjudged; only list them in the record.
    top : int, optional
        The first so many lines of ``suspects.csv``, of the named findings.
    decisions : path, optional
        The answers of a review: pairs called relevant. At least one of ``top`` and ``decisions`` is needed.
    findings : sequence of str, optional
        Only suspects of these codes.

    Raises
    ------
    InputError
        Judgments that have changed since the audit, several splits, nothing chosen.
    """
    split, source = _judgments(folder)
    _check(action, top, min_probability, decisions)
    check_target(to, source if source.is_file() else None)
    wanted = None if findings is None else {code.upper() for code in findings}
    chosen = _chosen(folder, judged_of(folder, decisions), top, wanted)
    if not chosen:
        raise InputError("no suspect is chosen: there is nothing to repair; name other findings, or answer the review")
    changes, rows, unresolved = _changes(chosen, action)
    if action != "flag" and not changes:
        msg = (
            f"--action {action} changes none of {len(chosen):,} chosen pairs: "
            + ("they are unjudged already" if action == "eliminate" else "they have no proposed grade")
            + "; use "
            + ("reannotate" if action == "eliminate" else "eliminate")
        )
        raise InputError(msg)
    counts = rewrite_qrels(source, to, changes)
    by: dict[str, int] = {}
    for one in chosen:
        by[one["finding"]] = by.get(one["finding"], 0) + 1
    done = JudgmentsRepair(to, action, {**counts, "unresolved": unresolved}, by, split)
    options = {"top": top, "decisions": None if decisions is None else str(decisions), "findings": findings}
    _record(done, folder, source, rows, {k: v for k, v in options.items() if v is not None})
    return done


def _judgments(folder: AuditFolder) -> tuple[str, Path]:
    """Return the split and its file, held to the hash of the audit."""
    listed = folder.report["input"]["judgments"]
    if len(listed) != 1:
        names = ", ".join(one_line(one["split"], 40) for one in listed)
        msg = f"the audit is of several splits ({names}), and a repair writes one; audit one of them with --split"
        raise InputError(msg)
    path = folder.path
    source = (path or Path()) / listed[0]["path"]
    if path is None or not source.exists() or digest(source) != listed[0]["data"]:
        msg = f"{one_line(source)} is not as it was audited; run 'trueneg audit' again"
        raise InputError(msg)
    return str(listed[0]["split"]), source


def _check(action: str, top: int | None, min_probability: float | None, decisions: Any) -> None:
    if action not in ACTIONS:
        msg = f"action {one_line(action, 30)!r} is not known: use one of {', '.join(ACTIONS)}"
        raise InputError(msg)
    if action == "downweight":
        raise InputError("judgments hold no weight: use --action reannotate, eliminate or flag")
    if min_probability is not None:
        raise InputError("the pairs of a collection have an order and no probability: use --top or --decisions")
    if top is None and decisions is None:
        raise InputError(HOW.replace(", --min-probability P,", ""))
    if top is not None and top < 1:
        msg = f"--top {top}: give a whole number of suspects, 1 or more"
        raise InputError(msg)


def _chosen(
    folder: AuditFolder, judged: Judged | None, top: int | None, wanted: set[str] | None
) -> list[dict[str, Any]]:
    """Return the suspects that are chosen: lines of the list, and pairs that a reviewer called relevant."""
    listed = read_table(Path(folder.folder) / "suspects.parquet").arrow.to_pylist()
    listed = [one for one in listed if wanted is None or one["finding"] in wanted]
    out = listed[:top] if top is not None else []
    if judged is None:
        return out
    table = folder.table().arrow
    said = {}
    for (code, row, _), (answer, who) in judged.cells.items():
        pair = table.slice(row, 1).to_pylist()[0]
        said[code, pair["query_id"], pair["document_id"]] = (answer, who, pair)
    # Who judged a pair is right or unsure about it: it stays.
    out = [one for one in out if said.get((one["finding"], one["query"], one["document"]), (1,))[0] == 1]
    have = {(one["finding"], one["query"], one["document"]) for one in out}
    if judged.only_spares:
        return out
    grade = folder.options.get("positive_from", 1.0)
    for (code, query, document), (answer, who, pair) in said.items():
        if answer == 1 and (code, query, document) not in have and (wanted is None or code in wanted):
            given = pair["given"]
            one = {"finding": code, "query": query, "document": document, "given": given, "proposed": f"{grade:g}"}
            out.append({**one, "reason": f"judged by {who}"})
    return out


def _changes(
    chosen: list[dict[str, Any]], action: str
) -> tuple[dict[tuple[str, str], float | None], list[list[Any]], int]:
    """Return the new grade of each pair, the lines of the record, and for how many the action is nothing."""
    changes: dict[tuple[str, str], float | None] = {}
    rows, unresolved = [], 0
    for one in chosen:
        key = (one["query"], one["document"])
        unjudged, removed = one["given"] == "unjudged", one["proposed"] == REMOVE
        new: Any = None
        if action == "flag":
            new = one["given"]
        elif (action == "reannotate" and removed) or (action == "eliminate" and unjudged):
            unresolved += 1
            new = one["given"]
        elif action == "reannotate":
            new = float(one["proposed"])
            changes[key] = max(new, changes.get(key) or -np.inf)
        else:
            changes.setdefault(key, None)
        rows.append([*key, one["finding"], one["given"], new, one["reason"]])
    return changes, rows, unresolved


def _record(
    done: JudgmentsRepair, folder: AuditFolder, source: Path, rows: list[list[Any]], options: dict[str, Any]
) -> None:
    def way(path: Path) -> str:
        return Path(os.path.relpath(path, done.target.parent)).as_posix()

    if "decisions" in options:
        options["decisions"] = way(Path(options["decisions"]))
    told = {
        "schema": SCHEMA,
        "version": trueneg.__version__,
        "action": done.action,
        "options": options,
        "input": {"path": way(source), "split": done.split, "data": digest(source)},
        "audit": way(Path(folder.folder)),
        "output": {"path": done.target.name},
        "counts": done.counts,
        "findings": done.by_finding,
        "pairs": {"columns": _COLUMNS, "rows": rows},
    }
    with atomic(record_path(done.target)) as file:
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
