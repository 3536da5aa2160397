"""``trueneg claims list | run``."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter


def list_claims() -> None:
    """List the claims: what each paper says, and the sabotage under which it must not hold."""
    from rich.console import Console
    from rich.table import Table

    from trueneg.claims import CLAIMS, load

    table = Table("claim", "system", "statement", "must fail under")
    for name in CLAIMS:
        claim = load(name)
        table.add_row(claim.id, claim.system, claim.statement, claim.control)
    Console().print(table)


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
    unknown = [n for n in wanted if n not in CLAIMS]
    if unknown or not wanted:
        msg = f"no claim is called {unknown[0]!r}" if unknown else "name a claim, or --all"
        msg += "; there are " + ", ".join(CLAIMS)
        raise InputError(msg)
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
