"""Which suspects an action is for: by rank, by probability, or by a person's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.suspects import Suspects
from trueneg.data.readers import one_line
from trueneg.jobs.repair.pool import NOBODY, Pool

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.jobs.audit.folder import AuditFolder
    from trueneg.jobs.repair.judged import Judged

STANDS = ("finding", "advice")
HOW = "say which suspects: --top N, --min-probability P, or --decisions FILE with the answers of a review"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The suspects that an action is for, best ranked first; lists of length m.

    Attributes
    ----------
    suspects : Suspects
        Their cells.
    code, who, reason : list of str
        The finding of each, who judged it ("" where nobody did), and why it is suspected.
    eligible : dict of str to int
        By finding, how many cells could have been chosen.
    spared : int
        Cells that answers spared though rank or probability would have chosen them.
    """

    suspects: Suspects
    code: list[str]
    who: list[str]
    reason: list[str]
    eligible: dict[str, int]
    spared: int


def choose(
    folder: AuditFolder,
    listed: pa.Table,
    *,
    top: int | None,
    min_probability: float | None,
    judged: Judged | None,
    findings: Sequence[str] | None,
) -> Chosen:
    """Choose the suspects.

    The rank is that of ``suspects.csv``, line by line; after its last line come the other cells that its findings can
    touch, most probable first. Trusted rows are in neither.

    Parameters
    ----------
    folder : AuditFolder
        The audit.
    listed : pyarrow.Table
        Its suspects.
    top, min_probability, judged
        At least one of the three. The answers come first; where the other two are both given, both must hold.
    findings : sequence of str, optional
        Only suspects of these codes.

    Raises
    ------
    InputError
        Nothing to choose from, or nothing chosen: with the remedy.
    """
    _check_limits(top, min_probability, judged)
    asked = judged if judged is not None and not judged.only_spares else None
    if top is None and min_probability is None and asked is None:
        raise InputError(HOW)
    codes = _codes(folder, findings, needed=asked is None)
    pool = Pool({code: folder.rankings[code] for code in codes}, listed, folder.classes)
    finding, place, ranked = pool.ranked(top, min_probability)
    if asked is not None:
        finding, place, ranked = pool.with_judged(finding, place, ranked, asked, codes if findings else None)
    answer = pool.answers(finding, place, judged)
    chosen = (ranked & (answer == NOBODY)) | (answer == 1)
    spared = int((ranked & (answer <= 0) & (answer != NOBODY)).sum())
    if not chosen.any():
        raise InputError(_nothing(pool, top, min_probability, asked, spared))
    finding, place = finding[chosen], place[chosen]
    suspects = pool.suspects(finding, place, int(folder.report["input"]["rows"]))
    said = {} if judged is None else judged.cells
    names = [pool.codes[c] for c in finding.tolist()]
    cells = zip(names, suspects.row.tolist(), suspects.candidate.tolist(), strict=True)
    who = [said[cell][1] if cell in said else "" for cell in cells]
    reason = [
        f"judged by {name}" if name else pool.reason(c, p)
        for name, c, p in zip(who, finding.tolist(), place.tolist(), strict=True)
    ]
    return Chosen(suspects, names, who, reason, pool.sizes(codes), spared)


def _check_limits(top: Any, min_probability: Any, judged: Judged | None) -> None:
    if top is not None and (isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1):
        msg = f"--top {top}: give a whole number of suspects, 1 or more"
        raise InputError(msg)
    if min_probability is not None and not 0 <= min_probability <= 1:
        msg = f"--min-probability {min_probability}: a probability lies between 0 and 1"
        raise InputError(msg)
    if judged is not None and not judged.cells and not judged.only_spares:
        msg = f"{judged.words} answers no row; fill in its answers first, or choose by --top or --min-probability"
        raise InputError(msg)


def _codes(folder: AuditFolder, findings: Sequence[str] | None, *, needed: bool) -> list[str]:
    """Return the findings whose cells may be repaired, as the report orders them; without answers one is needed."""
    where = one_line(folder.folder) if folder.folder else "the audit"
    if not folder.rankings:
        why = "asked no model (--quick)" if folder.options.get("quick") else "ranked no row"
        msg = f"{where} {why}, so there are no suspects to repair; run 'trueneg audit' without --quick"
        raise InputError(msg)
    stand = [f["code"] for f in folder.report["findings"] if f["status"] in STANDS and f["code"] in folder.rankings]
    if not stand and needed:
        msg = f"{where} found no suspects: there is nothing to repair"
        raise InputError(msg)
    if findings is None:
        return stand
    wanted = [code.upper() for code in findings]
    unknown = [code for code in wanted if code not in stand]
    if unknown or not wanted:
        named = one_line(unknown[0], 20) if unknown else "(none)"
        msg = f"--finding {named}: {where} has no suspects of that code; there are {', '.join(stand)}"
        raise InputError(msg)
    return [code for code in stand if code in wanted]


def _nothing(pool: Pool, top: Any, minimum: Any, asked: Judged | None, spared: int) -> str:
    """Say why nothing was chosen, and what to do."""
    if spared:
        return f"all {spared:,} suspects that would be chosen were judged right or unsure; ask for more, or for none"
    if top is None and minimum is None and asked is not None:
        return f"{asked.words} calls none of its {len(asked.cells):,} answered rows wrong: there is nothing to repair"
    if minimum is not None and pool.highest() < minimum:
        return (
            f"no suspect has a probability of at least {minimum:g} (the highest is {pool.highest():.4f}); lower "
            "--min-probability, or use --top"
        )
    return f"no suspect is both within --top {top} and at least {minimum:g} probable; relax one of the two"
