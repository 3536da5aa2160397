"""``trueneg review``: from an audit's folder to a sample, a sheet and a page, and again for a further round."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.writers import atomic
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.audit.outcome import Audit
from trueneg.jobs.audit.page import beside
from trueneg.jobs.review.answers import join
from trueneg.jobs.review.draw import Forecast, N, choose, draw, forecast, set_aside, sheet_lines
from trueneg.jobs.review.page import Shown, page
from trueneg.jobs.review.record import PAGE, SHEET, Drawn, Record, load_record, meaning, save
from trueneg.jobs.review.sheet import OPEN, Line, read_lines, write_lines
from trueneg.report.review import render_review


@dataclass(frozen=True, eq=False)
class Review:
    """A review that is under way.

    Attributes
    ----------
    folder : Path
        The audit's folder.
    forecast : Forecast
        What it is expected to be worth.
    drawn : Drawn
        The cells drawn in all rounds: ``drawn.sample``, ``drawn.rows``, ``drawn.keys``.
    new : int
        Cells that this call drew.
    answered : int
        Cells with an answer in ``review.csv``, unsure ones among them.
    next : str
        The command that turns the answers in ``review.csv`` into figures.
    notes : tuple of str
        What was done beside that.
    """

    folder: Path
    forecast: Forecast
    drawn: Drawn
    new: int
    answered: int
    next: str
    notes: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The page to judge on."""
        return self.folder / PAGE

    @property
    def sheet(self) -> Path:
        """The same as a table."""
        return self.folder / SHEET

    def lines(self) -> list[str]:
        """Say what to expect, where to judge, how many are answered, and what to run next."""
        drawn, total = len(self.drawn.sample.rows), self.forecast.population
        return [
            f"{self.drawn.code}: {self.new:,} of {total:,} drawn now, {drawn:,} in all: at random from the top "
            "suspects, the next, and all the others",
            *(f"- {line}" for line in self.forecast.lines()),
            *(f"- {note}" for note in self.notes),
            f"Judge on {self.page} (or write accept, reject or unsure into {self.sheet})",
            f"{self.answered:,} of {drawn:,} are answered in {self.sheet.name}",
            f"Next: {self.next}",
        ]


def review(
    audit: str | Path | Audit,
    *,
    frame: Any = None,
    out: str | Path | None = None,
    finding: str | None = None,
    n: int | None = None,
    width: float | None = None,
    by_class: bool = False,
    seed: int = 0,
    level: float = 0.95,
    progress: Callable[[str], None] | None = None,
) -> Review:
    """Draw a random sample with known inclusion probabilities for a person to judge.

    Writes ``review.html`` (a page to judge on), ``review.csv`` (the same as a table) and ``review.json`` (what was
    drawn) into the audit's folder. A further call adds a round; the answers given so far stay.

    Parameters
    ----------
    audit : path or Audit
        The folder that an audit was saved to, or an audit, which is then saved to ``out``.
    frame : frame, optional
        The frame that was audited; not needed where a file was.
    out : path, optional
        Where to save an audit that is handed over.
    finding : str, optional
        The code to review (``TN201``); by default the one under review, else the audit's first.
    n : int, optional
        Rows to draw now; 60 for the first round. Later, without ``n`` and ``width``, a round of 60 is added only
        where every row has its answer.
    width : float, optional
        In place of ``n``: the wished width of the interval, as a share of the rows.
    by_class : bool, default=False
        Strata class by class, so that small classes are seen; a further round keeps those of the first.
    seed : int, default=0
        Draws the rows; each round draws anew.
    level : float, default=0.95
        Of the intervals.
    progress : callable, optional
        Called with one line whenever a stage begins.

    Returns
    -------
    Review

    Raises
    ------
    InputError
        No audit, no ranking (``--quick``), a table that has changed, a sheet of answers that cannot be read.
    """
    say = progress or (lambda _: None)
    if n is not None and width is not None:
        raise InputError("n and width were both given; n says how many rows, width how many are needed: give one")
    folder = _opened(audit, out)
    say("reading the table")
    table = folder.table(frame)
    roles = folder.roles(table)
    keys = folder.keys(table, roles)
    record, notes = _earlier(folder)
    code = choose(folder, record, finding)
    before, answered = _answers(folder, record, keys, code)
    earlier = None if record is None else record.drawn.get(code)
    kept = 0 if earlier is None else len(earlier.sample.rows)
    wanted = _wanted(n, width, kept - answered, notes)
    if earlier is not None:
        if by_class and not earlier.by_class:
            notes.append("the strata stay those of the first round, which were not made by class")
        by_class, level = earlier.by_class, earlier.level
    ranking = folder.rankings[code] if earlier is None else earlier.ranking
    say("what it will be worth")
    classes = folder.classes if record is None else record.classes
    told = forecast(ranking, kept, n=wanted, width=width, by_class=by_class, classes=classes, level=level)
    if wanted or width is not None or record is None:
        chosen: dict[str, Any] = {"n": wanted, "width": width, "by_class": by_class, "seed": seed, "level": level}
        record = draw(folder, record, code, keys, **chosen)
    drawn = record.drawn[code]
    if len(drawn.sample.rows) == kept and (n is not None or width is not None):
        notes.append("no row was added: those drawn already suffice")
    command = audit_command(folder)
    shown = Shown(folder, table, roles, record, say, notes)
    html = render_review(page(shown, f"Review of {_name(folder)}", command[1:]))
    _write(folder.folder, record, sheet_lines(record, roles, before), html)
    new = len(drawn.sample.rows) - kept
    return Review(folder.folder, told, drawn, new, answered, command[0], tuple(notes))


def _opened(audit: str | Path | Audit, out: str | Path | None) -> AuditFolder:
    if not isinstance(audit, Audit):
        if out is not None:
            raise InputError("out is for an audit that is handed over; the folder of a saved one is written to itself")
        return AuditFolder.open(audit)
    if out is None:
        raise InputError("an audit that is handed over is saved first: say where with out='FOLDER'")
    return AuditFolder.open(audit.save(out))


def _earlier(folder: AuditFolder) -> tuple[Record | None, list[str]]:
    """Return what was drawn before; a review of other data or another question is renamed, never overwritten."""
    record = load_record(folder)
    if record is None or (record.data == folder.data_hash and record.about == meaning(folder.options)):
        return record, []
    moved = set_aside(folder.folder, record)
    note = "the review here was of other data or other classes; it is kept as " + " and ".join(moved)
    return None, [note]


def _answers(folder: AuditFolder, record: Record | None, keys: np.ndarray, code: str) -> tuple[list[Line], int]:
    """Return the lines of ``review.csv``, checked, and how many cells of the finding are answered."""
    path = folder.folder / SHEET
    if record is None or not path.exists():
        return [], 0
    lines = read_lines(path)
    found = join(record, lines, keys, (path,), (path.name,)).findings.get(code)
    return lines, 0 if found is None else int((found.answers != OPEN).sum())


def _wanted(n: int | None, width: float | None, still_open: int, notes: list[str]) -> int:
    """Return how many rows to add: those asked for, else a round of 60 unless one is still under way."""
    if n is not None:
        return n
    if width is None and still_open:
        notes.append(f"{still_open:,} rows drawn earlier are open in {SHEET}; --n adds a further round")
        return 0
    return N


def _write(folder: Path, record: Record, lines: list[Line], html: str) -> None:
    save(record, folder)
    write_lines(lines, folder / SHEET)
    with atomic(folder / PAGE) as file:
        file.write_text(html, encoding="utf-8", errors="replace")


def _name(folder: AuditFolder) -> str:
    return "a table" if folder.path is None else one_line(folder.path.name)


def audit_command(folder: AuditFolder) -> tuple[str, str, str]:
    """Return the command that audits the same table again, and the same in two parts around a file of answers."""
    options = {k: v for k, v in folder.options.items() if k != "reviewed" and (k, v) != ("seed", 0) and v is not False}
    if folder.path is None:
        words = "".join(f", {name}={value!r}" for name, value in options.items())
        before, after = f"trueneg.audit(frame{words}, reviewed='", "')"
        return f"{before}{folder.folder / SHEET}{after}", before, after
    parts = ["trueneg", "audit", shlex.quote(str(folder.path))]
    for name, value in options.items():
        parts.append("--" + name.replace("_", "-"))
        if name == "embeddings":  # two files, as the option takes them
            parts += [shlex.quote(str(file)) for file in value]
        elif value is not True:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
            parts.append(shlex.quote(text))
    if folder.folder.resolve() != beside(folder.path).resolve():
        parts += ["--out", shlex.quote(str(folder.folder))]
    plain = " ".join(parts)
    return plain, f"{plain} --reviewed ", ""
