"""``trueneg fit NAME PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def fit(
    name: str,
    path: Path,
    *,
    out: Path,
    label: str | None = None,
    text: str | None = None,
    features: str | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    terms: int = 5000,
    held_out: float = 0.2,
    seed: int = 0,
    jobs: int = 1,
) -> None:
    """Fit a head to a labelled table, and keep it: trueneg fit tsetlin reviews.csv --label label --out model.

    Text becomes one- and two-word terms, numbers become steps, categories become one feature each; all are chosen
    from the rows learned from. Writes model.json and head.npz into the folder --out.

    Parameters
    ----------
    name
        The head: tsetlin (rules that can be read) or naive_bayes.
    path
        CSV, TSV, Parquet, JSONL, Arrow or NPZ.
    out
        The folder of the model.
    label
        The column that holds the label; without it, the columns that could be it are listed.
    text
        Text columns, separated by commas; by default those that look like text.
    features
        Columns to learn from, separated by commas; by default all that are not named otherwise.
    settings
        A setting of the head, name=value, such as n_clauses=200; may be given several times.
    terms
        One- and two-word terms to keep, by chi2.
    held_out
        Share of the labelled rows set aside to measure on; a column named split is used where there is one.
    seed
        Of all chance.
    jobs
        Threads; their number never changes the model.
    """
    from trueneg.jobs.fit.heads import head_of, settings_of

    head_of(name)
    settings_of(settings)  # refused before anything heavy is loaded
    from rich.console import Console

    from trueneg.core.intervals import Estimate
    from trueneg.jobs.fit.run import fit as run_fit

    log, console = Console(stderr=True), Console()
    with _progress(log) as update:
        model = run_fit(
            name,
            path,
            label=label,
            text=text,
            features=features,
            settings=settings,
            terms=terms,
            held_out=held_out,
            seed=seed,
            jobs=jobs,
            progress=update,
        )
        model.save(out)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    about = model.about
    say(f"{name}: learned from {about['rows']:,} rows, {about['features']:,} features, {len(model.classes)} classes")
    for what, figure in about["figures"].items():
        say(f"{what} on {about['held_out']:,} rows held out: {Estimate(**figure)}")
    if about["readability"]:
        say(about["readability"])
    say(f"Next: trueneg predict DATA --model {out} --out labels.csv")


class _progress:  # noqa: N801 - stands in for a function
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, console: Any) -> None:
        self._console = console

    def __enter__(self) -> Any:
        if not self._console.is_terminal:
            self._bar = None
            return None
        from rich.progress import Progress

        bar = self._bar = Progress(console=self._console, transient=True)
        bar.start()
        task = bar.add_task("starting", total=None)

        def update(text: str, done: int, total: int) -> None:
            bar.update(task, description=text, completed=done, total=total or None)

        return update

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
