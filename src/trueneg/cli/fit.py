"""``trueneg fit NAME PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from trueneg.cli.options import Column, Seed

_ONE = Group("Of one head or rejecter alone", sort_key=2)


def fit(
    name: str,
    path: Path,
    /,
    *,
    out: Path,
    label: Column = None,
    text: Column = None,
    features: Column = None,
    embedding: Column = None,
    image: Column = None,
    video: Column = None,
    unknown: Column = None,
    space: Annotated[Path | None, Parameter(group=_ONE)] = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    search: Annotated[bool, Parameter(group=_ONE, negative="")] = False,
    keep: float = 0.95,
    recalibrate: Annotated[Path | None, Parameter(group=_ONE)] = None,
    extend: Annotated[Path | None, Parameter(group=_ONE)] = None,
    clean: Annotated[bool, Parameter(group=_ONE, negative="")] = False,
    terms: int = 5000,
    side: int = 224,
    held_out: float = 0.2,
    seed: Seed = 0,
    jobs: int = 1,
) -> None:
    """Fit a head or rejecter to labelled data, and keep it: trueneg fit tsetlin reviews.csv --label label --out model.

    Tables, arrays of embeddings (.npy) and folders of class folders of images are read. tsetlin and naive_bayes turn
    words, numbers and categories into binary features; the others take dense ones: embeddings, scaled numbers, texts
    on 100 axes, images through EfficientNet-Lite0. All is chosen from the rows learned from. No pickle is written.

    Parameters
    ----------
    name
        tsetlin (rules that can be read), naive_bayes, teen (prototypes), loki (labels with distances); or one that says
        "none of these": mahalanobis, max_logit, hyp_oc (one familiar class), intrusion (alarms within a budget).
    path
        CSV, TSV, Parquet, JSONL, Arrow or NPZ; an .npy file; or a folder of images, one sub-folder a class.
    out
        The folder of the model.
    label
        The column that holds the label; of an .npy file, the file of its labels.
    text
        Text columns, separated by commas; by default those that look like text.
    features
        Columns to learn from, separated by commas; by default all that are not named otherwise.
    embedding
        Columns of an embedding, or one of lists; by default those that look like it.
    image
        Columns of paths of images, relative to the table.
    video
        For hyp_oc: the column that names the video of a frame; of a folder, folders and names of files tell.
    unknown
        A value of the label that means "no class": never learned as one, used to measure what is rejected.
    space
        For loki: a table of a tree's edges (two columns, lengths in a third), or of label and vector.
    settings
        A setting of the head, name=value, such as n_clauses=200; may be given several times. max_logit takes
        estimator=NAME: a classifier of scikit-learn, or network, a small one that learns from images themselves.
        hyp_oc takes encoder=last_block: that of the image encoder is trained too.
    search
        For tsetlin: choose n_clauses, threshold and specificity on a fifth of the rows learned from.
    keep
        Share of rows of the known classes that a rejecter must not reject.
    recalibrate
        A fitted intrusion model: its threshold is set anew on the rows of PATH, which must all be clean.
    extend
        A fitted teen model: the rows of PATH, a few a class, are added to it; labels it does not know are new classes.
    clean
        For intrusion and hyp_oc: all rows of PATH are normal, and no label says so.
    terms
        One- and two-word terms to keep.
    side
        Images are resized to this.
    held_out
        Share of the labelled rows set aside to measure on; a column named split is used where there is one.
    seed
        Of all chance.
    jobs
        Threads; their number never changes the model.
    """
    from trueneg.core.errors import InputError
    from trueneg.jobs.fit.heads import head_of, settings_of

    head_of(name)
    if search and name != "tsetlin":
        msg = f"--search chooses settings of tsetlin, and {name} is not; leave it out"
        raise InputError(msg)
    settings = (*settings, "search=true") if search else settings
    settings_of(settings)  # refused before anything heavy is loaded
    from rich.console import Console

    from trueneg.core.intervals import Estimate
    from trueneg.jobs.fit.extend import extend as run_extend
    from trueneg.jobs.fit.run import Reading
    from trueneg.jobs.fit.run import fit as run_fit
    from trueneg.jobs.fit.stream import recalibrate as run_again
    from trueneg.reject import Threshold

    log, console = Console(stderr=True), Console()
    with _progress(log) as update:
        if recalibrate is not None:
            model = run_again(name, path, recalibrate)
        elif extend is not None:
            model = run_extend(name, path, extend, label=label, progress=update)
        else:
            reading = Reading(label, text, features, embedding, image, video, unknown, terms, side, held_out, clean)
            options: dict[str, Any] = {"settings": settings, "space": space, "keep": keep, "seed": seed, "jobs": jobs}
            model = run_fit(name, path, reading=reading, progress=update, **options)
        model.save(out)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    about = model.about
    say(f"{name}: learned from {about['rows']:,} rows, {about['features']:,} features, {len(model.classes)} classes")
    for line in about.get("notes", ()) if recalibrate is None and extend is None else ():
        say(line)
    for what, figure in about["figures"].items():
        say(f"{what} on rows held out: {Estimate(**figure)}")
    threshold = about.get("threshold")
    if threshold is not None and threshold["rates"]:
        say(f"threshold {Threshold.from_dict(threshold)}")
    for line in (about["readability"], *about["told"]):
        if line:
            say(line)
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
