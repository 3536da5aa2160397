"""The theory: tasks of several types, a verifier with two error rates, and when to give up on a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.judge._resampling.table import AttemptTable, Floats


class ResamplingModel:
    """Tasks of a few types, or of a continuum, and a verifier that errs at two rates.

    With ``r`` = P(correct | type), prior ``p``, soundness ``s`` = P(reject | wrong) and completeness ``q`` =
    P(accept | correct): ``beta = (1 - q) r + s (1 - r)`` is rejected, ``TP = q r``, ``FP = (1 - s)(1 - r)`` and
    ``V(K) = sum_{k <= K} sum_i p_i beta_i^(k - 1) (TP_i - c FP_i)``.

    Parameters
    ----------
    correct : array-like of shape (types,)
        P(an attempt is correct), by type.
    prior : array-like of shape (types,)
        Shares of the types, of sum 1.
    soundness : float
        P(reject | wrong).
    completeness : float, default=1
        P(accept | correct); below 1 where the verifier turns correct answers away.

    Notes
    -----
    The reward at the k-th attempt is weighed by ``p_i beta_i^(k-1)``, that is by the chance of still being there times
    the belief *after* k - 1 rejects. Weighing the belief by ``sum_i beta_i^(k-1) posterior_i``, as published code does,
    counts the rejects twice.

    References
    ----------
    Stroebl, Kapoor and Narayanan (2411.17501); the beta-binomial form is this project's own.
    """

    def __init__(self, correct: ArrayLike, prior: ArrayLike, soundness: float, completeness: float = 1.0) -> None:
        self.correct, self.prior = np.asarray(correct, dtype=np.float64), np.asarray(prior, dtype=np.float64)
        self.soundness, self.completeness = float(soundness), float(completeness)
        r, p = self.correct, self.prior
        if r.ndim != 1 or r.shape != p.shape or not r.size:
            msg = f"correct has shape {r.shape} and prior {p.shape}: give one entry a type."
            raise InputError(msg)
        rates = np.array([self.soundness, self.completeness])
        if not ((r >= 0).all() and (r <= 1).all() and (p >= 0).all() and ((rates >= 0) & (rates <= 1)).all()):
            raise InputError("correct, prior, soundness and completeness are shares: give them in [0, 1].")
        if abs(p.sum() - 1) > 1e-6:
            msg = f"prior sums to {p.sum():g}: the shares of the types must sum to 1."
            raise InputError(msg)

    @property
    def rejected(self) -> Floats:
        """``beta``: chance that an attempt is rejected, by type."""
        return (1 - self.completeness) * self.correct + self.soundness * (1 - self.correct)

    @property
    def passed_right(self) -> Floats:
        """``TP``: chance that an attempt is correct and accepted, by type."""
        return self.completeness * self.correct

    @property
    def passed_wrong(self) -> Floats:
        """``FP``: chance that an attempt is wrong and accepted, by type."""
        return (1 - self.soundness) * (1 - self.correct)

    @classmethod
    def fit(cls, table: AttemptTable, *, split: float = 0.5) -> ResamplingModel:
        """Fit two types to recorded attempts: tasks solved more and less often than ``split``; rates over attempts."""
        share, soundness, completeness = _shares_and_rates(table)
        easy = share > split
        parts = [(float(share[m].mean()), float(m.mean())) for m in (easy, ~easy) if m.any()]
        return cls([r for r, _ in parts], [p for _, p in parts], soundness, completeness)

    @classmethod
    def fit_beta(cls, table: AttemptTable, *, n_nodes: int = 256) -> ResamplingModel:
        """Fit a beta distribution of P(correct) over tasks by maximum likelihood (beta-binomial).

        Two types end at a finite ``K*`` too easily and too late: real tasks lie in between.
        """
        from scipy.optimize import minimize
        from scipy.special import betaln

        _, soundness, completeness = _shares_and_rates(table)
        c, n = np.asarray(table.correct, dtype=np.float64), table.n.astype(np.float64)

        def loss(log_ab: Floats) -> float:
            a, b = np.exp(log_ab)
            return -float((betaln(c + a, n - c + b) - betaln(a, b)).sum())

        found = minimize(loss, np.log([0.5, 1.0]), method="L-BFGS-B", bounds=[(-5, 7), (-5, 7)])
        a, b = np.exp(found.x)
        return cls.from_beta(float(a), float(b), soundness, completeness, n_nodes=n_nodes)

    @classmethod
    def from_beta(
        cls, a: float, b: float, soundness: float, completeness: float = 1.0, *, n_nodes: int = 256
    ) -> ResamplingModel:
        """Tasks whose P(correct) follows Beta(a, b), at the nodes of a Gauss-Jacobi rule: exact for K < 2 n_nodes."""
        from scipy.special import roots_jacobi

        if a <= 0 or b <= 0:
            msg = f"a={a:g}, b={b:g}: both parameters of the beta distribution must be above 0."
            raise InputError(msg)
        x, w = roots_jacobi(n_nodes, b - 1, a - 1)
        return cls((1 + x) / 2, w / w.sum(), soundness, completeness)

    def _survival(self, max_k: int) -> Floats:
        """``p_i beta_i^(k-1)`` for k = 1 .. max_k: (max_k, types)."""
        return self.prior * self.rejected ** np.arange(max_k)[:, None]

    def value(self, max_k: int, cost_fp: float, *, cost_attempt: float = 0.0) -> Floats:
        """``V(K)`` for K = 0 .. max_k."""
        gain = self.passed_right - cost_fp * self.passed_wrong - cost_attempt
        return np.concatenate([[0.0], np.cumsum(self._survival(max_k) @ gain)])

    def accuracy(self, max_k: int) -> Floats:
        """Share of tasks answered correctly within K = 0 .. max_k attempts."""
        return np.concatenate([[0.0], np.cumsum(self._survival(max_k) @ self.passed_right)])

    def belief(self, rejects: int) -> Floats:
        """Shares of the types among tasks with so many rejects."""
        w = self.prior * self.rejected**rejects
        if w.sum() <= 0:
            msg = f"no task of this model sees {rejects} rejects: its verifier accepts everything."
            raise InputError(msg)
        out: Floats = w / w.sum()
        return out

    def ceiling(self) -> float:
        """Accuracy without a limit of attempts."""
        stops = 1 - self.rejected
        return float(self.prior @ np.where(stops > 0, self.passed_right / np.where(stops > 0, stops, 1.0), 0.0))

    def optimal_k(self, cost_fp: float, *, cost_attempt: float = 0.0, max_k: int = 1000) -> int:
        """``K*`` in 0 .. max_k; the fewest attempts among equals, 0 where always abstaining is best."""
        return int(self.value(max_k, cost_fp, cost_attempt=cost_attempt).argmax())


@dataclass
class AcceptOrQuit:
    """Decide online, attempt by attempt: return the answer, try again, or give the task up.

    After each reject the belief moves to the types that are rejected often; going on is worth it while some number of
    further attempts has an expected gain above 0. An accepted answer is returned if its chance of being correct, given
    how many were rejected before, outweighs the cost of being wrong.

    Parameters
    ----------
    model : ResamplingModel
        Types of tasks and rates of the verifier.
    cost_fp, cost_attempt : float
        Of a wrong answer and of one attempt; a correct answer brings 1.
    max_k : int, default=1000
        Attempts that can be afforded.
    """

    model: ResamplingModel
    cost_fp: float
    cost_attempt: float = 0.0
    max_k: int = 1000

    def __post_init__(self) -> None:
        self.attempts = 0
        self._limit = self.stop_after()

    def stop_after(self) -> int:
        """Attempts after which a task without an accepted answer is given up."""
        return self.model.optimal_k(self.cost_fp, cost_attempt=self.cost_attempt, max_k=self.max_k)

    def chance_correct(self, rejects: int) -> float:
        """Chance that an answer accepted after so many rejects is correct."""
        belief = self.model.belief(rejects)
        right = float(belief @ self.model.passed_right)
        total = right + float(belief @ self.model.passed_wrong)
        return right / total if total > 0 else float("nan")

    def begin(self) -> Literal["again", "quit"]:
        """Say whether to make the first attempt at all."""
        self.attempts = 0
        return "again" if self._limit > 0 else "quit"

    def next(self, accepted: bool | int | None) -> Literal["accept", "again", "quit"]:
        """Take the verdict on one attempt (1 or True is accepted; all else is not) and say what to do."""
        rejects = self.attempts
        self.attempts += 1
        if accepted is not None and int(accepted) == 1:
            chance = self.chance_correct(rejects)
            return "accept" if chance - self.cost_fp * (1 - chance) > 0 else "quit"
        return "again" if self.attempts < self._limit else "quit"


def _shares_and_rates(table: AttemptTable) -> tuple[Floats, float, float]:
    if table.correct is None:
        raise InputError("correct was not given: a model needs to know how many attempts are correct, accepted or not.")
    wrong, right = float((table.n - table.correct).sum()), float(table.correct.sum())
    if wrong <= 0 or right <= 0:
        raise InputError("all attempts are of one kind: there is nothing to fit.")
    caught = wrong - float((table.accepted - table.true_accepted).sum())
    share: NDArray[Any] = table.correct / table.n
    return share, caught / wrong, float(table.true_accepted.sum()) / right
