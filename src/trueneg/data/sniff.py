"""Find out which column of a table plays which part, and tell what was decided and why.

Two rules stand above the rest: what the caller names is never guessed over, and an unjudged label is never read
as a negative one.
"""

from __future__ import annotations

from trueneg.data._sniff.attempts import GROUPS, attempt_columns, is_attempts, verdict_column
from trueneg.data._sniff.checks import trusted_mask
from trueneg.data._sniff.keys import keys_of_rows, row_keys
from trueneg.data._sniff.roles import Roles
from trueneg.data._sniff.settle import label_candidates, roles
from trueneg.data._sniff.values import known_labels

__all__ = [
    "GROUPS",
    "Roles",
    "attempt_columns",
    "is_attempts",
    "keys_of_rows",
    "known_labels",
    "label_candidates",
    "roles",
    "row_keys",
    "trusted_mask",
    "verdict_column",
]
