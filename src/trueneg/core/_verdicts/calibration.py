"""Calibration: what a verifier says of candidates whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._verdicts.bounded import Floats, clusters_of, design_effect, share_ends
from trueneg.core._verdicts.outcomes import verdict_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

STATES = (0, 1, -1)  # reject, accept, nothing said: the order of every table here


@dataclass(frozen=True, eq=False)
class Calibration:
    """Verdicts on candidates whose truth is known; make it with :meth:`of`.

    Attributes
    ----------
    gold : (n,) int8
        1 correct, 0 wrong.
    verdict : (n,) int8
        1 accept, 0 reject, -1 nothing said (abstain, timeout, error, unparsed).
    probability : (n,) float64 or None
        The verifier's own probability of being correct.
    cluster : (n,) int64
        The item (problem, document) that each verdict belongs to.
    """

    gold: NDArray[np.int8]
    verdict: NDArray[np.int8]
    probability: Floats | None
    cluster: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        gold: ArrayLike,
        verdict: ArrayLike,
        *,
        item: ArrayLike | None = None,
        probability: ArrayLike | None = None,
        gold_by: str | None = None,
        judge: str | None = None,
    ) -> Calibration:
        """Read a calibration sample.

        Parameters
        ----------
        gold : array-like of shape (n,)
            1 correct, 0 wrong, -1 not known: such rows are left out.
        verdict : array-like of shape (n,)
            1 accept, 0 reject, -1 nothing said.
        item : array-like of shape (n,), optional
            What each verdict belongs to; intervals then count items, not verdicts.
        probability : array-like of shape (n,), optional
            The verifier's probability of being correct, in [0, 1].
        gold_by, judge : str, optional
            Who made the gold labels and who the verdicts. The same model for both is refused: it would only be asked
            whether it agrees with itself.

        Returns
        -------
        Calibration

        Raises
        ------
        InputError
            No known truth at all, gold of one kind only with nothing to compare, gold made by the judge itself.
        """
        if gold_by is not None and judge is not None and _plain(gold_by) == _plain(judge):
            msg = (
                f"the gold labels are by {gold_by!r}, which is also the judge: agreement with itself measures nothing; "
                "use labels by a person, or by something else than the judge."
            )
            raise InputError(msg)
        truth, said = verdict_of(gold, "gold"), verdict_of(verdict, "verdict")
        if len(truth) != len(said):
            msg = f"gold has {len(truth)} entries and verdict {len(said)}: give one each, in the same order."
            raise InputError(msg)
        known = truth >= 0
        if not known.any():
            msg = f"none of {len(truth)} verdicts has gold: judge some candidates by hand first (1 correct, 0 wrong)."
            raise InputError(msg)
        p = None
        if probability is not None:
            p = np.asarray(probability, dtype=np.float64)
            if p.shape != truth.shape:
                msg = f"probability has shape {p.shape} for {len(truth)} verdicts: give one each."
                raise InputError(msg)
            p = p[known]
            if not ((p >= 0) & (p <= 1)).all():
                raise InputError("probability must lie in [0, 1] and be there for every row with gold.")
        cluster = clusters_of(item, len(truth))[known]
        return cls(truth[known], said[known], p, np.unique(cluster, return_inverse=True)[1].reshape(-1))

    @property
    def n(self) -> int:
        """Verdicts with gold."""
        return len(self.gold)

    @property
    def n_items(self) -> int:
        """Items they belong to."""
        return int(self.cluster.max()) + 1

    def table(self) -> NDArray[np.int64]:
        """Counts (2, 3): gold wrong and correct in rows; reject, accept, nothing said in columns."""
        code = self.gold.astype(np.int64) * 3 + np.where(self.verdict < 0, 2, self.verdict)
        return np.bincount(code, minlength=6).reshape(2, 3)

    def _share(self, of: NDArray[np.bool_], yes: NDArray[np.bool_], level: float, words: str) -> Estimate:
        n, k = int(of.sum()), int((of & yes).sum())
        if not n:
            return Estimate(float("nan"), 0.0, 1.0, level, f"{words}: no such row", 0)
        effect = design_effect(yes[of] - k / n, np.unique(self.cluster[of], return_inverse=True)[1].reshape(-1))
        low, high = share_ends(np.array([k / effect]), np.array([n / effect]), level)
        return Estimate(k / n, float(low[0]), float(high[0]), level, words, n)

    def accepts_correct(self, *, level: float = 0.95) -> Estimate:
        """P(accept | correct): true-positive rate, completeness. Nothing said is no acceptance."""
        return self._share(self.gold == 1, self.verdict == 1, level, "Jeffreys, by item")

    def accepts_wrong(self, *, level: float = 0.95) -> Estimate:
        """P(accept | wrong): false-positive rate, one less soundness."""
        return self._share(self.gold == 0, self.verdict == 1, level, "Jeffreys, by item")

    def wrong_among_accepted(self, *, level: float = 0.95) -> Estimate:
        """P(wrong | accepted): the share of false positives among what the verifier lets pass."""
        return self._share(self.verdict == 1, self.gold == 0, level, "Jeffreys, by item")

    def silent(self, *, level: float = 0.95) -> Estimate:
        """P(nothing said)."""
        return self._share(np.ones(self.n, dtype=bool), self.verdict < 0, level, "Jeffreys, by item")

    def kappa(self) -> float:
        """Cohen's kappa of verdict and gold where something was said; NaN where both are of one kind only."""
        t = self.table()[:, :2].astype(np.float64)
        n = t.sum()
        if n == 0:
            return float("nan")
        by_chance = float((t.sum(axis=0) * t.sum(axis=1)).sum()) / n**2
        return float("nan") if by_chance >= 1 else float((np.trace(t) / n - by_chance) / (1 - by_chance))

    @property
    def youden(self) -> float:
        """P(accept | correct) - P(accept | wrong); NaN where gold is of one kind only."""
        return self.accepts_correct().value - self.accepts_wrong().value

    def require_better_than_chance(self) -> None:
        """Refuse verdicts that tell nothing: no correction can be made of them.

        Raises
        ------
        InputError
            Where wrong candidates are accepted at least as often as correct ones. Gold of one kind only passes, since
            nothing then speaks against the verifier.
        """
        j = self.youden
        if j <= 0:
            a, b = self.accepts_correct().value, self.accepts_wrong().value
            msg = (
                f"the verifier is no better than chance: it accepts {a:.3g} of the correct and {b:.3g} of the wrong "
                f"candidates ({self.n} with gold). Its verdicts cannot be corrected; use the gold labels alone "
                "(trueneg.core.intervals.wilson), or another verifier."
            )
            raise InputError(msg)


def _plain(name: Any) -> str:
    """A model's name without its case, its provider and its separators: what makes two spellings one model."""
    return "".join(c for c in str(name).lower().rpartition("/")[2] if c.isalnum())
