"""``trueneg demo``."""

from __future__ import annotations

from pathlib import Path


def demo(*, out: Path = Path("trueneg-demo")) -> None:
    """Run the main job on real data with planted label errors, and score it against them.

    The data are the 1,797 handwritten digits that scikit-learn carries, read as a rare-positive
    table ("nine" or "other"); one nine in four is hidden among the negatives, a stated share.

    Parameters
    ----------
    out
        The folder to write the table and the report to.
    """
    from rich.console import Console

    from trueneg.jobs.demo import run_demo
    from trueneg.report.terminal import terminal

    console = Console()
    with console.status("auditing 1,797 digits"):
        result, folder, score = run_demo(out)
    terminal(result.report, console)
    own = "On a table of your own: trueneg audit data.csv --label COLUMN"
    console.print(f"\n{score}\nReport: {folder / 'report.html'}\n{own}", markup=False, highlight=False, soft_wrap=True)
