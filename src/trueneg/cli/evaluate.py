"""``trueneg evaluate RUN QRELS``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def evaluate(
    run: Path,
    qrels: Path,
    *,
    against: Path | None = None,
    measures: str = "nDCG@10,MRR@10,R@100,MAP",
    unjudged: Literal["negative", "condensed", "judged-only"] = "negative",
    positive_from: float = 1.0,
    seed: int = 0,
    to: Path | None = None,
) -> None:
    """Evaluate a ranker's run on judgments, with intervals, and against another run.

    Parameters
    ----------
    run
        The run: TREC's six columns, or JSONL, TSV or Parquet with named columns.
    qrels
        The judgments: TREC, TSV with a header, JSONL or Parquet.
    against
        Another run: differences are paired by query.
    measures
        Separated by commas: nDCG@10, MRR@10, R@100, P@10, MAP, Judged@10.
    unjudged
        What an unjudged document is: not relevant, taken out before ranks are counted, or taken out of the first k.
    positive_from
        Grades from here on are relevant.
    seed
        Seed of the bootstrap over queries.
    to
        A CSV to write, one line a query.
    """
    from rich.console import Console

    from trueneg.jobs.evaluate import evaluate as run_evaluate

    names = [name for name in measures.split(",") if name.strip()]
    done = run_evaluate(
        run,
        qrels,
        against=against,
        measures=names,
        unjudged=unjudged,
        positive_from=positive_from,
        random_state=seed,
        to=to,
    )
    console = Console()
    for line in done.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
