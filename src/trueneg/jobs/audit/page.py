"""The report of an audit as one dict, and the commands that lead on from it."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.jobs.audit.again import audit_command

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    import pyarrow as pa

    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.findings import Finding

SHOWN_SUSPECTS = 500
SUSPECT_CODES = ("TN201", "TN202", "TN203")
FORMATS = (".csv", ".tsv", ".parquet", ".jsonl", ".arrow", ".feather", ".npz", ".ndjson")


def report_of(context: Context, findings: list[Finding], suspects: pa.Table) -> dict[str, Any]:
    """Return the report of a table with one label a row."""
    counts = np.bincount(context.codes[context.codes >= 0], minlength=len(context.classes))
    classes = [{"name": n, "count": int(c)} for n, c in zip(context.names, counts, strict=True)]
    report = page_of(context.path, context.arrow, context.roles, classes, findings, suspects)
    saw = [*context.roles.notes, *context.notes, *(context.data.notes if context.data else [])]
    if context.data is not None:
        saw.append(f"learnt from: {context.data.words}")
    report["input"]["saw"] = [*saw, f"probabilities: {context.model}"]
    return report


def page_of(
    path: str, arrow: pa.Table, roles: Roles, classes: list[dict[str, Any]], findings: list[Finding], suspects: pa.Table
) -> dict[str, Any]:
    """Return what every kind's report holds; the caller fills in what it saw, the options and the commands."""
    shown = suspects.slice(0, SHOWN_SUSPECTS)
    return {
        "schema": "trueneg/audit/1",
        "title": f"Audit of {Path(path).name}",
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": trueneg.__version__,
        "input": {
            "path": path,
            "rows": arrow.num_rows,
            "columns": arrow.num_columns,
            "kind": roles.kind,
            "classes": classes,
            "saw": [],
        },
        "options": {},
        "findings": [finding.to_dict() for finding in findings],
        "figures": [figure for finding in findings for figure in finding.figures],
        "suspects": {
            "columns": shown.column_names,
            "rows": [list(r.values()) for r in shown.to_pylist()],
            "total": suspects.num_rows,
        },
        "next": "",
    }


def beside(path: str | Path) -> Path:
    """Return the folder of an audit by default: ``NAME.trueneg`` beside the table or the collection's folder."""
    path = Path(path)
    path = path if path.name and path.name != ".." else path.resolve()
    stem = path.name.split(".")[0] or path.name.lstrip(".").split(".")[0]
    return path.with_name(stem + ".trueneg")


def lead_on(report: MutableMapping[str, Any], folder: Path) -> None:
    """Put the exact commands into a report, in place: a repair at each suspect finding, and the one to run next.

    Parameters
    ----------
    report : dict
        As :func:`page_of` returns it.
    folder : Path
        The audit's folder, as its user names it.
    """
    if report["input"]["kind"] == "retrieval":
        from trueneg.jobs.audit._retrieval.lead import lead

        lead(report, folder)
        return
    for finding in report["findings"]:
        if finding["code"] in SUSPECT_CODES and finding["status"] in ("finding", "advice"):
            finding["command"] = _repair(report, folder, finding)
    report["next"] = _next(report, folder)


def _repair(report: MutableMapping[str, Any], folder: Path, finding: MutableMapping[str, Any]) -> str:
    """Return the repair for a finding: only marks before a review, drops what is (probably) wrong after one."""
    path = report["input"]["path"]
    name, kind = _split(path)
    words = ["trueneg", "repair", str(folder), "--action", "flag", "--min-probability", "0.5"]
    target = Path(path).with_name(f"{name}.flagged{kind}")
    if finding.get("estimate") is not None:
        words[4] = "eliminate"
        words += ["--decisions", str(report["options"].get("reviewed") or folder / "review.csv")]
        target = target.with_name(f"{name}.repaired{kind}")
    return shlex.join([*words, "--finding", finding["code"], "--to", str(target)])


def _split(path: str) -> tuple[str, str]:
    """Return a table's name and its ending, the packing included: ``a.csv.gz`` gives ``a`` and ``.csv.gz``."""
    name = Path(path).name
    for kind in FORMATS:
        at = name.lower().rfind(kind)
        if at > 0 and name.lower()[at + len(kind) :] in ("", ".gz", ".zst"):
            return name[:at], name[at:]
    return ("table", ".parquet") if path == "(frame)" else (Path(path).stem, Path(path).suffix)


def _next(report: MutableMapping[str, Any], folder: Path) -> str:
    """Return the one command to run next.

    A review where suspects stand and nobody has looked, then their repair; else the explanation of the first finding;
    else the audit with a model where none was asked, else what stands behind the figures.
    """
    open_findings = [f for f in report["findings"] if f["status"] == "finding"]
    if report["input"]["kind"] == "attempts" and report["suspects"]["total"] and not _reviewed(report):
        return f"trueneg review {shlex.quote(str(folder))}"
    suspects = [f for f in report["findings"] if f.get("command") and f["code"] in SUSPECT_CODES]
    if suspects and report["suspects"]["total"]:
        reviewed = next((f for f in suspects if f.get("estimate") is not None), None)
        return f"trueneg review {shlex.quote(str(folder))}" if reviewed is None else str(reviewed["command"])
    if open_findings:
        return f"trueneg explain {open_findings[0]['code']}"
    if not report["options"].get("quick"):
        return "trueneg claims list"
    return audit_command(report["input"]["path"], report["options"], depth=False)


def _reviewed(report: MutableMapping[str, Any]) -> bool:
    """Whether the finding on attempts already stands on a review."""
    found = next((f.get("estimate") for f in report["findings"] if f["code"] == "TN601"), None)
    return found is not None and "review" in str(found.get("method"))


def commands_into(findings: Iterable[Finding], report: MutableMapping[str, Any]) -> None:
    """Give the findings the commands that their report names."""
    named = {f["code"]: f.get("command") for f in report["findings"]}
    for finding in findings:
        finding.command = named.get(finding.code)
