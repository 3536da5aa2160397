"""Rows labelled negative that are probably positive.

Every model that learns from them learns to miss. They are found by the log margin of out-of-fold
probabilities and by the labels of the nearest rows, as a likelihood ratio; the weights of the two
are fitted on the labels as they are. The direction is declared by you (``--positive`` or
``--negative``), and that declaration is the largest part of the gain.

Remedy: look at the first rows, then drop, relabel or down-weight them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueneg.jobs.audit.checks._suspects import directed
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN201", "False negatives"


def run(context: Context) -> Finding:
    """Rank the rows of the negative class."""
    if context.negative is None:
        return Finding(CODE, TITLE, "not applicable", "no negative class: name it with --positive or --negative")
    return directed(context, CODE, TITLE, context.negative, "false negatives")
