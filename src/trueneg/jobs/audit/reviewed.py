"""The answers of a review, as the next audit uses them: the number in all, new probabilities, rows that are settled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.audit.suspicion import LISTED, NAMED

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.core.survey import SurveyResult
    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.review.answers import Answered

WRONG, RIGHT = 1, 0


@dataclass(frozen=True, eq=False)
class Reviewed:
    """The answers to the sample of one finding.

    Attributes
    ----------
    answered : Answered
        The sample, what it was drawn from, and what was said.
    """

    answered: Answered

    @property
    def rows(self) -> np.ndarray:
        """Rows of the table that were drawn (n,)."""
        return self.answered.rows

    @property
    def answers(self) -> np.ndarray:
        """1 the given label is wrong, 0 it is right, -1 unsure, -2 open; (n,)."""
        return self.answered.answers

    @property
    def n_answered(self) -> int:
        """Rows judged wrong or right."""
        return int((self.answers >= 0).sum())

    @property
    def n_wrong(self) -> int:
        """Rows judged wrong."""
        return int((self.answers == WRONG).sum())

    def rows_where(self, answer: int) -> np.ndarray:
        """Return the rows of the table with this answer."""
        return self.rows[self.answers == answer]

    @cached_property
    def result(self) -> SurveyResult:
        """What the answers say about all rows; its precision is that of the rows that were listed as suspects."""
        base = np.asarray(self.answered.ranking.probability)
        mask = np.zeros(len(base), bool)
        named = int((base >= NAMED).sum())
        mask[np.argsort(-base, kind="stable")[: max(LISTED, 2 * named)]] = True
        return self.answered.result(suspects=mask)

    @property
    def precision(self) -> Estimate:
        """Share of the listed suspects that are wrong."""
        return self.result.precision

    @cached_property
    def recalibrated(self) -> np.ndarray:
        """Probabilities of the population (m,), as the ranking orders it: 1 and 0 where somebody has looked."""
        out = np.array(self.result.probability, dtype=float)
        place = self.answered.sample.rows
        out[place[self.answers == WRONG]] = 1.0
        out[place[self.answers == RIGHT]] = 0.0
        return out

    @property
    def probability(self) -> np.ndarray:
        """The same in the order of the rows (m,)."""
        return self.recalibrated[np.argsort(self.answered.ranking.row, kind="stable")]

    def agreement_words(self) -> dict[str, Any]:
        """Say how far each two reviewers agree; nothing where one judged alone."""
        out: dict[str, Any] = {}
        for (first, second), both in self.answered.agreement.items():
            out[f"agreement of {first} and {second}"] = (
                f"the same answer on {both.share} of {both.n:,} rows, Cohen's kappa {both.kappa}"
                if np.isfinite(both.kappa.value)
                else f"the same answer on {both.share} of {both.n:,} rows"
            )
        if self.answered.notes:
            out["several reviewers"] = list(self.answered.notes)
        return out


def find_review(
    folder: Path | None,
    reviewed: str | Path | None,
    table: Table,
    roles: Roles,
    options: dict[str, Any],
) -> tuple[dict[str, Reviewed], str]:
    """Return the answers by finding, and a sentence for the report.

    Parameters
    ----------
    folder : Path or None
        The folder of the audit that was reviewed; None where there can be none.
    reviewed : path or None
        A file of answers, or a folder of such, in place of the folder's own.
    table, roles
        The table as it is now.
    options : dict
        Keyword arguments of this audit.

    Returns
    -------
    reviewed : dict of str to Reviewed
        Findings with at least one row accepted or rejected.
    told : str

    Raises
    ------
    InputError
        Answers that cannot be used. The folder's own answers to another table are left aside and told instead, so that
        a changed table can be audited into the same folder.
    """
    from trueneg.data.sniff import row_keys
    from trueneg.jobs.audit.folder import AuditFolder
    from trueneg.jobs.review.answers import OtherDataError, load

    if folder is None or not (folder / "audit.json").exists():
        if reviewed is None:
            return {}, ""
        msg = (
            f"{one_line(reviewed)}: no audit lies in {one_line(folder or 'OUT')} whose sample these answers belong to; "
            "name the reviewed folder with --out"
        )
        raise InputError(msg)
    try:
        earlier = AuditFolder.open(folder)
        if reviewed is None and not (folder / "review.json").exists():
            return {}, ""
        keys = row_keys(table, roles.id, exclude=roles.labels)
        answers = load(earlier, table, keys, None if reviewed is None else Path(reviewed), options=options)
    except OtherDataError as error:
        if reviewed is not None:
            raise
        return {}, f"the review in {one_line(folder)} was left aside: {error}"
    except InputError:
        if reviewed is not None or (folder / "review.json").exists():
            raise
        return {}, ""  # a folder of an older version, and nothing was reviewed
    if answers is None:
        return {}, ""
    found = {code: Reviewed(one) for code, one in answers.findings.items() if one.judged}
    if not found:
        return {}, f"a sample is drawn in {one_line(folder)}, and no row of it is answered yet"
    counted = ", ".join(f"{r.n_answered:,} on {code} ({r.n_wrong:,} wrong)" for code, r in found.items())
    who = f" by {', '.join(one_line(name, 40) for name in answers.reviewers)}" if len(answers.reviewers) > 1 else ""
    return found, f"answers{who}: {counted}"


def matched(review: Reviewed | None, row: np.ndarray, code: str) -> Reviewed | None:
    """Refuse answers whose population is not the one doubted now: the numbers would be of something else."""
    if review is None:
        return None
    population = np.sort(np.asarray(review.answered.ranking.row))
    if np.array_equal(population, row):
        return review
    msg = (
        f"the answers on {code} were drawn from {len(population):,} rows and this audit doubts {len(row):,} (other "
        "trusted rows?); audit with the options of the review, or draw a new one"
    )
    raise InputError(msg)
