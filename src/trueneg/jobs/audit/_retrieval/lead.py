"""The commands that lead on from the audit of a collection."""

from __future__ import annotations

import shlex
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from trueneg.jobs.audit.again import audit_command

_REPAIRS = {"TN504": "reannotate", "TN505": "reannotate", "TN506": "eliminate", "TN507": "eliminate"}


def lead(report: MutableMapping[str, Any], folder: Path) -> None:
    """Put the exact commands into the report of a collection, in place."""
    reviewed = False
    # Without TN502 there is nothing that a sample could be drawn from.
    drawn = any(f["code"] == "TN502" and f["status"] in ("finding", "advice", "passed") for f in report["findings"])
    review = shlex.join(["trueneg", "review", str(folder)])
    again = audit_command(report["input"]["path"], report["options"], depth=False)
    for finding in report["findings"]:
        if finding["status"] not in ("finding", "advice"):
            continue
        code = finding["code"]
        if code == "TN502" and finding.get("estimate") is not None:
            reviewed = True
            answers = str(report["options"].get("reviewed") or folder / "review.csv")
            finding["command"] = _repair(report, folder, code, "reannotate", ["--decisions", answers])
        elif code in ("TN501", "TN502", "TN503"):
            finding["command"] = review if drawn else again
        elif code in _REPAIRS:
            every = ["--top", str(report["suspects"]["total"])]
            finding["command"] = _repair(report, folder, code, _REPAIRS[code], every)
    report["next"] = _next(report, folder, reviewed=reviewed)


def _repair(report: MutableMapping[str, Any], folder: Path, code: str, action: str, which: list[str]) -> str:
    """Return the repair; the new judgments lie beside the collection, where no reader takes them for a split.

    They are a file where one split was audited, and a folder with a file for each where several were.
    """
    judgments = report["input"]["judgments"]
    path = Path(report["input"]["path"])
    name = "repaired" if len(judgments) > 1 else f"{judgments[0]['split']}.repaired{judgments[0]['form']}"
    target = path.with_name(f"{path.name}.{name}") if path.name else Path(name)
    words = ["trueneg", "repair", str(folder), "--action", action, *which, "--finding", code, "--to", str(target)]
    return shlex.join(words)


def _next(report: MutableMapping[str, Any], folder: Path, *, reviewed: bool) -> str:
    stands = {f["code"]: f for f in report["findings"] if f["status"] in ("finding", "advice")}
    if "TN502" in stands and not reviewed:
        return str(stands["TN502"]["command"])
    first = next((f for f in stands.values() if f.get("command") and f["status"] == "finding"), None)
    if reviewed:
        first = stands["TN502"]
    if first is not None:
        return str(first["command"])
    if report["options"].get("quick"):
        return audit_command(report["input"]["path"], report["options"], depth=False)
    return "trueneg claims list"
