"""``trueneg label POSTS``."""

from __future__ import annotations

from pathlib import Path


def label(
    path: Path,
    /,
    *,
    to: Path | None = None,
    text: str = "title,description",
    url: str | None = None,
    date: str | None = None,
    preset: str = "default",
    emotion: str = "default",
    card: Path | None = None,
) -> None:
    """Label posts with sentiment, subjectivity and emotion, batch by batch.

    Writes all columns, and for each text its labels with scores (no label where there is no text), a key of the text,
    the source from the URL, and who labelled it with which settings.

    Parameters
    ----------
    path
        CSV, TSV, Parquet, JSONL or Arrow, one row a post.
    to
        The table to write; its name says the format. By default NAME_labelled beside the input, of its format; that
        one is never written over, since people may have put labels in it.
    text
        Text columns, separated by commas; each is labelled apart.
    url
        The column that the source is read from; by default one that is named url.
    date
        The column that says when, for the counts on the card.
    preset
        default (raw texts, long ones by sentence), or measles-2024 (whole texts through the published cleaning).
    emotion
        default (a head trained on GoEmotions), none, the folder of a saved head, a model of the hub by its name, or a
        language model: MODEL@URL of its server (the key in OPENAI_API_KEY for OpenAI's), a GGUF file, or local. Its
        answers are kept beside --to, so that a run that was killed goes on.
    card
        Where to write the card of the data set, as Markdown.
    """
    from trueneg.cli.run_code import _Bar
    from trueneg.core.errors import InputError

    columns = [name.strip() for name in text.split(",") if name.strip()]
    if not columns:
        raise InputError("--text names no column; name one at least, such as --text title")
    if not path.is_file():
        msg = f"{path}: there is no such file"
        raise InputError(msg)
    to = _beside(path) if to is None else to
    from rich.console import Console

    from trueneg.jobs.label.run import label as run_label
    from trueneg.jobs.label.run import pipeline_of

    console = Console()
    with _Bar(Console(stderr=True)) as bar:
        pipeline = pipeline_of(preset, emotion, answers=to.with_name(f"{to.name}.answers.sqlite"))
        done = run_label(
            path, to=to, text=columns, url=url, date=date, card=card, pipeline=pipeline, progress=bar.update
        )

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    say(f"{done.rows:,} posts labelled by {pipeline.about}")
    for name, counter in done.shares.items():
        shares = ", ".join(f"{k} {n:,}" for k, n in sorted(counter.items(), key=lambda item: -item[1]) if k is not None)
        none = f" (no text: {counter[None]:,})" if counter[None] else ""
        say(f"{name}: {shares}{none}")
    first = next(iter(done.shares))
    say(f"Next: fill a column {first}_human for a few hundred rows drawn at random, then:")
    say(f"trueneg audit {to} --label {first} --quick")


def _beside(path: Path) -> Path:
    """Return where labels go by default, ``posts_labelled.csv.gz`` for ``posts.csv.gz``; what is there is kept."""
    from trueneg.core.errors import InputError

    stem, dot, ends = path.name.partition(".")
    to = path.with_name(f"{stem}_labelled{dot}{ends}")
    if to.exists():
        msg = f"{to} is there already, perhaps with labels of people in it; say --to to write it over, or elsewhere"
        raise InputError(msg)
    return to
