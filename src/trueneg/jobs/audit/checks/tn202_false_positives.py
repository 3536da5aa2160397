"""Rows labelled positive that are probably negative.

They are kept apart from false negatives, since they cost something else and since hard true
positives look just like them: on rare positives, expect more false alarms here.

Remedy: look at the first rows before anything is dropped; positives are scarce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.jobs.audit.checks._suspects import directed
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN202", "False positives"


def run(context: Context) -> Finding:
    """Rank the rows of the positive class of a two-class table."""
    if context.positive is None:
        return Finding(CODE, TITLE, "not applicable", "no positive class: name it with --positive")
    found = directed(context, CODE, TITLE, "false positives")
    if found.status == "finding" and found.estimate is None:
        # Unreviewed. Hard true positives look alike: a list of suspects, never the first thing to act on.
        found.severity = "low"
    return found
