"""``trueneg evaluate RUN QRELS``, and ``trueneg evaluate TASK ... --encoder NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from trueneg.cli.options import Seed

_MEASURES = "nDCG@10,MRR@10,R@100,MAP"


def evaluate(
    *paths: Path,
    encoder: Annotated[list[str] | None, Parameter(negative="", group="Encoders on tasks")] = None,
    kinds: Annotated[str | None, Parameter(group="Encoders on tasks")] = None,
    limit: Annotated[int, Parameter(group="Encoders on tasks")] = 2048,
    shots: Annotated[int, Parameter(group="Encoders on tasks")] = 8,
    draws: Annotated[int, Parameter(group="Encoders on tasks")] = 10,
    cache: Annotated[Path | None, Parameter(group="Encoders on tasks")] = None,
    against: Annotated[Path | None, Parameter(group="A run on judgments")] = None,
    measures: Annotated[str, Parameter(group="A run on judgments")] = _MEASURES,
    unjudged: Annotated[
        Literal["negative", "condensed", "judged-only"], Parameter(group="A run on judgments")
    ] = "negative",
    positive_from: Annotated[float, Parameter(group="A run on judgments")] = 1.0,
    seed: Seed = 0,
    to: Path | None = None,
) -> None:
    """Evaluate a ranker's run on judgments (RUN QRELS), or encoders on tasks (TASK ... --encoder NAME).

    Parameters
    ----------
    paths
        Of a run and its judgments: TREC, JSONL, TSV or Parquet. With --encoder, of tasks: tables with the columns text
        and label (classification and clustering), text1, text2 and score (similarity), or query, positive and negative
        (reranking); folders with a corpus, queries and judgments (retrieval); or folders of these.
    encoder
        As in "trueneg mine", or words or random, to compare with. May be repeated: the others are compared with the
        first.
    kinds
        Separated by commas; all that the tasks are, by default.
    limit
        Texts, pairs or queries of a table to test on; 0 takes all.
    shots
        Examples a label that a classifier learns from.
    draws
        Few-shot classifiers, and starts of k-means.
    cache
        Folder of the vectors, by default in the user's cache.
    against
        Another run: differences are paired by query.
    measures
        Separated by commas: nDCG@10, MRR@10, R@100, P@10, MAP, Judged@10.
    unjudged
        What an unjudged document is: not relevant, taken out before ranks are counted, or taken out of the first k.
    positive_from
        Grades from here on are relevant.
    seed
        Seed of what is drawn, and of the bootstrap.
    to
        A CSV to write, one line a query; with --encoder one line a task, encoder and figure.
    """
    from rich.console import Console

    from trueneg.core.errors import InputError

    console = Console()
    if encoder:
        if against is not None or measures != _MEASURES or unjudged != "negative" or positive_from != 1.0:
            msg = "--against, --measures, --unjudged and --positive-from are of a run; leave them out with --encoder"
            raise InputError(msg)
        sizes = {"limit": limit, "shots": shots, "draws": draws}
        done: Any = _encoders(paths, encoder, kinds, sizes, cache, seed, to)
    else:
        if len(paths) != 2 or kinds is not None or cache is not None:
            msg = (
                f"{len(paths)} {'path' if len(paths) == 1 else 'paths'} and no encoder: give a run and its judgments, "
                "or tasks with --encoder, such as --encoder minilm"
            )
            raise InputError(msg)
        from trueneg.jobs.evaluate import evaluate as run_evaluate

        done = run_evaluate(
            *paths,
            against=against,
            measures=[name for name in measures.split(",") if name.strip()],
            unjudged=unjudged,
            positive_from=positive_from,
            random_state=seed,
            to=to,
        )
    for line in done.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _encoders(
    paths: tuple[Path, ...],
    names: list[str],
    kinds: str | None,
    sizes: dict[str, int],
    cache: Path | None,
    seed: int,
    to: Path | None,
) -> Any:
    from rich.console import Console

    from trueneg.cli.run_code import _Bar
    from trueneg.jobs.evaluate import KINDS, Sizes, evaluate_encoders

    wanted = KINDS if kinds is None else [kind.strip() for kind in kinds.split(",") if kind.strip()]
    how: dict[str, Any] = {"kinds": wanted, "sizes": Sizes(**sizes), "cache": cache, "random_state": seed, "to": to}
    with _Bar(Console(stderr=True)) as bar:
        return evaluate_encoders(paths, names, progress=bar.update, **how)
