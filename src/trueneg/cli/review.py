"""``trueneg review OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trueneg.cli.options import Seed


def review(
    out: Path,
    /,
    *,
    n: int | None = None,
    width: float | None = None,
    finding: str | None = None,
    by_class: Annotated[bool, Parameter(negative="")] = False,
    seed: Seed = 0,
    open: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 - the option is called --open
) -> None:
    """Draw a random sample for a person to judge, so that the audit's figures get an interval.

    Writes review.html (a page to judge on, in one file that needs no network), review.csv (the same as a table) and
    review.json into the audit's folder. A further call adds a round; the answers given so far stay.

    Parameters
    ----------
    out
        The folder that 'trueneg audit' wrote, or 'trueneg mine': of a mined list, --n and --seed are used.
    n
        Rows to draw now: 60 for the first round.
    width
        In place of --n: the wished width of the interval, as a share of the rows, such as 0.02.
    finding
        The code to review, such as TN201; by default the one under review, else the audit's first.
    by_class
        Draw from every class, so that small ones are seen.
    seed
        Seed of the draw.
    open
        Open the page in the browser.
    """
    from trueneg.core.errors import InputError

    if n is not None and n < 1:
        msg = f"--n {n}: a review needs at least one row"
        raise InputError(msg)
    if width is not None and not 0 < width < 1:
        msg = f"--width {width:g}: give a share of the rows between 0 and 1, such as 0.02"
        raise InputError(msg)
    if n is not None and width is not None:
        raise InputError("--n and --width were both given; --n says how many rows, --width how many are needed")
    from rich.console import Console

    if (out / "mine.json").is_file() and not (out / "audit.json").is_file():
        _mined(out, n, seed)
        return
    from trueneg.report.words import visible

    log, console = Console(stderr=True), Console()
    with log.status("reading the audit") as status:
        from trueneg.jobs.review.run import review as run_review

        done = run_review(out, n=n, width=width, finding=finding, by_class=by_class, seed=seed, progress=status.update)
    for line in done.lines():
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    if open:
        import webbrowser

        webbrowser.open(done.page.resolve().as_uri())


def _mined(out: Path, n: int | None, seed: int) -> None:
    """Review a mined list: draw its pairs, or read the answers."""
    from rich.console import Console

    from trueneg.jobs.mine.review import N, review_mined
    from trueneg.report.words import visible

    for line in review_mined(out, n=n or N, seed=seed).lines():
        Console().print(visible(line), markup=False, highlight=False, soft_wrap=True)
