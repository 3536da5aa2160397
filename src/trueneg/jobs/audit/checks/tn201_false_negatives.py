"""Rows labelled negative that are probably positive.

Every model that learns from them learns to miss. They are found by the log margin of out-of-fold
probabilities and by the labels of the nearest rows, as a likelihood ratio; the weights of the two
are fitted on the labels as they are. The direction is declared by you (``--positive`` or
``--negative``), and that declaration is the largest part of the gain.

How many there are in all is an order of magnitude ("about"), without an interval, until a random
sample has been reviewed: labels and probabilities alone do not say it. ``trueneg review`` draws the
sample; the next audit then gives the number, and the share of the suspects that are wrong, each with
its interval. From below the number is bounded by what was found, from above by an assumption (that
rows further down go wrong as the recalibrated curve says) or by more rows; both intervals stand in
the details. With trusted rows (``--trusted``) the probabilities are recalibrated, and still no
interval is given: they say which labels are right, not how often annotators err.

Remedy: review 60 rows, then drop, relabel or down-weight those that are wrong.
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
    return directed(context, CODE, TITLE, "false negatives")
