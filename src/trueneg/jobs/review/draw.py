"""Draw the sample of a finding, say beforehand what it is worth, and keep the answers of earlier rounds."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import jeffreys
from trueneg.core.survey import Width, expected_width, n_for_width, plan
from trueneg.data.readers import one_line
from trueneg.jobs.review.record import RECORD, SHEET, Drawn, Record, meaning, strata_by
from trueneg.jobs.review.sheet import OPEN, Line

if TYPE_CHECKING:
    from pathlib import Path

    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.folder import AuditFolder, Ranking

N = 60
ORDERED = ("TN502",)  # findings whose ranking is an order and no probability


@dataclass(frozen=True)
class Forecast:
    """What a review is expected to be worth before anybody judges a row.

    Attributes
    ----------
    code : str
        The finding.
    population : int
        Cells that the sample is drawn from.
    at : Width
        With all rows of this review, those of earlier rounds among them.
    wished : float
        The width asked for, or half of the expected one.
    needed : int
        Rows that the wished width needs, earlier ones among them.
    level : float
        Of the interval.
    """

    code: str
    population: int
    at: Width
    wished: float
    needed: int
    level: float

    def lines(self) -> list[str]:
        """Say it in plain words."""
        at = self.at
        if self.code in ORDERED:
            return self._from_the_sample()
        first = (
            f"with {at.n:,} of {self.population:,} judged, expect a {100 * self.level:g} % interval "
            f"{_percent(at.share)} wide ({at.rows:,.0f} rows) if the model's probabilities are right"
        )
        free = f"from the sample alone, with nothing assumed about the model, {_percent(at.model_free)}"
        if not at.supported:
            free = "too few errors are expected at the top to lean on the model, so that is the sample alone"
        more = f"a width of {_percent(self.wished)} needs {self.needed:,} judged"
        return [first, free, more]

    def _from_the_sample(self) -> list[str]:
        """Say it where no probability is known: what a sample is worth where a fifth of the pairs is relevant."""
        out = ["the order of the pairs is no probability, so the figures come from the sample alone"]
        for n in sorted({self.at.n, 60, 120, 240}):
            if n <= self.population:
                one = jeffreys(round(0.2 * n), n, level=self.level)
                out.append(f"with {n:,} judged, about +-{(one.high - one.low) / 2:.2f} where a fifth is relevant")
        return out


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def choose(folder: AuditFolder, record: Record | None, finding: str | None) -> str:
    """Return the finding to review: the one named, else the one under review, else the audit's first.

    Raises
    ------
    InputError
        Where there is no ranking of that finding; the message names those that there are.
    """
    known = [code for code, ranking in folder.rankings.items() if len(ranking.row)]
    known += [code for code in ({} if record is None else record.drawn) if code not in known]
    where = one_line(folder.folder)
    if not known:
        why = "asked no model" if folder.options.get("quick") else "ranked no row"
        msg = (
            f"the audit in {where} {why}, so that there is nothing to review; run 'trueneg audit' without --quick on a "
            "label of two classes or more"
        )
        raise InputError(msg)
    if finding is not None:
        code = finding.upper()
        if code not in known:
            msg = f"{where} has no ranking for {one_line(finding, 20)!r}; --finding may be {', '.join(known)}"
            raise InputError(msg)
        return code
    if record is not None and record.drawn:
        return list(record.drawn)[-1]
    told = [f["code"] for f in folder.report["findings"] if f["status"] in ("finding", "advice")]
    return next((code for code in told if code in known), known[0])


def forecast(
    ranking: Ranking, earlier: int, *, n: int, width: float | None, by_class: bool, classes: list[str], level: float
) -> Forecast:
    """Say what the review will be worth with ``n`` rows more than the ``earlier``, or with those ``width`` needs."""
    by = strata_by(ranking, classes) if by_class else None
    p = ranking.probability
    if width is None:
        at = expected_width(p, min(earlier + n, len(p)), level=level, by=by)
        wished = at.share / 2
        needed = n_for_width(p, wished, level=level, by=by) if wished > 0 else at.n
        return Forecast(ranking.code, len(p), at, wished, needed, level)
    needed = n_for_width(p, width, level=level, by=by)
    at = expected_width(p, max(needed, earlier), level=level, by=by)
    return Forecast(ranking.code, len(p), at, width, needed, level)


def draw(
    folder: AuditFolder,
    record: Record | None,
    code: str,
    keys: np.ndarray,
    *,
    n: int = N,
    width: float | None = None,
    by_class: bool = False,
    seed: int = 0,
    level: float = 0.95,
) -> Record:
    """Draw a first sample of a finding, or a further round to it.

    Parameters
    ----------
    folder : AuditFolder
        The audit.
    record : Record or None
        What was drawn before, of the same data.
    code : str
        The finding.
    keys : (n_rows,) array of str
        Row keys of the table.
    n, width, seed, level
        As in :func:`trueneg.core.survey.plan`.
    by_class : bool, default=False
        Strata class by class; a further round keeps those of the first.

    Returns
    -------
    Record
        With the new sample; what was drawn before is its beginning.
    """
    earlier = None if record is None else record.drawn.get(code)
    ranking = folder.rankings[code] if earlier is None else earlier.ranking
    if earlier is not None:
        by_class, level = earlier.by_class, earlier.level
    by = strata_by(ranking, folder.classes if record is None else record.classes) if by_class else None
    number = 0 if earlier is None else len(earlier.rounds)
    sample = plan(
        ranking.probability,
        n=n,
        width=width,
        level=level,
        by=by,
        random_state=np.random.default_rng([seed, number]),
        earlier=None if earlier is None else earlier.sample,
    )
    new = len(sample.rows) - (0 if earlier is None else len(earlier.sample.rows))
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rounds = () if earlier is None else earlier.rounds
    if new:
        rounds = (*rounds, {"n": new, "seed": seed, "drawn": now})
    rows = np.asarray(ranking.row)[sample.rows]
    drawn = Drawn(code, ranking, sample, np.asarray(keys, dtype=object)[rows], level, by_class, rounds)
    if record is None:
        record = Record(folder.data_hash, meaning(folder.options), folder.classes)
    return replace(record, drawn={**record.drawn, code: drawn})


def cell_words(record: Record, roles: Roles, code: str) -> list[dict[str, Any]]:
    """Return key, row, label, given and proposed of each cell drawn for a finding, as people read them."""
    drawn = record.drawn[code]
    multilabel = roles.kind == "multilabel"
    names = [*record.classes, ""]  # -1, no proposal, is the last
    states = ("absent", "present")
    cells = []
    columns = (
        drawn.keys,
        drawn.rows,
        drawn.candidates,
        drawn.proposed,
        np.asarray(drawn.ranking.verdict)[drawn.sample.rows],
    )
    for key, row, candidate, proposed, verdict in zip(*(c.tolist() for c in columns), strict=True):
        words = (names[candidate], states[verdict], states[1 - verdict])
        if not multilabel:
            words = (roles.label or "label", names[candidate], names[proposed])
        cells.append(
            {"key": key, "row": row, "finding": code, **dict(zip(("label", "given", "proposed"), words, strict=True))}
        )
    return cells


def sheet_lines(record: Record, roles: Roles, before: list[Line]) -> list[Line]:
    """Return the lines of ``review.csv``: those there were, as they are, then an open one for each new cell."""
    known = {(line.finding, line.key, line.label) for line in before}
    lines = list(before)
    for code in record.drawn:
        for cell in cell_words(record, roles, code):
            if (code, cell["key"], cell["label"]) not in known:
                texts = {name: str(value) for name, value in cell.items()}
                lines.append(Line(SHEET, 0, **texts, answer=OPEN, note="", reviewer="", data=record.data))
    return lines


def set_aside(folder: Path, record: Record) -> list[str]:
    """Rename the record and the answers of another table, so that a new review cannot overwrite them."""
    kept = [f".stages/review-{code}.npz" for code in record.drawn]
    moved = []
    for name in (RECORD, SHEET, *kept):
        path = folder / name
        if path.exists():
            aside = path.with_name(f"{path.stem}-{record.id}{path.suffix}")
            path.replace(aside)
            moved.append(aside.name)
    return moved[:2]
