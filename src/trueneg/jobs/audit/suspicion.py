"""One direction of error over all its rows: how probable each is, and what stands behind the probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.reviewed import Reviewed

LISTED = 100
NAMED = 0.5


@dataclass(frozen=True, eq=False)
class Suspicion:
    """The rows that one direction of error can touch.

    Attributes
    ----------
    code : str
        The finding, such as ``TN201``.
    n_rows : int
        Rows of the table.
    row : (m,) int64
        The population, ascending: rows of the doubted class that nobody has verified.
    base : (m,) float64
        Probability that the given label is wrong before any answer: a review draws from it, so that an answer never
        moves it and rounds add up.
    probability : (m,) float64
        The same after the answers: 1 where one says wrong, 0 where it says right. ``base`` without a review.
    proposed : (m,) int64
        Code of the class proposed instead, -1 where none is.
    basis : {"model", "trusted", "review"}
        What stands behind ``probability``.
    told : bool
        Whether the number of wrong labels can be told at all: always after a review; not where the model has no skill.
    cost : (m,) float64 or None
        What a wrong label costs, by row, where the user said so.
    review : Reviewed or None
        The answers.
    n_trusted : int
        Trusted rows behind the probability; 0 unless ``basis`` is ``"trusted"``.
    """

    code: str
    n_rows: int
    row: np.ndarray
    base: np.ndarray
    probability: np.ndarray
    proposed: np.ndarray
    basis: Literal["model", "trusted", "review"]
    told: bool
    cost: np.ndarray | None = None
    review: Reviewed | None = None
    n_trusted: int = 0

    @property
    def words(self) -> str:
        """What to call the probability: its proper name, in one place."""
        if self.basis == "review" and self.review is not None:
            return f"recalibrated by {self.review.n_answered:,} answers"
        if self.basis == "trusted":
            return f"recalibrated by {self.n_trusted:,} trusted rows"
        return "model-based"

    @property
    def named(self) -> int:
        """Rows at least as probably wrong as right."""
        return int((self.probability >= NAMED).sum())

    def listed(self) -> np.ndarray:
        """Return the places (in ``row``) of the suspects: the dearest to leave first, else the most probable.

        Rows that were judged right are no suspects any more.
        """
        worth = self.probability if self.cost is None else self.probability * self.cost
        order = np.argsort(-worth, kind="stable")
        if self.review is not None:
            right = np.isin(self.row, self.review.rows_where(0))
            order = order[~right[order]]
        return order[: max(LISTED, 2 * self.named)]

    def over_rows(self) -> np.ndarray:
        """Return the probability of every row of the table (n,), 0 outside the population."""
        out = np.zeros(self.n_rows)
        out[self.row] = self.probability
        return out


def doubted(context: Context) -> dict[str, int | None]:
    """Return the given class that each suspect check doubts, None for any."""
    return {"TN201": context.negative, "TN202": context.positive, "TN203": None}


def suspicion_of(context: Context, code: str) -> Suspicion:
    """Rank one direction of error, recalibrate it by what was verified, and put the answers in."""
    suspect = doubted(context)[code]
    ranker = context.ranker(suspect)
    judged = context.codes >= 0 if suspect is None else context.codes == suspect
    if context.trusted is not None:
        judged = judged & ~context.trusted
    row = np.flatnonzero(judged)
    base = np.clip(np.nan_to_num(ranker.probability_[row]).astype(float), 0.0, 1.0)
    told, basis, n_trusted = ranker.total_ is not None, "model", 0
    calibrated = context.calibration(suspect)
    if calibrated is not None:
        base, basis, told, n_trusted = calibrated.wrong(row), "trusted", True, calibrated.n_rows
    review = context.review_of(code, row)
    parts: dict[str, Any] = {"review": review, "n_trusted": n_trusted, "cost": unit_cost(context, code, row)}
    probability = base
    if review is not None:
        probability, basis, told = review.probability, "review", True
    proposed = np.asarray(ranker.proposed_)[row].astype(np.int64)
    n = len(context.codes)
    return Suspicion(code, n, row, base, probability, proposed, basis, told, **parts)  # type: ignore[arg-type]


def unit_cost(context: Context, code: str, row: np.ndarray) -> np.ndarray | None:
    """Return what a wrong label of each row costs (m,), None where the user gave no cost for this direction."""
    column = {"TN201": context.roles.cost_fn, "TN202": context.roles.cost_fp}.get(code)
    if column is None:
        return None
    if isinstance(column, str) and column in context.arrow.column_names:
        return np.nan_to_num(context.arrow[column].cast("float64").to_numpy()[row])
    return np.full(len(row), float(column))
