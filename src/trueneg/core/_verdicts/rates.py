"""Rates corrected for the errors of a verifier, three ways, with intervals that hold the noise of the calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._intervals.estimate import normal_quantile
from trueneg.core._verdicts.bayes import draws_of
from trueneg.core._verdicts.bounded import Floats, clusters_of, design_effect, mean_ends, mover, share_ends, student
from trueneg.core._verdicts.calibration import STATES, Calibration
from trueneg.core._verdicts.outcomes import verdict_of
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

Method = Literal["post_stratified", "prediction_powered", "rogan_gladen"]
METHODS = ("post_stratified", "prediction_powered", "rogan_gladen")
# With fewer disagreements of verdict and gold than this, a variance says little about those that were not drawn.
_FEW_ERRORS = 10


@dataclass(frozen=True)
class CorrectedRate:
    """The share of correct candidates, as the verifier has it and as it is.

    Attributes
    ----------
    naive : Estimate
        Share accepted among the verdicts that say something; its interval knows nothing of the verifier's errors.
    corrected : Estimate
        Share that is correct.
    method : str
        How it was corrected.
    notes : tuple of str
        What was done beside that.
    """

    naive: Estimate
    corrected: Estimate
    method: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return ``0.61 [0.60, 0.62] as judged, 0.54 [0.49, 0.59] corrected``."""
        return f"{self.naive} as judged, {self.corrected} corrected"


@dataclass(frozen=True)
class _Target:
    """The verdicts to correct: items, and the verifier's own probability."""

    verdict: NDArray[np.int8]
    cluster: NDArray[np.int64]
    probability: Floats | None

    @property
    def state(self) -> NDArray[np.int64]:
        return np.where(self.verdict < 0, 2, self.verdict).astype(np.int64)

    def shares(self) -> Floats:
        return np.bincount(self.state, minlength=3) / len(self.verdict)

    def error_of(self, by_state: Floats) -> float:
        """Standard error of the mean of a value that depends on the state alone."""
        values = by_state[self.state]
        return self.error_of_values(values - values.mean())

    def error_of_values(self, residual: Floats) -> float:
        n = len(residual)
        return float(np.sqrt((residual**2).sum() * design_effect(residual, self.cluster))) / n


def corrected_rate(
    verdict: ArrayLike,
    calibration: Calibration,
    *,
    method: Method = "post_stratified",
    interval: Literal["closed", "bootstrap"] = "closed",
    item: ArrayLike | None = None,
    probability: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 4000,
    random_state: int | np.random.Generator = 0,
) -> CorrectedRate:
    """Share of correct candidates among all that were judged, corrected for the verifier's errors.

    ``post_stratified``: ``sum_v q_v P(correct | v)`` over the states ``v`` (accept, reject, nothing said), ``q`` from
    all verdicts, the rest from the calibration. Right where the calibration is a random sample of the same population,
    and then two to four times closer than Rogan-Gladen. ``prediction_powered``: ``mean(f) + mean(gold - f)`` with the
    tuned weight of ``f``, the probability where there is one; the same regime, better where probabilities are.
    ``rogan_gladen``: ``(q - P(accept | wrong)) / (P(accept | correct) - P(accept | wrong))``; right where the share of
    correct ones differs between the two, and the errors of the verifier do not.

    Parameters
    ----------
    verdict : array-like of shape (N,)
        1 accept, 0 reject, -1 nothing said, of all candidates; those of the calibration may be among them.
    calibration : Calibration
        Verdicts with gold.
    method : str, default="post_stratified"
        See above.
    interval : {"closed", "bootstrap"}, default="closed"
        ``closed``: Jeffreys' intervals of the parts, combined (MOVER; for Rogan-Gladen all shares that a test does not
        reject). ``bootstrap``: Bayesian bootstrap over items, to which half an observation of each kind is added.
        Neither collapses where the calibration shows no error.
    item : array-like of shape (N,), optional
        What each verdict belongs to (problem, document): intervals then count items.
    probability : array-like of shape (N,), optional
        The verifier's probabilities; used by ``prediction_powered`` where the calibration has them as well.
    level : float, default=0.95
        Nominal coverage.
    n_boot : int, default=4000
        Draws of the bootstrap.
    random_state : int or Generator, default=0
        Seed of the bootstrap.

    Returns
    -------
    CorrectedRate

    Raises
    ------
    InputError
        A verifier no better than chance; Rogan-Gladen without gold of both kinds; no verdict.

    References
    ----------
    Rogan and Gladen (1978); Angelopoulos et al., "PPI++" (2311.01453); Zou and Donner (2008) for MOVER; Rubin (1981).
    """
    normal_quantile(level)
    if method not in METHODS or interval not in ("closed", "bootstrap"):
        msg = f"method={method!r}, interval={interval!r}: choose from {METHODS} and ('closed', 'bootstrap')."
        raise InputError(msg)
    said = verdict_of(verdict, "verdict")
    if not len(said):
        raise InputError("verdict is empty: there is nothing to correct.")
    calibration.require_better_than_chance()
    target = _Target(said, clusters_of(item, len(said)), _probability(probability, calibration, len(said)))
    notes: list[str] = []
    naive = _naive(target, level)
    if method == "post_stratified":
        found = _post_stratified(target, calibration, level, notes)
    elif method == "prediction_powered":
        found = _prediction_powered(target, calibration, level)
    else:
        found = _rogan_gladen(target, calibration, level, notes)
    if interval == "bootstrap":
        rng = np.random.default_rng(random_state)
        f = (
            None
            if method != "prediction_powered"
            else (_predictions(target, calibration), _lambda(target, calibration))
        )
        draws = draws_of(method, (target.state, target.cluster), calibration, f, n_boot, rng)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        value = min(max(found.value, low), high)
        found = Estimate(value, float(low), float(high), level, f"{method}, Bayesian bootstrap of items", found.n)
    return CorrectedRate(naive, found, method, tuple(notes))


def _probability(probability: ArrayLike | None, calibration: Calibration, n: int) -> Floats | None:
    if probability is None or calibration.probability is None:
        return None
    p = np.asarray(probability, dtype=np.float64)
    if p.shape != (n,) or not ((p >= 0) & (p <= 1)).all():
        msg = f"probability has shape {p.shape} for {n} verdicts: give one in [0, 1] each."
        raise InputError(msg)
    return p


def _naive(target: _Target, level: float) -> Estimate:
    spoken = target.verdict >= 0
    n = int(spoken.sum())
    if not n:
        return Estimate(float("nan"), 0.0, 1.0, level, "the verifier said nothing", 0)
    yes = (target.verdict[spoken] == 1).astype(np.float64)
    mean, low, high = mean_ends(yes, np.unique(target.cluster[spoken], return_inverse=True)[1].reshape(-1), level)
    return Estimate(mean, low, high, level, "share accepted, uncorrected", n)


def _post_stratified(target: _Target, calibration: Calibration, level: float, notes: list[str]) -> Estimate:
    counts = calibration.table()[:, [0, 1, 2]].astype(np.float64)
    q, n, k = target.shares(), counts.sum(axis=0), counts[1]
    p = np.where(n > 0, k / np.maximum(n, 1), calibration.gold.mean())
    for v in np.flatnonzero((q > 0) & (n == 0)).tolist():
        words = {0: "rejected", 1: "accepted", -1: "not judged"}[STATES[v]]
        notes.append(f"no gold among the {words} ({q[v]:.1%} of all): their share is only known to lie in 0 to 1.")
    state = np.where(calibration.verdict < 0, 2, calibration.verdict)
    residual = (q / np.maximum(n, 1))[state] * (calibration.gold - p[state])
    effect = design_effect(residual, calibration.cluster)
    low, high = share_ends(k / effect, n / effect, level)
    few = student(level, calibration.n_items) if calibration.n_items < calibration.n else 1.0
    value = float(q @ p)
    noise = normal_quantile(level) * target.error_of(p)
    ends = mover(value, [*(few * q * (p - low)), noise], [*(few * q * (high - p)), noise])
    return Estimate(value, *ends, level, "post-stratified by the verdict, Jeffreys and MOVER", calibration.n)


def _predictions(target: _Target, calibration: Calibration) -> tuple[Floats, Floats]:
    """What the verifier predicts, of the calibration and of all: its probability, else 1, 0, and 1/2 for silence."""
    if target.probability is not None and calibration.probability is not None:
        return calibration.probability, target.probability
    value = np.array([0.0, 1.0, 0.5])
    return value[np.where(calibration.verdict < 0, 2, calibration.verdict)], value[target.state]


def _lambda(target: _Target, calibration: Calibration) -> float:
    """The weight of the predictions: 1 where errors are too few to tune it, else the one of least variance."""
    f, all_f = _predictions(target, calibration)
    wrong = np.abs(calibration.gold - f) > 0.5
    if int(wrong.sum()) < _FEW_ERRORS or f.var() <= 0:
        return 1.0
    covariance = float(((f - f.mean()) * (calibration.gold - calibration.gold.mean())).mean())
    return min(max(covariance / ((1 + len(f) / len(all_f)) * float(f.var())), 0.0), 1.0)


def _prediction_powered(target: _Target, calibration: Calibration, level: float) -> Estimate:
    f, all_f = _predictions(target, calibration)
    weight = _lambda(target, calibration)
    residual = calibration.gold - weight * f
    n, rect = len(residual), float(residual.mean())
    value = weight * float(all_f.mean()) + rect
    z = normal_quantile(level)
    noise = z * weight * target.error_of_values(all_f - all_f.mean())
    effect = design_effect(residual - rect, calibration.cluster)
    half = z * student(level, calibration.n_items) * float(np.sqrt(residual.var(ddof=1) * effect / n)) if n > 1 else 1.0
    below, above = half, half
    if int((np.abs(calibration.gold - f) > 0.5).sum()) < _FEW_ERRORS:
        # Too few errors for a variance: missed ones raise the rate and false ones lower it, each a share of its own.
        up, down = ((calibration.gold - f > 0.5).sum(), (f - calibration.gold > 0.5).sum())
        low, high = share_ends(np.array([up, down]) / effect, np.full(2, n / effect), level)
        below = max(half, float(np.hypot(up / n - low[0], high[1] - down / n)))
        above = max(half, float(np.hypot(high[0] - up / n, down / n - low[1])))
    inside = min(max(value, 0.0), 1.0)
    low_end, high_end = mover(value, [below, noise], [above, noise])
    ends = (min(low_end, inside), max(high_end, inside))
    return Estimate(inside, *ends, level, f"prediction-powered, weight {weight:.2f}", n)


def _rogan_gladen(target: _Target, calibration: Calibration, level: float, notes: list[str]) -> Estimate:
    right, wrong = calibration.accepts_correct(level=level), calibration.accepts_wrong(level=level)
    if not (right.n and wrong.n):
        kind = "wrong" if right.n else "correct"
        msg = (
            f"Rogan-Gladen needs gold of both kinds and the calibration has no {kind} candidate: judge some by hand, "
            "or use method='post_stratified' on a sample of the same population."
        )
        raise InputError(msg)
    if right.low <= wrong.high:
        notes.append("the verifier may be no better than chance, as far as this calibration can tell: expect no width.")
    yes = (target.verdict == 1).astype(np.float64)
    q, q_low, q_high = mean_ends(yes, target.cluster, level)
    value = min(max((q - wrong.value) / (right.value - wrong.value), 0.0), 1.0)
    rates = np.array([right.value, wrong.value])
    low, high, few = _ends_of_both(calibration, rates, value, level)
    theta = np.linspace(0.0, 1.0, 4001)
    part = np.column_stack([theta, 1 - theta])
    middle = q - part @ rates
    below = np.hypot(q - q_low, few * np.linalg.norm(part * (high - rates), axis=1))
    above = np.hypot(q_high - q, few * np.linalg.norm(part * (rates - low), axis=1))
    for wider in (1.0, 1.5, 2.0, 4.0, 64.0):  # outside of all that the calibration allows: the nearest that is not
        inside = np.flatnonzero((middle - wider * below <= 0) & (middle + wider * above >= 0))
        if len(inside):
            break
        notes.append("the share accepted is outside of what the calibration allows: is it of this verifier?")
    ends = min(float(theta[inside[0]]), value), max(float(theta[inside[-1]]), value)
    return Estimate(value, *ends, level, "Rogan-Gladen, shares not rejected by MOVER", calibration.n)


def _ends_of_both(calibration: Calibration, rates: Floats, theta: float, level: float) -> tuple[Floats, Floats, float]:
    """Ends of P(accept | correct) and P(accept | wrong), widened together as their items hang together."""
    wrong = (calibration.gold == 0).astype(np.int64)
    yes = (calibration.verdict == 1).astype(np.float64)
    n = np.bincount(wrong, minlength=2).astype(np.float64)
    residual = (np.array([theta, 1 - theta]) / n)[wrong] * (yes - rates[wrong])
    effect = design_effect(residual, calibration.cluster)
    low, high = share_ends(rates * n / effect, n / effect, level)
    few = student(level, calibration.n_items) if calibration.n_items < calibration.n else 1.0
    return low, high, few
