"""A threshold on how familiar a row is, by a rate to keep, a rate to allow, or costs; ties go together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from trueneg.core.costs import CostMatrix
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap, wilson
from trueneg.core.rows import array_of

__all__ = ["Threshold", "find_threshold"]


class Threshold(float):
    """A threshold on the score, with the rates it reached on the rows it was set on.

    It is a float. Rows with ``score >= threshold`` are accepted.

    Attributes
    ----------
    aim : str
        What was asked for, such as ``target_tpr=0.95``.
    tpr : Estimate or None
        Share of known rows accepted.
    fpr : Estimate or None
        Share of unknown rows accepted; None where none were given.
    cost : Estimate or None
        Mean cost of a row, where costs were the aim.
    """

    aim: str
    tpr: Estimate | None
    fpr: Estimate | None
    cost: Estimate | None

    def __new__(
        cls,
        value: float,
        aim: str = "",
        tpr: Estimate | None = None,
        fpr: Estimate | None = None,
        cost: Estimate | None = None,
    ) -> Threshold:
        """Make a float that knows its rates."""
        self = super().__new__(cls, value)
        self.aim, self.tpr, self.fpr, self.cost = aim, tpr, fpr, cost
        return self

    def __str__(self) -> str:
        """Return the value, the aim and the rates in one line."""
        found = [(name, getattr(self, name)) for name in ("tpr", "fpr", "cost")]
        rates = ", ".join(f"{name} {value}" for name, value in found if value is not None)
        return f"{float(self):.6g} ({self.aim}: {rates})"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; an infinite value is a text."""
        rates = {k: e.to_dict() for k in ("tpr", "fpr", "cost") if (e := getattr(self, k)) is not None}
        value = float(self)
        return {"value": value if math.isfinite(value) else repr(value), "aim": self.aim, "rates": rates}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Threshold:
        """Return the threshold that :meth:`to_dict` wrote."""
        return cls(stored["value"], stored["aim"], **{k: Estimate(**v) for k, v in stored["rates"].items()})

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy with the rates."""
        return Threshold, (float(self), self.aim, self.tpr, self.fpr, self.cost)


def find_threshold(
    scores: ArrayLike,
    known: ArrayLike | None = None,
    *,
    target_tpr: float | None = None,
    target_fpr: float | None = None,
    costs: CostMatrix | None = None,
    confidence: float | None = None,
    unknown_share: float | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Threshold:
    """Set a threshold by exactly one of three aims.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Higher = more familiar, of rows that were not learned from.
    known : array-like of shape (n,) or None, default=None
        1 for rows of known classes, 0 for unknown ones; None: all are known.
    target_tpr : float or None
        The highest threshold that accepts at least this share of the known rows, above 0 and up to 1; tied rows are
        accepted together. A budget of false alarms of 1 % is ``target_tpr=0.99``.
    target_fpr : float or None
        The lowest threshold that accepts at most this share of the unknown rows, from 0 to below 1; tied rows are
        refused together.
    costs : CostMatrix or None
        ``fn`` is what refusing a known row costs, ``fp`` what accepting an unknown one does. Of equally cheap
        thresholds the highest.
    confidence : float or None, default=None
        With a target: hold it for rows to come with this confidence, by the exact binomial bound of the order
        statistic; None holds it on the rows given, where rows to come miss it half of the time or more. With groups
        one row of each is counted, drawn by lot: the others are no evidence of their own.
    unknown_share : float or None, default=None
        With costs: share of unknown rows among rows to come; None takes that of the rows given.
    groups : array-like of shape (n,) or None, default=None
        Rows that belong together: the intervals resample whole groups, and a confidence counts groups.
    level : float, default=0.95
        Of the intervals of the rates reached. They are those of the rows the threshold was set on.

    Returns
    -------
    Threshold
        A float with its rates; infinite where the aim can only be met by accepting all or none.

    Raises
    ------
    InputError
        On no or several aims, what does not belong to the aim, rows that are missing, too few rows for the confidence,
        or unknown rows of infinite score that the target would have to refuse.
    """
    aims = {"target_tpr": target_tpr, "target_fpr": target_fpr, "costs": costs}
    given = [name for name, value in aims.items() if value is not None]
    if len(given) != 1:
        msg = f"calibrate needs exactly one of target_tpr, target_fpr and costs; it got {', '.join(given) or 'none'}."
        raise InputError(msg)
    if costs is None and unknown_share is not None:
        raise InputError("unknown_share weighs costs, and no target asks for it: leave it out.")
    if costs is not None and confidence is not None:
        raise InputError(
            "confidence holds a target, and costs have none: give target_tpr or target_fpr, or leave it out."
        )
    s, truth = _checked(array_of(scores), array_of(known))
    groups = array_of(groups)
    if groups is not None and np.shape(groups) != s.shape:
        msg = f"groups has shape {np.shape(groups)}: give one group for each of the {len(s)} rows."
        raise InputError(msg)
    lacking = "known" if not truth.any() else "unknown" if truth.all() and given[0] != "target_tpr" else None
    if lacking is not None:
        more = "" if lacking == "known" else ", or aim at target_tpr, which needs known rows only"
        msg = f"{given[0]} needs {lacking} rows, and there are none among the {len(s):,}: add some{more}."
        raise InputError(msg)
    if costs is not None:
        if not isinstance(costs, CostMatrix):
            raise InputError("costs must be CostMatrix(fn=..., fp=...): of refusing a known row, of accepting another.")
        value = _by_costs(s, truth, costs, unknown_share)
        aim = f"costs fn={costs.fn:g}, fp={costs.fp:g}"
    elif target_tpr is not None:
        value = _keeping(_counted(s, truth, groups, confidence), _share(target_tpr, "target_tpr"), confidence)
        aim = f"target_tpr={target_tpr:g}"
    else:
        share = _share(target_fpr, "target_fpr")
        value, aim = _refusing(_counted(s, ~truth, groups, confidence), share, confidence), f"target_fpr={share:g}"
    accepted = s >= value
    tpr = _rate(accepted, truth, groups, level)
    fpr = None if truth.all() else _rate(accepted, ~truth, groups, level)
    cost = None if costs is None else _cost(accepted, truth, costs, unknown_share, groups, level)
    return Threshold(value, aim + ("" if confidence is None else f" with confidence {confidence:g}"), tpr, fpr, cost)


def _checked(scores: ArrayLike, known: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    try:
        s = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("scores must hold one number a row.") from None
    if s.ndim != 1 or not len(s):
        msg = f"a threshold needs rows to set it on: scores have shape {s.shape}; give one score a row."
        raise InputError(msg)
    if np.isnan(s).any():
        msg = f"scores[{int(np.flatnonzero(np.isnan(s))[0])}] is NaN: drop or repair such rows first."
        raise InputError(msg)
    truth = np.ones(len(s), bool) if known is None else np.asarray(known)
    if truth.shape != s.shape or truth.dtype.kind not in "biuf" or not np.isin(truth, (0, 1)).all():
        msg = f"known has shape {truth.shape}: give one 0 or 1 for each of the {len(s)} scores."
        raise InputError(msg)
    return s, truth.astype(bool)


def _share(value: Any, name: str) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not (0 < value <= 1 if name == "target_tpr" else 0 <= value < 1):
        which = "known rows to keep, above 0 and up to 1" if name == "target_tpr" else "unknown rows, 0 to below 1"
        msg = f"{name}={value!r}: give a share of the {which}, such as {0.95 if name == 'target_tpr' else 0.05}."
        raise InputError(msg)
    return float(value)


def _allowed(n: int, share: float, confidence: float | None, name: str) -> int:
    """Return how many of n rows may be on the wrong side: the exact bound of the order statistic, or their share."""
    if confidence is None:
        return math.floor(n * share + 1e-9)
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        msg = f"confidence={confidence!r}: give a number between 0 and 1, such as 0.95."
        raise InputError(msg)
    if not share:
        msg = f"no number of {name} rows can promise that none of those to come is on the wrong side: drop confidence."
        raise InputError(msg)
    # With k rows beyond the threshold, the share of rows to come beyond it is Beta(k + 1, n - k) at most.
    k = np.arange(min(n, math.floor(n * share) + 1))
    held = np.flatnonzero(beta.cdf(share, k + 1, n - k) >= confidence)
    if not len(held):
        need = math.ceil(math.log1p(-confidence) / math.log1p(-share))
        msg = f"{n:,} {name} rows cannot promise {share:g} with confidence {confidence:g}: give {need:,} or more."
        raise InputError(msg)
    return int(held[-1])


def _counted(
    s: NDArray[np.float64], among: NDArray[np.bool_], groups: ArrayLike | None, confidence: float | None
) -> NDArray[np.float64]:
    """Return the scores that the target is counted on, rising: all of a kind, or one of each group for a confidence."""
    found = s[among]
    if groups is not None and confidence is not None:
        order = np.random.default_rng(0).permutation(len(found))
        found = found[order[np.unique(np.asarray(groups)[among][order], return_index=True)[1]]]
    return np.sort(found)


def _keeping(rising: NDArray[np.float64], share: float, confidence: float | None) -> float:
    return float(rising[_allowed(len(rising), 1 - share, confidence, "known")])


def _refusing(rising: NDArray[np.float64], share: float, confidence: float | None) -> float:
    allowed = _allowed(len(rising), share, confidence, "unknown")
    top = float(rising[len(rising) - 1 - allowed])
    if top == math.inf:
        msg = f"target_fpr={share:g}: more unknown rows score infinity, which no threshold refuses; look at these rows."
        raise InputError(msg)
    return float(np.nextafter(top, np.inf))


def _mix(truth: NDArray[np.bool_], unknown_share: float | None) -> NDArray[np.float64]:
    """Weight of each row, mean 1, so that unknown rows have their share of rows to come."""
    if unknown_share is None:
        return np.ones(len(truth))
    if not 0 < unknown_share < 1:
        msg = f"unknown_share={unknown_share!r}: give the share of unknown rows to expect, between 0 and 1."
        raise InputError(msg)
    n, m = int(truth.sum()), int((~truth).sum())
    return np.where(truth, (1 - unknown_share) * len(truth) / n, unknown_share * len(truth) / m)


def _by_costs(
    s: NDArray[np.float64], truth: NDArray[np.bool_], costs: CostMatrix, unknown_share: float | None
) -> float:
    fn, fp = costs.fn, costs.fp
    weight = _mix(truth, unknown_share) * np.where(truth, -fn, fp)
    order = np.argsort(-s, kind="stable")
    falling = s[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(s) - 1)
    total = np.append(0.0, np.cumsum(weight[order])[ends])  # cost above that of accepting nothing
    # Sums of equal costs differ by rounding, whatever their unit.
    best = int(np.argmin(np.round(total / np.abs(total).max(), 12))) if total.any() else 0
    return math.inf if best == 0 else float(falling[ends[best - 1]])


def _rate(accepted: NDArray[np.bool_], among: NDArray[np.bool_], groups: ArrayLike | None, level: float) -> Estimate:
    if groups is None:
        return wilson(int(accepted[among].sum()), int(among.sum()), level=level)
    hit = accepted[among].astype(np.float64)
    return bootstrap(lambda a: float(a.mean()), hit, groups=np.asarray(groups)[among], level=level, random_state=0)


def _cost(
    accepted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    costs: CostMatrix,
    unknown_share: float | None,
    groups: ArrayLike | None,
    level: float,
) -> Estimate:
    fn, fp = costs.fn, costs.fp
    row = _mix(truth, unknown_share) * np.where(truth, np.where(accepted, 0.0, fn), np.where(accepted, fp, 0.0))
    return bootstrap(lambda a: float(a.mean()), row, groups=groups, level=level, random_state=0)
