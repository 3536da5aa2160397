"""``trueneg claims list | run``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter


def list_claims(*names: str) -> None:
    """List the claims by the system that they are about; of those named, what is claimed and what must break it.

    Parameters
    ----------
    names
        Ids of claims to tell in full.
    """
    from rich.console import Console

    from trueneg.claims import CLAIMS, load

    console = Console()
    how: dict[str, Any] = {"markup": False, "highlight": False}
    _refuse_unknown(names)
    if names:
        for name in names:
            claim = load(name)
            console.print(f"{claim.id} ({claim.system}), after {claim.paper}", **how)
            console.print(f"  It holds where: {claim.statement}", **how)
            console.print(f"  It must fail under: {claim.control}\n", **how)
        return
    claims = sorted((load(name) for name in CLAIMS), key=lambda claim: (claim.system, claim.id))
    width = max(len(claim.id) for claim in claims)
    for number, claim in enumerate(claims):
        if number == 0 or claims[number - 1].system != claim.system:
            console.print(claim.system, style="bold", **how)
        console.print(f"  {claim.id:{width}}  {claim.statement}", overflow="ellipsis", no_wrap=True, **how)
    console.print("\nWhat one of them says: trueneg claims list NAME; hold it to that: trueneg claims run NAME", **how)


def run_claims(
    *names: str,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    seeds: int = 3,
    full: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Run claims with their negative controls; exit code 1 where one does not hold or its control does.

    Parameters
    ----------
    names
        Ids of claims; see "trueneg claims list".
    all_
        Run every claim.
    seeds
        How many seeds each claim must hold under.
    full
        Run the long form of claims that have one: the paper's own sizes, pretrained networks; minutes a seed.
    json_
        Print a list of objects instead of a table.
    """
    import json
    import sys

    from trueneg.claims import CLAIMS, load, run_claim
    from trueneg.core.errors import InputError

    wanted = list(CLAIMS) if all_ else list(names)
    _refuse_unknown(wanted)
    if not wanted:
        raise InputError("name a claim, or --all; trueneg claims list shows what there is")
    rows = []
    for name in wanted:
        row = run_claim(load(name), seeds=seeds, full=full)
        rows.append(row)
        if not json_:
            _show(row)
    if json_:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    failed = [r for r in rows if r["not_run"] is None and (not r["holds"] or r["control_holds"])]
    return int(bool(failed))


def _refuse_unknown(names: Sequence[str]) -> None:
    """Refuse a name that no claim has, with the nearest ones."""
    import difflib

    from trueneg.claims import CLAIMS
    from trueneg.core.errors import InputError

    for name in names:
        if name not in CLAIMS:
            close = difflib.get_close_matches(name, CLAIMS, n=3)
            hint = f"did you mean {', '.join(close)}? " if close else ""
            raise InputError(f"no claim is called {name!r}; {hint}trueneg claims list shows what there is")


def _show(row: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    say = {"markup": False, "highlight": False, "soft_wrap": True}
    if row["not_run"] is not None:
        console.print(f"{row['id']}: not run: {row['not_run']}", **say)  # type: ignore[arg-type]
        return
    word = "holds" if row["holds"] else "DOES NOT HOLD"
    control = "HOLDS TOO" if row["control_holds"] else "fails, as it must"
    console.print(f"{row['id']}: {word}; under sabotage ({row['control']}) {control}; {row['seconds']} s", **say)  # type: ignore[arg-type]
    for seed, measured in row["measured"].items():
        figures = ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in measured.items())
        console.print(f"    {seed}: {figures}", **say)  # type: ignore[arg-type]
