"""What every check of attempts looks at: columns, the answers of a review, how doubtful each accepted attempt is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.data.readers import one_line
from trueneg.data.sniff import GROUPS, attempt_columns, verdict_column
from trueneg.jobs.audit.folder import Ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.reviewed import Reviewed

STEPS_READ = 20_000
_PRIOR, _KNOWN, _EACH = 0.15, 30, 5


@dataclass
class AttemptsContext:
    """A table of attempts.

    Attributes
    ----------
    problem : (n,) int64
        Codes into ``names``.
    accepted, given : (n,) int8
        The verdict; the truth as the file has it (-1 unknown).
    answers, steps, outcome : list or None
        Columns of texts.
    reward, probability, cost : (n,) float64 or None
        Columns of numbers.
    groups : dict of str to (n,) array of str
        Model, data set, difficulty, decoding, where there are such columns.
    error_type : list or None
        Kind of error as the file has it.
    first_wrong : (n,) float64 or None
        First wrong step as the file has it, from 0; NaN where it has none.
    cost_fp : float or None
        Cost of a wrong answer, where a correct one brings 1.
    review : Reviewed or None
        Answers to TN601.
    """

    problem: np.ndarray
    names: np.ndarray
    accepted: np.ndarray
    given: np.ndarray
    answers: list[Any] | None
    steps: list[Any] | None
    outcome: list[Any] | None
    reward: np.ndarray | None
    probability: np.ndarray | None
    cost: np.ndarray | None
    groups: dict[str, np.ndarray]
    error_type: list[Any] | None
    first_wrong: np.ndarray | None
    cost_fp: float | None
    review: Reviewed | None
    quick: bool
    seed: int
    progress: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def truth(self) -> np.ndarray:
        """Truth with what reviewers say put in: accepted and judged wrong is 0, judged right 1."""
        out = self.given.copy()
        if self.review is not None:
            out[self.review.rows_where(1)] = 0
            out[self.review.rows_where(0)] = 1
        return out

    @cached_property
    def doubted(self) -> np.ndarray:
        """Rows accepted whose truth the file does not tell, ascending: what a review is drawn from."""
        return np.flatnonzero((self.accepted == 1) & (self.given < 0))

    @property
    def complete(self) -> bool:
        """Whether the truth of every accepted attempt is known."""
        return not ((self.accepted == 1) & (self.truth < 0)).any()

    @cached_property
    def checked(self) -> list[Any]:
        """Rule checks of the steps of accepted attempts, None elsewhere."""
        from trueneg.judge.reasoning import check_steps

        rows = np.flatnonzero(self.accepted == 1)
        out: list[Any] = [None] * len(self.problem)
        if self.steps is None or self.quick:
            return out
        if len(rows) > STEPS_READ:
            self.notes.append(f"steps of the first {STEPS_READ:,} of {len(rows):,} accepted attempts were checked")
        self.progress("checking steps by rules")
        for row in rows[:STEPS_READ].tolist():
            if self.steps[row]:
                out[row] = check_steps(self.steps[row])
        return out

    @cached_property
    def suspicion(self) -> np.ndarray:
        """P(wrong) of each doubted row, model-based."""
        features = self._features()[self.doubted]
        known = np.flatnonzero((self.accepted == 1) & (self.given >= 0))
        wrong = self.given[known] == 0
        if len(known) >= _KNOWN and min(wrong.sum(), (~wrong).sum()) >= _EACH and len(self.doubted):
            from sklearn.linear_model import LogisticRegression

            model = LogisticRegression().fit(self._features()[known], wrong)
            return np.asarray(model.predict_proba(features)[:, 1])
        base = (wrong.sum() + 10 * _PRIOR) / (len(known) + 10)
        z = np.log(base / (1 - base)) + features @ np.array([0.6, 0.6, 0.6, 2.0])
        return np.asarray(1 / (1 + np.exp(-z)))

    def _features(self) -> np.ndarray:
        """Problem seldom solved, low reward, low probability of the verifier, a step computed wrongly; scaled."""
        n = np.bincount(self.problem)
        solved = np.bincount(self.problem, weights=self.accepted == 1)
        rare = -np.log((solved + 0.5) / (n - solved + 0.5))[self.problem]
        columns = [rare, *(np.zeros(len(rare)) if c is None else -c for c in (self.reward, self.probability))]
        scaled = []
        for column in columns:
            c = np.where(np.isfinite(column), column, np.nan)
            middle, spread = np.nanmean(c) if np.isfinite(c).any() else 0.0, np.nanstd(c) if np.isfinite(c).any() else 0
            scaled.append(np.nan_to_num((c - middle) / spread) if spread > 0 else np.zeros(len(c)))
        flagged = np.array([c is not None and c.error == "arithmetic" for c in self.checked], dtype=float)
        return np.column_stack([*scaled, flagged])

    @property
    def ranking(self) -> Ranking:
        """Every accepted attempt whose truth is not known, for a review."""
        m = len(self.doubted)
        after = None if self.review is None else self.review.recalibrated
        ones, none = np.ones(m, np.int64), np.zeros(m, np.int64)
        return Ranking("TN601", self.doubted, ones, np.ones(m, np.int8), self.suspicion, none, after)

    @cached_property
    def false_share(self) -> Estimate | None:
        """Wrong among the accepted, by the file's truth and a review of the others; None where nothing is known."""
        yes = self.accepted == 1
        known = yes & (self.given >= 0)
        wrong, n = float((self.given[known] == 0).sum()), float(yes.sum())
        if self.review is not None:
            total = self.review.result.total
            ends = [(wrong + v) / n for v in (total.value, total.low, total.high)]
            return Estimate(ends[0], ends[1], ends[2], total.level, "truth given, and a review of the others", total.n)
        if not known.any():
            return None
        from trueneg.core.verdicts import Calibration

        gold = (self.given[known] == 1).astype(np.int8)
        return Calibration.of(gold, np.ones(len(gold)), item=self.problem[known]).wrong_among_accepted()

    @cached_property
    def expected_right(self) -> np.ndarray | None:
        """P(correct) of every attempt that is accepted, 0 elsewhere; None where too little is known for it."""
        yes = self.accepted == 1
        if self.complete:
            return (yes & (self.truth == 1)).astype(float)
        known = int((yes & (self.truth >= 0)).sum())
        if self.false_share is None or known < _KNOWN:
            return None
        out = np.where(yes, (self.truth == 1).astype(float), 0.0)
        p = self.suspicion if self.review is None else self.review.recalibrated
        out[self.doubted] = 1 - p
        settled = self.truth[self.doubted] >= 0
        out[self.doubted[settled]] = self.truth[self.doubted[settled]]
        return out


def context_of(
    table: Any, roles: Any, *, review: Any, quick: bool, seed: int, progress: Callable[[str], None]
) -> AttemptsContext:
    """Read the columns of a table of attempts."""
    arrow = table.arrow
    found = attempt_columns(arrow.column_names)
    where = one_line(table.path or "the table")
    names, problem = np.unique(np.array([str(v) for v in arrow.column(roles.group).to_pylist()]), return_inverse=True)

    def texts(part: str) -> list[Any] | None:
        return arrow.column(found[part]).to_pylist() if part in found else None

    truth = verdict_column(table, found["truth"], where) if "truth" in found else np.full(len(problem), -1, np.int8)
    groups = {
        name: np.array(["" if v is None else str(v) for v in arrow.column(name).to_pylist()])
        for name in arrow.column_names
        if name.lower() in GROUPS
    }
    return AttemptsContext(
        problem.reshape(-1),
        names,
        np.asarray(roles.codes(table)[0]).astype(np.int8),
        truth,
        texts("answer"),
        texts("steps"),
        texts("outcome"),
        _rewards(texts("reward")),
        _numbers(texts("probability"), "probability", where),
        _numbers(texts("cost"), "cost", where),
        groups,
        texts("error_type"),
        _numbers(texts("first_wrong"), found.get("first_wrong", ""), where),
        _cost(roles.cost_fp),
        review,
        quick,
        seed,
        progress,
    )


def _rewards(values: list[Any] | None) -> np.ndarray | None:
    """One reward an attempt; of a list of step rewards the smallest."""
    from trueneg.judge.reasoning import aggregate_steps

    if values is None:
        return None
    if any(isinstance(v, list) for v in values):
        out = aggregate_steps([v if isinstance(v, list) else [] if v is None else [v] for v in values], "min")
        return np.where(np.isfinite(out), out, np.nan)
    return _numbers(values, "reward", "the table")


def _numbers(values: list[Any] | None, name: str, where: str) -> np.ndarray | None:
    if values is None:
        return None
    try:
        return np.array([np.nan if v is None else float(v) for v in values])
    except (TypeError, ValueError) as error:
        msg = f"{where}: {name} must hold numbers ({one_line(error, 80)}); drop or mend the column"
        raise InputError(msg) from error


def _cost(value: Any) -> float | None:
    if value is None:
        return None
    try:
        cost = float(value)
    except (TypeError, ValueError):
        cost = -1.0
    if not np.isfinite(cost) or cost < 0:
        msg = (
            f"--cost-fp {one_line(value, 30)}: of attempts, give one number, the cost of a wrong answer "
            "where a right one brings 1"
        )
        raise InputError(msg)
    return cost
