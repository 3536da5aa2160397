"""The one shape of a result: a finding carries its figure, its rows, its remedy and the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate

Status = Literal["finding", "advice", "passed", "not applicable", "skipped", "ignored", "error"]
SEVERITIES = ("high", "medium", "low", "none")
SHOWN_ROWS = 100


@dataclass
class Finding:
    """What one check has to say.

    Parameters
    ----------
    code, title : str
        The stable code of the check (``TN201``) and its title.
    status : str
        ``finding``, ``advice``, ``passed``, ``not applicable``, ``skipped``, ``ignored`` or ``error``.
    message : str
        Plain words, with the figures computed on this data.
    severity : str
        ``high``, ``medium``, ``low`` or ``none``.
    estimate : Estimate or None
        The figure with its interval; None where only an order of magnitude is known.
    affected : int
        Number of cells it touches, and with ``probability`` the order where no cost is given.
    cost : float or None
        Expected cost of leaving it, in the user's unit; None where no cost was given.
    """

    code: str
    title: str
    status: Status
    message: str
    severity: str = "none"
    estimate: Estimate | None = None
    unit: str = ""
    affected: int = 0
    cost: float | None = None
    remedy: str = ""
    command: str | None = None
    rows: list[int] = field(default_factory=list, repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)
    figures: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the form of the published report schema; figures are named, not carried."""
        out = {name: getattr(self, name) for name in _PLAIN}
        out["estimate"] = None if self.estimate is None else self.estimate.to_dict()
        out["rows"] = [int(r) for r in self.rows[:SHOWN_ROWS]]
        out["figures"] = [figure["id"] for figure in self.figures]
        return out

    def rank(self) -> tuple[int, int, float]:
        """Sort key: findings before advice, by severity, then by cost or affected cells."""
        first = ("finding", "error", "advice").index(self.status) if self.status in _OPEN else len(_OPEN)
        weight = float(self.affected) if self.cost is None else self.cost
        return first, SEVERITIES.index(self.severity), -weight


_OPEN = ("finding", "error", "advice")
_PLAIN = (
    "code",
    "title",
    "status",
    "message",
    "severity",
    "unit",
    "affected",
    "cost",
    "remedy",
    "command",
    "details",
)
