"""What a detector of attacks gets right: by family, by whether the attack was known, and at equal detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap, matched
from trueneg.reject._intrusion.budget import exact_share

__all__ = ["DetectionReport", "detection_report", "false_alarms_at"]


@dataclass(frozen=True)
class DetectionReport:
    """Shares with exact binomial intervals.

    Parameters
    ----------
    false_alarms : Estimate or None
        Of normal flows; None where there is none.
    detection : Estimate or None
        Of attacks.
    seen, unseen : Estimate or None
        Of attacks whose type was, or was not, among those learned from.
    families : dict of str to Estimate
        Of the attacks of each family.
    """

    false_alarms: Estimate | None
    detection: Estimate | None
    seen: Estimate | None
    unseen: Estimate | None
    families: dict[str, Estimate]

    def __str__(self) -> str:
        """Return one figure a line."""
        lines = [(name.replace("_", " "), getattr(self, name)) for name in ("false_alarms", "detection", "seen")]
        lines += [("unseen", self.unseen), *self.families.items()]
        return "\n".join(f"{name}: {found}" for name, found in lines if found is not None)


def detection_report(
    kind: ArrayLike,
    alarms: ArrayLike,
    *,
    known: ArrayLike | None = None,
    families: Mapping[str, str] | None = None,
    normal: Any = "normal",
    level: float = 0.95,
) -> DetectionReport:
    """Count alarms by what the flows are.

    Parameters
    ----------
    kind : array-like of shape (n,)
        ``normal``, or the type of attack.
    alarms : array-like of shape (n,)
        Which flows raised an alarm.
    known : array-like or None, default=None
        Types of attack that were learned from; None leaves seen and unseen apart out.
    families : mapping or None, default=None
        From a type to its family; None leaves the families out.
    normal : object, default="normal"
        The value of normal flows.
    level : float, default=0.95
        Of the intervals.

    Returns
    -------
    DetectionReport
    """
    kinds, alarm = np.asarray(kind), np.asarray(alarms, dtype=bool)
    if kinds.ndim != 1 or kinds.shape != alarm.shape or not len(kinds):
        msg = f"kind has shape {kinds.shape} and alarms {alarm.shape}: give one entry a flow, at least one."
        raise InputError(msg)
    attack = kinds != normal

    def share(rows: NDArray[np.bool_]) -> Estimate | None:
        return exact_share(int(alarm[rows].sum()), int(rows.sum()), level=level) if rows.any() else None

    old = None if known is None else attack & np.isin(kinds.astype(str), np.asarray(known).astype(str))
    groups: dict[str, Estimate] = {}
    if families is not None:
        own = np.array([families.get(k, "other") for k in kinds.tolist()], dtype=object)
        for name in sorted(set(own[attack].tolist())):
            found = share(attack & (own == name))
            if found is not None:
                groups[name] = found
    return DetectionReport(
        share(~attack),
        share(attack),
        None if old is None else share(old),
        None if old is None else share(attack & ~old),
        groups,
    )


def false_alarms_at(
    attack: ArrayLike,
    scores: ArrayLike,
    *,
    detection: float = 0.8,
    n_boot: int = 200,
    random_state: int | np.random.Generator | None = None,
) -> Estimate:
    """Return the share of false alarms at a given share of detected attacks; ties are split, so that it is exact.

    Parameters
    ----------
    attack : array-like of shape (n,)
        Which flows are attacks.
    scores : array-like of shape (n,)
        Familiarity, higher = more normal.
    detection : float, default=0.8
        Share of attacks that must raise an alarm.
    n_boot : int, default=200
        Resamples of the interval.
    random_state : int, Generator or None, default=None
        Of the resamples.

    Returns
    -------
    Estimate
        With a percentile bootstrap interval.
    """
    truth, s = np.asarray(attack, dtype=np.int64), -np.asarray(scores, dtype=np.float64)

    def rate(y: NDArray[np.int64], score: NDArray[np.float64]) -> float:
        if not 0 < y.sum() < len(y):
            return float("nan")
        return matched(score, score, y, at="fnr", value=1 - detection).a.fpr

    return bootstrap(rate, truth, s, n_boot=n_boot, random_state=random_state)
