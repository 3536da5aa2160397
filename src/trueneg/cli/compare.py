"""``trueneg compare OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trueneg.cli.options import Seed


def compare(
    out: Path,
    /,
    *,
    remedies: str = "shortlist",
    metric: str | None = None,
    cost_fn: float | None = None,
    cost_fp: float | None = None,
    folds: int = 5,
    repeats: int = 2,
    seed: Seed = 0,
    budget: str = "10m",
) -> int:
    """Compare remedies on your own data: which way to train beats the model as it is, and by how much.

    Reads the folder that 'trueneg audit' wrote, and writes compare.json and compare.html into it. A run that was
    killed goes on where it stopped. Exit code 0: done; 2: bad input; 3: a remedy failed on a fold.

    Parameters
    ----------
    out
        The folder of an audit.
    remedies
        "shortlist", "all", or names separated by commas; nothing, class-weights and tuned-threshold are always there.
    metric
        What decides; by default the cost where costs are given, else MCC, or macro F1 of several classes.
    cost_fn
        What a false negative costs; by default as in the audit.
    cost_fp
        What a false positive costs; by default as in the audit.
    folds
        Folds of the cross-validation; fewer where the rarer class has fewer groups of rows.
    repeats
        How often the folds are drawn.
    seed
        Seed of the folds, models and samplers.
    budget
        Time to keep to, such as 90s, 10m or 1h30m; what is cut for it is said.
    """
    from trueneg.jobs.compare.plan import parse_budget
    from trueneg.jobs.compare.remedies import chosen

    parse_budget(budget)
    chosen(remedies)  # a name that is not known is refused before anything heavy is loaded
    from rich.console import Console

    from trueneg.jobs.compare.run import compare as run_compare
    from trueneg.report.comparison import terminal

    log = Console(stderr=True)
    with _bar(log) if log.is_terminal else _Quiet() as progress:
        result = run_compare(
            out,
            remedies=remedies,
            metric=metric,
            cost_fn=cost_fn,
            cost_fp=cost_fp,
            folds=folds,
            repeats=repeats,
            seed=seed,
            budget=budget,
            progress=progress.update,
        )
        result.save(out)
    terminal(result.report, Console())
    Console().print(f"Report: {out / 'compare.html'}", markup=False, highlight=False, soft_wrap=True)
    return 3 if result.failed else 0


class _bar:  # noqa: N801 - stands in for a function
    """A progress bar: folds of remedies done, of all."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._progress = Progress(*columns, console=console, transient=True)

    def __enter__(self) -> _bar:
        self._progress.start()
        self._task = self._progress.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, text: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=text, completed=done, total=total or None)


class _Quiet:
    """Says nothing, where standard error is no terminal."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, text: str, done: int, total: int) -> None:
        return None
