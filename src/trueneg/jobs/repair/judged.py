"""A person's answers as a repair takes them: bound to cells of the audit, with who gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    from trueneg.jobs.audit.folder import AuditFolder, Ranking
    from trueneg.jobs.review.answers import Answers

_WORDS = {"accept": 1, "reject": 0, "unsure": -1, 1: 1, 0: 0, -1: -1}
SOMEBODY = "hand"


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers to cells.

    Attributes
    ----------
    cells : dict of (code, row, candidate) to (answer, who)
        1 the given label is wrong, 0 it is right, -1 unsure; and who says so.
    words : str
        Where they are from, for messages and the record.
    rankings : dict of str to Ranking
        The populations that the cells belong to.
    only_spares : bool
        Whether "wrong" chooses nothing: the answers were not asked for, and only hold rows back.
    """

    cells: dict[tuple[str, int, int], tuple[int, str]]
    words: str
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    only_spares: bool = False


def judged_of(folder: AuditFolder, decisions: Any) -> Judged | None:
    """Read the answers.

    Parameters
    ----------
    folder : AuditFolder
        The audit.
    decisions : path, mapping or None
        A file as ``trueneg review`` writes it, or a folder of such, one a reviewer; or answers by row number, or by
        (row, class or label). None: the answers in the folder, where somebody gave some, hold rows back that were
        judged right or unsure.

    Raises
    ------
    InputError
        Answers to other data, or to rows that do not exist or were not drawn.
    """
    if isinstance(decisions, Mapping):
        return _from_mapping(folder, decisions)
    if folder.folder is None:
        if decisions is None:
            return None
        raise InputError("a file of answers belongs to an audit's folder: save the audit first, and pass the folder")
    return _from_review(folder, None if decisions is None else Path(decisions))


def _from_review(folder: AuditFolder, path: Path | None) -> Judged | None:
    from trueneg.jobs.review.answers import OtherDataError, join
    from trueneg.jobs.review.record import SHEET, load_record, meaning
    from trueneg.jobs.review.sheet import read_lines

    where = folder.folder / SHEET if path is None else path
    if path is None and not where.exists():
        return None
    record = load_record(folder)
    if record is None:
        if path is None:
            return None
        msg = f"{one_line(folder.folder)} has no sample to which answers could belong; run 'trueneg review' on it first"
        raise InputError(msg)
    if record.data != folder.data_hash or record.about != meaning(folder.options):
        if path is None:
            return None
        msg = (
            f"{one_line(where)}: the review in {one_line(folder.folder)} was drawn from other data or other classes "
            "than its audit is about; audit again with the options of the review, or draw a new one"
        )
        raise OtherDataError(msg)
    keys = np.concatenate([drawn.keys for drawn in record.drawn.values()])
    files = (where,) if not where.is_dir() else tuple(sorted(where.glob("*.csv")))
    called = [file.name for file in files]
    lines = [line for file, name in zip(files, called, strict=True) for line in read_lines(file, name)]
    answers = join(record, lines, keys, files, called)
    return _bound(answers, one_line(where), only_spares=path is None)


def _bound(answers: Answers, words: str, *, only_spares: bool) -> Judged:
    cells = {}
    for code, one in answers.findings.items():
        said = zip(one.rows.tolist(), one.candidates.tolist(), one.answers.tolist(), strict=True)
        for place, (row, candidate, answer) in enumerate(said):
            if answer < -1:
                continue
            who = [name for name, own in one.by_reviewer.items() if own[place] == answer]
            cells[code, row, candidate] = (answer, " and ".join(one_line(name, 60) for name in who) or "several")
    rankings = {code: one.ranking for code, one in answers.findings.items()}
    return Judged(cells, words, rankings, only_spares)


def _from_mapping(folder: AuditFolder, decisions: Mapping[Any, Any]) -> Judged:
    from trueneg.jobs.repair.pool import Pool

    pool = Pool(folder.rankings, _no_lines(), folder.classes)
    cells: dict[tuple[str, int, int], tuple[int, str]] = {}
    n_rows = int(folder.report["input"]["rows"])
    for key, said in decisions.items():
        row, label = key if isinstance(key, tuple) else (key, None)
        if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < n_rows:
            msg = f"decisions: {one_line(repr(key), 60)} is no row; rows are numbered 0 to {n_rows - 1:,}"
            raise InputError(msg)
        if said is None:
            continue
        if said not in _WORDS:
            msg = f"decisions: {one_line(said, 40)!r} is not an answer; use accept, reject or unsure"
            raise InputError(msg)
        found = [
            (c, p)
            for c, p in pool.places_of_row(int(row))
            if label is None or folder.classes[int(pool.rankings[c].candidate[p])] == str(label)
        ]
        if not found:
            msg = f"decisions: {one_line(repr(key), 60)} is no suspect of this audit (trusted rows never are)"
            raise InputError(f"{msg}; leave it out")
        for c, p in found:
            ranking = pool.rankings[c]
            cells[ranking.code, int(row), int(ranking.candidate[p])] = (_WORDS[said], SOMEBODY)
    return Judged(cells, "decisions", folder.rankings)


def _no_lines() -> Any:
    import pyarrow as pa

    return pa.table({"finding": pa.array([], pa.string()), "row": pa.array([], pa.int64())})
