"""Read a review back: every answer bound to its row by the row's key and the hash of the data, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.survey import Agreement, Sample, SurveyResult, agreement, estimate
from trueneg.data.readers import one_line
from trueneg.jobs.audit.stages import data_hash
from trueneg.jobs.review.binding import Cells
from trueneg.jobs.review.record import RECORD, SHEET, Drawn, Record, load_record, meaning
from trueneg.jobs.review.sheet import OPEN, Line, read_lines

if TYPE_CHECKING:
    from trueneg.data.readers import Table
    from trueneg.jobs.audit.folder import AuditFolder, Ranking


class OtherDataError(InputError):
    """The answers are those of another table; they say nothing about this one."""


@dataclass(frozen=True, eq=False)
class Answered:
    """The answers to the sample of one finding; all arrays of shape (n,) are in the order of ``sample.rows``.

    Attributes
    ----------
    code : str
        The finding.
    ranking : Ranking
        The whole population that was drawn from, with the probabilities of the time of drawing.
    sample : Sample
        What was drawn, as places in ``ranking``.
    keys : (n,) array of str
        Row keys.
    answers : (n,) int8
        Of all reviewers together: 1 accept (the given label is wrong), 0 reject (it is right), -1 unsure, -2 open.
    by_reviewer : dict of str to (n,) int8
        The same of each reviewer alone.
    remarks : tuple of str
        The notes, those of several reviewers joined.
    agreement : dict of (str, str) to Agreement
        Of each two reviewers who judged a row both.
    notes : tuple of str
        How several reviewers' answers were joined, in words.
    level : float
        Of the intervals.
    """

    code: str
    ranking: Ranking
    sample: Sample
    keys: np.ndarray
    answers: np.ndarray
    by_reviewer: dict[str, np.ndarray]
    remarks: tuple[str, ...]
    agreement: dict[tuple[str, str], Agreement]
    notes: tuple[str, ...]
    level: float

    @property
    def rows(self) -> np.ndarray:
        """Row of the table of each cell drawn, shape (n,)."""
        return np.asarray(self.ranking.row)[self.sample.rows]

    @property
    def candidates(self) -> np.ndarray:
        """Given class of each cell drawn, or the label's column of a multi-label table, shape (n,)."""
        return np.asarray(self.ranking.candidate)[self.sample.rows]

    @property
    def proposed(self) -> np.ndarray:
        """Proposed class of each cell drawn, or the label's column; shape (n,)."""
        return np.asarray(self.ranking.proposed)[self.sample.rows]

    @property
    def judged(self) -> int:
        """Cells accepted or rejected."""
        return int((self.answers >= 0).sum())

    def result(self, *, suspects: np.ndarray | None = None) -> SurveyResult:
        """Turn the answers into the number of wrong labels; ``suspects`` is a mask over ``ranking``.

        Raises
        ------
        InputError
            Where no cell was accepted or rejected.
        """
        return estimate(self.sample, self.answers, self.ranking.probability, level=self.level, suspects=suspects)


@dataclass(frozen=True, eq=False)
class Answers:
    """A review read back.

    Attributes
    ----------
    findings : dict of str to Answered
        By finding code, in the order in which they were drawn; those without an answer yet are among them.
    reviewers : tuple of str
        Who answered, in order of appearance; the file's name where no name is given.
    files : tuple of Path
        Where the answers were read.
    """

    findings: dict[str, Answered]
    reviewers: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def judged(self) -> int:
        """Cells accepted or rejected, of all findings."""
        return sum(one.judged for one in self.findings.values())


def load(
    folder: AuditFolder,
    table: Table,
    keys: np.ndarray,
    reviewed: Path | Sequence[Path] | None = None,
    *,
    options: dict[str, Any] | None = None,
) -> Answers | None:
    """Read the answers to the sample that was drawn in an audit's folder.

    Parameters
    ----------
    folder : AuditFolder
        The audit that was reviewed.
    table : Table
        The table as it is now; answers of other data are refused.
    keys : (n_rows,) array of str
        Its row keys.
    reviewed : path or sequence of paths, optional
        Files of answers, one a reviewer or several in one, or a folder of such; by default ``review.csv`` in the
        audit's folder.
    options : dict, optional
        Keyword arguments of the audit that will use the answers; by default those of the folder's audit. Where they
        give a finding another meaning (another positive class), the answers are refused.

    Returns
    -------
    Answers or None
        None where nothing was drawn.

    Raises
    ------
    OtherDataError
        The sample or a file of answers is that of another table, or of other classes.
    InputError
        A line that cannot be used: an unknown word, a row that was not drawn, two answers to one row by one
        reviewer. The message names file and line.
    """
    files = _files(folder, reviewed)
    record = load_record(folder)
    if record is None:
        if reviewed is None:
            return None
        msg = f"{one_line(folder.folder)} has no sample to which answers could belong; run 'trueneg review' on it first"
        raise InputError(msg)
    check_data(record, folder, table, keys, folder.options if options is None else options)
    names = [path.name for path in files]
    called = [path.name if names.count(path.name) == 1 else str(path) for path in files]
    lines = [line for path, name in zip(files, called, strict=True) for line in read_lines(path, name)]
    return join(record, lines, keys, files, called)


def check_data(record: Record, folder: AuditFolder, table: Table, keys: np.ndarray, options: dict[str, Any]) -> None:
    """Refuse a sample of another table, or of another question."""
    where = one_line(folder.folder / RECORD)
    here = data_hash(table.arrow)
    if record.data != here:
        msg = (
            f"{where} was drawn from other data ({record.data[:8]}) than this table ({here[:8]}); audit the table that "
            "was reviewed, or run 'trueneg review' on the new audit"
        )
        raise OtherDataError(msg)
    if record.about != meaning(options):
        msg = (
            f"{where} was drawn with {_options(record.about)} and the audit now has {_options(meaning(options))}: the "
            "answers would answer another question; audit with the options of the review, or draw a new one"
        )
        raise OtherDataError(msg)
    for code, drawn in record.drawn.items():
        if drawn.rows.max(initial=-1) >= len(keys) or (keys[drawn.rows] != drawn.keys).any():
            msg = f"{where}: its rows of {code} have other keys than in this table; keep the same --id as in the review"
            raise OtherDataError(msg)


def _files(folder: AuditFolder, reviewed: Path | Sequence[Path] | None) -> tuple[Path, ...]:
    if reviewed is None:
        sheet = folder.folder / SHEET
        return (sheet,) if sheet.exists() else ()
    if not isinstance(reviewed, str | Path):
        return tuple(Path(path) for path in reviewed)
    path = Path(reviewed)
    if not path.is_dir():
        return (path,)
    if found := tuple(sorted(path.glob("*.csv"))):
        return found
    msg = f"{one_line(path)}: there is no .csv in this folder; put the answers there that the reviewers exported"
    raise InputError(msg)


def _options(about: dict[str, Any]) -> str:
    return one_line(" ".join(f"--{name} {value}" for name, value in about.items()) or "no options", 100)


def join(
    record: Record, lines: list[Line], keys: np.ndarray, files: tuple[Path, ...], called: Sequence[str]
) -> Answers:
    """Bind lines to the cells that were drawn, and join the reviewers.

    A row that the reviewers judge differently counts as the majority says, and as unsure where there is none; who was
    unsure or left it open has no say beside one who judged.
    """
    stems = {one_line(name, 80): name.removesuffix(path.suffix) for path, name in zip(files, called, strict=True)}
    cells = Cells(record, keys)
    said: dict[str, dict[str, np.ndarray]] = {code: {} for code in record.drawn}
    first: dict[tuple[str, str, int], Line] = {}
    remarks: dict[str, dict[int, list[str]]] = {code: {} for code in record.drawn}
    for line in lines:
        if line.data != record.data:
            msg = (
                f"{line.where}: this answer belongs to other data ({one_line(line.data[:8], 8)}) than this table "
                f"({record.data[:8]}); give the answers that this folder's review.html exported"
            )
            raise OtherDataError(msg)
        place = cells.find(line)
        if line.note.strip():
            remarks[line.finding].setdefault(place, []).append(line.note.strip())
        reviewer = line.reviewer or stems.get(line.file, "review")
        _once(line, reviewer, first.setdefault((line.finding, reviewer, place), line))
        if line.answer != OPEN:
            size = len(record.drawn[line.finding].sample.rows)
            mine = said[line.finding].setdefault(reviewer, np.full(size, OPEN, np.int8))
            mine[place] = line.answer
            first[line.finding, reviewer, place] = line
    findings = {code: _answered(drawn, said[code], remarks[code]) for code, drawn in record.drawn.items()}
    reviewers = dict.fromkeys(name for one in findings.values() for name in one.by_reviewer)
    return Answers(findings, tuple(reviewers), files)


def _once(line: Line, reviewer: str, before: Line) -> None:
    """Refuse a second line on one cell by one reviewer; the same answer again from another file is the same answer."""
    if before is line:
        return
    who = f"{one_line(reviewer, 40)!r}"
    if before.file == line.file:
        msg = (
            f"{line.where}: the key {one_line(line.key, 60)!r} is there a second time for reviewer {who} (first on "
            f"line {before.number:,}); keep one, or name another reviewer"
        )
        raise InputError(msg)
    if OPEN not in (before.answer, line.answer) and before.answer != line.answer:
        msg = (
            f"{line.where}: reviewer {who} answered the row {one_line(line.key, 60)!r} otherwise in {before.where}; "
            "keep one, or name another reviewer"
        )
        raise InputError(msg)


def _answered(drawn: Drawn, said: dict[str, np.ndarray], remarks: dict[int, list[str]]) -> Answered:
    n = len(drawn.sample.rows)
    votes = np.stack(list(said.values())) if said else np.full((1, n), OPEN, np.int8)
    yes, no = (votes == 1).sum(axis=0), (votes == 0).sum(axis=0)
    unsure = (votes == -1).any(axis=0)
    joint = np.select([yes > no, no > yes, (yes > 0) | unsure], [1, 0, -1], OPEN).astype(np.int8)
    pairs = {}
    for a, b in combinations(said, 2):
        if ((said[a] >= 0) & (said[b] >= 0)).any():
            pairs[a, b] = agreement(said[a], said[b], level=drawn.level)
    notes = []
    split, decided = int(((yes > 0) & (yes == no)).sum()), int(((yes > 0) & (no > 0) & (yes != no)).sum())
    if split:
        notes.append(f"{split:,} rows that the reviewers judged differently count as unsure")
    if decided:
        notes.append(f"{decided:,} rows that the reviewers judged differently count as the majority says")
    texts = tuple("; ".join(dict.fromkeys(remarks.get(place, []))) for place in range(n))
    return Answered(
        drawn.code, drawn.ranking, drawn.sample, drawn.keys, joint, said, texts, pairs, tuple(notes), drawn.level
    )
