"""What rows with a doubted label have that believed ones have not, as short rules.

A small Tsetlin machine learns short rules from the suspects that the report lists and from believed
rows (probability of being wrong below 0.2) of the same given class, and two fifths of both are held
out to judge them: how many of the rows where a rule holds are suspects, and how many of the suspects it
catches, with intervals. A rule counts where suspects are surely twice as frequent as at large; the
same is done with as many rows drawn by lot, and the number of rules that count there is shown.

The rules describe what the ranking suspects, and that may be wrong: they show where to look, such
as one source, one annotator or one word. With text they ask for words that are there. They need
numeric, categorical or text columns, one label a row, 40 suspects, and numba (the extra ``fast``).

Remedy: read the rules; where one names a cause, look at its rows and mend the labels there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.telling import Told

CODE, TITLE = "TN206", "Rules that tell the suspects apart"
BELIEVED = 0.2
ENOUGH = 40
KINDS = {"TN201": "false negatives", "TN202": "false positives", "TN203": "confusions"}


def run(context: Context) -> Finding:
    """Describe the suspects of one direction and one given class, those of the negative class first."""
    from trueneg.jobs.audit.telling import telling_rules

    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    roles = context.roles
    columns = (list(roles.text), [*roles.numeric, *roles.categorical])
    if not any(columns):
        return Finding(CODE, TITLE, "not applicable", "no text, number or category to read: rules need some")
    code, given, suspects, believed = _groups(context)
    words = f"{KINDS[code]} labelled {context.names[given]}"
    if min(len(suspects), len(believed)) < ENOUGH:
        return Finding(
            CODE,
            TITLE,
            "not applicable",
            f"{len(suspects):,} suspects ({words}) and {len(believed):,} believed rows: rules need {ENOUGH} of each",
        )
    if context.groups is not None:
        together = context.groups
    else:
        together = np.arange(len(context.codes)) if context.data is None else context.data.duplicate_of
    context.progress("rules that tell the suspects apart")
    try:
        told = telling_rules(context.arrow, columns, suspects, believed, together, seed=context.seed)
    except (MissingExtraError, InputError) as error:
        return Finding(CODE, TITLE, "skipped", str(error))
    return _finding(told, words, suspects)


def _groups(context: Context) -> tuple[str, int, np.ndarray, np.ndarray]:
    """Return the direction, the given class, its suspects and its believed rows."""
    code = "TN203"
    if context.negative is not None:
        code = "TN201"
        if context.positive is not None and _suspected(context, code).sum() < ENOUGH:
            code = "TN202" if _suspected(context, "TN202").sum() >= ENOUGH else code
    found, suspected = context.suspicion(code), _suspected(context, code)
    labels = context.codes[found.row]
    counts = np.bincount(labels[suspected] if suspected.any() else labels, minlength=len(context.classes))
    given = int(counts.argmax())
    own = labels == given
    believed = found.row[own & ~suspected & (found.probability < BELIEVED)]
    return code, given, found.row[own & suspected], believed


def _suspected(context: Context, code: str) -> np.ndarray:
    """Return which rows of a direction are suspects: those that the report lists, at most a fifth unless named."""
    found = context.suspicion(code)
    out = np.zeros(found.row.size, dtype=bool)
    if found.named or found.probability.sum() >= 1:
        out[found.listed()[: max(found.named, found.row.size // 5)]] = True
    return out


def _finding(told: Told, words: str, suspects: np.ndarray) -> Finding:
    details: dict[str, Any] = {
        "rows": f"learned from {told.learned:,}, judged on {told.judged:,} held out, {told.share:.1%} of them suspects",
        "control": f"rules that hold out with rows drawn by lot as suspects: {told.chance or 'none'}",
    }
    if told.rules:
        details["rules"] = {
            rule.text: {
                "suspects where it holds": "it never holds" if rule.precision is None else str(rule.precision),
                "of all suspects": str(rule.suspects),
                "of the believed rows": str(rule.believed),
                "holds out": "yes" if rule.holds_out else "no",
            }
            for rule in told.rules
        }
    good = [rule for rule in told.rules if rule.holds_out]
    if not good:
        message = (
            f"no short rule tells {words} from believed rows on rows held out: they have no simple cause in common"
        )
        return Finding(CODE, TITLE, "passed", message, details=details)
    many = "a short rule tells" if len(good) == 1 else f"{len(good)} short rules tell"
    lot = f"by lot {told.chance} would too, so that it may be chance" if told.chance else "by lot none would"
    return Finding(
        CODE,
        TITLE,
        "advice",
        f'{many} {words} from believed rows. "{good[0].text}": {good[0].precision} of the held-out rows where it holds '
        f"are suspects, and {told.share:.1%} of all; {lot}. This is what the ranking suspects, not what is wrong",
        severity="low",
        estimate=told.covered,
        unit="share of the suspects caught by such rules",
        affected=round(told.covered.value * len(suspects)),
        remedy="read the rules; where one names a cause (a source, an annotator, a word), look at its rows first",
        details=details,
    )
