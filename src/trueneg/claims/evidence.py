"""What a claim returns, and the one runner that holds every claim to its negative control."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueneg.core.errors import ClaimNotRun


@dataclass(frozen=True)
class Evidence:
    """The outcome of one claim under one seed.

    Parameters
    ----------
    holds : bool
        Whether the statement was seen on the data.
    control_holds : bool
        Whether it was *also* seen under the named sabotage; a claim whose control holds proves nothing.
    measured : dict of str to float or str
        Every figure behind the two verdicts.
    """

    holds: bool
    control_holds: bool
    measured: dict[str, float | str] = field(default_factory=dict)


class Claim(Protocol):
    """An executable claim: a statement of a paper, held to real data and to a sabotage.

    A claim with a long form (the paper's own sizes, a pretrained network: minutes a seed) takes
    ``run(seed, *, full=False)``. One that has nothing shorter to show raises ``ClaimNotRun`` where ``full`` is false.
    """

    id: str
    system: str
    paper: str
    statement: str
    control: str

    def run(self, seed: int) -> Evidence:
        """Run the claim and its control under one seed."""
        ...


def run_claim(claim: Claim, *, seeds: int = 3, full: bool = False) -> dict[str, Any]:
    """Run one claim under seeds 0, 1, ... and sum up: it holds only if it holds under every seed.

    Parameters
    ----------
    claim : Claim
        What to run.
    seeds : int, default=3
        How many.
    full : bool, default=False
        Run the long form where the claim has one; any other claim runs as usual.

    Returns
    -------
    dict
        ``id, system, paper, statement, control, holds, control_holds, measured, seconds, not_run``;
        ``holds`` is None where the data is not there (``not_run`` then says how to get it).
    """
    started = time.perf_counter()
    row: dict[str, Any] = {
        "id": claim.id,
        "system": claim.system,
        "paper": claim.paper,
        "statement": claim.statement,
        "control": claim.control,
        "holds": None,
        "control_holds": None,
        "measured": {},
        "not_run": None,
    }
    try:
        options = {"full": True} if full and "full" in inspect.signature(claim.run).parameters else {}
        outcomes = [claim.run(seed, **options) for seed in range(seeds)]
    except ClaimNotRun as error:
        row["not_run"] = str(error)
    else:
        row["holds"] = all(o.holds for o in outcomes)
        # One seed under which the sabotage still "works" is enough to distrust the claim.
        row["control_holds"] = any(o.control_holds for o in outcomes)
        row["measured"] = {f"seed {s}": o.measured for s, o in enumerate(outcomes)}
    row["seconds"] = round(time.perf_counter() - started, 2)
    return row
