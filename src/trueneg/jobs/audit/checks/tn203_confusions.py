"""Rows whose label is probably another class.

With neither a positive nor a negative class declared, an error has no direction and is called a
confusion.

Remedy: look at the first rows, then drop, relabel or down-weight them; declare ``--positive`` or
``--negative`` where only one direction of error is likely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.jobs.audit.checks._suspects import directed
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN203", "Confusions"


def run(context: Context) -> Finding:
    """Rank the rows of all classes together."""
    if context.negative is not None and len(context.classes) == 2:
        return Finding(CODE, TITLE, "not applicable", "false negatives and false positives are told apart here")
    return directed(context, CODE, TITLE, "labelled with another class's name")
