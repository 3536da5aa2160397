"""``trueneg repair OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal


def repair(
    out: Path,
    /,
    *,
    action: Literal["eliminate", "reannotate", "downweight", "flag"],
    to: Path,
    top: int | None = None,
    min_probability: float | None = None,
    decisions: Path | None = None,
    finding: str | None = None,
) -> None:
    """Write the audited table, or judgments, again with an action applied to its suspects; the input never changes.

    Says which suspects by --top, --min-probability or --decisions; trusted rows are never touched. Row order and types
    stay; extra columns (trueneg_...) say what was done and why, and FILE.repair.json lists every row that is left out.

    Parameters
    ----------
    out
        The folder that 'trueneg audit' wrote.
    action
        Remove the row, give it the proposed class, weigh it by 1 - probability, or only mark it. Of judgments: take
        them out, write the proposed grade, or only list them.
    to
        The file to write; its ending says the format, without one it is that of the input.
    top
        The first so many lines of suspects.csv, then the other rows by probability.
    min_probability
        Suspects at least so probable; with --top both must hold.
    decisions
        The answers of a review: "accept" always chooses, "reject" and "unsure" never do.
    finding
        Only suspects of these codes, separated by commas.
    """
    from trueneg.core.errors import InputError

    if top is None and min_probability is None and decisions is None:
        msg = "say which suspects: --top N, --min-probability P, or --decisions FILE with the answers of a review"
        raise InputError(msg)
    if not out.exists():
        msg = f"no such folder: {out}; run 'trueneg audit PATH' first"
        raise InputError(msg)
    from rich.console import Console

    from trueneg.report.words import visible

    log, console = Console(stderr=True), Console()
    with log.status("reading the audit") as status:
        from trueneg.jobs.repair import repair_to

        done = repair_to(
            out,
            to,
            action=action,
            top=top,
            min_probability=min_probability,
            decisions=decisions,
            findings=None if finding is None else [part.strip() for part in finding.split(",") if part.strip()],
            progress=lambda word, rows: status.update(f"{word}: {rows:,} rows"),
        )
    for line in _lines(done, to):
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def _lines(done: Any, to: Path) -> list[str]:
    """Say in a few lines what was done and what to run next."""
    from trueneg.jobs.repair.judgments import JudgmentsRepair

    if isinstance(done, JudgmentsRepair):
        return done.lines()
    from trueneg.jobs.audit.again import audit_command
    from trueneg.jobs.repair.record import record_path

    counts = done.counts
    actions = ("eliminated", "reannotated", "downweighted", "flagged")
    did = [f"{counts[name]:,} {name}" for name in actions if counts[name]]
    did += [f"{counts['unresolved']:,} without a proposal keep their label"] if counts["unresolved"] else []
    if done.source.layout.multilabel:
        did.append(f"{counts['cells']:,} cells")
    found = ", ".join(f"{code} {n['chosen']:,}" for code, n in done.by_finding.items())
    lines = [f"{to}: {counts['kept']:,} of {counts['rows']:,} rows; {', '.join(did)} ({found})"]
    for name, n in (done.classes or {}).items():
        if n["before"] != n["after"] and len(done.classes) <= 10:
            lines.append(f"  class {name!r}: {n['before']:,} -> {n['after']:,} rows")
    lines += [f"  note: {note}" for note in done.notes]
    lines.append(f"What was done, row by row: {record_path(to)}")
    lines.append(f"Next: {audit_command(to, done.source.folder.options)}")
    return lines
