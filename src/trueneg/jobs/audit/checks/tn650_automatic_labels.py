"""Automatic labels against human ones.

A column that a lexicon or a model filled says how often it says a class, not how often the class is there. Where some
rows have a human label too, in a column of the same name that ends in ``_human`` (as ``title_sentiment_human`` beside
``title_sentiment``), the shares are corrected by the whole table of errors, with an interval that holds its noise. The
human labels must be those of rows drawn at random. Where a column ``human_by`` (or ``truth_by``) says that one of those
in ``labelled_by`` made them, they are refused: a model's agreement with itself measures nothing.

Remedy: report the corrected shares; where a class is found too seldom, take another labeller, or have more rows
labelled by people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN650", "Automatic labels against human ones"
_ENDS = ("_human", "_gold")
_BY = ("human_by", "truth_by", "gold_by")
_NAMES = re.compile(r"[\s,;]+")  # what parts the words of labelled_by


def run(context: Context) -> Finding:
    """Correct the shares of every column that has a human one beside it."""
    from trueneg.judge.sentiment import audit_labels

    pairs = _pairs(context.arrow.column_names)
    if not pairs:
        wish = "no column of human labels; name one as the automatic column, ending in _human"
        return Finding(CODE, TITLE, "not applicable", wish)
    told, audits, refused = [], [], []
    for automatic, human in pairs:
        try:
            _refuse_own_gold(context, human)
            found = audit_labels(
                _values(context, automatic),
                _values(context, human),
                group=None if context.groups is None else context.groups.tolist(),
            )
        except InputError as error:
            refused.append(f"{automatic}: {error}")
            continue
        audits.append((automatic, found))
        shares = "; ".join(f"{c.name} {c.naive} as labelled, {c.corrected} corrected" for c in found.classes)
        told.append(f"{automatic} agrees with {found.n_human:,} human labels on {found.accuracy}: {shares}")
    if not audits:
        return Finding(CODE, TITLE, "advice", "; ".join(refused), severity="medium")
    worst, apart = _worst(audits)
    status: Any = "finding" if apart else "passed"
    return Finding(
        CODE,
        TITLE,
        status,
        "; ".join(told + refused),
        severity="medium" if apart else "none",
        estimate=worst.corrected,
        unit=f"share of {worst.name}, corrected",
        affected=round(abs(worst.naive.value - worst.corrected.value) * audits[0][1].n) if worst.corrected else 0,
        remedy="report the corrected shares; label more rows by hand, or take another labeller" if apart else "",
        details={name: _details(found) for name, found in audits},
    )


def _refuse_own_gold(context: Context, human: str) -> None:
    """Refuse "human" labels by one of the labellers, whose names stand in ``labelled_by`` among their settings."""
    names = context.arrow.column_names
    by = next((name for name in _BY if name in names), None)
    if by is None or "labelled_by" not in names:
        return
    columns = [_values(context, name) for name in (human, by, "labelled_by")]
    known = {text: {_plain(part) for part in _NAMES.split(str(text))} for text in set(columns[2])}
    for row, (said, who, labellers) in enumerate(zip(*columns, strict=True), 1):
        if said not in (None, "") and who not in (None, "") and _plain(who) in known[labellers]:
            msg = (
                f"row {row:,}: {human} is by {one_line(who, 40)}, which is in labelled_by too; agreement with itself "
                "measures nothing: have people label rows"
            )
            raise InputError(msg)


def _plain(name: Any) -> str:
    return "".join(c for c in str(name).lower().rpartition("/")[2] if c.isalnum())


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    found = ((name.removesuffix(end), name) for name in names for end in _ENDS if name.endswith(end))
    return [(automatic, human) for automatic, human in found if automatic in names]


def _values(context: Context, name: str) -> list[Any]:
    return context.arrow.column(name).to_pylist()


def _worst(audits: list[tuple[str, Any]]) -> tuple[Any, bool]:
    """Return the class whose share is furthest off, and whether that is more than chance."""
    classes = [c for _, found in audits for c in found.classes if c.corrected is not None]
    off = [c for c in classes if not c.corrected.low <= c.naive.value <= c.corrected.high]
    return max(off or classes, key=lambda c: abs(c.naive.value - c.corrected.value)), bool(off)


def _details(found: Any) -> dict[str, Any]:
    """Return the figures of one column for the report."""
    rows = {}
    for c in found.classes:
        figures = {"as labelled": c.naive, "corrected": c.corrected, "precision": c.precision, "recall": c.recall}
        rows[c.name] = {name: None if value is None else value.to_dict() for name, value in figures.items()}
    return {"human": found.n_human, "kappa": found.kappa, "classes": rows}
