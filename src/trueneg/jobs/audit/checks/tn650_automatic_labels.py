"""Automatic labels against human ones.

A column that a lexicon or a model filled says how often it says a class, not how often the class is there. Where some
rows have a human label too, in a column of the same name that ends in ``_human`` (as ``title_sentiment_human`` beside
``title_sentiment``), the shares are corrected by the whole table of errors, with an interval that holds its noise. The
human labels must be those of rows drawn at random.

Remedy: report the corrected shares; where a class is found too seldom, take another labeller, or have more rows
labelled by people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN650", "Automatic labels against human ones"
_ENDS = ("_human", "_gold")


def run(context: Context) -> Finding:
    """Correct the shares of every column that has a human one beside it."""
    from trueneg.judge.sentiment import audit_labels

    pairs = _pairs(context.arrow.column_names)
    if not pairs:
        wish = "no column of human labels; name one as the automatic column, ending in _human"
        return Finding(CODE, TITLE, "not applicable", wish)
    by = set(_values(context, "labelled_by")) if "labelled_by" in context.arrow.column_names else set()
    told, audits, refused = [], [], []
    for automatic, human in pairs:
        try:
            found = audit_labels(
                _values(context, automatic),
                _values(context, human),
                group=None if context.groups is None else context.groups.tolist(),
                labelled_by=str(by.pop()) if len(by) == 1 else None,
            )
        except InputError as error:
            refused.append(f"{automatic}: {error}")
            continue
        audits.append((automatic, found))
        shares = "; ".join(f"{c.name} {c.naive} as labelled, {c.corrected} corrected" for c in found.classes)
        told.append(f"{automatic} agrees with {found.n_human:,} human labels on {found.accuracy}: {shares}")
    if not audits:
        return Finding(CODE, TITLE, "skipped", "; ".join(refused))
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
