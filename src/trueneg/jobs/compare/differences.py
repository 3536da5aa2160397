"""A paired difference, what it tells, and the row of figures of one remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trueneg.core.intervals import Estimate, corrected_resampled_t
from trueneg.jobs.compare.metrics import LOWER_IS_BETTER

LEVEL = 0.95
POWER = 0.8
MANY = 10_000_000  # beyond, a number of rows says no more than "there is no difference to speak of"


@dataclass
class Difference:
    """A paired difference, remedy minus *nothing*: the estimate, its standard error and p-value, and rows needed.

    ``needed`` is how many rows would tell a difference of this size apart at 80 % power, beside all other remedies
    that are judged with it, were the variance to fall as one over the rows; None where there is no difference to tell
    or no variance.
    """

    estimate: Estimate
    p: float
    needed: int | None

    def gain(self, metric: str) -> Estimate:
        """Return the estimate with better as larger."""
        e = self.estimate
        if metric not in LOWER_IS_BETTER:
            return e
        return replace(e, value=-e.value, low=-e.high, high=-e.low)


@dataclass
class Row:
    """One remedy's figures.

    ``value`` and ``difference`` by metric; the same on the trusted rows, and corrected for label errors; at the
    operating point of the tuned threshold; ``abstaining``, the share of errors by the share of rows answered, which is
    all that a rejecter has.
    """

    name: str
    title: str
    kind: str
    status: str = "done"
    reason: str = ""
    folds: int = 0
    rows: float = math.nan
    seconds: float = math.nan
    peak: float = math.nan
    note: str = ""
    apply: str = ""
    value: dict[str, Estimate] = field(default_factory=dict)
    difference: dict[str, Difference] = field(default_factory=dict)
    trusted: dict[str, Estimate] = field(default_factory=dict)
    trusted_difference: dict[str, Difference] = field(default_factory=dict)
    corrected: Estimate | None = None
    corrected_difference: Difference | None = None
    matched: dict[str, Estimate] = field(default_factory=dict)
    matched_difference: dict[str, Difference] = field(default_factory=dict)
    abstaining: dict[float, Estimate] = field(default_factory=dict)
    abstaining_difference: dict[float, Difference] = field(default_factory=dict)
    p_adjusted: float = math.nan
    verdict: str = ""


def judged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that answer every row their own way; a rejecter answers as *nothing*, and only abstains."""
    return [row for row in rows if row.kind != "rejecter"]


def paired(differences: Sequence[float], n_train: float, n_test: float, n: int, *, compared: int = 1) -> Difference:
    """Return the mean of paired differences of folds, by the corrected resampled t, and what it tells.

    Parameters
    ----------
    differences : sequence of float
        One a fold, two or more.
    n_train, n_test : float
        Mean rows of a fold.
    n : int
        Rows that the comparison had.
    compared : int, default=1
        Remedies judged together: the rows needed are those at which the best of them would pass Holm's first step.
    """
    from scipy.special import stdtr, stdtrit

    estimate = corrected_resampled_t(differences, n_train=n_train, n_test=n_test, level=LEVEL)
    degrees = len(differences) - 1
    wide = float(stdtrit(degrees, 0.5 + LEVEL / 2))
    error = (estimate.high - estimate.value) / wide
    if error <= 0:
        return Difference(estimate, 1.0 if estimate.value == 0 else 0.0, None)
    p = 2 * float(stdtr(degrees, -abs(estimate.value) / error))
    first = float(stdtrit(degrees, 1 - (1 - LEVEL) / (2 * compared)))
    return Difference(estimate, p, needed(estimate.value, error, first + float(stdtrit(degrees, POWER)), n))


def needed(value: float, error: float, quantiles: float, n: int) -> int | None:
    """Return the rows at which a difference is ``quantiles`` standard errors, were the variance to fall as 1 / rows."""
    if value == 0 or abs(value) < 1e-9 * error:
        return None
    return max(2, math.ceil(n * (quantiles * error / abs(value)) ** 2))


def rows_needed(found: Difference) -> str:
    """Write the rows needed to two digits, more would promise what is not known, and no monster of a number."""
    if found.needed is None:
        return ""
    if found.needed > MANY:
        return f"over {MANY:,}"
    step = 10 ** max(0, len(str(found.needed)) - 2)
    return f"about {-(-found.needed // step) * step:,}"
