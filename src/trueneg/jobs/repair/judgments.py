"""Repair the judgments of a collection: pairs added, changed or taken out, in a file of the same form."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.suspects import ACTIONS
from trueneg.data.readers import one_line, read_table
from trueneg.data.retrieval import read_qrels, rewrite_qrels
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
    """What was done to the judgments of a collection.

    Attributes
    ----------
    targets : dict of str to Path
        The new file of each split.
    action : str
    counts : dict of str to dict
        By split: ``kept``, ``changed``, ``removed`` and ``added`` pairs, and ``unresolved`` ones, which the action
        cannot change.
    by_finding : dict of str to int
        Pairs that were chosen.
    """

    targets: dict[str, Path]
    action: str
    counts: dict[str, dict[str, int]]
    by_finding: dict[str, int]

    def total(self, what: str) -> int:
        """Return a count over all splits."""
        return sum(counts[what] for counts in self.counts.values())

    def lines(self) -> list[str]:
        """Say what was done, and what to run next."""
        out = []
        for split, target in self.targets.items():
            did = ", ".join(f"{n:,} {what}" for what, n in self.counts[split].items() if n)
            out.append(f"{target}: judgments of {split}: {did}")
        found = ", ".join(f"{code} {n:,}" for code, n in self.by_finding.items())
        out.append(f"Chosen: {found}. What was done, pair by pair: {record_path(next(iter(self.targets.values())))}")
        return [*out, "Next: put them in the place of the old judgments in a copy of the collection, and audit that"]


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
    """Write the audited judgments again; the input is never changed.

    Parameters
    ----------
    folder : AuditFolder
        The audit of a collection.
    to : Path
        The new file, of the form of the old one; where several splits were audited, a folder for a file of each that
        changes. A file that is there is replaced only if a repair wrote it.
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
        Judgments that have changed since the audit, or nothing chosen.
    """
    _check(action, top, min_probability, decisions)
    sources = _judgments(folder)
    wanted = None if findings is None else {code.upper() for code in findings}
    chosen = _chosen(folder, judged_of(folder, decisions), top, wanted, sources)
    if not chosen:
        raise InputError("no suspect is chosen: there is nothing to repair; name other findings, or answer the review")
    changes, rows, unresolved = _changes(chosen, action)
    if action != "flag" and not any(changes.values()):
        msg = (
            f"--action {action} changes none of {len(chosen):,} chosen pairs: "
            + ("they are unjudged already" if action == "eliminate" else "they have no proposed grade")
            + "; use "
            + ("reannotate" if action == "eliminate" else "eliminate")
        )
        raise InputError(msg)
    targets = _targets(folder, to, sources, list(rows))
    counts = {
        split: rewrite_qrels(sources[split], target, changes[split]) | {"unresolved": unresolved[split]}
        for split, target in targets.items()
    }
    by = dict(Counter(one["finding"] for one in chosen))
    done = JudgmentsRepair(targets, action, counts, by)
    options = {"top": top, "decisions": None if decisions is None else str(decisions), "findings": findings}
    for split in targets:
        _record(done, split, folder, sources[split], rows[split], {k: v for k, v in options.items() if v is not None})
    return done


def _judgments(folder: AuditFolder) -> dict[str, Path]:
    """Return the file of each audited split, held to the hash of the audit."""
    out = {}
    for one in folder.report["input"]["judgments"]:
        path = folder.path
        source = (path or Path()) / one["path"]
        if path is None or not source.exists() or digest(source) != one["data"]:
            msg = f"{one_line(source)} is not as it was audited; run 'trueneg audit' again"
            raise InputError(msg)
        out[str(one["split"])] = source
    return out


def _targets(folder: AuditFolder, to: Path, sources: dict[str, Path], changed: list[str]) -> dict[str, Path]:
    """Return where each split is written, checked."""
    if len(sources) == 1:
        split, source = next(iter(sources.items()))
        check_target(to, source if source.is_file() else None)
        return {split: to}
    if to.exists() and not to.is_dir():
        msg = f"--to {one_line(to)} is a file, and {len(sources)} splits were audited; name a folder for them"
        raise InputError(msg)
    to.mkdir(parents=True, exist_ok=True)
    form = {str(one["split"]): str(one["form"]) for one in folder.report["input"]["judgments"]}
    targets = {split: to / f"{split}{form[split]}" for split in sources if split in changed}
    for split, target in targets.items():
        check_target(target, sources[split] if sources[split].is_file() else None)
    return targets


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
    folder: AuditFolder, judged: Judged | None, top: int | None, wanted: set[str] | None, sources: dict[str, Path]
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
    split_of = _split_of_queries(sources)
    for (code, query, document), (answer, who, pair) in said.items():
        if answer == 1 and (code, query, document) not in have and (wanted is None or code in wanted):
            given = pair["given"]
            one = {"finding": code, "query": query, "document": document, "given": given, "proposed": f"{grade:g}"}
            out.append({**one, "reason": f"judged by {who}", "split": split_of[query]})
    return out


def _split_of_queries(sources: dict[str, Path]) -> dict[str, str]:
    """Return the first split that judges each query."""
    out: dict[str, str] = {}
    for split, source in sources.items():
        queries = read_qrels(source).query.tolist() if len(sources) > 1 else ()
        for query in dict.fromkeys(queries):
            out.setdefault(query, split)
    return defaultdict(lambda: next(iter(sources)), out)


def _changes(
    chosen: list[dict[str, Any]], action: str
) -> tuple[dict[str, dict[tuple[str, str], float | None]], dict[str, list[list[Any]]], dict[str, int]]:
    """Return by split the new grade of each pair, the lines of the record, and for how many the action is nothing."""
    changes: dict[str, dict[tuple[str, str], float | None]] = {one["split"]: {} for one in chosen}
    rows: dict[str, list[list[Any]]] = {split: [] for split in changes}
    unresolved = dict.fromkeys(changes, 0)
    for one in chosen:
        split, key = one["split"], (one["query"], one["document"])
        unjudged, removed = one["given"] == "unjudged", one["proposed"] == REMOVE
        new: Any = None
        if action == "flag":
            new = one["given"]
        elif (action == "reannotate" and removed) or (action == "eliminate" and unjudged):
            unresolved[split] += 1
            new = one["given"]
        elif action == "reannotate":
            new = float(one["proposed"])
            changes[split][key] = max(new, changes[split].get(key) or -np.inf)
        else:
            changes[split].setdefault(key, None)
        rows[split].append([*key, one["finding"], one["given"], new, one["reason"]])
    return changes, rows, unresolved


def _record(
    done: JudgmentsRepair,
    split: str,
    folder: AuditFolder,
    source: Path,
    rows: list[list[Any]],
    options: dict[str, Any],
) -> None:
    target = done.targets[split]

    def way(path: Path) -> str:
        return Path(os.path.relpath(path, target.parent)).as_posix()

    if "decisions" in options:
        options["decisions"] = way(Path(options["decisions"]))
    told = {
        "schema": SCHEMA,
        "version": trueneg.__version__,
        "action": done.action,
        "options": options,
        "input": {"path": way(source), "split": split, "data": digest(source)},
        "audit": way(Path(folder.folder)),
        "output": {"path": target.name},
        "counts": done.counts[split],
        "findings": dict(Counter(str(row[2]) for row in rows)),
        "pairs": {"columns": _COLUMNS, "rows": rows},
    }
    with atomic(record_path(target)) as file:
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
